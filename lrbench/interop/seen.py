"""What a watched loop did, as numbers, and what a scheduler says of itself: what the rules judge by."""

from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lrbench.numbers import is_number

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

FEW = 3  # steps, or updates, below which nothing can be told apart
SHARE = 0.02  # of a schedule's length: what it may be off by when updates were counted with another rounding
SAME = 1e-6  # of a rate: two that differ by less are one, computed in another order

# Attributes that say how long a scheduler is or how far it falls. A checkpoint brings the old ones back (torch restores
# all of them), and no step changes them.
LENGTHS = ("T_max", "total_steps", "total_iters", "milestones", "step_size", "T_0", "gamma", "base_lrs")


@dataclass(frozen=True)
class Edit:
    """A rate that was another one before a scheduler's step than the scheduler had left it: somebody set it.

    update: updates done by then; held: the rate found, own: the one the scheduler had left, after: what its step made.
    """

    update: int
    held: float
    own: float
    after: float


@dataclass(frozen=True, kw_only=True)
class Nature:
    """What can be read off a scheduler's attributes, whatever its class.

    name: of its class. length: steps until it is through, None where it has no end (a plateau, restarts) or does not
    say. warmup: steps of a rise that comes first, and `main` those of what follows it, as written. rises: it is a
    warmup and nothing else. last_drop: the last milestone. period, factor: it multiplies by `factor` every so many
    steps, for ever. cycle: steps from a restart to the next. until: steps until its first drop, restart, or the end of
    its rise. above: a floor (`eta_min`) that lies above the rate it begins at, and that rate.
    """

    name: str
    length: int | None = None
    warmup: int = 0
    main: int | None = None
    rises: bool = False
    last_drop: int | None = None
    period: int | None = None
    factor: float | None = None
    cycle: int | None = None
    until: int | None = None
    above: tuple[float, float] | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class WatchedLoop:
    """A training loop, from the first watched update on.

    rates: of every update and group, shape (n, groups). steps: how many updates were done when the scheduler was
    stepped, each time, shape (k,). updates, per_epoch: of the whole run, as was said (None: it was not). done: updates
    made before the first of these, by another process. first, last: the scheduler's own count of steps at the
    beginning and by now (None: it counts none). changed: the attributes that say its length, before and after a
    checkpoint was loaded, where that made them others. stale: the rate that the scheduler found at its first step, and
    the one it would have had by its own word, where they differ. over: nothing comes after this. clean: the loop came
    to its end, and was not broken off.
    """

    rates: Floats
    steps: Ints
    updates: int | None = None
    per_epoch: int | None = None
    nature: Nature | None = None
    done: int = 0
    first: int | None = None
    last: int | None = None
    edits: tuple[Edit, ...] = ()
    changed: tuple[tuple[str, Any, Any], ...] = ()
    stale: tuple[float, float] | None = None
    over: bool = True
    clean: bool = True

    @property
    def n(self) -> int:
        """Updates that were watched."""
        return len(self.rates)

    @property
    def whole(self) -> bool:
        """Whether the run came to its end: to what was said of its length, less 1 %, else to a clean one."""
        return self.over and self.clean if self.updates is None else self.done + self.n >= 0.99 * self.updates

    @property
    def total(self) -> int | None:
        """Updates of the whole run; None as long as nobody knows."""
        return self.updates or (self.done + self.n if self.whole else None)

    @cached_property
    def marks(self) -> Ints:
        """Between which updates the scheduler was stepped, each once."""
        return self.steps[self._starts]

    @cached_property
    def at_once(self) -> Ints:
        """How often it was stepped at each of the marks."""
        return np.diff(self._starts, append=len(self.steps))

    @cached_property
    def _starts(self) -> Ints:
        """Where in `steps` each mark comes first. They never go back, so that nothing need be sorted."""
        return np.flatnonzero(np.diff(self.steps, prepend=-1))

    @cached_property
    def every(self) -> float:
        """Updates from one step of the scheduler to the next: their median; infinite where it was stepped never."""
        marks = self.marks
        if len(marks) > 1:
            return float(np.median(np.diff(marks)))
        return float(marks[0] or self.n) if len(marks) else float("inf")

    @property
    def position(self) -> int:
        """Steps that the scheduler has behind it, those before the first watched update included."""
        return self.last if self.last is not None else len(self.steps)


def nature_of(scheduler: Any) -> Nature:
    """By its attributes: torch's own names, and what transformers' functions are called with."""
    name, parts = type(scheduler).__name__, getattr(scheduler, "_schedulers", None)
    if parts and (bounds := getattr(scheduler, "_milestones", None)):
        return _sequence(name, [nature_of(p) for p in parts], bounds)
    if parts:  # a chain: through when the longest is
        known = [n.length for n in map(nature_of, parts) if n.length and not n.rises]
        return Nature(name=name, length=max(known, default=None))
    if (steps := _of_lambdas(scheduler)) is not None:
        return Nature(name=name, length=steps)
    if hasattr(scheduler, "milestones"):
        drops = sorted(scheduler.milestones) or [None]
        return Nature(name=name, last_drop=drops[-1], until=drops[0])
    if _is(scheduler, "step_size"):
        return Nature(name=name, period=scheduler.step_size, factor=scheduler.gamma, until=scheduler.step_size)
    if _is(scheduler, "T_0"):
        cycle = scheduler.T_0 if scheduler.T_mult == 1 else None
        return Nature(name=name, cycle=cycle, until=scheduler.T_0, above=_above(scheduler))
    length = next((getattr(scheduler, a) for a in ("total_steps", "T_max", "total_iters") if _is(scheduler, a)), None)
    if length is None and name == "ExponentialLR":
        return Nature(name=name, period=1, factor=scheduler.gamma)
    start, end = getattr(scheduler, "start_factor", 0.0), getattr(scheduler, "end_factor", 0.0)
    rises = end > start or (hasattr(scheduler, "factor") and length is not None)  # LinearLR upwards, ConstantLR
    return Nature(name=name, length=length, rises=rises, until=length if rises else None, above=_above(scheduler))


def _above(scheduler: Any) -> tuple[float, float] | None:
    floor, bases = getattr(scheduler, "eta_min", None), getattr(scheduler, "base_lrs", None)
    if not (is_number(floor) and isinstance(bases, list) and bases and all(map(is_number, bases))):
        return None
    return (float(floor), float(min(bases))) if floor > min(bases) * (1 + SAME) else None


def _is(scheduler: Any, attribute: str) -> bool:
    return isinstance(getattr(scheduler, attribute, None), int)


def _sequence(name: str, parts: list[Nature], bounds: list[int]) -> Nature:
    """One after the other; a warmup where the first one only rises."""
    last = parts[-1]
    warmup = bounds[-1] if all(p.rises for p in parts[:-1]) else 0

    def shift(steps: int | None) -> int | None:
        return None if steps is None or last.rises else bounds[-1] + steps

    return Nature(
        name=f"{name} of {' and '.join(p.name for p in parts)}",
        length=shift(last.length),
        warmup=warmup,
        main=last.length,
        last_drop=shift(last.last_drop),
        above=last.above,
    )


def _of_lambdas(scheduler: Any) -> int | None:
    """The `num_training_steps` that transformers' schedulers bind to their functions."""
    for function in getattr(scheduler, "lr_lambdas", ()):
        if isinstance(function, partial) and isinstance(steps := function.keywords.get("num_training_steps"), int):
            return steps
    return None


def lengths_of(scheduler: Any) -> dict[str, Any]:
    """The attributes that say how long it is, and those of its parts, by name."""
    found = {name: _plain(getattr(scheduler, name)) for name in LENGTHS if hasattr(scheduler, name)}
    for i, part in enumerate(getattr(scheduler, "_schedulers", None) or ()):
        found |= {f"{type(part).__name__}[{i}].{name}": value for name, value in lengths_of(part).items()}
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, int | float | str):
        return value
    return [float(v) for v in value] if isinstance(value, list | tuple) else sorted(map(int, value))


def shown(rate: float) -> str:
    """A rate as people read it."""
    return f"{rate:.4g}"
