"""What a range test found: a sweep a seed, and for each rule a rate with its interval over the seeds."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lrbench.experiment import Experiment
from lrbench.experiment.hashing import canonical, digest, names_set
from lrbench.find_lr.curve import FIRST, RangeTestCurve, curve_of
from lrbench.find_lr.range_test import RangeTest
from lrbench.find_lr.rules import answers
from lrbench.find_lr.sweep import RangeTestSweep
from lrbench.stats.intervals import t_interval

# What an update does not depend on while a table of rates of its own drives it: schedules share their range test.
NOT_IN_A_SWEEP = ("seed", "scheduler", "warmup", "weight_decay", "horizon", "eval_every", "monitor", "monitor_mode")


@dataclass(frozen=True)
class Suggestion:
    """A rule's rate: the geometric mean over the seeds that gave one, to 2 significant digits, and the 95 % t interval
    of the mean logarithm; None where no more than half of the seeds gave one, and where one alone did. `of` seeds."""

    rule: str
    rate: float | None
    low: float | None
    high: float | None
    answers: int
    of: int


@dataclass(frozen=True)
class Found:
    """The sweeps of a range test, by seed, and what its rules suggest; `id` names what was swept and how."""

    id: str
    title: str
    test: RangeTest
    sweeps: tuple[RangeTestSweep, ...]
    suggestions: Mapping[str, Suggestion] = field(default_factory=dict)

    @property
    def curves(self) -> list[RangeTestCurve]:
        return [curve_of(self.test, s.losses) for s in self.sweeps]

    @property
    def suggested(self) -> Suggestion:
        """By the rule that the test asks for."""
        return self.suggestions[self.test.rule]


def sweep_id(experiment: Experiment, test: RangeTest) -> str:
    """16 hex digits of all that decides the numbers of a sweep but for the seed: the experiment without its rate and
    its schedule, where its data lie left out, and the settings."""
    parts: dict[str, Any] = {k: getattr(experiment, k) for k in names_set(experiment) if k not in NOT_IN_A_SWEEP}
    parts["optimizer"] = {k: v for k, v in vars(experiment.optimizer).items() if k != "lr" and v is not None}
    parts["data"] = experiment.data.placeless
    return digest(canonical({"experiment": parts, "range test": test.of_a_sweep}))


def title_of(experiment: Experiment) -> str:
    """A short name of what was swept."""
    model = experiment.model.args.get("name", experiment.model.name)
    return f"{model} {experiment.data.name} {experiment.optimizer.name} batch {experiment.batch_size}"


def suggestions(test: RangeTest, sweeps: Sequence[RangeTestSweep]) -> dict[str, Suggestion]:
    """What every rule suggests, from the sweeps of all seeds."""
    said = [answers(test, s.losses) for s in sweeps]
    return {rule: suggestion(rule, [a[rule] for a in said]) for rule in said[0]} if said else {}


def suggestion(rule: str, rates: Sequence[float | None]) -> Suggestion:
    """From a rule's rate on each seed, None where it had none."""
    logs = [math.log10(rate) for rate in rates if rate is not None]
    if not 2 * len(logs) > len(rates):
        return Suggestion(rule, None, None, None, len(logs), len(rates))
    interval = t_interval(logs)
    low, high = (None, None) if interval is None else (rounded(10**end) for end in interval)
    return Suggestion(rule, rounded(10 ** (sum(logs) / len(logs))), low, high, len(logs), len(rates))


def rounded(rate: float) -> float:
    """To 2 significant digits."""
    return float(f"{rate:.2g}")


def remarks(found: Found) -> list[str]:
    """What a person should know before the suggestion is used."""
    test, said = found.test, []
    steepest = found.suggestions["steepest"].rate
    if steepest is None:
        said.append("on most seeds the loss never falls by more than it varies: no rate can be read off such a curve")
    elif steepest <= test.rates[test.iterations // FIRST]:
        said.append(f"the loss falls fastest where the sweep begins; a find_lr.start below {test.start:g} shows more")
    if all(map(_turns_nowhere, found.sweeps, found.curves)) or (steepest is None and not _ended_early(found)):
        said.append(f"up to {test.end:g} the loss turns nowhere; a higher find_lr.end shows more")
    ends = _ended_early(found)
    if found.suggested.rate is not None and ends and found.suggested.rate > ends[0]:
        many = sum(found.suggested.rate > end for end in ends)
        said.append(f"on {many} of {len(found.sweeps)} seeds the loss exploded below this rate, first at {ends[0]:.2g}")
    low, high = found.suggested.low, found.suggested.high
    if low is not None and high is not None and high > 10 * low:
        said.append(f"{test.rule} is uncertain by a factor of {high / low:.0f}; more seeds or iterations narrow it")
    return said


def _turns_nowhere(swept: RangeTestSweep, curve: RangeTestCurve) -> bool:
    """Whether the loss is lowest in the last tenth of a whole sweep."""
    return swept.end == "whole" and 10 * int(np.argmin(curve.losses)) >= 9 * len(curve.losses)


def _ended_early(found: Found) -> list[float]:
    """The rates at which sweeps ended before the last one, ascending."""
    return sorted(found.test.rates[len(s.losses) - 1] for s in found.sweeps if s.end != "whole")
