"""A sweep's data: loaded once for all workers, in memory that they share, and left as they were."""

import os
from pathlib import Path

import pytest
import torch
from data_support import write_image_folder

from lrbench.config.composer import composer
from lrbench.config.experiments import experiment, experiment_from, settings_from
from lrbench.data import Split, Splits
from lrbench.data.tree import leaves
from lrbench.engine.train import train
from lrbench.experiment import Settings
from lrbench.store.record import Record
from lrbench.sweep.entry import Entry
from lrbench.sweep.observer import SILENT
from lrbench.sweep.origin import Origin
from lrbench.sweep.plan import make_plan
from lrbench.sweep.pool import Pool
from lrbench.sweep.shared_data import SharedData

TINY = ("tracker=none", "model=mlp", "model.args.hidden=[8]", "horizon=2ep", "batch_size=256")
COUNTED = ("data._target_=sweep_models.Counted", "+data.args.path=")


def entry(*overrides: str) -> Entry:
    with composer() as composed:
        job = composed([*TINY, *overrides])
    e, s = experiment_from(job.plain), settings_from(job.plain)
    return Entry(" ".join(overrides), e, s, Origin(job.overrides, job.typed, job.hydra), 0)


def tensors(splits: Splits[Split]) -> list[torch.Tensor]:
    return [t for t in leaves(splits) if isinstance(t, torch.Tensor)]


def test_a_sweep_loads_each_seed_once_in_the_process_that_drives_it(tmp_path: Path) -> None:
    loads = tmp_path / "loads"
    runs = [
        entry(COUNTED[0], COUNTED[1] + str(loads), f"results={tmp_path}", f"seed={seed}", f"optimizer.lr={lr}")
        for lr in (0.1, 0.2)
        for seed in (0, 1)
    ]
    plan = make_plan(runs)
    assert Pool(plan, 2, SILENT).run() == "done"
    assert [e.record.standing() for e in runs] == ["finished"] * 4
    assert sorted(loads.read_text().splitlines()) == [f"{os.getpid()} 0", f"{os.getpid()} 1"]


def test_in_shared_memory_the_latest_are_kept() -> None:
    shared = SharedData(2)
    first = shared.splits(entry("seed=0"))
    assert first is not None
    assert all(t.is_shared() for t in tensors(first))
    assert shared.splits(entry("seed=0", "scheduler=constant")) is first
    shared.splits(entry("seed=1"))
    assert shared.splits(entry("seed=0")) is first  # asked for again: the latest
    shared.splits(entry("seed=2"))
    assert shared.splits(entry("seed=0")) is first
    assert len(shared._held) == 2


def test_what_a_worker_has_to_load_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_image_folder(tmp_path / "images")
    folder = entry(
        "data=image_folder", f"data.args.root={tmp_path / 'images'}", "data.args.val_size=10", "batch_size=4"
    )
    assert SharedData(1).splits(folder) is None  # it is read from disk
    lost = entry("seed=0")
    monkeypatch.setattr(torch.Tensor, "share_memory_", lambda self: (_ for _ in ()).throw(RuntimeError("shm is full")))
    assert SharedData(1).splits(lost) is None


@pytest.mark.parametrize("augment", [(), ("data.augment.crop=2", "data.augment.hflip=true", "+data.augment.erase=0.5",
                                          "+data.augment.mixup=0.2", "+data.augment.cutmix=1.0")])  # fmt: skip
def test_training_changes_nothing_in_them(augment: tuple[str, ...], tmp_path: Path, require_same_run: object) -> None:
    made = experiment(*TINY, *augment)
    splits = SharedData(1).splits(entry(*augment))
    assert splits is not None
    before = [t.clone() for t in tensors(splits)]
    record = train(made, Settings(results=tmp_path / "shared"), splits=splits)
    assert all(map(torch.equal, tensors(splits), before))
    alone: Record = train(made, Settings(results=tmp_path / "alone"))
    require_same_run(record, alone)  # type: ignore[operator]
