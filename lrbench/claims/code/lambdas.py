"""What `torch.optim.lr_scheduler.LambdaLR` makes of a function of the epoch."""

from torch.optim.lr_scheduler import LambdaLR

from lrbench.claims.code.stepping import sgd, used


def is_a_multiplier() -> dict[str, float]:
    """How far the rate is from the initial one times the function, for one that rises and falls."""

    def wave(epoch: int) -> float:
        return 1 + (epoch * 7 % 5) / 10

    gaps = [
        abs(rate / (lr * wave(e)) - 1) for lr in (0.1, 3e-4) for e, rate in enumerate(used(LambdaLR(sgd(lr), wave), 20))
    ]
    return {"largest gap, as a share of the rate": max(gaps)}


def inverse_sqrt() -> dict[str, float | int | bool]:
    """min(s^-1/2, s * 4000^-3/2) with s = epoch + 1 (Vaswani et al. 2017, without the width), stepped either way."""

    def multiplier(epoch: int) -> float:
        return min((epoch + 1) ** -0.5, (epoch + 1) * 4000**-1.5)

    rates = used(LambdaLR(sgd(1.0), multiplier), 16_000)
    per_epoch = rates[:100]  # the same calls, one an epoch
    return {
        "stepped every update, highest at step": max(range(16_000), key=rates.__getitem__) + 1,
        "stepped every update, rate at step 16000 over the highest": rates[-1] / max(rates),
        "stepped every epoch, the warmup ends within 100 epochs": per_epoch[-1] < max(per_epoch),
    }


def polynomial() -> dict[str, float | bool]:
    """(1 - epoch / 100)^0.9, from 0.1."""
    scheduler = LambdaLR(sgd(0.1), lambda epoch: (1 - epoch / 100) ** 0.9)
    rates = [*used(scheduler, 100), float(scheduler.get_last_lr()[0])]
    return {
        "rate of epoch 0": rates[0],
        "falls every epoch": rates == sorted(set(rates), reverse=True),
        "rate of epoch 100": rates[100],
    }
