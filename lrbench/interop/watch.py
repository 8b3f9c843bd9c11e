"""Watch a training loop of anybody's: which rates it really used, and what is wrong with them.

    watched = lrbench.watch(optimizer, scheduler, updates=3900, per_epoch=39)
    ...                                    # the loop as it is
    watched.finish()                       # or `with lrbench.watch(...):`, or nothing: the end of the process will do

It records and judges; it changes nothing. Every group's rate is read in a hook after the optimizer's step, and the
scheduler's steps are counted where they are made. The findings are values of the kind that `lrbench check` gives.
"""

import atexit
import sys
from array import array
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

import numpy as np
from torch.optim import Optimizer

from lrbench.check.finding import Finding
from lrbench.engine.ranks import is_rank_zero
from lrbench.errors import ConfigError
from lrbench.experiment import Experiment
from lrbench.experiment.schedule_plan import SchedulePlan
from lrbench.interop.against import off_plan
from lrbench.interop.optimizers import bare, plan_for
from lrbench.interop.rules import certain, findings
from lrbench.interop.seen import SAME, Edit, Nature, WatchedLoop, lengths_of, nature_of
from lrbench.interop.taps import Method, record, tap
from lrbench.interop.words import summary, told

MANY = 1000  # edits of a rate by hand, after which no more are kept: they are no edits then
Plan = Sequence[str] | Experiment | SchedulePlan


def watch(
    optimizer: Optimizer,
    scheduler: Any = None,
    *,
    updates: int | None = None,
    per_epoch: int | None = None,
    plan: Plan | None = None,
    done: int = 0,
    tell: Callable[[str], object] | None = None,
) -> "Watch":
    """Watch an optimizer, and its scheduler where there is one, from now on.

    updates: the optimizer steps of the whole run, as you mean it; per_epoch: those of an epoch. What needs them is not
    judged without them. plan: what the rates should be, as overrides (["scheduler=cosine", "warmup=linear5"]; they need
    `updates`), as an Experiment or as its schedule. done: updates made before this process, where a run goes on. tell:
    what takes a line to be shown, by default stderr of the first process. Call it when optimizer and scheduler are
    built, and before a checkpoint is loaded, so that it sees what loading does. Raises ConfigError.
    """
    for option, given in (("updates", updates), ("per_epoch", per_epoch), ("done", done or None)):
        if given is not None and not (isinstance(given, int) and given > 0):
            raise ConfigError(option, given, "this counts optimizer steps", "give a whole number above 0")
    optimizer = bare(optimizer)
    inner = _inner(scheduler)
    made = _plan(plan, optimizer, inner, updates, per_epoch)
    if made is not None:
        updates, per_epoch = updates or made.clock.updates, per_epoch or made.clock.per_epoch
    return Watch(optimizer, inner, updates, per_epoch, made, done, tell or _to_stderr)


def _plan(
    plan: Plan | None, optimizer: Optimizer, scheduler: Any, updates: int | None, per_epoch: int | None
) -> SchedulePlan | None:
    if plan is None or isinstance(plan, SchedulePlan):
        return plan
    if isinstance(plan, Experiment):
        return plan.schedule
    if updates is None:
        raise ConfigError("updates", None, "a plan of overrides has no length", "give the run's optimizer steps")
    return plan_for(optimizer, [plan] if isinstance(plan, str) else plan, updates, per_epoch, scheduler)


def _inner(scheduler: Any) -> Any:
    """The scheduler inside a wrapper of others (accelerate's)."""
    while hasattr(scheduler, "scheduler") and hasattr(scheduler.scheduler, "step"):
        scheduler = scheduler.scheduler
    if scheduler is not None and not callable(getattr(type(scheduler), "step", None)):
        raise ConfigError("scheduler", type(scheduler).__name__, "it has no step()", "give the scheduler itself")
    return scheduler


def _to_stderr(line: str) -> None:
    if is_rank_zero():
        print(line, file=sys.stderr)


class Watch:
    """A loop that is watched. `findings` are those told so far; all of them once it is finished."""

    def __init__(
        self,
        optimizer: Optimizer,
        scheduler: Any,
        updates: int | None,
        per_epoch: int | None,
        plan: SchedulePlan | None,
        done: int,
        tell: Callable[[str], object],
    ) -> None:
        self.findings: list[Finding] = []
        self._said = {"updates": updates, "per_epoch": per_epoch, "done": done}
        self._plan, self._tell, self._open = plan, tell, True
        self._groups = len(optimizer.param_groups)
        self._rates, self._steps = array("d"), array("q")
        self._hooks = record(optimizer, self._rates, self._groups)
        self._edits: list[Edit] = []
        self._changed: list[tuple[str, Any, Any]] = []
        self._stale: tuple[float, float] | None = None
        self._nature: Nature | None = None
        self._first: int | None = None
        self._last: Any = None
        self._release: Callable[[], None] = lambda: None
        if scheduler is not None:
            self._nature, self._first = nature_of(scheduler), _count_of(scheduler)
            self._last = self._first
            self._release = tap(scheduler, self._counting, self._loading)
        atexit.register(self._at_exit)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.finish(clean=kind is None)

    def _at_exit(self) -> None:
        """The end of the process: whether the loop came to its own, nobody says."""
        if len(self._rates) or len(self._steps):
            self.finish(clean=False)

    @property
    def rates(self) -> np.ndarray:
        """What every update used so far, shape (updates, groups)."""
        return np.array(self._rates).reshape(-1, self._groups)

    def finish(self, clean: bool = True) -> list[Finding]:
        """Stop watching, tell what was found, and return it. Once: later calls return the same.

        clean: whether the loop came to its end; of one that was broken off, where `updates` was not given, what it was
        going to be is not known.
        """
        if not self._open:
            return self.findings
        self._open = False
        for hook in self._hooks:
            hook.remove()
        self._release()
        atexit.unregister(self._at_exit)
        seen = self._seen(over=True, clean=clean)
        at = seen.done + np.arange(seen.n)
        of_plan = off_plan(self._plan, seen.rates, at, seen.done) if self._plan else []
        rules = {f.rule for f in of_plan}
        found = [*of_plan, *(f for f in findings(seen) if f.rule not in rules)]
        before = {f.rule for f in self.findings}
        fresh = [f for f in found if f.rule not in before]
        self.findings = [*(f for f in self.findings if f.rule not in {g.rule for g in found}), *found]
        self._tell(summary(seen, len(self.findings)))
        for finding in fresh:
            self._tell(told(finding))
        return self.findings

    def _seen(self, over: bool, clean: bool = True) -> WatchedLoop:
        return WatchedLoop(
            rates=self.rates,
            steps=np.array(self._steps, dtype=np.int64),
            nature=self._nature,
            first=self._first,
            last=_whole(self._last),
            edits=tuple(self._edits),
            changed=tuple(self._changed),
            stale=self._stale,
            over=over,
            clean=clean,
            **self._said,  # type: ignore[arg-type]
        )

    def _counting(self, own: Method, watched: Callable[[], Any]) -> Method:
        """A scheduler's step() that is counted as well. One function, with what it needs at hand: it is called at every
        update, and is not to be felt."""
        rates, steps, groups, counted = self._rates, self._steps, self._groups, self._steps.append
        judged_at = 1  # the first step, the 8th, and each that doubles it

        def step(scheduler: Any, *args: Any, **kwargs: Any) -> Any:
            nonlocal judged_at
            if watched() is not scheduler or not self._open:
                return own(scheduler, *args, **kwargs)
            left, found = getattr(scheduler, "_last_lr", None), None
            if left and (held := scheduler.optimizer.param_groups[0]["lr"]) != left[0]:
                found = self._edited(float(held), float(left[0]))
            result = own(scheduler, *args, **kwargs)
            counted(len(rates) // groups)
            self._last = getattr(scheduler, "last_epoch", None)
            if found is not None and len(self._edits) < MANY:
                self._edits.append(Edit(steps[-1], *found, float(scheduler.optimizer.param_groups[0]["lr"])))
            if len(steps) == judged_at:
                judged_at *= 8 if judged_at == 1 else 2
                self._tell_certain()
            return result

        return step

    def _edited(self, held: float, own: float) -> tuple[float, float] | None:
        """The rate that a step finds and the one the scheduler had left, where they differ by more than rounding."""
        if abs(held - own) <= SAME * max(abs(held), abs(own)):
            return None
        if not len(self._steps):
            self._stale = held, own
        return held, own

    def _loading(self, own: Method, watched: Callable[[], Any]) -> Method:
        """A scheduler's load_state_dict() that notes what it did: where the scheduler stands now, and other lengths
        than it was built with."""

        def load_state_dict(scheduler: Any, *args: Any, **kwargs: Any) -> Any:
            if watched() is not scheduler or not self._open:
                return own(scheduler, *args, **kwargs)
            before = lengths_of(scheduler)
            result = own(scheduler, *args, **kwargs)
            if not len(self._steps):
                self._first = self._last = _count_of(scheduler)
            self._nature, now = nature_of(scheduler), lengths_of(scheduler)
            self._changed += [(name, was, now[name]) for name, was in before.items() if now.get(name, was) != was]
            self._tell_certain()
            return result

        return load_state_dict

    def _tell_certain(self) -> None:
        for finding in certain(self._seen(over=False)):
            if finding.rule not in {f.rule for f in self.findings}:
                self.findings.append(finding)
                self._tell(told(finding))


def _count_of(scheduler: Any) -> int | None:
    """The steps that a scheduler has counted itself, where it does."""
    return _whole(getattr(scheduler, "last_epoch", None))


def _whole(count: Any) -> int | None:
    return count if isinstance(count, int) else None
