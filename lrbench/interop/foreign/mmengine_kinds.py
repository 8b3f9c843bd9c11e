"""Each kind of mmengine's schedulers as a level of lrbench."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from lrbench.errors import ConfigError
from lrbench.horizon import Interval
from lrbench.interop.foreign.given import Given
from lrbench.interop.foreign.imported import ForeignRun, level, written

METRICS = {"accuracy/top1": "val/accuracy", "loss": "val/loss", "val_loss": "val/loss"}


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """One scheduler of theirs, from step `begin` to `end` (None: to the end of the run), stepped by `interval`."""

    kind: str
    args: Given
    interval: Interval
    begin: int
    end: int | None
    times: int  # its own steps, in those of `interval`

    def steps(self, key: str) -> int:
        """A length, in steps of `interval`."""
        return self.args.count(key) * self.times

    def last(self, run: ForeignRun) -> int:
        """The step at which it ends."""
        return self.end if self.end is not None else -(-run.updates // run.tick(self.interval))

    def at(self, run: ForeignRun) -> int:
        """The update at which it begins."""
        return self.begin * run.tick(self.interval)


def _cosine(s: Stretch, run: ForeignRun) -> list[str]:
    steps = s.steps("T_max") if s.args.get("T_max") else s.last(run) - s.begin
    length = run.length(steps, s.interval, s.at(run))
    falls = None if length == "end" or isinstance(length, int) else False  # it climbs again
    return level("scheduler", "cosine", {"T_max": length, "eta_min": _low(s)}, interval=s.interval, only_falls=falls)


def late_cosine(s: Stretch, run: ForeignRun, lr: float) -> list[str]:
    """Of a cosine that begins late and ends with the training: the rate stands until then (RTMDet's)."""
    steps = s.steps("T_max") if s.args.get("T_max") else s.last(run) - s.begin
    if (s.begin + steps) * run.tick(s.interval) != run.updates:
        why = "the rate stands until then, and the cosine does not end with the training"
        raise ConfigError(s.args.name("begin"), s.begin, why, "let T_max be what is left")
    share = s.args.get("eta_min_ratio")
    low = s.args.number("eta_min", 0.0) / lr if share is None else s.args.number("eta_min_ratio")
    args = {"decay_iters": run.time(steps * run.tick(s.interval)), "shape": "cosine", "final_factor": low}
    return level("scheduler", "wsd", args, interval=s.interval)


def _low(s: Stretch) -> float | str:
    """The floor, a rate or a share of each group's."""
    if s.args.get("eta_min_ratio") is not None:
        return f"{written(s.args.number('eta_min_ratio'))}x"
    return s.args.number("eta_min", 0.0)


def _multistep(s: Stretch, run: ForeignRun) -> list[str]:
    steps = [s.begin + int(m) * s.times for m in s.args.numbers("milestones")]
    reached = [step for step in steps if s.end is None or step < s.end]
    args = {"milestones": run.positions(reached, s.interval, s.at(run)), "gamma": s.args.number("gamma", 0.1)}
    return level("scheduler", "multistep", args, interval=s.interval)


def _step(s: Stretch, run: ForeignRun) -> list[str]:
    size, stop = s.steps("step_size"), s.last(run)
    drops = range(s.begin + size, stop, size)
    if s.end is not None and s.end * run.tick(s.interval) < run.updates:  # none comes after its end
        where = run.positions(list(drops), s.interval, s.at(run))
        args: dict[str, Any] = {"milestones": where, "gamma": s.args.number("gamma", 0.1)}
        return level("scheduler", "multistep", args, interval=s.interval)
    args = {"step_size": run.length(size, s.interval, s.at(run)), "gamma": s.args.number("gamma", 0.1)}
    return level("scheduler", "step", args, interval=s.interval)


def _exponential(s: Stretch, run: ForeignRun) -> list[str]:
    """Converted to iterations, theirs takes the factor of an epoch at every one."""
    return level("scheduler", "exponential", {"gamma": s.args.number("gamma")}, interval=s.interval)


def _poly(s: Stretch, run: ForeignRun) -> list[str]:
    """It reaches the floor in its last step."""
    steps = s.last(run) - s.begin - 1
    args = {
        "total_iters": run.length(steps, s.interval, s.at(run)),
        "power": s.args.number("power", 1.0),
        "eta_min": s.args.number("eta_min", 0.0),
    }
    return level("scheduler", "polynomial_floor", args, interval=s.interval)


def _linear(s: Stretch, run: ForeignRun) -> list[str]:
    """A decay; a rise to the end of the run, or to less than the rate, is none that lrbench has."""
    first, last = s.args.number("start_factor", 1 / 3), s.args.number("end_factor", 1.0)
    if last > first or first != 1.0:
        why = f"it goes from {first:.3g} to {last:.3g} of the rate, and lrbench has no such schedule"
        raise ConfigError(s.args.name("end_factor"), last, why, "let a warmup rise to 1, and a decay begin at 1")
    steps = s.last(run) - s.begin - 1
    args = {"end_factor": last, "total_iters": run.length(steps, s.interval, s.at(run))}
    return level("scheduler", "linear", args, interval=s.interval)


def _constant(s: Stretch, run: ForeignRun) -> list[str]:
    why = "it changes the rate once, late or never, and lrbench has no such schedule"
    raise ConfigError(s.args.name("type"), s.kind, why, "give it an end before that of training, from 0 on")


def _onecycle(s: Stretch, run: ForeignRun) -> list[str]:
    steps = s.steps("total_steps") if s.args.get("total_steps") else s.last(run) - s.begin
    args = {
        "total_steps": run.length(steps, s.interval, s.at(run)),
        "pct_start": s.args.number("pct_start", 0.3),
        "anneal_strategy": s.args.word("anneal_strategy", "cos"),
        "cycle_momentum": False,
        "div_factor": s.args.number("div_factor", 25.0),
        "final_div_factor": s.args.number("final_div_factor", 1e4),
        "three_phase": s.args.flag("three_phase"),
    }
    return level("scheduler", "onecycle", args, interval=s.interval)


def _restarts(s: Stretch, run: ForeignRun) -> list[str]:
    """Cycles of one length or growing by a factor, with peaks that are equal or fall by one."""
    periods = [p * s.times for p in s.args.numbers("periods")]
    weights = s.args.numbers("restart_weights", [1])
    if not periods or min(periods) < 1 or len(weights) != len(periods):
        why = f"theirs needs lengths above 0, and as many restart_weights ({len(weights)})"
        raise ConfigError(s.args.name("periods"), s.args.get("periods"), why, "give them")
    longer, lower = _ratio(periods), _ratio(weights)
    covered = (s.begin + sum(periods)) * run.tick(s.interval) >= run.updates
    if longer is None or lower is None or weights[:1] != [1] or longer < 1 or not covered:
        why = "lrbench's cycles grow by one factor, their peaks fall by one from the rate, and they reach the end"
        raise ConfigError(s.args.name("periods"), s.args.get("periods"), why, "no level has others")
    args = {
        "T_0": run.length(int(periods[0]), s.interval, s.at(run)),
        "T_mult": longer,
        "cycle_decay": lower,
        "eta_min": _low(s),
    }
    return level("scheduler", "cosine_cycles", args, interval=s.interval)


def _ratio(values: list[float]) -> float | None:
    """The one factor between neighbours; None where they have several."""
    if 0 in values:
        return None
    ratios = {b / a for a, b in pairwise(values)} or {1.0}
    return max(ratios) if max(ratios) - min(ratios) < 1e-12 else None


def _plateau(s: Stretch, run: ForeignRun) -> list[str]:
    monitor = s.args.word("monitor", "loss")
    if monitor not in METRICS:
        why = "the plateau listens to it, and lrbench does not know what it measures"
        raise ConfigError(s.args.name("monitor"), monitor, why, f"give one of {', '.join(METRICS)}")
    args = {
        "mode": "min" if s.args.word("rule", "less") == "less" else "max",
        "factor": s.args.number("factor", 0.1),
        "patience": s.args.whole("patience", 10),
        "threshold": s.args.number("threshold", 1e-4),
        "threshold_mode": s.args.word("threshold_rule", "rel"),
        "cooldown": s.args.whole("cooldown", 0),
        "min_lr": s.args.number("min_value", 0.0),
        "eps": s.args.number("eps", 1e-8),
    }
    return [*level("scheduler", "plateau", args), f"monitor={METRICS[monitor]}"]


KINDS: Mapping[str, Callable[[Stretch, ForeignRun], list[str]]] = {
    "CosineAnnealingLR": _cosine,
    "MultiStepLR": _multistep,
    "StepLR": _step,
    "ExponentialLR": _exponential,
    "PolyLR": _poly,
    "LinearLR": _linear,
    "ConstantLR": _constant,
    "OneCycleLR": _onecycle,
    "CosineRestartLR": _restarts,
    "ReduceOnPlateauLR": _plateau,
}
