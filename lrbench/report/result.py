"""What a comparison found, as plain frozen data: every number that a report shows stands here first."""

from dataclasses import asdict, dataclass
from typing import Any

from lrbench.metrics import Metric, metric_of
from lrbench.stats.intervals import ConfidenceInterval
from lrbench.stats.paired import Difference, Success
from lrbench.study.runs import Environment


@dataclass(frozen=True)
class Estimate:
    """A metric over the n seeds of an arm that succeeded. None: not to be had from so few."""

    n: int
    mean: float | None
    interval: ConfidenceInterval | None  # t
    sd: float | None  # between seeds


@dataclass(frozen=True)
class SeedResult:
    """One run of an arm. `value` is the metric's, None where the run was unsuccessful; `failure` says how."""

    run_id: str
    seed: int
    value: float | None
    failure: str | None


@dataclass(frozen=True)
class Arm:
    """The runs that differ only in seed."""

    arm_id: str
    name: str
    differs: dict[str, Any]  # dotted keys of the Experiment in which the arms differ, and this arm's values
    outcomes: tuple[SeedResult, ...]
    estimate: Estimate  # of the compared metric
    beside: dict[str, Estimate]  # of the other metrics
    failures: int
    success: ConfidenceInterval | None  # Wilson, of the rate of success
    command: str | None  # trains the arm again
    stopped_early: tuple[int, ...] = ()  # of the runs that did, how many updates each had

    @property
    def seeds(self) -> list[int]:
        return [o.seed for o in self.outcomes]


@dataclass(frozen=True)
class MetricCurve:
    """A metric of one arm over epochs: mean over the n seeds that succeeded, with pointwise t intervals from n = 2."""

    arm: int
    n: int
    epochs: list[float]
    mean: list[float]
    low: list[float] | None
    high: list[float] | None


@dataclass(frozen=True)
class RateCurve:
    """Rates used by one parameter group. `seed` is None where all seeds of the arm used the same."""

    arm: int
    group: str
    seed: int | None
    epochs: list[float]
    rates: list[float]


@dataclass(frozen=True)
class Sensitivity:
    """Arms that differ in optimizer.lr alone, from the lowest rate to the highest."""

    name: str
    arms: list[int]
    rates: list[float]
    best: int  # the arm with the best mean, of those without a failure where there is one
    chosen_by: str  # of which metric: the compared one's on validation, where all have it
    at_edge: bool  # that arm's rate is an end of the grid: the optimum may lie beyond


@dataclass(frozen=True)
class ArmDifference:
    """An arm against the baseline, seed by seed. Differences are the arm's minus the baseline's."""

    arm: int
    seeds: list[int]  # that both have, and that may be paired
    only_arm: list[int]  # seeds that the baseline lacks
    only_baseline: list[int]  # seeds that the arm lacks
    refused: dict[str, list[int]]  # why runs were not paired: those seeds
    excluded: list[int]  # seeds where one of the two was unsuccessful
    difference: Difference  # among pairs where both succeeded
    holm_p: float | None  # of the difference's t test, adjusted for all differences that the comparison tests
    success: Success


@dataclass(frozen=True)
class LeftOut:
    """A run that is in no arm, and why."""

    run_id: str
    why: str


@dataclass(frozen=True)
class Comparison:
    name: str
    metric: str
    higher_is_better: bool
    level: float  # of every interval
    criterion: str  # what counts as a success, in words
    shared: dict[str, Any]  # dotted keys with the value that all arms have
    arms: tuple[Arm, ...]
    baseline: int
    pairs: tuple[ArmDifference, ...]
    curves: dict[str, tuple[MetricCurve, ...]]
    rates: tuple[RateCurve, ...]
    sensitivity: tuple[Sensitivity, ...]
    environments: tuple[Environment, ...]
    left_out: tuple[LeftOut, ...]
    declared: dict[str, Metric]  # what the runs say of their metrics, by name
    uncommitted: tuple[str, ...]  # runs whose evidence stands in no commit yet
    unsealed: int  # runs of records from before there were seals

    @property
    def measured(self) -> Metric:
        """What is known of the compared metric."""
        return self.meaning(self.metric)

    def meaning(self, metric: str) -> Metric:
        return metric_of(metric, self.declared)

    @property
    def tested(self) -> int:
        """How many paired differences were tested."""
        return sum(p.holm_p is not None for p in self.pairs)

    @property
    def expected_by_chance(self) -> float:
        """How many of their intervals would lie off 0, on average, if no arm differed from the baseline."""
        return self.tested * (1 - self.level)

    def to_plain(self) -> dict[str, Any]:
        """For JSON: dicts, lists, numbers; an interval is [low, high]."""
        return {**asdict(self), "tested": self.tested, "expected_by_chance": self.expected_by_chance}
