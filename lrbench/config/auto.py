"""`optimizer.lr=auto`: the rate that a range test finds, put in its place before an Experiment is made of it.

The number is what is trained, recorded and hashed: the run is that of whoever types the number.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lrbench.config.components import AUTO
from lrbench.config.composer import Job
from lrbench.config.experiments import experiment_from
from lrbench.errors import ConfigError
from lrbench.progress import Say
from lrbench.store.folder import results_folder

if TYPE_CHECKING:
    from lrbench.experiment import Experiment

ANY = 1.0  # stands for the rate where none is looked at: above every floor that a schedule may have


def is_auto(plain: Mapping[str, Any]) -> bool:
    """Whether a resolved configuration leaves its rate to a range test."""
    return bool(plain["optimizer"]["lr"] == AUTO)


def with_rate(plain: Mapping[str, Any], rate: float) -> dict[str, Any]:
    """The configuration with this rate."""
    return {**plain, "optimizer": {**plain["optimizer"], "lr": rate}}


def without_rate(plain: Mapping[str, Any]) -> "Experiment":
    """The Experiment whose range test is meant: its rate is any."""
    return experiment_from(with_rate(plain, ANY))


def found_rate(plain: Mapping[str, Any], say: Say | None) -> float:
    """What the range test suggests: as it is kept in the results folder, else, where it can `say` how it goes on, made
    and kept now. Raises ConfigError where nothing may be made, and where the rule has no answer."""
    from lrbench.find_lr.find import find, known
    from lrbench.find_lr.range_test import range_test_of

    test, results, experiment = range_test_of(plain["find_lr"]), results_folder(plain["results"]), without_rate(plain)
    found = known(experiment, results, test)
    if found is None:
        if say is None:
            why = "its range test has not been made yet, and nothing is trained here"
            raise ConfigError("optimizer.lr", AUTO, why, "ask `lrbench find-lr` with the other options first")
        found = find(experiment, results, test, plain["device"], plain["workers"], say)
    suggested = found.suggested
    if suggested.rate is None:
        why = f"{test.rule} has a rate on {suggested.answers} of {suggested.of} seeds only"
        cure = "look at it by `lrbench find-lr`, choose another find_lr.rule, or give a number"
        raise ConfigError("optimizer.lr", AUTO, why, cure)
    return suggested.rate


def with_found_rate(job: Job, say: Say | None) -> Job:
    """The job with its number in place of `auto`, in its overrides too; the same job where it says a number."""
    if not is_auto(job.plain):
        return job
    rate = found_rate(job.plain, say)
    asked = f"optimizer.lr={AUTO}"
    put = f"optimizer.lr={rate!r}"
    said = tuple(put if o == asked else o for o in job.overrides)
    overrides = said if asked in job.overrides else (*said, put)
    return replace(job, overrides=overrides, plain=with_rate(job.plain, rate), typed=with_rate(job.typed, rate))
