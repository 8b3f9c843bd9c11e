"""Measure a model on a whole split, and let a schedule that listens hear it."""

from collections import defaultdict

import torch

from lrbench.data import Source, Split
from lrbench.data.loader import in_order
from lrbench.engine.averaging import evaluating
from lrbench.engine.state import Setup, State
from lrbench.experiment import Experiment


def evaluation_updates(experiment: Experiment) -> list[int]:
    """After which updates the validation set is measured: every `eval_every`, and at the end."""
    return experiment.clock.evaluations()


def evaluate(setup: Setup, state: State, split: Split | Source, prefix: str) -> dict[str, float]:
    """The mean of every metric over a split, named `prefix/metric`. Leaves everything that trains as it was."""
    sums: dict[str, float] = defaultdict(float)
    with evaluating(setup, state), torch.no_grad():
        for x, y in in_order(split, setup.splits.mean, setup.splits.std, setup.device, setup.workers):
            with setup.autocast():
                output = state.model(setup.formatted(x))
            for name, values in setup.task.measure(output, y).items():
                sums[name] += values.double().sum().item()
    return {f"{prefix}/{name}": total / len(split.y) for name, total in sums.items()}


def validate(setup: Setup, state: State) -> dict[str, float]:
    """Measure validation; a metric schedule hears its monitor, unless it is still warming up (design 4.7)."""
    experiment = setup.experiment
    metrics = evaluate(setup, state, setup.splits.val, "val") if setup.ranks.rank == 0 else {}
    metrics = setup.ranks.tell(metrics)
    on_calendar = state.update > setup.table.warmup and state.update % experiment.clock.per_eval == 0
    if state.feedback and experiment.monitor and experiment.scheduler.interval == "metric" and on_calendar:
        state.feedback.step(metrics[experiment.monitor])
    return metrics
