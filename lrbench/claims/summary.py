"""All claims and their verdicts in one Markdown file, `results/README.md`: what a practitioner should know first."""

from collections.abc import Mapping, Sequence
from itertools import groupby

from lrbench.claims.ledger import Claim
from lrbench.claims.settled import Settled
from lrbench.claims.words import counted, finding, standing
from lrbench.report.markdown import escape

OPENING = (
    "Every claim that a widely read guide makes about learning-rate schedules, and what became of it. A verdict "
    "follows from evidence by a rule that was fixed before: computed from torch's own schedulers, read in "
    "publications, or measured in studies whose designs were frozen before their data. Small models on small data are "
    "proxies, and are called so."
)
MADE = (
    "Made by `lrbench report --claims`. A claim in full: `lrbench claims show ID`; settled again: `lrbench claims run "
    "ID`. The same as a page that can be searched: [claims.html](claims.html)."
)


def render(known: Mapping[str, Claim], verdicts: Mapping[str, Settled], first: Sequence[str]) -> str:
    """first: the ids of the claims that a practitioner should know of, the most important one first."""
    parts = ["# What is known about learning-rate schedules", OPENING, counted(known.values(), verdicts) + ".", MADE]
    if first:
        told = (_headline(known[name], verdicts.get(name)) for name in first)
        parts += ["## What to know first", "\n".join(f"{n}. {line}" for n, line in enumerate(told, 1))]
    for section, some in groupby(known.values(), lambda c: c.section):
        parts += [f"## {escape(section)}", "\n".join(_line(c, verdicts.get(c.id)) for c in some)]
    return "\n\n".join(parts) + "\n"


def _headline(claim: Claim, settled: Settled | None) -> str:
    """What to do, and what that rests on."""
    return f"{escape(claim.advice or claim.says)} {_evidence(claim, settled)}"


def _line(claim: Claim, settled: Settled | None) -> str:
    return f"- {escape(claim.says)} {_evidence(claim, settled)}"


def _evidence(claim: Claim, settled: Settled | None) -> str:
    name = f"[{claim.id}](claims/{claim.id}/verdict.json)" if settled else claim.id
    found = finding(claim, settled)
    return f"**{standing(claim, {claim.id: settled} if settled else {})}**{': ' * bool(found)}{escape(found)} ({name})"
