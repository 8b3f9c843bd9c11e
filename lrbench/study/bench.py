"""Between cells and runs: what is asked of a store, and what its runs say."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lrbench.errors import ConfigError
from lrbench.experiment import Experiment
from lrbench.store.run import Run
from lrbench.study.cells import Cell, CellOutcome, Needed
from lrbench.study.design import Design, from_plain_design
from lrbench.study.result import Result
from lrbench.study.rules import Rules
from lrbench.study.runs import failure, why_not_paired
from lrbench.study.step import next_step
from lrbench.sweep.stages import Done, Untested

TARGET = "lrbench.study.bench.stage"


def stage(plain: Mapping[str, Any], done: Done) -> Mapping[str, Experiment | Untested] | None:
    """The next stage of a study, as a sweep in stages asks for it: see `lrbench.sweep.stages`."""
    design = from_plain_design(plain)
    found = next_step(design.rules, Bench(design, done).look)
    if isinstance(found, Result):
        return None
    return {label(cell): design.experiment(cell) if cell.measured else _untested(design, cell) for cell in found.cells}


def _untested(design: Design, cell: Cell) -> Untested:
    return Untested(design.experiment(cell))


def label(cell: Cell) -> str:
    """What tells a cell from the others, for a person."""
    value = "" if cell.value is None else f"{cell.value:g}"
    return " ".join(filter(None, (cell.task, cell.arm, value, f"seed {cell.seed}")))


@dataclass
class Bench:
    """Looks cells up among runs that are done, each once: `look` is what `next_step` wants."""

    design: Design
    done: Done
    runs: dict[str, Run] = field(default_factory=dict)  # those that were looked at, by id
    _found: dict[Cell, CellOutcome] = field(default_factory=dict)
    _first: dict[str, Run] = field(default_factory=dict)  # of each task, the run that all others must be like

    def look(self, cell: Cell) -> CellOutcome | None:
        """Raises ConfigError for a run that cannot be compared with the others of its task."""
        if cell not in self._found:
            run = self.done(self.design.experiment(cell))
            outcome = None if run is None else outcome_of(run, self.design.rules, cell.measured)
            if run is None or outcome is None:
                return None
            self._require_alike(cell.task, run)
            self.runs[run.run_id] = run
            self._found[cell] = outcome
        return self._found[cell]

    def next(self) -> Needed | Result:
        return next_step(self.design.rules, self.look)

    def _require_alike(self, task: str, run: Run) -> None:
        first = self._first.setdefault(task, run)
        if why := why_not_paired(first, run):
            raise ConfigError(
                f"{first.run_id} and {run.run_id}",
                "",
                f"these runs of the study cannot be compared: they differ in {'; '.join(why)}",
                "take one of the two results folders, or --replicate 1 to make all runs anew here",
            )


def outcome_of(run: Run, rules: Rules, measured: bool) -> CellOutcome | None:
    """What a run that is done says; None where it was not measured yet on what the study concludes from.

    Raises ConfigError for a metric that the run does not have.
    """
    summary, judged = run.summary, rules.metric if measured else rules.judge
    if run.standing == "diverged":
        return CellOutcome(run.run_id, None, None, failure(run, judged))
    if measured and judged.startswith("test/") and not any(name.startswith("test/") for name in summary):
        return None
    if judged not in summary:
        known = ", ".join(k for k, v in summary.items() if "/" in k and isinstance(v, int | float))
        raise ConfigError("metric", judged, f"the run {run.run_id} does not measure it; it has {known}")
    values = {name: _finite(summary.get(name)) for name in (rules.judge, rules.metric)}
    failed = failure(run, judged)
    if rules.kind == "fraction" and failed is None and summary[judged] <= 0:
        why = f"{judged} is {summary[judged]:g} in the run {run.run_id}, of which nothing is a fraction"
        raise ConfigError("kind", rules.kind, why, "ask for the difference, kind: difference")
    return CellOutcome(run.run_id, values[rules.judge], values[rules.metric], failed)


def _finite(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None
