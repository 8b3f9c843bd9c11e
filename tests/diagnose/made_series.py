"""Series written by hand: 200 rows of a loss that falls and a rate that comes down, and what may be wrong with them."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lrbench.diagnose.series import Curve, Floats, Series
from lrbench.experiment import Experiment

N = 200
T = np.arange(N, dtype=np.float64)
FALLS = 0.05 + 2.25 * np.exp(-T / 30)
COSINE = 0.05 * (1 + np.cos(np.pi * T / N))
FLAT = np.full(N, 0.1)


def curve(values: Sequence[float] | Floats, every: float = 1.0) -> Curve:
    """Values at every so many updates, the first at 0."""
    value = np.asarray(values, dtype=np.float64)
    return Curve(every * np.arange(len(value)), value)


def series(loss: Floats = FALLS, rate: Floats | None = COSINE, **more: Any) -> Series:
    """A log, healthy by default."""
    n = float(len(loss))
    given = {"loss": curve(loss), "rate": None if rate is None else curve(rate), "end": n, "planned": n, **more}
    return Series(name="log", **given)


def of(experiment: Experiment, loss: Callable[[Floats], Floats], **more: Any) -> Series:
    """A record's series of an experiment under its own table, its loss a function of the share of the run that is
    done."""
    from lrbench.schedules import lr_table

    updates = experiment.clock.updates
    t = np.arange(updates, dtype=np.float64)
    given = {
        "loss": Curve(t, loss(t / updates)), "rate": Curve(t, lr_table(experiment).lr[:, 0]), "end": float(updates),
        "planned": float(updates), "per_epoch": experiment.clock.per_epoch, "experiment": experiment, "overrides": (),
        **more,
    }  # fmt: skip
    return Series(name="0123456789abcdef", **given)


def bent(values: Floats, at: int, *to: float) -> Floats:
    """With other values from an update on."""
    out = values.copy()
    out[at : at + len(to)] = to
    return out
