"""A log of losses and rates from elsewhere, as CSV: which columns it has, and its series.

Known are the names that W&B's and TensorBoard's exports, Lightning's CSVLogger, transformers' log history, timm's
summary.csv and Keras' CSVLogger give, in any case, with any sign between words. A cell may be empty: where several
loggers write one file, each row holds what one of them knew.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lrbench.diagnose.series import Curve, Floats, Series
from lrbench.errors import ConfigError
from lrbench.logs import EPOCH, STEP, Column, Ints, columns_of, header_of, plain

# What a column may be, by its name in small letters with `_` between words; the first that a file has counts.
NAMES: Mapping[str, tuple[str, ...]] = {
    "step": STEP,
    "epoch": EPOCH,
    "loss": (
        "loss", "train_loss", "train_loss_step", "training_loss", "loss_train", "train_loss_epoch", "train_epoch_loss",
        "loss_step", "batch_loss", "loss_training",
    ),
    "val_loss": (
        "val_loss", "valid_loss", "validation_loss", "eval_loss", "val_loss_epoch", "dev_loss", "loss_val", "test_loss",
        "loss_valid", "loss_validation", "loss_eval",
    ),
    "lr": (
        "lr", "learning_rate", "train_lr", "train_learning_rate", "rate", "lr_all", "optimizer_lr", "lr_0", "lr_pg0",
        "lr_group_0",
    ),
    "accuracy": (
        "val_accuracy", "val_acc", "valid_accuracy", "validation_accuracy", "eval_accuracy", "eval_top1", "val_top1",
        "val_acc1", "test_accuracy", "test_acc",
    ),
}  # fmt: skip
ROLES = tuple(NAMES)
LIGHTNING = re.compile(r"lr_[a-z]*(sgd|adam|prop|lamb|lion|muon|grad|lbfgs)[a-z]*(_pg1)?")  # its LearningRateMonitor's
TENSORBOARD = ["wall_time", "step", "value"]


@dataclass(frozen=True, eq=False)
class _Log:
    """What a file holds: curves by their role, what their times count, and the updates of an epoch where it tells."""

    curves: Mapping[str, Curve]
    unit: str
    per_epoch: float | None = None


def read_logs(paths: Sequence[Path], given: Mapping[str, str]) -> list[Series]:
    """The series of some files, in their order. TensorBoard exports a file for each tag: those of one run are one
    series, where its first file stands.

    given: columns by their role (`loss`, `val_loss`, `lr`, `accuracy`, `step`, `epoch`), instead of the known names.
    Raises ConfigError for a file that cannot be read, that has no loss, or a cell that is no number.
    """
    logs, files = dict[str, _Log](), dict[str, list[Path]]()
    for path in paths:
        name, log = _read(path, given)
        files.setdefault(name, []).append(path)
        known = logs[name].curves if name in logs else {}
        logs[name] = _Log({**known, **log.curves}, log.unit, log.per_epoch)
    return [_series(name, log, files[name]) for name, log in logs.items()]


def _series(name: str, log: _Log, files: Sequence[Path]) -> Series:
    curves = {("rate" if role == "lr" else role): curve for role, curve in log.curves.items()}
    loss = curves.get("loss", curves.get("val_loss"))
    if loss is None:
        found = f"it has {', '.join(curves)}" if curves else "nor any other that is known"
        cure = "name it, as in --column loss=NAME; of a TensorBoard export give the file of the loss too"
        raise ConfigError(", ".join(map(str, files)), "", f"no column is a training or validation loss ({found})", cure)
    last = max(float(c.at[-1]) for c in curves.values())
    missing = {"loss": "no training loss", "val_loss": "no validation loss", "rate": "no learning rate"}
    unseen = [f"{what} (no such column)" for role, what in missing.items() if role not in curves]
    return Series(
        name=name,
        unit=log.unit,
        end=last,
        planned=last,
        begins=float(loss.at[0]) <= max(1.0, 0.02 * last),
        bad=_first_bad(loss, curves.get("rate")),
        per_epoch=log.per_epoch,
        unseen=(*unseen, "which scheduler was meant, for how long, and gradient norms"),
        **curves,  # type: ignore[arg-type]
    )


def _first_bad(loss: Curve, rate: Curve | None) -> float | None:
    """When the loss is first not finite. (pandas writes NaN as an empty cell: then the loss ends and the rate goes
    on, where both stood in each row before.)"""
    bad = np.flatnonzero(~np.isfinite(loss.value))
    if len(bad):
        return float(loss.at[bad[0]])
    if rate is None or len(rate) <= len(loss):
        return None
    together = len(loss) > 1 and np.array_equal(rate.at[: len(loss)], loss.at)
    return float(rate.at[len(loss)]) if together else None


def _read(path: Path, given: Mapping[str, str]) -> tuple[str, _Log]:
    """What a file holds, by the name of the series that it belongs to."""
    name, header = str(path), header_of(path)
    if [plain(column) for column in header] == TENSORBOARD:  # run-NAME-tag-train_loss.csv, or what somebody called it
        run, _, tag = path.stem.rpartition("-tag-")
        name, header = str(path.with_name(run)) if run else str(path.parent), [*header[:2], tag]
    chosen = chosen_columns(str(path), header, given)
    columns = columns_of(path, {*chosen.values()})
    return name, _log(
        path, {role: columns[place] for role, place in chosen.items() if len(columns[place].rows)}, header
    )


def chosen_columns(name: str, header: Sequence[str], given: Mapping[str, str]) -> dict[str, int]:
    """The place of each role's column. Raises ConfigError for a named one that is not there, and where a name that is
    looked for stands twice."""
    names, found = [plain(column) for column in header], {}
    for role, known in NAMES.items():
        if role in given:
            if given[role] not in header:
                listed = ", ".join(header)
                raise ConfigError(name, "", f"it has no column {given[role]} to be the {role}", f"it has {listed}")
            found[role] = list(header).index(given[role])
            continue
        for wanted in known:
            places = [i for i, column in enumerate(names) if column == wanted]
            if len(places) > 1:
                several = ", ".join(header[i] for i in places)
                cure = f"choose one: --column '{role}={header[places[0]]}'"
                raise ConfigError(name, "", f"several columns may be the {role} ({several})", cure)
            if places:
                found[role] = places[0]
                break
    if "lr" not in found and "lr" not in given:
        places = [i for i, column in enumerate(names) if LIGHTNING.fullmatch(column)]
        found |= {"lr": places[0]} if places else {}
    return found


def _log(path: Path, columns: Mapping[str, Column], header: Sequence[str]) -> _Log:
    """Curves over steps, else over epochs, else over rows. Raises ConfigError for a file without rows, or of
    several runs."""
    if not columns:
        why = f"it has no rows, or no column that is known ({', '.join(header) or 'none'})"
        raise ConfigError(str(path), "", why, "--help lists the names")
    unit = next((u for u in ("step", "epoch") if u in columns), "row")
    curves = {}
    for role, (rows, values) in columns.items():
        if role in ("step", "epoch"):
            continue
        if unit == "row":
            at: Floats = (rows + 1).astype(np.float64)
        else:
            _refuse_appended(path, unit, rows, *columns[unit])
            at, values = _timed(rows, values, *columns[unit])
        if len(at):
            curves[role] = Curve(at, values)
    return _Log(curves, "update" if unit == "step" else unit, _per_epoch(columns))


def _refuse_appended(path: Path, unit: str, rows: Ints, time_rows: Ints, times: Floats) -> None:
    """Raises ConfigError where the times of a column come back to their first one, as of runs that were appended to one
    file: of those no one curve can be made. (One that was resumed comes back to a later time.)"""
    here = np.isin(time_rows, rows)
    lines, times = time_rows[here] + 2, times[here]
    again = np.flatnonzero((np.diff(times) < 0) & (times[1:] == times[:1]))
    if len(again):
        line, back = int(lines[again[0] + 1]), float(times[0])
        why = f"line {line} comes back to {unit} {back:,.6g}, the first: several runs may stand in it"
        cure = (
            "make a file of each run; if it counts anew in each epoch, name a column that does not: --column step=NAME"
        )
        raise ConfigError(str(path), "", why, cure)


def _timed(rows: Ints, values: Floats, time_rows: Ints, times: Floats) -> tuple[Floats, Floats]:
    """Values by their times, ascending; of those of one time the last, as of a run that was resumed."""
    if not np.array_equal(rows, time_rows):
        both = np.isin(rows, time_rows)
        rows, values = rows[both], values[both]
        times = times[np.searchsorted(time_rows, rows)]
    if (np.diff(times) > 0).all():
        return times, values
    order = np.argsort(times, kind="stable")
    last = np.append(np.diff(times[order]) > 0, True)
    return times[order][last], values[order][last]


def _per_epoch(columns: Mapping[str, Column]) -> float | None:
    """Updates of an epoch, where both are counted; about, since a file may not say where an epoch ends."""
    if not {"step", "epoch"} <= columns.keys():
        return None
    steps, epochs = _timed(*columns["epoch"], *columns["step"])
    span = float(epochs[-1] - epochs[0]) if len(epochs) else 0.0
    return float(steps[-1] - steps[0]) / span if span > 0 else None
