"""The grid of a sweep: from override strings with several values to the overrides of every job.

It is counted from the grammar before anything is expanded. The order and the strings are those of Hydra's basic
sweeper: the product over keys, the last key fastest; of two overrides with one key, the later one counts.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import product
from math import ceil, prod

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import FloatRange, Override, RangeSweep

from lrbench.errors import ConfigError

ASK = 10_000  # jobs from which a person is asked whether that was meant
DEFAULTS = "defaults"  # the label of a job of which nothing is said
MOST = 100_000  # jobs above which only `--yes` goes on


@dataclass(frozen=True)
class GridAxis:
    """One key of the grid: an override with one value, or with several."""

    override: Override

    def __len__(self) -> int:
        if not self.override.is_sweep_override():
            return 1
        value = self.override.value()
        return _length(value) if isinstance(value, RangeSweep) else len(list(self.override.sweep_iterator()))

    def __iter__(self) -> Iterator[str]:
        """The override strings of this key, one a value."""
        key = self.override.get_key_element()
        if not self.override.is_sweep_override():
            return iter([f"{key}={self.override.get_value_element_as_str()}"])
        return (f"{key}={value}" for value in self.override.sweep_string_iterator())


def axes(parser: OverridesParser, arguments: Sequence[str]) -> list[GridAxis]:
    """One axis a key. Raises ConfigError for an axis that cannot be counted or has no value."""
    by_key = {o.get_key_element(): GridAxis(o) for o in parser.parse_overrides(list(arguments))}
    for axis in by_key.values():
        given = axis.override.input_line
        if axis.override.is_sweep_override() and not axis.override.is_discrete_sweep():
            cure = "give values as a,b,c or range(0,10,2)"
            raise ConfigError(str(given), "", "an interval cannot be enumerated", cure)
        if not len(axis):
            raise ConfigError(str(given), "", "this has no values, so the grid is empty", "give at least one")
    return list(by_key.values())


def count(grid: Sequence[GridAxis]) -> int:
    """How many jobs the grid has; nothing is expanded."""
    return prod(map(len, grid))


def jobs(grid: Sequence[GridAxis]) -> Iterator[tuple[str, ...]]:
    """The overrides of every job."""
    return product(*grid)


def labels(jobs: Sequence[Sequence[str]]) -> list[str]:
    """What tells jobs apart, each given by its overrides: those that not all of them share."""
    shared = set(jobs[0]).intersection(*jobs[1:])
    return [" ".join(o for o in job if len(jobs) == 1 or o not in shared) or DEFAULTS for job in jobs]


def expanded(overrides: Sequence[str]) -> list[tuple[str, ...]]:
    """The overrides of every job of a grid: `expanded(["scheduler=cosine,step", "seed=range(3)"])` has six.

    Raises ConfigError for one that is empty.
    """
    return list(jobs(axes(OverridesParser.create(), overrides)))


def _length(sweep: RangeSweep) -> int:
    """How many values a range has. Raises ConfigError for a step of zero."""
    if not sweep.step:
        raise ConfigError(f"range({sweep.start},{sweep.stop},{sweep.step})", "", "the step must not be zero")
    values = sweep.range()
    if not isinstance(values, FloatRange):
        return len(values)
    start, stop, step = (Decimal(v) for v in (values.start, values.stop, values.step))
    estimate = max(0, ceil((stop - start) / step))
    # Hydra adds the step up, rounding each time, so near the end it may take one more: counted where that is quick.
    return sum(1 for _ in values) if estimate <= MOST else estimate


def confirm(jobs: int, yes: bool) -> None:
    """Ask, on a terminal, whether a very large sweep is meant. Raises ConfigError if it is not, or too large."""
    if yes or jobs <= ASK:
        return
    if jobs <= MOST and sys.stdin.isatty():
        answer = input(f"lrbench: this sweep has {jobs:,} jobs. Go on? [y/N] ")
        if answer.strip().lower() in ("y", "yes"):
            return
        raise ConfigError("", "", f"the sweep of {jobs:,} jobs was not started")
    cure = "if that is meant, add --yes (with --dry-run, to see the plan)"
    raise ConfigError("", "", f"this sweep has {jobs:,} jobs", cure)
