"""Time: from the words of a config (`30ep`, `500ba`, `10%`, `end`, `@30ep`) to whole updates and scheduler steps.

`ep` = epochs, `ba` = updates ("batches"), as in Composer; `%` = a share of the whole horizon; `end` = up to the
end of the horizon; a leading `@` makes a position, counted from update 0 of the run, where a length counts from
the start of its phase. Everything is exact (fractions) until it is a whole number, and what is not whole is refused.
"""

import re
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor
from typing import Literal

from lrbench.errors import ConfigError

Interval = Literal["epoch", "batch", "metric"]

_LENGTH = re.compile(r"(\d+(?:\.\d+)?|\.\d+)(ep|ba|%)", re.ASCII)
_WALL = re.compile(r"(\d+(?:\.\d+)?|\.\d+)(s|min|h)", re.ASCII)
_NUMERIC = re.compile(r"[-+]?\.?\d")
GRAMMAR = "write a length as 30ep (epochs), 500ba (updates), 10% (of the horizon) or end"


@dataclass(frozen=True)
class Clock:
    """The fixed times of a run, in updates: its horizon, an epoch, and the distance between evaluations."""

    updates: int
    per_epoch: int
    per_eval: int

    def tick(self, interval: Interval) -> int:
        """Updates between two steps of a scheduler with this interval."""
        return {"batch": 1, "epoch": self.per_epoch, "metric": self.per_eval}[interval]

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
    match = _LENGTH.fullmatch(text)
    if match is None:
        raise ConfigError(f"{option}={given or text}: this is no length of time; {GRAMMAR}, without a space or sign.")
    amount, unit = Fraction(match[1]), match[2]
    if unit == "%" and amount > 100:
        raise ConfigError(f"{option}={given or text}: a share of the horizon is at most 100%; {GRAMMAR}.")
    scale = {"ep": Fraction(clock.per_epoch), "ba": Fraction(1), "%": Fraction(clock.updates, 100)}[unit]
    return amount * scale


def round_half_up(value: Fraction) -> int:
    return floor(value + Fraction(1, 2))


def whole_updates(text: str, clock: Clock, option: str) -> int:
    """A length in whole updates, at least one. Shares round half up; epochs and updates must come out whole."""
    exact = span(text, clock, option)
    if exact.denominator > 1 and not text.endswith("%"):
        raise ConfigError(
            f"{option}={text}: this is {float(exact):g} updates ({clock.per_epoch} an epoch), not a whole number; "
            f"the nearest are {floor(exact)}ba and {ceil(exact)}ba."
        )
    updates = round_half_up(exact)
    if updates == 0:
        raise ConfigError(f"{option}={text}: this is zero updates; give a longer time.")
    return updates


def moment(text: str, clock: Clock, option: str) -> int:
    """How many updates are done at a moment of the run: `30ep`, `500ba`, `10%` or `end`."""
    if text == "end":
        return clock.updates
    update = whole_updates(text, clock, option)
    if update > clock.updates:
        raise ConfigError(f"{option}={text}: that is update {update}, past the end of the run ({clock.updates}).")
    return update


def horizon_updates(text: str, per_epoch: int) -> int:
    """The horizon (`30ep`, `2000ba`) in updates. It may end inside an epoch."""
    if not text.endswith(("ep", "ba")):
        raise ConfigError(f"horizon={text}: say how long to train in epochs (30ep) or updates (2000ba).")
    return whole_updates(text, Clock(0, per_epoch, 0), "horizon")


def warmup_updates(text: str, clock: Clock, interval: Interval) -> int:
    """The warmup's length in updates: whole epochs where it is stepped per epoch, and shorter than the horizon."""
    if text == "end":
        raise ConfigError("warmup.length=end: a warmup must leave room for the main schedule; give 5ep or 10%.")
    updates = whole_updates(text, clock, "warmup.length")
    if interval == "epoch" and span(text, clock, "warmup.length") % clock.per_epoch:
        raise _not_whole("warmup.length", text, span(text, clock, "warmup.length"), clock.per_epoch, "epoch", "warmup")
    if updates >= clock.updates:
        raise ConfigError(
            f"warmup.length={text}: the warmup is {updates} updates and the horizon {clock.updates}; "
            "shorten the warmup (a share such as 10% follows the horizon) or lengthen `horizon`."
        )
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
        raise ConfigError(f"{option}={text}: this is zero steps; give a longer time.")
    if count > phase.steps:
        raise ConfigError(
            f"{option}={text}: this is {count} steps (interval={phase.interval}), and only {phase.steps} are left in "
            "this phase; shorten it, lengthen `horizon`, or write end."
        )
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
        raise ConfigError(
            f"{option}={text}: this position is update {exact}, past the end of the horizon ({phase.stop} updates); "
            "move it, lengthen `horizon`, or write it as a share such as @60%."
        )
    if exact < phase.start:
        raise ConfigError(
            f"{option}={text}: this position is update {exact}, inside the warmup (updates 0 to {phase.start - 1}); "
            "positions count from the start of the run: move it behind the warmup, or shorten the warmup."
        )
    return int(exact) // phase.tick - phase.start // phase.tick


def factor_per_step(factor: float, text: str, phase: Phase, option: str) -> float:
    """`0.95/ep`: the factor for one step that makes `factor` over the length `text`."""
    unit = "1" + text if text in ("ep", "ba") else text
    given = f"{factor:g}/{text}"
    count = Fraction(phase.steps) if unit == "end" else span(unit, phase.clock, option, given) / phase.tick
    if count == 0:
        raise ConfigError(f"{option}={given}: this is a factor over no time at all; give a longer time.")
    return factor ** float(1 / count)


def _not_whole(option: str, text: str, exact: Fraction, tick: int, interval: str, owner: str) -> ConfigError:
    """The refusal of a time that does not fall on a step, naming the nearest times that do."""
    at = "@" if text.startswith("@") else ""
    low, high = floor(exact / tick), ceil(exact / tick)
    unit, noun = (1, "epochs") if interval == "epoch" else (tick, "evaluations")
    suffix = "ep" if interval == "epoch" else "ba"
    near = [f"{at}{n * unit}{suffix}" for n in (low, high) if n > 0]
    if interval == "batch":
        return ConfigError(
            f"{option}={text}: this is {float(exact):g} updates, not a whole number; the nearest: {' and '.join(near)}."
        )
    return ConfigError(
        f"{option}={text}: this is {float(exact / tick):g} {noun}, not a whole number, and {owner} is stepped once "
        f"{'an epoch' if interval == 'epoch' else 'an evaluation'} ({tick} updates); the nearest: {' and '.join(near)}"
        f"{f'; or set {owner}.interval=batch' if interval == 'epoch' else '; or change eval_every'}."
    )
