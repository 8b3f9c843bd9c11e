"""Evidence that was stored once is evidence for ever: a row of before is read, and restored, by the code of today.

`python tests/store/test_golden_rows.py` writes the golden files anew. Once identities are frozen there is no reason to.
"""

import shutil
import sys
from dataclasses import make_dataclass
from pathlib import Path

import pytest

from lrbench.errors import ConfigError
from lrbench.experiment import Experiment
from lrbench.experiment.identity import from_plain, run_id
from lrbench.store.arms import with_seed
from lrbench.store.export import restore, write_rows
from lrbench.store.record import Record
from lrbench.store.rows import read_rows
from lrbench.store.run import of_row

GOLDEN = Path(__file__).parents[1] / "golden" / "evidence" / "runs.csv"
DIGITS = ("tracker=none", "model=mlp", "model.args.hidden=[16]", "horizon=2ep")
# What rows can hold, by what is asked for.
KINDS = {
    "the default": (),
    "another seed": ("seed=1",),
    "a warmup": ("scheduler=onecycle", "warmup=none"),
    "one that hears a metric": ("scheduler=plateau", "scheduler.args.patience=1"),
    "several groups": ("param_groups=no_decay_norm_bias", "clip=1.0"),
    "a diverged one": ("optimizer.lr=1e30", "scheduler=constant"),
    "a fork": (f"start.of={[*DIGITS]}".replace(" ", ""), "start.at=end", "scheduler=constant", "horizon=1ep"),
}


def test_golden_rows_are_read():
    rows = read_rows(GOLDEN)
    assert len(rows) == len(KINDS)
    for row in rows:
        row.check()
        run = of_row(row)
        assert run.curves
        assert run.rates
        assert run.attempts[0]["versions"]["torch"]


def test_golden_rows_are_restored_and_exported_again(tmp_path):
    """To the letter: what is written today is what was written then."""
    records = [Record(tmp_path / "runs" / row.run_id) for row in read_rows(GOLDEN)]
    for row, record in zip(read_rows(GOLDEN), records, strict=True):
        restore(row, record)
        assert record.standing() == row.cells["state"]
    write_rows(records, tmp_path / "runs.csv")
    for name in ("runs.csv", "arms.json"):
        assert (tmp_path / name).read_bytes() == GOLDEN.with_name(name).read_bytes()


def test_a_field_that_is_added_changes_no_row():
    """With the neutral default None, in an Experiment of the future."""
    future = make_dataclass(
        "Experiment", [("ema", "float | None", None)], bases=(Experiment,), frozen=True, kw_only=True
    )
    future.__module__ = Experiment.__module__
    for row in read_rows(GOLDEN):
        made = from_plain(with_seed(row.arm["experiment"], int(row.cells["seed"])), future)
        assert made.ema is None
        assert run_id(made) == row.run_id


def test_a_field_that_was_removed_is_refused(tmp_path):
    """And so is one of a later lrbench: what it meant cannot be known."""
    shutil.copytree(GOLDEN.parent, tmp_path / "of_later")
    arms = tmp_path / "of_later" / "arms.json"
    arms.write_text(arms.read_text().replace('"threads"', '"fibres"'))
    with pytest.raises(ConfigError, match=r"its experiment cannot be read \(KeyError: 'fibres'\)"):
        read_rows(tmp_path / "of_later" / "runs.csv")[0].check()


def write() -> int:
    """Train every kind and store its row; how many there are."""
    import tempfile

    from lrbench.config.experiments import experiment
    from lrbench.engine.train import train
    from lrbench.experiment import Settings

    shutil.rmtree(GOLDEN.parent, ignore_errors=True)
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(results=Path(folder))
        return write_rows([train(experiment(*DIGITS, *asked), settings) for asked in KINDS.values()], GOLDEN)


if __name__ == "__main__":
    sys.path.append(str(Path(__file__).parents[2]))
    print(f"{GOLDEN}: {write()} rows")
