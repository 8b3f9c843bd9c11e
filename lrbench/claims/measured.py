"""What stored studies say of a claim: their rows are analysed again, with the range that the claim gives."""

from dataclasses import replace
from pathlib import Path

from lrbench.claims.settled import Measured
from lrbench.errors import ConfigError
from lrbench.experiment.identity import run_id
from lrbench.stats.verdict import Claim as Range
from lrbench.store.store import Store
from lrbench.study.bench import Bench
from lrbench.study.design import Design
from lrbench.study.result import Contrast, Result
from lrbench.study.shelf import frozen


def measured(studies: Path, study: str, arm: str, claimed: Range, kind: str | None = None) -> tuple[Measured, ...]:
    """What a study found of an arm, task by task; nothing where it has no result yet.

    studies: `results/studies`. claimed: the range and the margin that the contrast is held against. kind: of the
    question, where it is another than the study's own (`no worse` of a study of differences). Raises ConfigError for an
    arm that the study does not have, and for rows that are not of its design.
    """
    design = frozen(studies / study)
    if design is None:
        return ()
    if arm not in design.rules.contrasts:
        known = ", ".join(design.rules.contrasts)
        raise ConfigError("arm", arm, f"the study {study} compares {known} with {design.rules.baseline}")
    ranges = {**design.rules.claims, arm: claimed}
    rules = replace(design.rules, claims=ranges, kind=kind or design.rules.kind)  # type: ignore[arg-type]
    store = Store(studies.parent)
    found = Bench(replace(design, rules=rules), lambda e: store.done(run_id(e))).next()
    if not isinstance(found, Result):
        return ()
    return tuple(_told(design, t.task, c) for t in found.tasks for c in t.contrasts if c.arm == arm)


def headline(found: tuple[Measured, ...]) -> str:
    """The verdict that all tasks have in common."""
    verdicts = {m.verdict for m in found}
    return verdicts.pop() if len(verdicts) == 1 else "depends on the task"


def _told(design: Design, task: str, c: Contrast) -> Measured:
    tested, rules = c.tested, design.rules
    interval = tested.interval if tested else None
    return Measured(
        study=design.name, design=design.hash, task=task, arm=c.arm, baseline=rules.baseline, metric=rules.metric,
        verdict=c.verdict or "no verdict", n=tested.n if tested else 0, effect=tested.mean if tested else None,
        low=interval.low if interval else None, high=interval.high if interval else None,
        level=tested.level if tested else None, agreement=c.agreement.tuned_again if c.agreement else None,
        fresh=design.fresh, remarks=c.remarks,
    )  # fmt: skip
