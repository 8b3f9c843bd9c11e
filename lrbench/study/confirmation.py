"""Confirmation: chosen values on fresh seeds, in pairs, in one look or two."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lrbench.plural import plural
from lrbench.study.cells import Cell, CellOutcome, Look, Needed
from lrbench.study.result import SeedPair
from lrbench.study.rules import Rules
from lrbench.study.tuning import ChosenValue

Value = float | None


@dataclass(frozen=True)
class ContrastRuns:
    """What came of a contrast's cells, by seed: of the arm and the baseline at their own values, and, where both paths
    are asked for, of each at the other's."""

    arm: str
    values: tuple[Value, Value]
    seeds: tuple[int, ...]
    own: tuple[CellOutcome, ...]
    base: tuple[CellOutcome, ...]
    arm_at_base: tuple[CellOutcome, ...] = ()
    base_at_arm: tuple[CellOutcome, ...] = ()

    def pairs(self) -> tuple[SeedPair, ...]:
        return tuple(
            SeedPair(seed, scored(o), scored(b), (o.run_id, b.run_id))
            for seed, o, b in zip(self.seeds, self.own, self.base, strict=True)
        )

    def turned(self) -> "ContrastRuns":
        """The baseline's gain over the arm in the place of the arm's over the baseline."""
        return ContrastRuns(
            self.arm, self.values[::-1], self.seeds, self.base, self.own, self.base_at_arm, self.arm_at_base
        )  # fmt: skip


def scored(outcome: CellOutcome) -> float | None:
    return None if outcome.failure else outcome.metric


def confirmable(rules: Rules, choices: Mapping[str, ChosenValue]) -> list[str]:
    """The arms whose contrast can have a verdict: they and the baseline are tuned as far as the estimand asks."""
    asked = rules.tuned_arms
    if rules.baseline in asked and choices[rules.baseline].standing != "tuned":
        return []
    return [arm for arm in rules.contrasts if arm not in asked or choices[arm].standing == "tuned"]


def values_of(rules: Rules, choices: Mapping[str, ChosenValue], arm: str) -> tuple[Value, Value]:
    """The arm's and the baseline's values in a contrast."""
    if not rules.tunes:
        return None, None
    base = choices[rules.baseline].value
    return (choices[arm].value if rules.estimand != "swap" else base), base


def seeds_of(rules: Rules, pairs: int, looks: int) -> tuple[int, ...]:
    """The seeds of so many looks."""
    return tuple(seed for role in ("confirmation", "second look")[:looks] for seed in rules.seeds(role, pairs))


def confirm(
    rules: Rules, task: str, seeds: Sequence[int], look: Look, choices: Mapping[str, ChosenValue]
) -> Needed | list[ContrastRuns]:
    """What came of all contrasts that can be confirmed, or the cells that are still needed for it."""
    missing: dict[Cell, None] = {}

    def row(arm: str, value: Value) -> tuple[CellOutcome, ...]:
        cells = [Cell(task, arm, value, seed, True) for seed in seeds]
        outcomes = [look(cell) for cell in cells]
        missing.update((c, None) for c, o in zip(cells, outcomes, strict=True) if o is None)
        return tuple(o for o in outcomes if o is not None)

    found = []
    for arm in confirmable(rules, choices):
        own, base = values_of(rules, choices, arm)
        crossed = (row(arm, base), row(rules.baseline, own)) if rules.estimand == "both" else ((), ())
        found.append(ContrastRuns(arm, (own, base), tuple(seeds), row(arm, own), row(rules.baseline, base), *crossed))
    # Seed by seed, so that an interrupted stage has whole pairs.
    cells = sorted(missing, key=lambda cell: seeds.index(cell.seed))
    return Needed(f"confirmation, {plural(len(seeds), 'pair')}", tuple(cells)) if cells else found
