"""What is worth knowing of schedules before anything is trained under them."""

import sys
from collections.abc import Iterable

from lrbench.engine.ranks import leads
from lrbench.experiment import Experiment
from lrbench.schedules import check


def tell_of(experiments: Iterable[Experiment]) -> None:
    """Say it on stderr, each thing once however many share it."""
    if leads():
        for line in dict.fromkeys(line for e in experiments for line in check(e.schedule)):
            print(f"note     {line}", file=sys.stderr)
