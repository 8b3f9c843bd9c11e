"""What was found of a job, as text and as plain data."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from textwrap import fill
from typing import Any

from lrbench.check.finding import SEVERITIES, Finding, without_replaced
from lrbench.plural import plural

WIDTH = 80


@dataclass(frozen=True)
class Report:
    """label: what tells the job from the others. overrides: as it was given. accepts: by rule, why it is meant.
    verdicts: on the claims that the findings rest on, where one is stored."""

    label: str
    overrides: tuple[str, ...]
    findings: tuple[Finding, ...]
    accepts: Mapping[str, str] = field(default_factory=dict)
    verdicts: Mapping[str, str] = field(default_factory=dict)

    @property
    def open(self) -> tuple[Finding, ...]:
        """Those that are not accepted."""
        return tuple(f for f in self.findings if f.rule not in self.accepts)

    def to_plain(self) -> dict[str, Any]:
        """For JSON; `drop` are the overrides in whose place a cure puts others, `accepted` is the reason, or null."""
        told = [
            {
                **asdict(f),
                "drop": without_replaced(self.overrides, f.cure)[1],
                "verdict": self.verdicts.get(f.claim),
                "accepted": self.accepts.get(f.rule),
            }
            for f in self.findings
        ]
        return {"job": self.label, "overrides": list(self.overrides), "findings": told}


def text(reports: Sequence[Report]) -> str:
    """Every job's findings, with their cures, their claims and a last line that counts them; 80 columns."""
    lines: list[str] = []
    for report in reports:
        if len(reports) > 1 and report.findings:
            lines += [report.label, ""]
        for finding in report.findings:
            lines += [*_told(finding, report), ""]
    return "\n".join([*lines, counted(reports)])


def _told(f: Finding, report: Report) -> Iterator[str]:
    if f.rule in report.accepts:
        yield f"accepted {f.rule}"
        yield _item("reason", report.accepts[f.rule])
        return
    yield f"{f.severity:8} {f.rule}"
    yield fill(f.says, WIDTH, initial_indent=" " * 9, subsequent_indent=" " * 9, break_on_hyphens=False)
    if f.cure:
        yield f"{'':9}cure   {shlex.join(f.cure)}"  # to be pasted: never broken
        if gone := without_replaced(report.overrides, f.cure)[1]:
            yield _item("drop", shlex.join(gone))
    elif f.otherwise:
        yield _item("cure", f.otherwise)
    if f.claim:
        yield _item("claim", f"{f.claim} ({report.verdicts.get(f.claim, 'not settled yet')})")


def _item(name: str, says: str) -> str:
    return fill(says, WIDTH, initial_indent=f"{'':9}{name:7}", subsequent_indent=" " * 16, break_on_hyphens=False)


def counted(reports: Sequence[Report]) -> str:
    """`2 warnings, 1 note in 1 schedule`."""
    found = [f.severity for r in reports for f in r.open]
    accepted = sum(len(r.findings) - len(r.open) for r in reports)
    parts = [plural(found.count(s), s) for s in SEVERITIES if s in found]
    parts += [f"{accepted} accepted"] if accepted else []
    jobs = plural(len(reports), "schedule")
    return f"{', '.join(parts) or 'nothing found'} in {jobs}"
