"""Logs from elsewhere: the columns of each exporter, cells that are empty or no number, and what is refused."""

from pathlib import Path

import numpy as np
import pytest

from lrbench.diagnose.logs import read_logs
from lrbench.errors import ConfigError
from lrbench.logs import plain

# What each writes, as its own version of today does.
WANDB_HISTORY = """_step,_runtime,train/loss,lr,val/loss
0,1.0,2.3,0.1,
1,2.0,2.0,0.1,
2,3.0,,,1.9
3,4.0,1.5,0.05,
"""
WANDB_CHART = """"Step","cool-run-1 - train/loss","cool-run-1 - train/loss__MIN","cool-run-1 - train/loss__MAX"
1,2.3,2.3,2.3
2,2,2,2
"""
LIGHTNING = """epoch,lr-AdamW,step,train_loss_epoch,train_loss_step,val_loss
,0.001,0,,,
0,,9,,2.25,
0,,9,,,2.1
0,,9,2.28,,
,0.002,10,,,
1,,19,,1.75,
"""
TRANSFORMERS = """loss,grad_norm,learning_rate,epoch,step,eval_loss,train_loss
2.5,1.2,5e-5,0.5,500,,
,,,0.5,500,2.4,
2.1,1.1,2e-5,1.0,1000,,
,,,1.0,1000,,2.3
"""
TIMM = "epoch,train_loss,eval_loss,eval_top1,eval_top5,lr\n0,6.9,6.8,0.5,2,1e-6\n1,6.1,5.9,3,9,1e-3\n"
KERAS = "epoch,accuracy,learning_rate,loss,val_accuracy,val_loss\n0,0.3,0.01,2.0,0.4,1.8\n1,0.5,0.01,1.5,0.5,1.4\n"


def read(folder: Path, text: str, **given: str) -> object:
    path = folder / "log.csv"
    path.write_text(text)
    (series,) = read_logs([path], given)
    return series


def points(curve: object) -> dict[float, float]:
    return {} if curve is None else dict(zip(curve.at.tolist(), curve.value.tolist(), strict=True))


@pytest.mark.parametrize(
    ("text", "unit", "loss", "rate", "val"),
    [
        (WANDB_HISTORY, "update", {0: 2.3, 1: 2.0, 3: 1.5}, {0: 0.1, 1: 0.1, 3: 0.05}, {2: 1.9}),
        (WANDB_CHART, "update", {1: 2.3, 2: 2.0}, {}, {}),
        (LIGHTNING, "update", {9: 2.25, 19: 1.75}, {0: 0.001, 10: 0.002}, {9: 2.1}),
        (TRANSFORMERS, "update", {500: 2.5, 1000: 2.1}, {500: 5e-5, 1000: 2e-5}, {500: 2.4}),
        (TIMM, "epoch", {0: 6.9, 1: 6.1}, {0: 1e-6, 1: 1e-3}, {0: 6.8, 1: 5.9}),
        (KERAS, "epoch", {0: 2.0, 1: 1.5}, {0: 0.01, 1: 0.01}, {0: 1.8, 1: 1.4}),
        ("loss;lr\n2,5;0,1\n".replace(",", "."), "row", {1: 2.5}, {1: 0.1}, {}),
    ],
    ids=["wandb", "wandb-chart", "lightning", "transformers", "timm", "keras", "rows"],
)
def test_exporters(text: str, unit: str, loss: dict, rate: dict, val: dict, tmp_path: Path) -> None:
    series = read(tmp_path, text)
    assert series.unit == unit
    assert (points(series.loss), points(series.rate), points(series.val_loss)) == (loss, rate, val)


def test_epochs_are_counted_where_the_file_counts_both(tmp_path: Path) -> None:
    assert read(tmp_path, TRANSFORMERS).per_epoch == 1000
    assert read(tmp_path, KERAS).per_epoch is None


def test_the_surest_steps_are_taken(tmp_path: Path) -> None:
    """`trainer/global_step` counts updates; W&B's own `_step` counts calls of log()."""
    series = read(tmp_path, "_step,trainer/global_step,loss\n0,0,2\n1,50,1.5\n2,100,1.2\n")
    assert points(series.loss) == {0: 2, 50: 1.5, 100: 1.2}


def test_tensorboard_has_a_file_for_each_tag(tmp_path: Path) -> None:
    """And what is one run's is one series, by the files' names."""
    header = "Wall time,Step,Value\n"
    paths = [tmp_path / f"run-{run}-tag-{tag}.csv" for run in "ab" for tag in ("train_loss", "lr")]
    for path in paths:
        path.write_text(f"{header}1.5,10,{0.1 if 'lr' in path.name else 2.0}\n")
    first, second = read_logs(paths, {})
    assert (first.name, second.name) == (str(tmp_path / "run-a"), str(tmp_path / "run-b"))
    assert (points(first.loss), points(first.rate)) == ({10: 2.0}, {10: 0.1})
    (tmp_path / "lr.csv").write_text(f"{header}1.5,10,0.1\n")
    with pytest.raises(ConfigError, match=r"no column is a training or validation loss .it has rate"):
        read_logs([tmp_path / "lr.csv"], {})
    (tmp_path / "mine.csv").write_text(f"{header}1.5,10,2\n")
    assert points(read_logs([tmp_path / "mine.csv"], {"loss": "mine"})[0].loss) == {10: 2.0}


@pytest.mark.parametrize("cell", ["nan", "NaN", "inf", "-inf", "Infinity"])
def test_what_is_not_finite(cell: str, tmp_path: Path) -> None:
    series = read(tmp_path, f"step,loss\n0,2.0\n1,{cell}\n2,{cell}\n")
    assert series.bad == 1
    assert np.isnan(series.loss.value[1]) or np.isinf(series.loss.value[1])


def test_pandas_writes_nan_as_an_empty_cell(tmp_path: Path) -> None:
    """Then the loss ends, and the rate goes on; where it was logged apart from the rate, nothing follows."""
    assert read(tmp_path, "step,loss,lr\n0,2,0.1\n1,1.5,0.1\n2,,0.1\n3,,0.1\n").bad == 2
    assert read(tmp_path, "step,loss,lr\n0,2,\n1,,0.1\n2,1.5,\n3,,0.1\n4,,0.1\n").bad is None


def test_a_log_that_was_resumed(tmp_path: Path) -> None:
    """Of a step that stands twice the last counts, in the order of steps."""
    series = read(tmp_path, "step,loss\n0,5\n1,4\n2,3\n1,3.5\n2,2.5\n")
    assert points(series.loss) == {0: 5, 1: 3.5, 2: 2.5}


def test_a_last_line_that_was_cut_off(tmp_path: Path) -> None:
    assert points(read(tmp_path, "step,lr,loss\n0,0.1,5\n1,0.1,4\n2,0.").loss) == {0: 5, 1: 4}


@pytest.mark.parametrize(
    ("text", "given", "said"),
    [
        ("step,mse\n1,2\n", {}, "no column is a training or validation loss"),
        ("step,loss\n", {}, "no rows"),
        ("", {}, "no rows"),
        ("step,loss\n1,high\n", {}, "line 2=high: this is no number"),
        ("step,loss\n1,2\n", {"lr": "rate"}, "it has no column rate to be the lr; it has step, loss"),
        ("step,loss\n0,5\n9,4\n0,5\n9,3\n", {}, r"log.csv.*line 4 comes back to step 0, the first.*a file of each run"),
        ("Step,a - loss,b - loss\n1,2,3\n", {}, "several columns may be the loss .a - loss, b - loss.*--column"),
    ],
    ids=["column", "rows", "empty", "number", "named", "appended", "several"],
)
def test_refused(text: str, given: dict[str, str], said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=said):
        read(tmp_path, text, **given)


def test_a_column_by_its_own_name(tmp_path: Path) -> None:
    text = "it,objective,loss,eta\n0,3,9,0.1\n1,2,8,0.2\n"
    series = read(tmp_path, text, step="it", loss="objective", lr="eta")
    assert (points(series.loss), points(series.rate), series.unit) == ({0: 3, 1: 2}, {0: 0.1, 1: 0.2}, "update")


def test_names() -> None:
    assert [plain(n) for n in ("Train/Loss", "run 7 - val.loss", "lr-SGD/pg1", "_step", "a - loss__MIN")] == [
        "train_loss", "val_loss", "lr_sgd_pg1", "step", "",
    ]  # fmt: skip
