"""A sweep in stages: what is trained next depends on results.

What comes next is a pure function of a frozen design and of what the store says: asked again, it gives the same answer.
The sweep's folder keeps the function's dotted path and the design, so that another process finds them on another day.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from lrbench.errors import ConfigError
from lrbench.experiment import Experiment, Settings
from lrbench.experiment.identity import run_id, to_plain
from lrbench.store.files import of_format, write_json
from lrbench.store.run import Run
from lrbench.store.store import Store
from lrbench.sweep.carry_out import SweepOutcome, carry_out
from lrbench.sweep.entry import Entry, plain_settings, settings_from
from lrbench.sweep.freeze import as_trained, freeze
from lrbench.sweep.observer import SILENT, Observer
from lrbench.sweep.plan import Plan
from lrbench.sweep.slurm.options import Slurm
from lrbench.sweep.status import read_sweep
from lrbench.sweep.store import Sweep
from lrbench.targets import resolve
from lrbench.trust import require_known, targets_in

FORMAT = 1  # raised when a stages.json of before cannot be read any more
FILE = "stages.json"


class Untested(NamedTuple):
    """A run of a stage that must not touch the test set, whatever the settings ask for."""

    experiment: Experiment


Done = Callable[[Experiment], Run | None]  # a run that is finished or diverged, of a record or of evidence; else None
# From a design to the runs of the first stage that is not done, by their labels (those of it that are done may be among
# them); None when there is no further stage.
NextStage = Callable[[Mapping[str, Any], Done], Mapping[str, Experiment | Untested] | None]


@dataclass(frozen=True)
class Staged:
    """A sweep in stages, as its folder keeps it. target: the dotted path of a `NextStage`; design: plain data for JSON,
    which is handed to it; settings: of every run."""

    name: str
    target: str
    design: Mapping[str, Any]
    settings: Settings = field(default_factory=Settings)

    @property
    def folder(self) -> Path:
        return Store(self.settings.results).sweeps_folder / self.name

    def plan(self, slurm: Slurm | None = None) -> Plan | None:
        """What has been asked for so far, with the runs of the next stage; None when there is none.

        Raises ConfigError for a function that is not there, a run that cannot be, and a plan that cannot be read.
        """

        store = Store(self.settings.results)

        def done(experiment: Experiment) -> Run | None:
            return store.done(run_id(as_trained(experiment, slurm)))

        function: NextStage = resolve(self.target, "stages")
        stage = function(json.loads(json.dumps(self.design)), done)
        if stage is None:
            return None
        asked = [self._entry(label, e) for label, e in stage.items()]
        named = [*targets_in(self.design), *(t for e in asked for t in targets_in(to_plain(e.experiment)))]
        return freeze([*self._earlier(named), *asked], slurm=slurm)

    def _entry(self, label: str, asked: Experiment | Untested) -> Entry:
        if isinstance(asked, Untested):
            return Entry(label, asked.experiment, replace(self.settings, test=False))
        return Entry(label, asked, self.settings)

    def _earlier(self, named: Sequence[str]) -> Iterator[Entry]:
        """The runs that were asked for before, in their order, as the sweep's file has them; of code only what is known
        or is `named` by the design and by what comes next."""
        for entry in _kept(self.folder).plan.entries:
            require_known(to_plain(entry.experiment), named, "sweep", self.name)
            if entry.number is not None:
                test = self.settings.test and entry.settings.test
                yield replace(entry, settings=replace(self.settings, test=test))

    def save(self) -> None:
        """Raises ConfigError where a sweep of this name has other stages, for a design that is no plain data, and where
        the disk refuses."""
        path, mine = self.folder / FILE, {"format": FORMAT, "target": self.target, "design": self.design}
        try:
            mine = json.loads(json.dumps(mine))
        except (TypeError, ValueError) as error:
            cure = "a design is kept as JSON: give numbers, texts, lists and mappings"
            raise ConfigError("design", "", str(error), cure) from error
        there = _stored(path)
        if there is not None and any(there[key] != mine[key] for key in mine):
            cure = "Give this one a name of its own; nothing was trained"
            raise ConfigError(str(self.folder), "", "another sweep in stages has this name", cure)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_json(path, {**mine, "settings": plain_settings(self.settings)})
        except OSError as error:
            why = f"the stages cannot be written ({error.strerror or error}); nothing was trained"
            raise ConfigError(str(path), "", why, "Make room, or give another results folder") from error


def staged(folder: Path) -> Staged | None:
    """The stages of the sweep in a folder, its records beside it; None for one without. Raises ConfigError for what
    another version wrote."""
    plain = _stored(folder / FILE)
    if plain is None:
        return None
    settings = replace(settings_from(plain["settings"]), results=folder.parents[1])
    return Staged(folder.name, plain["target"], plain["design"], settings)


def carry_out_stages(sweep: Staged, workers: int | Slurm | None = None, observer: Observer = SILENT) -> SweepOutcome:
    """Carry out one stage after the other, from where the store stands. It ends when there is no further stage, with
    jobs that go on without us, or with a stage that stays undone: a run of it has failed, say.

    Raises what `carry_out` raises, and ConfigError for stages that cannot be.
    """
    if sweep.settings.force:
        cure = "leave it out; a design of another name, or another results folder, trains anew"
        raise ConfigError("force", True, "a sweep in stages goes on from what is done", cure)
    sweep.save()
    slurm = workers if isinstance(workers, Slurm) else None
    tried: set[str] = set()
    while (plan := sweep.plan(slurm)) is not None:
        left = {e.run_id for e in plan.to_do}
        if left <= tried:  # nothing new: what is left stays so
            break
        observer.say(plan.headline())
        outcome = carry_out(plan, workers, observer, sweep.name)
        if outcome.end != "done":
            return outcome
        tried |= left
    return SweepOutcome(_kept(sweep.folder), "done")


def _kept(folder: Path) -> Sweep:
    """The sweep as it was planned last; one without runs where no stage has asked for any yet."""
    return read_sweep(folder) if (folder / "sweep.json").exists() else Sweep(folder, Plan((), ()))


def _stored(path: Path) -> dict[str, Any] | None:
    try:
        plain = of_format(path.read_text(), FORMAT)
        return {key: plain[key] for key in ("format", "target", "design", "settings")}
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        why = f"the stages of this sweep cannot be read ({type(error).__name__}: {error})"
        raise ConfigError(str(path), "", why, "move the file away and ask for the sweep again") from error
