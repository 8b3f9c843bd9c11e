"""A sweep's runs in their tracker: brought there once, when it has ended, by the process that drove it."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli_support import TINY, Lrbench, in_process
from wandb_files import by_update, columns, segment

from lrbench import trackers
from lrbench.config.experiments import experiment
from lrbench.experiment.identity import run_id
from lrbench.store.lease import Lease
from lrbench.store.record import Record

SWEEP = ("-m", *TINY[1:], "seed=0,1", "scheduler=constant")


@pytest.fixture
def lrbench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Lrbench:
    return in_process(tmp_path, monkeypatch, capsys)


@pytest.fixture
def records(tmp_path: Path) -> list[Record]:
    made = [experiment(*TINY, "scheduler=constant", f"seed={seed}") for seed in (0, 1)]
    return [Record(tmp_path / "results" / "runs" / run_id(e)) for e in made]


class Broken(trackers.TensorBoard):
    """Fails as it opens, and counts how often."""

    opened = 0

    def __init__(self) -> None:
        """Needs nothing."""

    def open(self, run: trackers.Mirrored, say: Callable[[str], None]) -> None:
        Broken.opened += 1
        raise OSError("no server")


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["1", pytest.param("2", marks=pytest.mark.slow)])
def test_once_and_equal_to_the_records(workers: str, lrbench: Lrbench, records: list[Record]) -> None:
    said = lrbench(*SWEEP, f"hydra.launcher.workers={workers}")
    assert said.code == 0
    name = Path(said.err.partition("sweep    ")[2].splitlines()[0]).name
    assert "mirror   2 runs to WandB in " in said.err
    assert f"; lrbench wandb sync {name} sends them\n" in said.err
    made = [segment(r.folder) for r in records]
    for record, found in zip(records, made, strict=True):
        assert [columns(row) for row in found["history"]] == by_update(record.rows())
        assert found["run"]["tags"] == [f"sweep:{name}"]
        assert found["summary"]["test/accuracy"] == record.summary()["test/accuracy"]
    again = lrbench(*SWEEP, f"hydra.launcher.workers={workers}")
    assert (again.code, "mirror" in again.err) == (0, False)
    assert [segment(r.folder)["path"] for r in records] == [m["path"] for m in made]
    more = lrbench(*SWEEP[:-2], "seed=range(3)", SWEEP[-1], f"hydra.launcher.workers={workers}")
    assert "mirror   1 run to WandB in " in more.err


def test_no_run_of_a_sweep_starts_a_tracker(
    lrbench: Lrbench, records: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even in this process: at the end of every run there is no segment yet."""
    from lrbench.engine import attempt

    finish: Any = attempt._finish
    seen = []

    def finished(*arguments: Any) -> None:
        finish(*arguments)
        seen.append([(r.folder / "wandb").exists() for r in records])

    monkeypatch.setattr(attempt, "_finish", finished)
    assert lrbench(*SWEEP, "hydra.launcher.workers=1").code == 0
    assert seen == [[False, False]] * 2
    assert all((r.folder / "wandb").exists() for r in records)


@pytest.mark.slow
def test_a_tracker_that_fails_is_told_once_and_tried_again(
    lrbench: Lrbench, records: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "broken_tracker", sys.modules[__name__])
    broken = (*SWEEP, "tracker=none", "tracker._target_=broken_tracker.Broken", "hydra.launcher.workers=1")
    for tries in (1, 2):
        said = lrbench(*broken)
        assert said.code == 0  # the records are whole
        assert said.err.count("tracker given up: OSError: no server. The run's own record is whole.") == 1
        assert "runs are missing in Broken; lrbench wandb export " in said.err
        assert Broken.opened == tries
    assert [r.standing() for r in records] == ["finished", "finished"]
    assert "mirror   2 runs to WandB in " in lrbench(*SWEEP).err


def test_a_run_that_another_process_holds_is_left_to_it(lrbench: Lrbench, records: list[Record]) -> None:
    assert lrbench(*SWEEP, "tracker=none").code == 0
    lease = Lease(records[0].folder)
    assert lease.take()
    try:
        said = lrbench(*SWEEP)
    finally:
        lease.release()
    assert said.code == 0
    assert not (records[0].folder / "wandb").exists()
    assert (records[1].folder / "wandb").exists()
    assert "mirror   1 run to WandB in " in said.err
