"""What schedules do that is not about one of them alone."""

import torch
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler, OneCycleLR


def onecycle_beside_another() -> dict[str, bool]:
    """OneCycleLR and a cosine on one optimizer, both stepped every update, in either order; 100 updates."""

    def rates(names: list[str]) -> list[float]:
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1, momentum=0.9)
        made: dict[str, LRScheduler] = {
            "cycle": OneCycleLR(optimizer, max_lr=0.1, total_steps=100),
            "cosine": CosineAnnealingLR(optimizer, T_max=100),
        }
        seen = []
        for _ in range(99):
            seen.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            for name in names:
                made[name].step()
        return seen

    alone = rates(["cycle"])
    return {
        "alone it rises to max_lr and ends below where it began": max(alone) > 0.0999 and alone[-1] < alone[0],
        "a cosine stepped before it changes the rates": rates(["cosine", "cycle"]) != alone,
        "a cosine stepped after it leaves the cycle as it is": rates(["cycle", "cosine"]) == alone,
    }


def swings_at_the_end() -> dict[str, float | int]:
    """A constant rate against a cosine from it: how much the loss swings in the last tenth of 400 updates.

    Ten seeds at once, along the first axis: a network of 10-8-1 fits 128 noisy values of a network like it with SGD,
    a batch of 8 and a rate of 0.1. The loss is that of all 128; its swings are its standard deviation over updates.
    Two digits of their ratio: the last bits of what is trained are the processor's.
    """
    seeds, updates = 10, 400
    g = torch.Generator().manual_seed(0)

    def network() -> list[torch.Tensor]:
        shapes = (seeds, 10, 8), (seeds, 1, 8), (seeds, 8, 1)
        return [torch.randn(s, generator=g) * s[1] ** -0.5 * (s[1] > 1) for s in shapes]

    def output(w: list[torch.Tensor], x: torch.Tensor) -> torch.Tensor:
        return torch.tanh(x @ w[0] + w[1]) @ w[2]

    x = torch.randn(seeds, 128, 10, generator=g)
    y = output(network(), x) + 0.3 * torch.randn(seeds, 128, 1, generator=g)
    start = network()
    batches = torch.randint(128, (updates, seeds, 8), generator=g)
    seed = torch.arange(seeds)[:, None]

    def swings(cosine: bool) -> torch.Tensor:
        w = [p.clone().requires_grad_() for p in start]
        optimizer = torch.optim.SGD(w, lr=0.1)
        scheduler = CosineAnnealingLR(optimizer, T_max=updates)
        losses = []
        for update, batch in enumerate(batches):
            optimizer.zero_grad()
            (output(w, x[seed, batch]) - y[seed, batch]).square().mean(dim=(1, 2)).sum().backward()
            optimizer.step()
            if cosine:
                scheduler.step()
            if update >= 0.9 * updates:
                losses.append((output(w, x) - y).square().mean(dim=(1, 2)).detach())
        return torch.stack(losses).std(dim=0)

    ratio = swings(cosine=False) / swings(cosine=True)
    return {
        "seeds of 10 in which a constant rate swings more": int((ratio > 1).sum()),
        "swings under a constant rate, times those under a cosine, in the median": float(f"{ratio.median():.2g}"),
    }
