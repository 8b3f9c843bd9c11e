"""Cures, tried before they are shown: composed with the job's own overrides, and checked again."""

from collections.abc import Callable, Sequence
from dataclasses import fields

from lrbench.check.finding import Finding
from lrbench.check.proposed import Cure, Proposed
from lrbench.errors import ConfigError

Again = Callable[[Cure], Sequence[Finding]]  # what is found with some overrides added; raises ConfigError


def cured(found: Sequence[Proposed], again: Again) -> list[Finding]:
    """The findings, each with the first of its cures that makes it vanish and brings no error or warning that was not
    there before; without one where none does."""
    return [_finding(f, next((c for c in f.cures if _mends(c, f, found, again)), ())) for f in found]


def _mends(cure: Cure, finding: Finding, before: Sequence[Finding], again: Again) -> bool:
    try:
        after = again(cure)
    except ConfigError:
        return False
    return not _grave(after) - _grave(before) and _count(finding.rule, after) < _count(finding.rule, before)


def _grave(findings: Sequence[Finding]) -> set[str]:
    return {f.rule for f in findings if f.severity != "note"}


def _count(rule: str, findings: Sequence[Finding]) -> int:
    return sum(f.rule == rule for f in findings)


def _finding(proposed: Proposed, cure: Cure) -> Finding:
    """Without what was only proposed."""
    plain = {f.name: getattr(proposed, f.name) for f in fields(Finding)}
    return Finding(**{**plain, "cure": cure})
