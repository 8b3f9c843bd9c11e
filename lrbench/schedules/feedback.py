"""Schedules that hear a metric (plateau, or a user's class whose step() takes one), live during training."""

from collections.abc import Sequence
from functools import lru_cache

from lrbench.errors import ConfigError
from lrbench.experiment.schedule_plan import SchedulePart, SchedulePlan
from lrbench.schedules.build import Live, build, torch_refuses
from lrbench.schedules.remark import Contrary


@lru_cache(maxsize=4096)  # asked of every job of a sweep, and told by building the scheduler
def hears_metric(plan: SchedulePlan) -> bool:
    """Whether the scheduler's step() requires a metric. Raises ConfigError where it cannot be built."""
    return "metric" in built(plan, plan.main)[0].takes


def built(plan: SchedulePlan, part: SchedulePart) -> list[Live]:
    """The scheduler of a part for every group."""
    made = []
    for group in plan.peaks:
        args = plan.arguments(part, group)
        with torch_refuses(part, args):
            made.append(build(plan, part, args, group))
    return made


def check_feedback(plan: SchedulePlan, measured: Sequence[str]) -> None:
    """Refuse a metric schedule that would never hear its metric, and interval=metric for one that hears none.

    `measured` are the names of the metrics that the run will measure.
    """
    interval, monitor, name = plan.scheduler.interval, plan.monitor, plan.scheduler.name
    if not hears_metric(plan):
        if interval == "metric":
            why = f"{name}.step() can do without a metric, so it is given none"
            cure = "choose epoch or batch; torch's own plateau is scheduler=plateau"
            raise ConfigError("scheduler.interval", interval, why, cure)
        return
    if plan.scheduler.first_row is not None:
        why = f"{name} is stepped after an evaluation, with what that found"
        raise ConfigError("scheduler.first_row", plan.scheduler.first_row, why, "leave it out")
    if plan.warmup is not None and plan.warmup.join is not None:
        why = f"{name} would judge by metrics of rates that are the warmup's and not its own"
        raise ConfigError("warmup.join", plan.warmup.join, why, "leave it out: the schedule begins after the warmup")
    if monitor is None:
        cure = f"name one of {', '.join(measured)}"
        why, cures = f"{name} is stepped with a metric", tuple((f"monitor={m}",) for m in measured[1:2])
        raise Contrary("check.plateau-without-metric", cures, "monitor", None, why, cure)
    if monitor not in measured:
        raise ConfigError("monitor", monitor, "never measured in this run", f"choose one of {', '.join(measured)}")
    if interval == "epoch":
        cure = "use interval=metric, and eval_every=1ep for once an epoch"
        raise ConfigError("scheduler.interval", interval, f"{name} is stepped after an evaluation", cure)
    if interval == "metric" and monitor == "train/loss":
        cure = f"use scheduler.interval=batch, or one of {', '.join(m for m in measured if m != monitor)}"
        raise ConfigError("monitor", monitor, "known after every update, not at an evaluation", cure)
    if interval == "batch" and monitor != "train/loss":
        why = "with interval=batch the metric must exist at every update, which only train/loss does"
        raise ConfigError("monitor", monitor, why, "or use interval=metric")


class Feedback:
    """The main phase of a metric schedule, stepped as metrics arrive.

    Its state is `metrics`, the list heard so far: building it again with that list is resuming, forking and dry run.
    """

    def __init__(self, plan: SchedulePlan, metrics: Sequence[float] = ()) -> None:
        self.metrics: list[float] = []
        self._live = built(plan, plan.main)
        for metric in metrics:
            self.step(metric)

    def step(self, metric: float) -> None:
        self.metrics.append(metric)
        for live in self._live:
            live.scheduler.step(*live.given(len(self.metrics), metric))

    @property
    def row(self) -> list[float]:
        """The rate of every group, as the metrics heard so far leave it."""
        return [float(live.group["lr"]) for live in self._live]
