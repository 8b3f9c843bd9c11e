"""All claims and their verdicts in one Markdown file, `results/README.md`: what a practitioner should know first."""

from itertools import groupby

from lrbench.claims.ledger import Claim
from lrbench.claims.published import Published
from lrbench.claims.words import counted
from lrbench.report.markdown import escape, table

TITLE = "What is known about learning-rate schedules"
OPENING = (
    "Every claim that a widely read guide makes about learning-rate schedules, and what became of it. A verdict "
    "follows from evidence by a rule that was fixed before: computed from torch's own schedulers, read in "
    "publications, or measured in studies whose designs the program froze before it trained (what that rests on stands "
    "under Methods). Small models on small data are proxies, and are called so."
)
MADE = (
    "Made by `lrbench report --claims`. A claim in full: `lrbench claims show ID`; settled again: `lrbench claims run "
    "ID`. The same as a page that can be searched: [claims.html](claims.html)."
)


def render(p: Published) -> str:
    many = counted(p.claims.values(), p.verdicts)
    parts = [f"# {TITLE}", OPENING, f"{many}.", MADE]
    if p.first:
        told = (_line(p, p.claims[name], p.claims[name].advice) for name in p.first)
        parts += ["## What to know first", "\n".join(f"{n}. {line}" for n, line in enumerate(told, 1))]
    for section, some in groupby(p.claims.values(), lambda c: c.section):
        parts += [f"## {escape(section)}", "\n".join(f"- {_line(p, c, c.says)}" for c in some)]
    parts += ["## Methods", "\n".join(f"- **{of}.** {says}" for of, says in p.methods.items())]
    parts += ["## Provenance", table(p.provenance)]
    return "\n\n".join(parts) + "\n"


def _line(p: Published, claim: Claim, words: str) -> str:
    """In words, with the verdict and what it rests on."""
    found = p.finding(claim)
    name = f"[{claim.id}](claims/{claim.id}/verdict.json)" if claim.id in p.verdicts else claim.id
    drawn = [f"[figure of {escape(s)}](studies/{s}/figure.svg)" for s in p.studies(claim) if s in p.figures]
    return f"{escape(words)} **{p.standing(claim)}**{': ' * bool(found)}{escape(found)} ({', '.join([name, *drawn])})"
