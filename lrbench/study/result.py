"""What a study found, as plain frozen data: every number that its page shows stands here first. No times, no places:
the same rows give the same result to the byte."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from lrbench.stats.family import Tested
from lrbench.stats.intervals import ConfidenceInterval
from lrbench.stats.paired import Success
from lrbench.stats.power import Agreement
from lrbench.stats.verdict import ClaimedEffect, Verdict
from lrbench.study.rules import Rules
from lrbench.study.size import Size
from lrbench.study.tuning import ChosenValue

DEPENDS = "depends on the task"


@dataclass(frozen=True)
class SeedPair:
    """One seed's two runs. A value is None where that run failed; of what is read off a grid it is the
    reading (see `readings`), and None where that lies beyond the grid."""

    seed: int
    arm: float | None
    baseline: float | None
    runs: tuple[str, str]  # the arm's, the baseline's

    @property
    def whole(self) -> bool:
        return self.arm is not None and self.baseline is not None

    @property
    def success(self) -> int:
        """1 where the arm alone succeeded, -1 where the baseline alone did."""
        return (self.arm is not None) - (self.baseline is not None)


@dataclass(frozen=True)
class Effect:
    """A mean gain over n pairs, with its t interval at 95 %."""

    n: int
    mean: float | None
    interval: ConfidenceInterval | None


@dataclass(frozen=True)
class Paths:
    """The gain of `tuned` taken apart in both orders, on the seeds where all four cells succeeded: the change of
    schedule alone, and what tuning the rate for it adds."""

    seeds: tuple[int, ...]
    excluded: tuple[int, ...]
    total: Effect
    swap_first: tuple[Effect, Effect]  # the arm at the baseline's value; then the arm at its own
    retune_first: tuple[Effect, Effect]  # the baseline at the arm's value; then the arm in its place


@dataclass(frozen=True)
class TuningResult:
    """What an arm's tuning found, and what it cost.

    expected_best: of k values of the grid, k from 1. sensitivity: how much worse a value of the grid is than the best
    one, in the mean. stable: the lowest and the highest value around the best that lose no more than the margin (or two
    standard errors of the best).
    """

    choice: ChosenValue
    runs: int
    failures: int
    expected_best: tuple[float, ...]
    sensitivity: float | None
    stable: tuple[float, float] | None


@dataclass(frozen=True)
class Contrast:
    """An arm against the baseline, in gains: above 0 where the arm is better.

    verdict: None where the design can give none, and `remarks` say why. tested: at its step of the family, of both arms
    at their best values of the grid, which may be others than the chosen ones: `reach` is how far the gain may lie
    below and above for that. at_values: the t interval at the chosen values, as if they had been given. choice_sd: how
    much another tuning would move the gain. Of a question about success `tested` is of the rates of success, and these
    two are None.
    """

    arm: str
    primary: bool
    claim: ClaimedEffect
    values: tuple[float | None, float | None]  # the arm's, the baseline's
    verdict: Verdict | None
    remarks: tuple[str, ...]
    tested: Tested | None
    at_values: ConfidenceInterval | None
    choice_sd: float | None
    success: Success | None
    pairs: tuple[SeedPair, ...]
    paths: Paths | None
    agreement: Agreement | None
    pairs_needed: int | None  # so that the gain that was seen is found with 80 % power; for an inconclusive verdict
    reach: tuple[float, float] | None = None


@dataclass(frozen=True)
class TaskResult:
    task: str
    tuning: tuple[TuningResult, ...]
    size: Size
    looks: int  # taken
    alpha: float  # of each look
    contrasts: tuple[Contrast, ...]


@dataclass(frozen=True)
class Result:
    rules: Rules
    tasks: tuple[TaskResult, ...]

    def headline(self, arm: str) -> str:
        """The verdict on an arm that its tasks have in common."""
        found = {c.verdict or "no verdict" for t in self.tasks for c in t.contrasts if c.arm == arm}
        return found.pop() if len(found) == 1 else DEPENDS

    def runs(self) -> Iterable[str]:
        """The ids of the runs that verdicts rest on."""
        return dict.fromkeys(r for t in self.tasks for c in t.contrasts for p in c.pairs for r in p.runs)

    def to_plain(self) -> dict[str, Any]:
        return {**asdict(self), "headlines": {arm: self.headline(arm) for arm in self.rules.contrasts}}
