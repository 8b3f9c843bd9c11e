"""Warmups: written with torch's schedulers and by hand, and what the first updates of a training are like."""

import math
from functools import partial

import torch
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, LinearLR, MultiStepLR, SequentialLR


def drops_after_a_warmup() -> dict[str, int]:
    """Milestones 30, 60 and 90 of a MultiStepLR that comes after 5 epochs of warmup in a SequentialLR."""
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1)
    ramp = LinearLR(optimizer, start_factor=0.01, total_iters=5)
    steps = MultiStepLR(optimizer, milestones=[30, 60, 90], gamma=0.1)
    scheduler = SequentialLR(optimizer, [ramp, steps], milestones=[5])
    rates = []
    for _ in range(100):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    first, second, third = (epoch for epoch in range(1, 100) if rates[epoch] < 0.5 * rates[epoch - 1])
    return {"epoch of the first drop": first, "of the second": second, "of the third": third}


def by_hand() -> dict[str, bool | float]:
    """A function of the epoch, without a scheduler: (epoch + 1) / 5 of 0.001, then half a cosine over the 95 left."""

    def rate(epoch: int) -> float:
        return 0.001 * ((epoch + 1) / 5 if epoch < 5 else 0.5 * (1 + math.cos(math.pi * (epoch - 5) / 95)))

    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.001)
    cosine = CosineAnnealingLR(optimizer, T_max=95)
    same = True
    for epoch in range(5, 100):
        same = same and math.isclose(rate(epoch), optimizer.param_groups[0]["lr"], rel_tol=1e-9)
        optimizer.step()
        cosine.step()
    return {
        "the warmup is linear": all(math.isclose(rate(e + 1) - rate(e), 0.0002) for e in range(4)),
        "rate at its end": rate(4),
        "the rest is CosineAnnealingLR": same,
        "rate after epoch 99": rate(100),
    }


def inverse_sqrt() -> dict[str, bool | int | float]:
    """d_model^-0.5 min(step^-0.5, step 4000^-1.5), steps from 1, as a LambdaLR over a rate of 1."""

    def factor(step: int, width: int) -> float:
        return width**-0.5 * min((step + 1) ** -0.5, (step + 1) * 4000**-1.5)

    rates: dict[int, list[float]] = {512: [], 2048: []}
    for width in rates:
        optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
        scheduler = LambdaLR(optimizer, partial(factor, width=width))
        for _ in range(16000):
            rates[width].append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            scheduler.step()
    used = rates[512]
    peak = used.index(max(used))
    return {
        "steps up to the peak": peak + 1,
        "rises linearly": all(math.isclose(used[t], (t + 1) * used[0], rel_tol=1e-9) for t in range(4000)),
        "share of the peak after 4 times as many steps": used[4 * 4000 - 1] / used[peak],
        "share of it with 4 times the d_model": rates[2048][peak] / used[peak],
    }


def inverse_sqrt_in_the_recipe() -> dict[str, float]:
    """The highest rate of the same schedule over the optimizer of the language recipe, AdamW with lr=5e-4."""
    optimizer = torch.optim.AdamW([nn.Parameter(torch.zeros(1))], lr=5e-4)
    scheduler = LambdaLR(optimizer, lambda t: 512**-0.5 * min((t + 1) ** -0.5, (t + 1) * 4000**-1.5))
    highest = 0.0
    for _ in range(5000):
        highest = max(highest, optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return {"highest rate": highest}


def where_inverse_sqrt_is_stepped() -> dict[str, bool]:
    """Whether 100 epochs of 400 batches bring the rate to its peak."""
    found = {}
    for each, steps in (("batch", 100 * 400), ("epoch", 100)):
        optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
        scheduler = LambdaLR(optimizer, lambda t: 512**-0.5 * min((t + 1) ** -0.5, (t + 1) * 4000**-1.5))
        highest = 0.0
        for _ in range(min(steps, 5000)):  # the peak is at 4000
            highest = max(highest, optimizer.param_groups[0]["lr"])
            optimizer.step()
            scheduler.step()
        found[f"stepped after every {each}, reaches its peak"] = math.isclose(highest, (512 * 4000) ** -0.5)
    return found


def durations() -> dict[str, float]:
    """5 and 10 % of some trainings, in epochs."""
    return {f"{share:.0%} of {epochs} epochs": share * epochs for epochs in (100, 20, 300) for share in (0.05, 0.1)}


def one_line() -> dict[str, bool]:
    """Whether one statement gives a warmup, and whether the call that leaves out the optimizer runs."""
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1)
    cosine = CosineAnnealingLR(optimizer, T_max=95)
    SequentialLR(optimizer, [LinearLR(optimizer, start_factor=0.01, total_iters=5), cosine], [5])  # the one statement
    starts_low = math.isclose(optimizer.param_groups[0]["lr"], 0.001)
    try:
        SequentialLR([LinearLR(optimizer), cosine], [5])  # type: ignore[call-arg, list-item, arg-type]
        runs = True
    except TypeError:
        runs = False
    return {"one statement is enough": starts_low, "the call without the optimizer runs": runs}


def batch_norm() -> dict[str, bool | int]:
    """What BatchNorm has before training, and whether what it gives in training depends on it."""
    norm = nn.BatchNorm1d(4)
    seen = int(norm.num_batches_tracked)  # type: ignore[arg-type]
    batch = torch.arange(32.0).reshape(8, 4) ** 1.5
    first = norm(batch)
    with torch.no_grad():
        norm.running_mean.fill_(100.0)  # type: ignore[union-attr]
        norm.running_var.fill_(50.0)  # type: ignore[union-attr]
    return {
        "batches in its statistics before training": seen,
        "an update in training depends on them": not torch.equal(norm(batch), first),
    }


def batch_and_update() -> dict[str, float]:
    """How long an update is at one and the same rate with 2048 samples, against 256: plain SGD, an MLP as drawn."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        inputs, targets = torch.randn(8192, 64), torch.randint(10, (8192,))
        model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    lengths = {}
    for size in (256, 2048):
        norms = []
        for start in range(0, 8192, size):
            batch = slice(start, start + size)
            loss = nn.functional.cross_entropy(model(inputs[batch]), targets[batch])
            gradients = torch.autograd.grad(loss, list(model.parameters()))
            norms.append(math.sqrt(sum(float((g**2).sum()) for g in gradients)))
        lengths[size] = sum(norms) / len(norms)
    return {"update at 2048 over update at 256": round(lengths[2048] / lengths[256], 2)}


def first_gradients() -> dict[str, int]:
    """On how many of 3 small models the gradient's norm in updates 1 to 5 is over 3 times its median in 51 to 100.

    Once where the classes are ten clusters, which is learnt at once, and once where a random network names them, which
    is not. 8x8 inputs, batches of 16; a model counts if it is so with both of 2 seeds.
    """
    found = {}
    for task in ("clusters", "random teacher"):
        ratios = {m: [_early_over_late(m, task, seed) for seed in range(2)] for m in ("mlp", "convolutions", "post-LN")}
        found[f"models of 3 with gradients over 3 times as large at the start, {task}"] = sum(
            min(of_model) > 3 for of_model in ratios.values()
        )
    return found


def _early_over_late(name: str, task: str, seed: int) -> float:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        teacher = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.Tanh(), nn.Linear(32, 10))
        means = torch.randn(10, 8, 8)
        model = _model(name)
        adam = name == "post-LN"
        optimizer = (torch.optim.AdamW if adam else torch.optim.SGD)(model.parameters(), lr=0.001 if adam else 0.1)
        norms = []
        for _ in range(100):
            inputs, classes = torch.randn(16, 8, 8), torch.randint(10, (16,))
            if task == "clusters":
                inputs = means[classes] + 0.5 * inputs
            else:
                classes = teacher(inputs).argmax(1)
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(inputs), classes).backward()
            norms.append(float(nn.utils.get_total_norm([p.grad for p in model.parameters() if p.grad is not None])))
            optimizer.step()
    return sum(norms[:5]) / 5 / sorted(norms[50:])[25]


def _model(name: str) -> nn.Module:
    if name == "mlp":
        return nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    if name == "convolutions":
        layers = (nn.Conv2d(1, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8), nn.ReLU())
        return nn.Sequential(nn.Unflatten(1, (1, 8)), *layers, nn.Flatten(), nn.Linear(128, 10))
    layer = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.0, batch_first=True)
    return nn.Sequential(nn.Linear(8, 16), layer, nn.Flatten(), nn.Linear(128, 10))


def too_high_a_rate() -> dict[str, int]:
    """How many of 2 small MLPs, a classifier and a regression, lose their loss (inf or NaN) within 50 updates of SGD.

    With momentum, at a rate of 0.1 and at 100 times that; a model counts if it is so with at least 3 of 5 seeds.
    """
    return {
        f"models of 2 with a loss that is no number, at {rate}": sum(
            sum(_is_lost(classes, rate, seed) for seed in range(5)) >= 3 for classes in (True, False)
        )
        for rate in (0.1, 10.0)
    }


def _is_lost(classes: bool, rate: float, seed: int) -> bool:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        teacher = nn.Sequential(nn.Linear(64, 32), nn.Tanh(), nn.Linear(32, 10))
        model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
        optimizer = torch.optim.SGD(model.parameters(), lr=rate, momentum=0.9)
        for _ in range(50):
            inputs = torch.randn(64, 64)
            given, wanted = model(inputs), teacher(inputs).detach()
            loss = nn.functional.cross_entropy(given, wanted.argmax(1)) if classes else ((given - wanted) ** 2).mean()
            if not math.isfinite(loss.item()):
                return True
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return False
