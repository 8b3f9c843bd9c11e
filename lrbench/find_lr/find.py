"""`find(experiment)`: a range test is made once; its sweeps are taken up again where it was left."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from lrbench.engine.outcome import provenance
from lrbench.engine.state import choose_device
from lrbench.errors import ConfigError
from lrbench.experiment import Experiment
from lrbench.find_lr.found import Found, suggestions, sweep_id, title_of
from lrbench.find_lr.range_test import RangeTest
from lrbench.find_lr.store import keep, read
from lrbench.find_lr.sweep import check, sweep
from lrbench.progress import Say

DEFAULTS = RangeTest()
MADE_WITH = ("lrbench", "git", "python", "versions", "cpu", "device", "threads", "started")  # of a provenance


def quiet(text: str) -> None:
    """Say nothing."""


def known(experiment: Experiment, results: Path, test: RangeTest = DEFAULTS) -> Found | None:
    """The range test as it stands in a results folder; None where no sweep, or not every one, was made.

    Raises ConfigError."""
    check(experiment)
    found = read(results, sweep_id(experiment, test), test)
    if found is None or len(found.sweeps) < test.seeds:
        return None
    return found if found.suggestions else replace(found, suggestions=suggestions(test, found.sweeps))


def find(
    experiment: Experiment,
    results: Path = Path("results"),
    test: RangeTest = DEFAULTS,
    device: str = "auto",
    workers: int = 0,
    say: Say = quiet,
) -> Found:
    """The range test of an experiment, whose own rate, schedule and seed it does not look at: read from the results
    folder as far as it is there, the rest made and kept, a seed at a time.

    Raises ConfigError for an experiment that no range test can be made of, and where the first loss is not finite.
    """
    check(experiment)
    id = sweep_id(experiment, test)
    found = read(results, id, test) or Found(id, title_of(experiment), test, ())
    there = {s.seed: s for s in found.sweeps}
    on, made = choose_device(device), dict[str, Any]()
    for i, seed in enumerate(test.seeds_used, 1):
        if seed in there:
            continue
        there[seed] = sweep(experiment, test, seed, on, workers)
        _require_a_curve(experiment, there[seed].losses)
        made = made or made_with(on, experiment.threads)
        found = keep(results, replace(found, sweeps=tuple(there[s] for s in sorted(there))), made)
        say(f"sweep {i} of {test.seeds}: seed {seed}, {len(there[seed].losses)} updates, {ENDS[there[seed].end]}")
    return found if found.suggestions else keep(results, found, made)


ENDS = {"whole": "up to the last rate", "rose": "until the loss exploded", "not finite": "until it was not finite"}


def made_with(device: torch.device, threads: int) -> dict[str, Any]:
    """What a sweep's numbers may depend on beside its name."""
    return {k: v for k, v in provenance(device, threads).items() if k in MADE_WITH}


def _require_a_curve(experiment: Experiment, losses: tuple[float, ...]) -> None:
    if len(losses) < 2:
        why = f"the first loss of a new model is {losses[0] if losses else 'not there'}, before any rate was used"
        cure = "look at the data, the model and the precision (amp)"
        raise ConfigError("task._target_", experiment.task.target, why, cure)
