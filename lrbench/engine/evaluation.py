"""Measure a model on a whole split, and let a schedule that listens hear it."""

from collections.abc import Mapping

import torch
from torch import nn

from lrbench.data import Stream
from lrbench.engine.averaging import evaluating
from lrbench.engine.state import Setup, State, autocast
from lrbench.experiment import Experiment
from lrbench.metrics import Metric
from lrbench.tasks import Task
from lrbench.tasks.returns import measured


def evaluation_updates(experiment: Experiment) -> list[int]:
    """After which updates the validation set is measured: every `eval_every`, and at the end."""
    return experiment.clock.evaluations()


def evaluate(setup: Setup, state: State, split: Stream, prefix: str) -> dict[str, float]:
    """Every metric of the task over a split, named `prefix/metric`. Leaves everything that trains as it was.

    Raises ConfigError where the task measures something else than it declares, or no numbers.
    """
    with evaluating(setup, state):
        found = measured_on(split, state.model, setup.task, setup.metrics, setup.experiment, setup.device)
    return {f"{prefix}/{name}": value for name, value in found.items()}


def measured_on(
    split: Stream,
    model: nn.Module,
    task: Task,
    metrics: Mapping[str, Metric],
    experiment: Experiment,
    device: torch.device,
) -> dict[str, float]:
    """Every metric over a split of a model in evaluation mode. Raises ConfigError as `evaluate` does."""
    meter = task.meter()
    with torch.no_grad():
        for batch in split.in_order():
            with autocast(experiment, device):
                meter.add(model, batch)
    return measured(meter, metrics, experiment.task.target)


def validate(setup: Setup, state: State) -> dict[str, float]:
    """Measure validation; early stopping hears its monitor, and so does a metric schedule, unless it is still warming
    up."""
    experiment = setup.experiment
    metrics = evaluate(setup, state, setup.splits.val, "val") if setup.ranks.rank == 0 else {}
    metrics = setup.ranks.broadcast(metrics)
    on_calendar = state.update % experiment.clock.per_eval == 0
    if state.stopping and on_calendar:
        state.stopping.heard.append(metrics[state.stopping.rule.monitor])
    warm = state.update > setup.table.warmup
    if state.feedback and experiment.monitor and experiment.scheduler.interval == "metric" and on_calendar and warm:
        state.feedback.step(metrics[experiment.monitor])
    return metrics
