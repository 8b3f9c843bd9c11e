"""What is left of a run, as one value whatever it was read from: a record, a row of evidence, or anybody's CSV."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from lrbench.experiment import Experiment
from lrbench.experiment.identity import title
from lrbench.metrics import Metric, declared_in
from lrbench.store.curves import Corners
from lrbench.store.record import Record
from lrbench.store.run import Run
from lrbench.store.series import LOSS, NORM

Floats = NDArray[np.float64]
DENSE = 20_000  # points at most of rates that are kept as corners


@dataclass(frozen=True, eq=False)
class Curve:
    """Values over time. at: ascending, in the unit of the series, shape (n,), n > 0. value: (n,), of which some may not
    be finite."""

    at: Floats
    value: Floats

    def __len__(self) -> int:
        return len(self.at)

    def around(self, when: float) -> float:
        """The value that stood at a time: that of the last row up to it."""
        return float(self.value[max(0, int(np.searchsorted(self.at, when, side="right")) - 1)])


@dataclass(frozen=True, kw_only=True, eq=False)
class Series:
    """What a run left behind.

    unit: what times count, "update", "epoch" or "row". loss, val_loss, rate: of the group with the highest peak;
    accuracy: on validation; norm: of the gradient before clipping, where it was measured. None: it is not there.
    begins: whether the first row is the beginning of training. end, planned: how far the run came and was to go. bad:
    when the loss was first not finite, where that is known. per_epoch: updates of an epoch. heard: the metrics that
    its schedule was stepped with, in their order. summary: its last numbers by name, declared: what is known of them.
    unseen: what cannot be told from
    this source, in words. overrides: what was typed for it without the seed; None where that is not recorded.
    """

    name: str
    title: str = ""
    unit: str = "update"
    loss: Curve | None = None
    val_loss: Curve | None = None
    rate: Curve | None = None
    accuracy: Curve | None = None
    norm: Curve | None = None
    begins: bool = True
    end: float
    planned: float
    bad: float | None = None
    per_epoch: float | None = None
    heard: tuple[float, ...] | None = None
    summary: Mapping[str, float] = field(default_factory=dict)
    declared: Mapping[str, Metric] = field(default_factory=dict)
    unseen: tuple[str, ...] = ()
    experiment: Experiment | None = None
    overrides: tuple[str, ...] | None = None

    @cached_property
    def scheduler(self) -> str:
        """The class that moved the rate, "" where that is not known."""
        return self.experiment.scheduler.name if self.experiment else ""

    def share(self, when: float) -> float:
        """A time as a share of the run as it was planned."""
        return when / self.planned if self.planned else 0.0

    def when(self, time: float) -> str:
        """A time in words: `update 320 of 480 (epoch 20)`."""
        if self.unit == "epoch":
            return f"epoch {time:,.6g} of {self.planned:,.6g}"
        epoch = f" (epoch {time / self.per_epoch:.3g})" if self.unit == "update" and self.per_epoch else ""
        return f"{self.unit} {int(time):,} of {self.planned:,.0f}{epoch}"  # a whole one, that can be gone on from


def with_real_rates(series: Series) -> Series:
    """The same with those of its rates that a rate can be, and what was wrong with the others among the unseen: after a
    breakdown some logs hold nan in every column. None of them where one is below zero, which belongs to another column
    or to a schedule that went past its end."""
    rate = series.rate
    if rate is None or not len(rate):
        return series
    finite = np.isfinite(rate.value)
    at, value = rate.at[finite], rate.value[finite]
    wrong = ""
    if not len(value):
        wrong = f"the rate: none of its {len(rate):,} values is a finite number"
    elif value.min() < 0:
        first = series.when(float(at[int((value < 0).argmax())]))
        wrong = f"the rate: it is below zero from {first} on, at least {value.min():.3g}, which no rate may be"
    if wrong:
        return replace(series, rate=None, unseen=(*series.unseen, wrong))
    more = [] if finite.all() else [f"the rate of {(~finite).sum():,} of {len(rate):,} rows: it is not finite there"]
    more += [] if value.any() else ["any rate above zero: it is 0 in every row"]
    return replace(series, rate=Curve(at, value), unseen=(*series.unseen, *more)) if more else series


def of_record(run: Run, record: Record) -> Series:
    """A run's series from its record: the loss, the rates and the gradient norm of every update, its evaluations."""
    if record.restored_from():
        return of_row(run)
    series = record.series()
    updates = np.arange(len(series), dtype=np.float64)
    evaluated, norm = _evaluations(run, record), series[NORM]
    measured = np.isfinite(norm)
    rates = [name for name in series.dtype.names or () if name.startswith("lr/")]
    return _series(
        run,
        loss=Curve(updates, series[LOSS]) if len(series) else None,
        rate=Curve(updates, _highest(np.stack([series[n] for n in rates], axis=1))) if rates and len(series) else None,
        norm=Curve(updates[measured], norm[measured]) if measured.any() else None,
        heard=_heard(run.experiment, series[LOSS], evaluated),
        **_on_validation(evaluated),
    )


def of_row(run: Run) -> Series:
    """A run's series from its row of evidence: curves at 20 points, the rates by their corners."""
    curves = {name: Curve(*_arrays(points)) for name, points in run.curves.items() if points}
    unseen = ["single updates: its training loss is kept as 20 means"]
    if NORM not in curves:
        unseen.append("gradient norms")
    if not run.rates:
        unseen.append("rates")
    heard, evaluations = None, run.experiment.clock.evaluations()
    monitor = run.experiment.monitor
    if monitor in curves and len(curves[monitor]) == len(evaluations):
        warm = run.experiment.schedule.main.phase.start
        heard = tuple(float(v) for u, v in run.curves[monitor].items() if u > warm)
    elif monitor is not None:
        unseen.append("every metric that its schedule heard")
    return _series(
        run,
        loss=curves.get(LOSS),
        rate=_from_corners(run.rates),
        norm=curves.get(NORM),
        val_loss=curves.get("val/loss"),
        accuracy=curves.get("val/accuracy"),
        heard=heard,
        unseen=tuple(unseen),
        begins=False,
    )


def _series(run: Run, **found: object) -> Series:
    experiment, clock, overrides = run.experiment, run.experiment.clock, run.overrides()
    bad = run.summary.get("first_bad_update")
    return Series(
        name=run.run_id,
        title=title(experiment),
        end=float(run.status["update"]),
        planned=float(clock.updates),
        bad=None if bad is None else float(bad),
        per_epoch=clock.per_epoch,
        summary={k: v for k, v in run.summary.items() if "/" in k and isinstance(v, int | float)},
        declared=declared_in(run.summary),
        experiment=experiment,
        overrides=None if overrides is None else tuple(overrides),
        **found,  # type: ignore[arg-type]
    )


def _evaluations(run: Run, record: Record) -> dict[str, dict[int, float]]:
    """What was evaluated on the way, by name and update."""
    found: dict[str, dict[int, float]] = {}
    for row in record.rows():
        for name, value in row.items():
            if name.startswith("val/"):
                found.setdefault(name, {})[int(row["update"])] = value
    return found


def _on_validation(evaluated: dict[str, dict[int, float]]) -> dict[str, Curve]:
    names = {"val_loss": "val/loss", "accuracy": "val/accuracy"}
    return {field: Curve(*_arrays(evaluated[name])) for field, name in names.items() if evaluated.get(name)}


def _heard(experiment: Experiment, losses: Floats, evaluated: dict[str, dict[int, float]]) -> tuple[float, ...] | None:
    """The metrics that a schedule which hears one was stepped with; None for any other schedule."""
    monitor, start, every = experiment.monitor, experiment.schedule.main.phase.start, experiment.clock.per_eval
    if monitor is None:
        return None
    if experiment.scheduler.interval == "batch":
        return tuple(losses[start:].tolist())
    return tuple(v for u, v in evaluated.get(monitor, {}).items() if u > start and u % every == 0)


def _highest(rates: Floats) -> Floats:
    """Of the rates of all groups, shape (n, groups), those of the group with the highest peak."""
    column: Floats = rates[:, int(rates.max(axis=0).argmax())]
    return column


def _from_corners(rates: dict[str, Corners]) -> Curve | None:
    groups = [corners for name, corners in rates.items() if name.startswith("lr/")]
    if not groups:
        return None
    at, value = max(groups, key=lambda corners: max(corners[1]))
    every = np.linspace(0.0, at[-1], min(at[-1], DENSE) + 1)
    return Curve(every, np.interp(every, at, value))


def _arrays(points: dict[int, float]) -> tuple[Floats, Floats]:
    return np.array([*points], dtype=np.float64), np.array([*points.values()], dtype=np.float64)
