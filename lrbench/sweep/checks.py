"""What only building shows of an Experiment: nothing is trained, and no file is made, if a part is refused."""

from collections.abc import Callable

import torch

from lrbench.engine.attempt import cadence_of
from lrbench.engine.fork import check_start
from lrbench.engine.state import choose_device, new_state
from lrbench.errors import ConfigError
from lrbench.experiment import Experiment, Settings
from lrbench.schedules import hears_metric
from lrbench.targets import resolve


class Checks:
    """Call it with an Experiment and its Settings. It keeps what was checked already: thousands of runs of a sweep
    share their model, their times, their tracker."""

    def __init__(self, device: bool = True) -> None:
        """device: whether it has to be on this machine."""
        self._found: dict[str, ConfigError | None] = {}
        self._device = device

    def __call__(self, e: Experiment, s: Settings) -> None:
        """Raises ConfigError for times that are none, a device that is not there, a task, tracker, model or optimizer
        that cannot be built, and a state that cannot be forked from."""
        self._once(("times", e.clock, s.keep, s.log_every, s.checkpoint_every), lambda: cadence_of(e, s))
        if self._device:
            self._once(("device", s.device), lambda: choose_device(s.device))
        self._once(("task", e.task), lambda: resolve(e.task.target, "task")(**e.task.args))
        if s.tracker is not None:
            tracker = s.tracker
            self._once(("tracker", tracker), lambda: resolve(tracker.target, "tracker")(**tracker.args))
        feedback = e.schedule if hears_metric(e.schedule) else None
        parts = (e.model, e.data, e.optimizer, e.peaks, e.param_groups, e.amp, e.channels_last, feedback)
        self._once(("model", *parts), lambda: new_state(e, torch.device("cpu")))  # model and optimizer
        if e.start is not None:
            check_start(e, e.start)

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
