"""From overrides to the entries of a sweep: jobs composed, each times every arm. The part of freezing that knows the
configuration; `lrbench.sweep.freeze` does the rest."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from lrbench.config.arms import SweepArm
from lrbench.config.auto import with_found_rate
from lrbench.config.components import Grouped
from lrbench.config.composer import Composer, composer
from lrbench.config.experiments import experiment_from, settings_from
from lrbench.config.grid import DEFAULTS, labels
from lrbench.errors import ConfigError
from lrbench.experiment import Experiment, Settings
from lrbench.progress import Say
from lrbench.sweep.entry import Entry
from lrbench.sweep.origin import Origin
from lrbench.sweep.plan import Refused


def entries(
    jobs: Sequence[Sequence[str]],
    arms: Sequence[SweepArm] = (),
    hydra: Sequence[str] = (),
    first: int = 0,
    say: Say | None = None,
) -> Iterator[Entry | Refused]:
    """An entry for every job of a grid, each given by its overrides, under every arm; or why it cannot be.

    Labels are what tells jobs apart, an arm's name first. hydra: overrides of Hydra's own node. Jobs are numbered from
    `first`, arm by arm. say: how a range test goes on that `optimizer.lr=auto` asks for; None where none may be made.
    Raises ConfigError for arms that cannot be.
    """
    _require_apart(arms, jobs)
    told = [DEFAULTS] if arms and len(jobs) == 1 else labels(jobs)
    with composer(hydra) as composed:
        made = _Experiments(composed, say)
        number = first
        for arm in arms or (None,):
            for job, label in zip(jobs, told, strict=True):
                yield _entry(made, job, label, arm, number)
                number += 1


@dataclass(frozen=True)
class _Experiments:
    """Makes jobs' Experiments and Settings. Those that differ in their seed alone are one Experiment but for it, which
    is checked once: a grid has many."""

    composed: Composer
    say: Say | None
    grouped: list[Grouped] = field(default_factory=list)
    checked: dict[str, tuple[Experiment, Settings]] = field(default_factory=dict)

    def __call__(self, job: Sequence[str]) -> tuple[Experiment, Settings, Origin]:
        made = with_found_rate(self.composed(job), self.say)
        seed = made.plain["seed"]
        shared = made.plain["start"]["of"] is None  # a parent takes its child's seed
        key = repr({**made.plain, "seed": None if shared else seed})
        if key not in self.checked:
            self.checked[key] = experiment_from(made.plain, self.grouped), settings_from(made.plain)
        experiment, settings = self.checked[key]
        return experiment.of_seed(seed), settings, Origin(made.overrides, made.typed, made.hydra)


def _entry(made: _Experiments, job: Sequence[str], label: str, arm: SweepArm | None, number: int) -> Entry | Refused:
    if arm is not None:
        job, label = (*job, *arm.overrides), " ".join([arm.name, *([label] if label != DEFAULTS else [])])
    try:
        experiment, settings, origin = made(job)
    except ConfigError as error:
        return Refused(label, str(error), error)
    return Entry(label, experiment, settings, origin, number, arm.name if arm is not None else "")


def _require_apart(arms: Sequence[SweepArm], jobs: Sequence[Sequence[str]]) -> None:
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
