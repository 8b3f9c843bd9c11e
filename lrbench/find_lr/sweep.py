"""One sweep: the engine's own updates under a table of rates of its own, on a state of its own."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch

from lrbench.engine.legs import legs
from lrbench.engine.state import Setup, State, new_state, set_up, wrap
from lrbench.errors import ConfigError
from lrbench.experiment import Experiment
from lrbench.experiment.identity import run_id
from lrbench.find_lr.curve import CurveEnd
from lrbench.find_lr.generators import keeping_generators
from lrbench.find_lr.range_test import RangeTest
from lrbench.schedules import LRTable
from lrbench.store.series import LOSS

LOOK = 10  # updates between two looks at the losses: so many at most are made in vain

End = Literal["whole", "rose", "not finite"]


@dataclass(frozen=True)
class RangeTestSweep:
    """What one seed's sweep measured: the loss of each update, in order, before the step with that update's rate. How
    it ended: with the last rate; where the curve rose above its limit; or where the loss, which is the last one, or a
    gradient that is clipped was not finite."""

    seed: int
    losses: tuple[float, ...]
    end: End


def sweep(experiment: Experiment, test: RangeTest, seed: int, device: torch.device, workers: int = 0) -> RangeTestSweep:
    """Train a new model on the experiment's own data, optimizer, clip and precision while the rate grows. Everything is
    drawn from the seed, and the process's generators are left as they were.

    Momentum and weight decay are the optimizer's: what a schedule would do to them is not part of a range test.
    Raises ConfigError for an experiment that has none (`check`), or that training would refuse.
    """
    check(experiment)
    with keeping_generators():
        setup = set_up(replace(experiment, seed=seed), device, workers=workers)
        setup = replace(setup, table=table(experiment, test))
        state = wrap(new_state(setup.experiment, setup.device), setup)
        state.feedback = None  # the rates are those of the table, whatever schedule the experiment has
        return _updates(setup, state, test)


def check(experiment: Experiment) -> None:
    """Raises ConfigError for what a range test cannot be made of."""
    if experiment.start is not None:
        why = "a range test begins with new weights of its own seeds, and a fork has its parent's"
        cure = "leave start out; or sweep the model that you have by lrbench.find_lr.live.range_test"
        raise ConfigError("start.of", run_id(experiment.start.of), why, cure)
    if experiment.ranks is not None:
        why = f"a range test is made by one process, and {experiment.ranks} were started"
        raise ConfigError("find_lr", "", why, "start one, and give the rate that it finds as optimizer.lr")


def table(experiment: Experiment, test: RangeTest) -> LRTable:
    """The sweep's rates of every group, as a schedule's table. Shape (iterations, groups)."""
    peaks = experiment.peaks
    lr = np.outer(test.rates, [peak / experiment.optimizer.lr for peak in peaks.values()])
    lr.flags.writeable = False
    return LRTable(tuple(peaks), lr, None, warmup=0, known=len(lr))


def _updates(setup: Setup, state: State, test: RangeTest) -> RangeTestSweep:
    """Until the last rate, or until the curve or a loss ends it."""
    stops = [*range(LOOK, test.iterations, LOOK), test.iterations]
    losses: list[float] = []
    watch = CurveEnd(test)
    for leg in legs(setup, state, stops, ()):
        new = [float(f"{loss:.9g}") for loss in leg.block.series[LOSS]]  # as they are kept: all of a float32
        losses += new
        if leg.bad is not None or any(watch(loss) for loss in new):
            return RangeTestSweep(setup.experiment.seed, tuple(losses), "rose" if leg.bad is None else "not finite")
    return RangeTestSweep(setup.experiment.seed, tuple(losses), "whole")
