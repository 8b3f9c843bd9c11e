"""Time: from the words of a config (`30ep`, `500ba`, `10%`, `end`, `@30ep`) to whole updates and scheduler steps.

`ep` = epochs, `ba` = updates ("batches"), `sa` = samples, `tok` = tokens (where all samples have equally many), as in
Composer; `%` = a share of the whole horizon; `end` = up to the end of the horizon; a leading `@` makes a position,
counted from update 0 of the run, where a length counts from the start of its phase. Everything is exact (fractions)
until it is a whole number, and what is not whole is refused.
"""

import re
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor
from typing import Literal

from lrbench.errors import ConfigError
from lrbench.plural import plural

Interval = Literal["epoch", "batch", "metric"]

_LENGTH = re.compile(r"(\d+(?:\.\d+)?|\.\d+)(ep|ba|sa|tok|%)", re.ASCII)
_WALL = re.compile(r"(\d+(?:\.\d+)?|\.\d+)(s|min|h)", re.ASCII)
_NUMERIC = re.compile(r"[-+]?\.?\d")
GRAMMAR = "write a length as 30ep (epochs), 500ba (updates), 32000sa (samples), 10% (of the horizon) or end"


MOST_UPDATES = 10**8


@dataclass(frozen=True)
class Clock:
    """The fixed times of a run, in updates: its horizon, an epoch, and the distance between evaluations.

    per_epoch: None for a stream without end. samples: of an update, None where nobody said how many. tokens: of a
    sample, None where it has no fixed number.
    """

    updates: int
    per_epoch: int | None
    per_eval: int
    samples: int | None = 1
    tokens: int | None = None

    def tick(self, interval: Interval) -> int:
        """Updates between two steps of a scheduler with this interval."""
        if interval == "epoch":
            assert self.per_epoch is not None  # an Experiment refuses it
            return self.per_epoch
        return 1 if interval == "batch" else self.per_eval

    @property
    def unit(self) -> tuple[int, str]:
        """What a person counts the run in: the updates of it, and its name."""
        return (1, "update") if self.per_epoch is None else (self.per_epoch, "epoch")

    def evaluations(self) -> list[int]:
        """After which updates the validation set is measured: every `per_eval`, and at the end."""
        return sorted({*range(self.per_eval, self.updates + 1, self.per_eval), self.updates})


@dataclass(frozen=True)
class Phase:
    """Updates [start, stop) under one scheduler, stepped every `tick` updates on the calendar of the whole run."""

    clock: Clock
    start: int
    stop: int
    interval: Interval

    @property
    def tick(self) -> int:
        return self.clock.tick(self.interval)

    @property
    def steps(self) -> int:
        """How many values the scheduler takes in this phase, the one it starts with included: what `end` means."""
        return ceil(Fraction(self.stop, self.tick)) - self.start // self.tick

    def index(self, update: int) -> int:
        """Which of those values holds at an update."""
        return update // self.tick - self.start // self.tick


def is_time(text: str) -> bool:
    """Whether a string is a length or a position rather than a plain word such as `cos`."""
    body = text.removeprefix("@")
    return body == "end" or _LENGTH.fullmatch(body) is not None


def looks_numeric(text: str) -> bool:
    """Whether a string starts like a number (or a position), so that it must be a time or is nonsense."""
    return text.startswith("@") or _NUMERIC.match(text) is not None


def span(text: str, clock: Clock, option: str, given: str | None = None) -> Fraction:
    """The length `text` (not `end`) in updates, exactly, not yet whole; `given` is the whole value it is a part of.

    Raises ConfigError for anything that is not a length, and for shares above 100 %.
    """
    match, shown = _LENGTH.fullmatch(text), given or text or "''"
    if match is None:
        raise ConfigError(option, shown, "this is no length of time", f"{GRAMMAR}, without a space or sign")
    amount, unit = Fraction(match[1]), match[2]
    if unit == "%" and amount > 100:
        raise ConfigError(option, shown, "a share of the horizon is at most 100%", GRAMMAR)
    return amount * _updates_of(unit, clock, option, shown)


def _updates_of(unit: str, clock: Clock, option: str, given: str) -> Fraction:
    """The updates of one unit. Raises ConfigError where the data have no such unit."""
    other = "count updates (500ba) or samples (32000sa)"
    if unit == "ep" and clock.per_epoch is None:
        raise ConfigError(option, given, "these data have no end, so there are no epochs", other)
    if unit == "tok" and clock.tokens is None:
        raise ConfigError(option, given, "these data have no fixed number of tokens a sample", other)
    if unit in ("sa", "tok") and clock.samples is None:
        raise ConfigError(option, given, "how many samples an update has is not known here", "count updates (500ba)")
    sample = Fraction(1, clock.samples or 1)
    return {
        "ep": Fraction(clock.per_epoch or 0),
        "ba": Fraction(1),
        "sa": sample,
        "tok": sample / (clock.tokens or 1),
        "%": Fraction(clock.updates, 100),
    }[unit]


def round_half_up(value: Fraction) -> int:
    return floor(value + Fraction(1, 2))


def whole_updates(text: str, clock: Clock, option: str) -> int:
    """A length in whole updates, at least one. Shares round half up; epochs and updates must come out whole."""
    exact, (size, unit) = span(text, clock, option), clock.unit
    if exact.denominator > 1 and not text.endswith("%"):
        why = f"this is {float(exact):g} updates ({size} an {unit}), not a whole number"
        raise ConfigError(option, text, why, f"the nearest are {floor(exact)}ba and {ceil(exact)}ba")
    updates = round_half_up(exact)
    if updates == 0:
        raise ConfigError(option, text, "this is zero updates", "give a longer time")
    return updates


def moment(text: str, clock: Clock, option: str) -> int:
    """How many updates are done at a moment of the run: `30ep`, `500ba`, `10%` or `end`."""
    if text == "end":
        return clock.updates
    update = whole_updates(text, clock, option)
    if update > clock.updates:
        why = f"that is update {update}, past the end of the run ({clock.updates})"
        raise ConfigError(option, text, why, "give an earlier one, or end")
    return update


def horizon_updates(text: str, clock: Clock) -> int:
    """The horizon (`30ep`, `2000ba`, `128000sa`) in updates, by a clock that does not know it yet. It may end inside an
    epoch."""
    if not text.endswith(("ep", "ba", "sa", "tok")):
        raise ConfigError("horizon", text or "''", "say how long to train in epochs (30ep) or updates (2000ba)")
    updates = whole_updates(text, clock, "horizon")
    require_room(updates, "horizon", text)
    return updates


def require_room(updates: int, option: str, given: object) -> None:
    """Raises ConfigError for more updates than a table of rates is made for: one of 10^8 takes minutes and 0.8 GB, and
    training by it years."""
    if updates > MOST_UPDATES:
        why = f"that is {updates:,} updates, and a schedule has at most {MOST_UPDATES:,}"
        raise ConfigError(option, given, why, "give a shorter time")


def warmup_updates(text: str, clock: Clock, interval: Interval) -> int:
    """The warmup's length in updates: whole epochs where it is stepped per epoch, and shorter than the horizon."""
    if text == "end":
        why = "a warmup must leave room for the main schedule"
        raise ConfigError("warmup.length", text, why, "give 5ep or 10%")
    updates = whole_updates(text, clock, "warmup.length")
    if interval == "epoch" and span(text, clock, "warmup.length") % clock.tick("epoch"):
        exact = span(text, clock, "warmup.length")
        raise _not_whole("warmup.length", text, exact, clock.tick("epoch"), "epoch", "warmup")
    if updates >= clock.updates:
        why = f"the warmup is {plural(updates, 'update')} and the horizon {clock.updates}"
        cure = "shorten the warmup (a share such as 10% follows the horizon) or lengthen `horizon`"
        raise ConfigError("warmup.length", text, why, cure)
    return updates


def cadence(text: str | None, clock: Clock, option: str) -> int:
    """Updates between two log rows or checkpoints: a share is rounded up, `end` or null means only at the end."""
    if text is None or text == "end":
        return clock.updates
    return max(1, ceil(span(text, clock, option)))


def wall_time(text: str) -> float | None:
    """`30s`, `5min` or `1h` in seconds; None for a time of the run's own. What the clock on the wall decides is no part
    of a run's numbers."""
    match = _WALL.fullmatch(text)
    return None if match is None else float(match[1]) * {"s": 1, "min": 60, "h": 3600}[match[2]]


def steps(text: str, phase: Phase, option: str) -> int:
    """A length as a number of scheduler steps in a phase (design: durations count from the start of their phase)."""
    if text == "end":
        return phase.steps
    exact = span(text, phase.clock, option) / phase.tick
    if phase.interval == "batch":
        count = whole_updates(text, phase.clock, option)
    elif exact.denominator > 1:
        raise _not_whole(option, text, exact * phase.tick, phase.tick, phase.interval, option.split(".")[0])
    else:
        count = int(exact)
    if count == 0:
        raise ConfigError(option, text, "this is zero steps", "give a longer time")
    if count > phase.steps:
        why = f"this is {count} steps (interval={phase.interval}), and only {phase.steps} are left in this phase"
        raise ConfigError(option, text, why, "shorten it, lengthen `horizon`, or write end")
    return count


def position(text: str, phase: Phase, option: str) -> int:
    """A position (`@30ep`, counted from update 0 of the run) as a step of the phase it falls in."""
    body = text.removeprefix("@")
    clock = phase.clock
    exact = Fraction(clock.updates) if body == "end" else span(body, clock, option, text)
    if phase.interval == "batch" and body.endswith("%"):
        exact = Fraction(round_half_up(exact))
    if exact % phase.tick:
        raise _not_whole(option, text, exact, phase.tick, phase.interval, option.split(".")[0])
    if exact > phase.stop:
        why = f"this position is update {exact}, past the end of the horizon ({plural(phase.stop, 'update')})"
        raise ConfigError(option, text, why, "move it, lengthen `horizon`, or write it as a share such as @60%")
    if exact < phase.start:
        why = f"this position is update {exact}, inside the warmup (updates 0 to {phase.start - 1})"
        cure = "positions count from the start of the run: move it behind the warmup, or shorten the warmup"
        raise ConfigError(option, text, why, cure)
    return int(exact) // phase.tick - phase.start // phase.tick


def factor_per_step(factor: float, text: str, phase: Phase, option: str) -> float:
    """`0.95/ep`: the factor for one step that makes `factor` over the length `text`."""
    unit = "1" + text if text in ("ep", "ba", "sa", "tok") else text
    given = f"{factor:g}/{text}"
    count = Fraction(phase.steps) if unit == "end" else span(unit, phase.clock, option, given) / phase.tick
    if count == 0:
        raise ConfigError(option, given, "this is a factor over no time at all", "give a longer time")
    return factor ** float(1 / count)


def _not_whole(option: str, text: str, exact: Fraction, tick: int, interval: str, owner: str) -> ConfigError:
    """The refusal of a time that does not fall on a step, naming the nearest times that do."""
    at = "@" if text.startswith("@") else ""
    low, high = floor(exact / tick), ceil(exact / tick)
    unit, noun = (1, "epochs") if interval == "epoch" else (tick, "evaluations")
    suffix = "ep" if interval == "epoch" else "ba"
    near = [f"{at}{n * unit}{suffix}" for n in (low, high) if n > 0]
    if interval == "batch":
        why = f"this is {float(exact):g} updates, not a whole number"
        return ConfigError(option, text, why, f"the nearest: {' and '.join(near)}")
    why = (
        f"this is {float(exact / tick):g} {noun}, not a whole number, and {owner} is stepped once "
        f"{'an epoch' if interval == 'epoch' else 'an evaluation'} ({plural(tick, 'update')})"
    )
    other = f"set {owner}.interval=batch" if interval == "epoch" else "change eval_every"
    return ConfigError(option, text, why, f"the nearest: {' and '.join(near)}; or {other}")
