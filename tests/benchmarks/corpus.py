"""What the linter finds in the labelled schedules. The first report stays in the file for good, beside the latest."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from harness import RESULTS, keep

from lrbench.check.finding import Finding
from lrbench.config.experiments import experiment

sys.path.append(str(Path(__file__).parents[1] / "check" / "corpus"))
from labelled import entries
from score import report


def check_corpus() -> None:
    """Precision and recall of every rule, of the two thirds that could be seen and of the third that could not."""
    latest = report(_linted, entries())
    stored = RESULTS / "check_corpus.json"
    first = json.loads(stored.read_text())["first"] if stored.exists() else latest
    target = "no false alarm on a schedule that is right; what is missed is listed"
    keep("check_corpus", "lrbench check on the labelled schedules", target, {"first": first, "latest": latest})


def _linted(overrides: Sequence[str]) -> list[Finding]:
    from lrbench.check.linter import checked

    return checked(experiment(*overrides))
