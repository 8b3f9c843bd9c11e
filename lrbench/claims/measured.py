"""What stored studies say of a claim: their rows are analysed again, with the range that the claim gives."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace

from lrbench.claims.asked import was_asked
from lrbench.claims.settled import MeasuredContrast
from lrbench.claims.studies import Studies
from lrbench.config.claim import ClaimContrast, ClaimDesign, ClaimPart, claimed
from lrbench.errors import ConfigError
from lrbench.report.study.gains import shown, shown_interval
from lrbench.stats.verdict import VERDICTS as OF_A_CONTRAST
from lrbench.stats.verdict import ClaimedEffect
from lrbench.study.design import Design
from lrbench.study.result import Contrast
from lrbench.study.rules import Rules
from lrbench.study.step import asked_again

DEPENDS, IN_PART = "depends on the contrast", "measured in part"
VERDICTS = (*OF_A_CONTRAST, "no verdict", DEPENDS, IN_PART)
ONE_RANGE = ("no worse", "equal", "fraction")  # kinds of which all contrasts of a family have the same
OTHER_BASELINE = "not a contrast of the frozen design: every arm was compared with this one instead, and corrected for"
NOT_PRIMARY = "no primary contrast of the frozen design: the looks were taken for others"
MOVED = "exploratory: this is not what the claim asked of the study when it was frozen"
NOT_FRESH = "exploratory, not fresh: runs of both existed when the study was frozen"


def measured(design: ClaimDesign, studies: Studies) -> tuple[MeasuredContrast, ...]:
    """What studies found of each contrast of the claim, task by task; nothing where none of them has a result.
    Raises ConfigError for a part that does not fit its study, and for rows that are not of its design."""
    return tuple(m for part in design.parts for study in part.studies for m in _checked(design, part, study, studies))


def verdict_of(found: tuple[MeasuredContrast, ...], design: ClaimDesign) -> str:
    """The verdict that all contrasts have in common. Of a claim that any of them may bear out, one that does is
    enough; else there is none before all of its studies have their results, and nothing is needed for others."""
    verdicts = {m.verdict for m in found}
    if design.holds == "any" and "supported" in verdicts:
        return "supported"
    asked = {study for part in design.parts for study in part.studies}
    if design.needs or asked - {m.study for m in found}:
        return IN_PART
    return verdicts.pop() if len(verdicts) == 1 else DEPENDS


def _checked(design: ClaimDesign, part: ClaimPart, study: str, studies: Studies) -> Iterator[MeasuredContrast]:
    """As a claim that was written down before the study was frozen, and not changed since, or as exploratory."""
    found = [*_of_study(part, study, studies)]
    if found and not was_asked(studies.store.studies_folder / study, design):
        found = [replace(m, fresh=False, remarks=(MOVED, *m.remarks)) for m in found]
    yield from found


def _of_study(part: ClaimPart, study: str, studies: Studies) -> Iterator[MeasuredContrast]:
    answer = studies.answer(study)
    if answer is None:
        return
    design = answer.design
    for contrast, claim in claimed(part, design).items():
        turned = contrast.arm == design.rules.baseline
        arm = contrast.against if turned else contrast.arm  # as the family has it
        rules = _rules(design.rules, contrast, arm, claim, part.kind)
        # The same cells came to the same; but of a fraction, which not every run has.
        look = studies.bench(replace(design, rules=rules)).look if rules.kind == "fraction" else answer.look
        result = asked_again(rules, answer.result, look, turned=turned)
        for task in result.tasks:
            if not part.tasks or task.task in part.tasks:
                (c,) = [c for c in task.contrasts if c.arm == arm]
                why = () if task.size.enough else (task.size.why,)
                told = (*why, *_remarks(design, task.task, contrast, arm, rules))
                yield _told(study, design, rules, task.task, contrast, c, told)


def _rules(own: Rules, contrast: ClaimContrast, arm: str, claim: ClaimedEffect, kind: str) -> Rules:
    """The study's, were it asked the claim's question: its family, unless the contrast is with another baseline. What
    the baseline gains over an arm is the same contrast, read from the other side."""
    kind = kind or own.kind
    other = own.baseline not in (contrast.arm, contrast.against)
    if other and own.estimand == "swap" and own.tunes:
        why = f"all arms ran at the value of {own.baseline}, so that only what is compared with it is a swap"
        raise ConfigError("contrasts", f"{contrast.arm} against {contrast.against}", why, f"name {own.baseline} in it")
    baseline = contrast.against if other else own.baseline
    arms = [a for a in own.arms if a != baseline]
    ranges: Mapping[str, ClaimedEffect] = dict.fromkeys(arms, claim) if kind in ONE_RANGE else {arm: claim}
    return replace(
        own, baseline=baseline, kind=kind, claims=ranges, primary=() if other else own.primary,  # type: ignore[arg-type]
        estimand="tuned" if own.estimand == "both" else own.estimand,  # whose two paths no claim is about
        pairs=own.pairs or own.most_pairs, detect=None,  # it took what it took, whatever it was to find
    )  # fmt: skip


def _remarks(design: Design, task: str, contrast: ClaimContrast, arm: str, rules: Rules) -> Iterator[str]:
    if rules.baseline != design.rules.baseline:
        yield OTHER_BASELINE
    elif arm not in rules.family:
        yield NOT_PRIMARY
    if design.was_seen(contrast.arm, contrast.against, task):
        yield NOT_FRESH


def _told(
    study: str, design: Design, rules: Rules, task: str, contrast: ClaimContrast, c: Contrast, remarks: tuple[str, ...]
) -> MeasuredContrast:
    tested = c.tested
    interval = shown_interval(rules, tested.interval) if tested else None
    return MeasuredContrast(
        study=study, design=design.hash, task=task, arm=contrast.arm, baseline=contrast.against,
        metric=rules.metric, kind=rules.kind, claim=asdict(c.claim),
        verdict=c.verdict or "no verdict", n=(n := tested.n if tested else 0), left_out=len(c.pairs) - n,
        effect=shown(rules, tested.mean) if tested and tested.mean is not None else None,
        low=interval.low if interval else None, high=interval.high if interval else None,
        level=tested.level if tested else None, agreement=c.agreement.tuned_again if c.agreement else None,
        fresh=not design.was_seen(contrast.arm, contrast.against, task), remarks=(*remarks, *c.remarks),
    )  # fmt: skip
