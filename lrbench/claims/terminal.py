"""What a terminal is told of claims: a line for each, or everything about one."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from lrbench.claims.ledger import Claim
from lrbench.claims.settled import Settled
from lrbench.claims.words import again, bearing, cited, counted, gained, rerun, standing

if TYPE_CHECKING:
    from lrbench.config.claim import ClaimDesign


def listing(some: Sequence[Claim], verdicts: Mapping[str, Settled]) -> str:
    """A line for each claim, under the part of the guide that it stands in, and counts."""
    width, told, section = max((len(c.id) for c in some), default=0), list[str](), ""
    for c in some:
        if c.section != section:
            section = c.section
            told += ["", section]
        told.append(f"  {c.id:{width}}  {standing(c, verdicts):12}  {c.kind}")
    return "\n".join([*told[1:], "", counted(some, verdicts)])


def one(
    claim: Claim, known: Mapping[str, Claim], verdicts: Mapping[str, Settled], own: "ClaimDesign | None" = None
) -> str:
    """Everything about a claim. verdicts: its own, and those of the claims that bear on it."""
    settled = verdicts.get(claim.id)
    told = [f"{claim.id}: {standing(claim, verdicts)}", f"  {claim.says}"]
    told += [f"  {claim.section}; {claim.kind}, {claim.tier}, {claim.domain}"]
    told += _computed(claim, settled) if settled else []
    told += [f"  {cited(c)}" for c in claim.citations]
    told += _design(claim, own) if claim.kind == "effect" else []
    for words, text in (
        ("confidence", claim.confidence),
        ("not found", claim.missing),
        ("note", claim.note),
        ("advice", claim.advice),
    ):
        told += [f"  {words}: {text}"] if text else []
    told += [f"  {line}" for line in bearing(claim, known, verdicts)]
    if claim.rule:
        told.append(f"  rule {claim.rule}{_seen(claim.rule)}")
    if claim.kind != "advice":
        told.append(f"  again: {again(claim)}")
    return "\n".join(told)


def _seen(rule: str) -> str:
    """How to see a rule of advice at work."""
    tool, _, name = rule.partition(".")
    return f"; see it: lrbench advise --rule {name}" if tool == "advise" else ""


def _computed(claim: Claim, settled: Settled) -> Iterator[str]:
    """What its verdict rests on, with a figure: schedules, or intervals."""
    for p in settled.parts:
        yield f"  {'agrees' if p.agrees else 'DIFFERS':8} {p.what}: said {p.said}, found {p.found}"
    if settled.torch:
        yield f"  torch {settled.torch}"
    if claim.rates:
        from lrbench.claims.exact import curve_of
        from lrbench.plots.terminal import chart

        yield chart([curve_of(r) for r in claim.rates])
    for m in settled.studies:
        yield f"  {gained(m)}"
        if m.effect is not None and m.low is not None and m.high is not None:
            from lrbench.plots.terminal import interval_line

            yield f"    {interval_line(m.low, m.effect, m.high)}"
        yield from (f"    {remark}" for remark in m.remarks)
        if m.agreement is not None:
            yield f"    {rerun(m)}"


def _design(claim: Claim, own: "ClaimDesign | None") -> Iterator[str]:
    """Of an effect: what settles it, and the studies that do."""
    from lrbench.config.claim import FOLDER, read_claim

    design = own or read_claim(FOLDER / f"{claim.id}.yaml")
    for words, text in (("settled by", design.settles), ("design", design.design), ("why", design.why)):
        if text:
            yield f"  {words}: {text}"
    if claim.needs:
        yield f"  needs {', '.join(claim.needs)}"
    for study in dict.fromkeys(study for part in design.parts for study in part.studies):
        yield f"  study: lrbench compare {study}"
    if design.paper:
        yield f"  at the paper's scale: {' '.join(design.paper)}"
