"""What stored studies say of a claim: their rows are analysed again, with the range that the claim gives."""

from collections.abc import Iterator
from dataclasses import replace

from lrbench.claims.settled import Measured
from lrbench.config.claim import ClaimDesign, ClaimPart, Contrast, claimed
from lrbench.experiment.identity import run_id
from lrbench.stats.verdict import Claim as Range
from lrbench.store.store import Store
from lrbench.study.bench import Bench
from lrbench.study.design import Design
from lrbench.study.result import Contrast as Found
from lrbench.study.result import Result
from lrbench.study.shelf import frozen

DEPENDS = "depends on the contrast"
OTHER_BASELINE = "not a contrast of the frozen design: every arm was compared with this one instead, and corrected for"


def measured(design: ClaimDesign, store: Store) -> tuple[Measured, ...]:
    """What studies found of each contrast of the claim, task by task; nothing unless each part has a study with a
    result. Raises ConfigError for a part that does not fit its study, and for rows that are not of its design."""
    found = [[m for study in part.studies for m in _of_study(part, study, store)] for part in design.parts]
    return tuple(m for some in found for m in some) if all(found) else ()


def verdict_of(found: tuple[Measured, ...], holds: str) -> str:
    """The verdict that all contrasts have in common. Of a claim that any of them may bear out, one that does is
    enough."""
    verdicts = {m.verdict for m in found}
    if holds == "any" and "supported" in verdicts:
        return "supported"
    return verdicts.pop() if len(verdicts) == 1 else DEPENDS


def _of_study(part: ClaimPart, study: str, store: Store) -> Iterator[Measured]:
    design = frozen(store.studies_folder / study)
    if design is None:
        return
    own = _result(design, store)
    if own is None:
        return
    for contrast, claim in claimed(part, design).items():
        result = _result(_asked(design, own, contrast, claim, part.kind), store)
        if result is None:
            return
        other = (OTHER_BASELINE,) if contrast.against != design.rules.baseline else ()
        for task in result.tasks:
            if not part.tasks or task.task in part.tasks:
                (c,) = [c for c in task.contrasts if c.arm == contrast.arm]
                yield _told(design, task.task, contrast.against, c, other)


def _asked(design: Design, own: Result, contrast: Contrast, claim: Range, kind: str) -> Design:
    """The study as if it had been asked the claim's question: the same runs, with its range and its baseline. As many
    pairs as the study's own noise asked for."""
    rules = design.rules
    ranges = {**rules.claims, contrast.arm: claim}
    if kind not in ("", rules.kind):  # a margin is that of a whole family
        ranges = dict.fromkeys(rules.contrasts, claim)
    if contrast.against != rules.baseline:
        pairs = {t.size.pairs for t in own.tasks}
        same = {"baseline": contrast.against, "primary": (), "pairs": pairs.pop(), "detect": None}
        arms = [arm for arm in rules.arms if arm != contrast.against]
        ranges = {arm: claim for arm in arms if arm == contrast.arm or kind not in ("", rules.kind)}
    else:
        same = {}
    return replace(design, rules=replace(rules, claims=ranges, kind=kind or rules.kind, **same))  # type: ignore[arg-type]


def _result(design: Design, store: Store) -> Result | None:
    found = Bench(design, lambda e: store.done(run_id(e))).next()
    return found if isinstance(found, Result) else None


def _told(design: Design, task: str, against: str, c: Found, remarks: tuple[str, ...]) -> Measured:
    tested, rules = c.tested, design.rules
    interval = tested.interval if tested else None
    return Measured(
        study=design.name, design=design.hash, task=task, arm=c.arm, baseline=against, metric=rules.metric,
        verdict=c.verdict or "no verdict", n=tested.n if tested else 0, effect=tested.mean if tested else None,
        low=interval.low if interval else None, high=interval.high if interval else None,
        level=tested.level if tested else None, agreement=c.agreement.tuned_again if c.agreement else None,
        fresh=design.fresh, remarks=(*remarks, *c.remarks),
    )  # fmt: skip
