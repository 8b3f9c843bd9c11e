"""Measure a model on a whole split, and let a schedule that listens hear it."""

import torch

from lrbench.data import Stream
from lrbench.engine.averaging import evaluating
from lrbench.engine.state import Setup, State
from lrbench.experiment import Experiment
from lrbench.tasks.returns import measured


def evaluation_updates(experiment: Experiment) -> list[int]:
    """After which updates the validation set is measured: every `eval_every`, and at the end."""
    return experiment.clock.evaluations()


def evaluate(setup: Setup, state: State, split: Stream, prefix: str) -> dict[str, float]:
    """Every metric of the task over a split, named `prefix/metric`. Leaves everything that trains as it was.

    Raises ConfigError where the task measures something else than it declares, or no numbers.
    """
    meter = setup.task.meter()
    with evaluating(setup, state), torch.no_grad():
        for batch in split.in_order():
            with setup.autocast():
                meter.add(state.model, batch)
    found = measured(meter, setup.metrics, setup.experiment.task.target)
    return {f"{prefix}/{name}": value for name, value in found.items()}


def validate(setup: Setup, state: State) -> dict[str, float]:
    """Measure validation; a metric schedule hears its monitor, unless it is still warming up (design 4.7)."""
    experiment = setup.experiment
    metrics = evaluate(setup, state, setup.splits.val, "val") if setup.ranks.rank == 0 else {}
    metrics = setup.ranks.tell(metrics)
    on_calendar = state.update > setup.table.warmup and state.update % experiment.clock.per_eval == 0
    if state.feedback and experiment.monitor and experiment.scheduler.interval == "metric" and on_calendar:
        state.feedback.step(metrics[experiment.monitor])
    return metrics
