"""From overrides to the entries of a sweep: jobs composed, each times every arm. The part of freezing that knows the
configuration; `lrbench.sweep.freeze` does the rest."""

from collections.abc import Iterator, Sequence

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from lrbench.config.arms import Arm
from lrbench.config.composer import Composer, composer
from lrbench.config.experiments import Grouped, experiment_from, settings_from
from lrbench.config.grid import DEFAULTS, labels
from lrbench.errors import ConfigError
from lrbench.sweep.entry import Entry
from lrbench.sweep.origin import Origin
from lrbench.sweep.plan import Refused


def entries(
    jobs: Sequence[Sequence[str]], arms: Sequence[Arm] = (), hydra: Sequence[str] = (), first: int = 0
) -> Iterator[Entry | Refused]:
    """An entry for every job of a grid, each given by its overrides, under every arm; or why it cannot be.

    Labels are what tells jobs apart, an arm's name first. hydra: overrides of Hydra's own node. Jobs are numbered from
    `first`, arm by arm. Raises ConfigError for arms that cannot be.
    """
    _require_apart(arms, jobs)
    told = [DEFAULTS] if arms and len(jobs) == 1 else labels(jobs)
    grouped: list[Grouped] = []
    with composer(hydra) as composed:
        number = first
        for arm in arms or (None,):
            for job, label in zip(jobs, told, strict=True):
                yield _entry(composed, job, label, arm, number, grouped)
                number += 1


def _entry(
    composed: Composer, job: Sequence[str], label: str, arm: Arm | None, number: int, grouped: list[Grouped]
) -> Entry | Refused:
    if arm is not None:
        job, label = (*job, *arm.overrides), " ".join([arm.name, *([label] if label != DEFAULTS else [])])
    try:
        made = composed(job)
        experiment, settings = experiment_from(made.plain, grouped), settings_from(made.plain)
    except ConfigError as error:
        return Refused(label, str(error), error)
    origin = Origin(made.overrides, made.typed, made.hydra)
    return Entry(label, experiment, settings, origin, number, arm.name if arm is not None else "")


def _require_apart(arms: Sequence[Arm], jobs: Sequence[Sequence[str]]) -> None:
    """Each override of an arm is one value of an option that is given nowhere else: which of two would hold?"""
    parser = OverridesParser.create()
    given = {key_of(o): o for job in jobs for o in job}
    for arm in arms:
        own: dict[str, str] = {}
        for override in arm.overrides:
            where, key = f"arm {arm.name}", key_of(override)
            try:
                several = parser.parse_override(override).is_sweep_override()
            except HydraException as error:
                raise ConfigError(where, "", f"'{override}' cannot be read as key=value or group=level") from error
            if several:
                why = f"'{override}' has several values, and an arm is one setting"
                raise ConfigError(where, "", why, "put them into the grid, or make an arm of each")
            if other := given.get(key) or own.get(key):
                why = f"'{override}' and '{other}' set one option"
                raise ConfigError(where, "", why, "leave one of them out")
            own[key] = override


def key_of(override: str) -> str:
    """`optimizer.lr` of `optimizer.lr=0.1`; `+model.args.x=1` and `~model.args.x` mean `model.args.x`."""
    return override.lstrip("+~").partition("=")[0]
