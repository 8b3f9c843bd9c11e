"""A finding as its rule gives it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from lrbench.check.case import Case
from lrbench.check.finding import Finding

Cure = tuple[str, ...]  # overrides


@dataclass(frozen=True, kw_only=True)
class Proposed(Finding):
    """`rule` is filled in by the linter, from the rule's name. cures: what may mend it, the likeliest first, none of it
    tried yet."""

    rule: str = ""
    cures: tuple[Cure, ...] = ()


Rule = Callable[[Case], Iterator[Proposed]]


def id_of(rule: Rule) -> str:
    """`check.never-moves` of the function `never_moves`."""
    return f"check.{rule.__name__.replace('_', '-')}"


def summary_of(rule: Rule) -> str:
    """What a rule finds, in a sentence: the first of its docstring."""
    return " ".join((rule.__doc__ or "").partition("\n\n")[0].split())
