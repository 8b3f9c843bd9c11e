"""What a rule found, as a value that the linter, a watched loop and a diagnosis share."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")  # the gravest first; SARIF's levels


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that a rule found.

    rule: its id, such as `check.warmup-length` (the ledger's advice names it). severity: an error cannot be meant, a
    warning most often costs accuracy or compute, a note is worth knowing. says: what is the matter, with the numbers
    of this very schedule or run that show it. cure: overrides that mend it when added to the command as it was given;
    otherwise: what to do where no override does it. claim: the id of the claim it rests on, "" where there is none.
    """

    rule: str
    severity: Severity
    says: str
    cure: tuple[str, ...] = ()
    otherwise: str = ""
    claim: str = ""


def without_replaced(overrides: Sequence[str], cure: Sequence[str]) -> tuple[list[str], list[str]]:
    """The overrides of a command that stay where a cure is added, and those that go: arguments of a level in whose
    place the cure puts another."""
    levels = [f"{word.partition('=')[0]}.args." for word in cure if "." not in word.partition("=")[0]]
    gone = [o for o in overrides if o.lstrip("+~").startswith(tuple(levels))] if levels else []
    return [o for o in overrides if o not in gone], gone
