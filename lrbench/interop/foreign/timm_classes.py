"""timm's schedules in its own numbers; and its own classes, for those that no level of lrbench is."""

from dataclasses import dataclass
from typing import Any

from lrbench.errors import ConfigError
from lrbench.horizon import Interval
from lrbench.interop.foreign.given import Given
from lrbench.interop.foreign.imported import ForeignRun, custom, written

CYCLES = ("cosine", "tanh", "poly")  # those that come back after a cycle, and cool down after the last


@dataclass(frozen=True, kw_only=True)
class Theirs:
    """Their numbers in steps of `interval`: the length of the schedule and of its warmup, which stands before it
    (`prefix`) or over its beginning. share: rates are written as shares of the peak, since layers have peaks of their
    own."""

    sched: str
    lr: float
    interval: Interval
    per_step: int
    run: ForeignRun
    length: float
    warmup: float
    warmup_lr: float
    prefix: bool
    cooldown: float
    low: float
    share: bool

    @property
    def start(self) -> int:
        """The update at which the main schedule begins to count."""
        return int(self.warmup) * self.run.tick(self.interval) if self.prefix else 0

    def rate(self, value: float) -> float | str:
        return f"{written(value / self.lr)}x" if self.share and value else value


def decay_steps(theirs: Theirs, given: Given) -> int:
    """Steps of the last phase of wsd and rsqrt: a share of the schedule, or epochs."""
    share = given.number("decay_epochs", 90)
    steps = round(share * theirs.length if 0 < share < 1 else share * theirs.per_step)
    if not 0 < steps <= theirs.length:
        why = f"the decay is part of the {theirs.length:g} steps after the warmup"
        raise ConfigError("decay_epochs", share, why, "give a share of them, or fewer epochs")
    return steps


CLASSES = {
    "cosine": "CosineLRScheduler", "tanh": "TanhLRScheduler", "poly": "PolyLRScheduler", "step": "StepLRScheduler",
    "constant": "StepLRScheduler", "multistep": "MultiStepLRScheduler", "wsd": "scheduler.wsd_lr.WSDLRScheduler",
    "rsqrt": "scheduler.wsd_lr.WSDLRScheduler",
}  # fmt: skip


def own_class(theirs: Theirs, given: Given, noise: Any) -> list[str]:
    """Their class itself, as their factory makes it, on lrbench's clock of epochs or updates."""
    if theirs.sched not in CLASSES:
        raise ConfigError("lr_noise", noise, f"lrbench has no {theirs.sched} with noise", "take one of the two out")
    args: dict[str, Any] = {}
    if theirs.sched in ("step", "constant", "multistep"):
        args = {"decay_t": 1, "decay_rate": 1.0}
        if theirs.sched == "step":
            args = {"decay_t": given.number("decay_epochs", 90) * theirs.per_step}
        elif theirs.sched == "multistep":
            args = {"decay_t": [t * theirs.per_step for t in given.numbers("decay_milestones", [90, 180, 270])]}
        if theirs.sched != "constant":
            args["decay_rate"] = given.number("decay_rate", 0.1)
    else:
        args = {"t_initial": theirs.length, "lr_min": theirs.rate(theirs.low)}
    if theirs.sched in CYCLES:
        args |= {
            "cycle_mul": given.number("lr_cycle_mul", 1.0),
            "cycle_decay": given.number("lr_cycle_decay", 0.5),
            "cycle_limit": given.whole("lr_cycle_limit", 1),
            "k_decay": given.number("lr_k_decay", 1.0) if theirs.sched != "tanh" else None,
            "power": given.number("decay_rate", 0.1) if theirs.sched == "poly" else None,
        }
    if theirs.sched in ("wsd", "rsqrt"):
        shape = given.get("lr_decay_fn", "linear" if theirs.sched == "rsqrt" else None)
        scale = given.get("lr_stable_timescale")
        args |= {
            "decay_t": decay_steps(theirs, given),
            "stable_fn": "rsqrt" if theirs.sched == "rsqrt" else None,
            "stable_timescale": None if scale is None else given.number("lr_stable_timescale") * theirs.per_step,
            "decay_fn": None if shape == "1-sqrt" else shape,  # the class's own
        }
    else:
        args["warmup_prefix"] = theirs.prefix
    if theirs.warmup:
        args |= {"warmup_t": theirs.warmup, "warmup_lr_init": theirs.rate(theirs.warmup_lr)}
    if noise is not None:
        args |= _noise(theirs, given)
    for name, value in args.items():
        _require_exact(name, value)
    whole = {k: int(v) if isinstance(v, float) and k.endswith("_t") and v == int(v) else v for k, v in args.items()}
    name = CLASSES[theirs.sched]
    target = f"timm.{name}" if "." in name else f"timm.scheduler.{name}"
    return ["warmup=none", *custom(target, whole, theirs.interval, own_warmup=theirs.warmup > 0)]


def _require_exact(name: str, value: Any) -> None:
    """Raises ConfigError for a time that is another one at the digits that lrbench takes: a drop would come a step
    earlier or later."""
    for number in value if isinstance(value, list) else [value]:
        if name.endswith("_t") and float(written(number)) != number:
            why = "this many updates are none that can be written down, and a drop would come at another one"
            raise ConfigError(
                name, repr(number), why, "give epochs that come to whole updates, or leave sched_on_updates"
            )


def _noise(theirs: Theirs, given: Given) -> dict[str, Any]:
    """Their noise is drawn from a seed of its own and the step, so that it is the same in every run."""
    epochs = given.whole("epochs", 300) * theirs.per_step
    shares = [share * epochs for share in given.numbers("lr_noise")]
    return {
        "noise_range_t": shares[0] if len(shares) == 1 else shares,
        "noise_pct": given.number("lr_noise_pct", 0.67),
        "noise_std": given.number("lr_noise_std", 1.0),
        "noise_seed": given.whole("seed", 42),
    }
