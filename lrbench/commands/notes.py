"""What is worth knowing of schedules before anything is trained under them."""

import sys
from collections.abc import Iterable, Mapping
from functools import cache
from itertools import repeat
from pathlib import Path
from textwrap import fill

from lrbench.check.finding import SEVERITIES, Finding
from lrbench.check.linter import Linter, grave
from lrbench.check.report import WIDTH
from lrbench.claims.settled import published
from lrbench.engine.ranks import is_rank_zero
from lrbench.errors import as_typed
from lrbench.experiment import Experiment
from lrbench.store.store import Store
from lrbench.sweep.origin import Origin
from lrbench.targets import CUSTOM

NONE: Mapping[str, str] = {}


def linter_of(results: Path) -> Linter:
    """The linter, with the verdicts of a results folder, else those that come with lrbench; of those, it reads what its
    findings need, each once."""
    folder = Store(results).claims_folder

    @cache
    def verdict(claim: str) -> str | None:
        found = published(folder, [claim]).get(claim)
        return found.verdict if found else None

    return Linter(verdict)


def print_notes(
    experiments: Iterable[Experiment], linter: Linter, accepts: Iterable[Mapping[str, str]] = repeat(NONE)
) -> None:
    """Say on stderr what the linter has against them, each thing once, with how many share it; notes are not told, nor
    what is accepted."""
    if not is_rank_zero():
        return
    runs, shared = 0, dict[Finding, int]()
    for experiment, accepted in zip(experiments, accepts, strict=False):
        runs += 1
        for finding in dict.fromkeys(grave(linter(experiment), accepted)):
            shared[finding] = shared.get(finding, 0) + 1
    told = sorted(shared, key=lambda f: SEVERITIES.index(f.severity))
    for f in told:
        many = f"; {shared[f]} of {runs} runs" if runs > 1 else ""
        line = f"{f.severity:8} {f.says} [{f.rule}{many}]"
        print(fill(line, WIDTH, subsequent_indent=" " * 9, break_on_hyphens=False), file=sys.stderr)
    if told:
        print("         `lrbench check` instead of the command shows what would mend it.", file=sys.stderr)


def print_handed_on(origin: Origin) -> None:
    """Say on stderr which arguments of a level stay where a class of somebody's own takes the place of its own."""
    keys = {o.lstrip("+~").partition("=")[0] for o in origin.overrides}
    choices = origin.hydra["runtime"]["choices"]
    for group in CUSTOM:
        left = [
            f"{k}={as_typed(v)}" for k, v in origin.config[group]["args"].items() if f"{group}.args.{k}" not in keys
        ]
        if f"{group}._target_" in keys and choices[group] != "custom" and left and is_rank_zero():
            says = f"{group}._target_ keeps the arguments of {group}={choices[group]} ({', '.join(left)})"
            print(fill(f"note     {says}; {group}=custom has none", WIDTH, subsequent_indent=" " * 9), file=sys.stderr)
