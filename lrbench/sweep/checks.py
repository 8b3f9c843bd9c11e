"""What only building shows of an Experiment: nothing is trained, and no file is made, if a part is refused."""

from collections.abc import Callable

import torch

from lrbench.blame import blame
from lrbench.check.linter import Linter, grave
from lrbench.engine.attempt import cadence_of
from lrbench.engine.carried import require_fit
from lrbench.engine.fork import check_start
from lrbench.engine.measuring import measured_by, mode_of_monitor
from lrbench.engine.state import State, choose_device, new_state
from lrbench.errors import ConfigError
from lrbench.experiment import Experiment, Settings
from lrbench.experiment.settings import BEST
from lrbench.schedules import hears_metric
from lrbench.targets import resolve


def _tried(e: Experiment, state: State) -> None:
    """Call a model of somebody's own, or one chosen from a library, on two black images, where lrbench's data are
    images: one that cannot take them, or a task that cannot take what it gives, would end every run of a sweep. Raises
    ConfigError; an error in code of their own as it is."""
    ours = e.model.target.startswith("lrbench.models.") and e.model.target != "lrbench.models.timm.by_name"
    if (ours and e.task.target.startswith("lrbench.")) or not e.data.target.startswith("lrbench."):
        return
    spec = resolve(e.data.target, "data")(**e.data.args).info().spec
    if {*spec} != {"shape", "num_classes"}:
        return
    x, y = torch.zeros(2, *spec["shape"]), torch.tensor([0, spec["num_classes"] - 1])
    task = resolve(e.task.target, "task")(**e.task.args)
    try:
        with torch.no_grad():
            task.loss(state.model.eval(), (x, y))
    except ConfigError:
        raise
    except Exception as error:
        if blame(error):
            raise
        why = f"on images of {' x '.join(map(str, spec['shape']))} and {spec['num_classes']} classes it fails"
        said = " ".join(str(error).split())[:300]
        cure = "choose a model for these data; what a model is: the head of conf/model/custom.yaml"
        raise ConfigError("model", e.model.args.get("name", e.model.target), f"{why} ({said})", cure) from error


class Checks:
    """Call it with an Experiment and its Settings. It keeps what was checked already: thousands of runs of a sweep
    share their model, their times, their tracker."""

    def __init__(self, linter: Linter | None = None, device: bool = True) -> None:
        """linter: what `strict` asks. device: whether it has to be on this machine."""
        self._found: dict[str, ConfigError | None] = {}
        self._linter, self._device = linter or Linter(), device

    def __call__(self, e: Experiment, s: Settings) -> None:
        """Raises ConfigError for times that are none, a device that is not there, a task, tracker, model or optimizer
        that cannot be built, a state that cannot be forked from, and under `strict` for what the linter finds."""
        self._once(("times", e.clock, s.keep, s.log_every, s.checkpoint_every), lambda: cadence_of(e, s))
        if BEST in s.keep:
            self._once(("best", e.data, e.task, e.own_metrics, s.best_by), lambda: _require_monitor(e, s))
        if self._device:
            self._once(("device", s.device), lambda: choose_device(s.device))
        self._once(("task", e.task), lambda: resolve(e.task.target, "task")(**e.task.args))
        if s.tracker is not None:
            tracker = s.tracker
            self._once(("tracker", tracker), lambda: resolve(tracker.target, "tracker")(**tracker.args))
        feedback = e.schedule if hears_metric(e.schedule) else None
        parts = (e.model, e.data, e.optimizer, e.peaks, e.param_groups, e.amp, e.channels_last, feedback)
        self._once(("model", *parts, e.task), lambda: _tried(e, new_state(e, torch.device("cpu"))))
        if (start := e.start) is not None:
            check_start(e, start)
            both = [(own.model, own.data, own.param_groups) for own in (e, start.of)]
            how = start.new_head, start.head_names, start.carry
            self._once(("fork", *both, *how), lambda: require_fit(e, start))
        if s.strict:
            self._stop_on(e, s)

    def _stop_on(self, e: Experiment, s: Settings) -> None:
        if found := grave(self._linter(e), s.accepts):
            why = " ".join(f"{f.says} [{f.rule}]" for f in found)
            cure = "`lrbench check` shows what would mend it; +accepts={ID: REASON} says that it is meant"
            raise ConfigError("strict", True, why, cure)

    def _once(self, what: object, check: Callable[[], object]) -> None:
        """Make a check, or repeat what it said of an equal thing."""
        key = repr(what)
        if key not in self._found:
            try:
                check()
                self._found[key] = None
            except ConfigError as error:
                self._found[key] = error
        if found := self._found[key]:
            raise found


def _require_monitor(e: Experiment, s: Settings) -> None:
    mode_of_monitor(s.best_by, measured_by(e), "keep=[best]")
