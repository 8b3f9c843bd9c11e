"""What a linter finds in the corpus: precision and recall of each rule and of all, the held-out third by itself."""

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parent))  # where the schedulers of some entries are
from labelled import Entry

from lrbench.check.finding import Finding
from lrbench.errors import ConfigError
from lrbench.stats.intervals import wilson

Linter = Callable[
    [Sequence[str]], Iterable[Finding]
]  # of overrides; may raise ConfigError, which is a catch of its own


@dataclass(frozen=True)
class Outcome:
    """Of one entry: the rules that found something, those of them that warned, and why it was refused, if it was."""

    entry: Entry
    named: frozenset[str]
    alarms: frozenset[str]
    refusal: str | None = None

    @property
    def right(self) -> frozenset[str]:
        return self.entry.expects & self.named

    @property
    def missed(self) -> frozenset[str]:
        """A refusal catches whatever is wrong."""
        return frozenset() if self.refusal else self.entry.expects - self.named

    @property
    def false(self) -> frozenset[str]:
        """Errors and warnings that nobody expects or tolerates."""
        return self.alarms - self.entry.expects - self.entry.also

    @property
    def caught(self) -> bool:
        """Of a bad entry: that it was refused, or one of its mistakes found."""
        return self.entry.bad and bool(self.refusal or self.right)


def linted(linter: Linter, entry: Entry) -> Outcome:
    try:
        found = [*linter(entry.set)]
    except ConfigError as error:
        return Outcome(entry, frozenset(), frozenset(), str(error))
    named, alarms = ({f.rule for f in found if f.severity != without} for without in (None, "note"))
    return Outcome(entry, frozenset(named), frozenset(alarms))


def report(linter: Linter, corpus: Sequence[Entry]) -> dict[str, Any]:
    """Both parts of the corpus, and all of it, each as `summary` has it."""
    outcomes = [linted(linter, entry) for entry in corpus]
    parts = {
        "dev": [o for o in outcomes if not o.entry.held_out],
        "held_out": [o for o in outcomes if o.entry.held_out],
        "all": outcomes,
    }
    return {name: summary(part) for name, part in parts.items()}


def summary(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Counts, and shares with their 95 % intervals (Wilson).

    recall: of all expected findings, those made, or made needless by a refusal; recall_of_the_linter leaves out what is
    refused before a linter sees it. precision: of all findings that are expected or false, those that are expected;
    what is tolerated counts for neither. Of a rule, `refused` are those of the expected ones that lrbench refuses.
    """
    bad, good = ([o for o in outcomes if o.entry.bad is kind] for kind in (True, False))
    right, missed, false = (sum(len(s) for s in sets) for sets in _sets(outcomes))
    refused = sum(len(o.entry.expects) for o in outcomes if o.refusal)
    return {
        "entries": len(outcomes),
        "recall": _share(right + refused, right + refused + missed),
        "recall_of_the_linter": _share(right, right + missed),
        "precision": _share(right, right + false),
        "bad_caught": _share(sum(o.caught for o in bad), len(bad)),
        "good_without_alarm": _share(sum(not o.false and not o.refusal for o in good), len(good)),
        "rules": _by_rule(outcomes),
        "missed": {o.entry.id: sorted(o.missed) for o in outcomes if o.missed},
        "false": {o.entry.id: sorted(o.false) for o in outcomes if o.false},
        "refused_though_good": {o.entry.id: o.refusal for o in good if o.refusal},
    }


def _sets(outcomes: Sequence[Outcome]) -> list[list[frozenset[str]]]:
    return [[getattr(o, which) for o in outcomes] for which in ("right", "missed", "false")]


def _by_rule(outcomes: Sequence[Outcome]) -> dict[str, dict[str, Any]]:
    """Of every rule that is expected somewhere, or was false."""
    right, missed, false = (Counter(rule for rules in sets for rule in rules) for sets in _sets(outcomes))
    refused = Counter(rule for o in outcomes if o.refusal for rule in o.entry.expects)
    return {
        rule: {
            "expected": right[rule] + missed[rule] + refused[rule],
            "found": right[rule],
            "refused": refused[rule],
            "false": false[rule],
            "recall": _part(right[rule] + refused[rule], right[rule] + missed[rule] + refused[rule]),
            "precision": _part(right[rule], right[rule] + false[rule]),
        }
        for rule in sorted({*right, *missed, *false, *refused})
    }


def _share(part: int, whole: int) -> dict[str, Any]:
    interval = wilson(part, whole)
    return {
        "share": _part(part, whole),
        "of": [part, whole],
        "interval_95": interval and [round(x, 3) for x in interval],
    }


def _part(part: int, whole: int) -> float | None:
    return round(part / whole, 3) if whole else None
