"""Any schedule of lrbench as an ordinary torch scheduler, for the training loop of anybody.

optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
scheduler = lrbench.schedule(optimizer, "scheduler=cosine", "warmup=linear5", updates=3900, per_epoch=39)
...
    optimizer.step()
    scheduler.step()  # after every optimizer step, whatever the schedule's own interval
"""

import warnings
from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from lrbench.errors import ConfigError
from lrbench.experiment.hashing import canonical, digest
from lrbench.experiment.schedule_plan import SchedulePlan
from lrbench.interop.optimizers import bare, plan_for, require_one_momentum
from lrbench.plural import plural
from lrbench.schedules import Feedback, check, hears_metric, lr_table


def schedule(
    optimizer: Optimizer,
    *overrides: str,
    updates: int,
    per_epoch: int | None = None,
    beyond: Literal["refuse", "hold"] = "refuse",
) -> "TableLR":
    """A schedule as a torch scheduler, by the overrides that `lrbench plot` takes: "scheduler=cosine",
    "warmup=linear5", "scheduler.args.eta_min=0.01x", "weight_decay=cosine", ...

    The optimizer's own rates are the peaks, group by group; its groups are named by their key `name` (a parameter
    group is {"params": ..., "name": "head"}), else `group0`, `group1`, ..., and `all` where there is one. updates: the
    optimizer steps of the whole run; per_epoch: those of an epoch, None where nothing counts epochs. beyond: what comes
    after the last update's step; see TableLR. What is worth knowing of the schedule is warned of. Raises ConfigError.
    """
    plan = plan_for(bare(optimizer), overrides, updates, per_epoch)
    for remark in check(plan):
        warnings.warn(remark.says, stacklevel=2)
    return TableLR(bare(optimizer), plan, beyond)


class TableLR(LRScheduler):
    """A plan's exact table under torch's interface: update t uses row t of `lr_table(plan)`, to the bit.

    `step()` after every optimizer step. A schedule that hears a metric hears it by `step(metric)` after an evaluation,
    beside the `step()` of every update (which such a schedule needs for its warmup alone); with interval=batch, it is
    step(loss) after every update. Metrics that come during the warmup are not heard. Where none was heard by the
    second evaluation after it, that is warned of: torch's own would have refused to be stepped.

    The momentum and the weight decay are set too where the schedule moves them.

    The step after the last update leaves the last rate. One more means that the run is longer than was said: it is
    refused, as OneCycleLR does, since what was trained there was in no plan; with beyond="hold" the last rate stays.

    `state_dict` holds the updates done, the metrics heard and the schedule's fingerprint: loading it sets the rates of
    that update, and is refused where the schedule is another one.
    """

    def __init__(self, optimizer: Optimizer, plan: SchedulePlan, beyond: Literal["refuse", "hold"] = "refuse") -> None:
        if beyond not in ("refuse", "hold"):
            raise ConfigError("beyond", beyond, "there is no such choice", "choose refuse or hold")
        self._plan, self._table, self._beyond = plan, lr_table(plan), beyond
        self._feedback = Feedback(plan) if hears_metric(plan) else None
        self.total_steps = plan.clock.updates
        if self._table.momentum is not None:
            require_one_momentum(optimizer)
        super().__init__(optimizer)

    def step(self, metric: float | None = None) -> None:
        """An update is done; with a metric, one was measured. Raises ConfigError past the end of the plan, and for a
        metric that nobody hears."""
        if metric is not None:
            self._hear(float(metric))
            if self._plan.scheduler.interval != "batch":
                self._write()
                return
        if self._beyond == "refuse" and self.last_epoch >= self.total_steps:
            why = f"this is step {self.last_epoch + 1} of a schedule of {plural(self.total_steps, 'update')}"
            cure = "let updates be the optimizer steps of the whole run, or say beyond='hold'"
            raise ConfigError("updates", self.total_steps, why, cure)
        super().step()
        self._write()
        if self._feedback is not None and self.last_epoch == self._deaf_at and not self._feedback.metrics:
            name = self._plan.scheduler.name
            says = f"{name} has heard no metric in {plural(self.last_epoch, 'update')}, and its rate does not move"
            warnings.warn(f"{says}: call step(metric) after each evaluation", stacklevel=2)

    @property
    def _deaf_at(self) -> int:
        """The update by which it should have heard a metric."""
        return self._table.warmup + 2 * self._plan.clock.per_eval

    def _hear(self, metric: float) -> None:
        if self._feedback is None:
            why = f"{self._plan.scheduler.name} hears no metric"
            raise ConfigError("step", metric, why, "call step() without one, after every optimizer step")
        done = self.last_epoch + (self._plan.scheduler.interval == "batch")
        if self._table.warmup == 0 or done > self._table.warmup:
            self._feedback.step(metric)

    @property
    def _row(self) -> int:
        return min(self.last_epoch, self.total_steps - 1)

    def get_lr(self) -> list[float | torch.Tensor]:
        """The rate of every group at the update that comes next."""
        if self._feedback is not None and self._row >= self._table.warmup:
            return [*self._feedback.row]
        return self._table.lr[self._row].tolist()

    def _write(self) -> None:
        """Into the groups, all that the schedule moves of them at the update that comes next."""
        for column, (group, rate) in enumerate(zip(self.optimizer.param_groups, self.get_lr(), strict=True)):
            _set(group, "lr", rate)
            if self._table.momentum is not None:
                momentum = float(self._table.momentum[self._row, column])
                if "betas" in group:
                    group["betas"] = (momentum, *group["betas"][1:])
                else:
                    group["momentum"] = momentum
            if self._table.weight_decay is not None:
                _set(group, "weight_decay", float(self._table.weight_decay[self._row, column]))
        self._last_lr = self.get_lr()

    def state_dict(self) -> dict[str, Any]:
        """Plain numbers: `torch.load(weights_only=True)` reads them."""
        heard = [*self._feedback.metrics] if self._feedback else []
        return {"last_epoch": self.last_epoch, "metrics": heard, "schedule": self._fingerprint}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on where `state_dict` was taken, the optimizer's rates set to that update's. Raises ConfigError where it
        was another schedule."""
        if state_dict["schedule"] != self._fingerprint:
            why = "this state is of another schedule: other overrides, updates, per_epoch or peak rates"
            cure = "make the scheduler as it was; to change over on purpose, set state['schedule'] to the new one's"
            raise ConfigError("load_state_dict", state_dict["schedule"], why, cure)
        self.last_epoch = state_dict["last_epoch"]
        self._step_count = self.last_epoch + 1
        if self._feedback is not None:
            self._feedback = Feedback(self._plan, state_dict["metrics"])
        self._write()

    @property
    def _fingerprint(self) -> str:
        return digest(canonical(self._plan.resolved))


def _set(group: dict[str, Any], key: str, value: float | torch.Tensor) -> None:
    """As torch's schedulers do it: a rate that is a tensor (under torch.compile) stays the same one."""
    if isinstance(group[key], torch.Tensor):
        group[key].fill_(float(value))
    else:
        group[key] = value
