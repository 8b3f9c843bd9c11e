"""Records: what damage is noticed, what is kept of it, and what a full disk leaves behind."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from lrbench.engine.attempt import RunFailed
from lrbench.errors import ConfigError
from lrbench.experiment.identity import run_id
from lrbench.store.files import write_bytes, write_json
from lrbench.store.record import Record
from lrbench.store.series import read_series, series_type

pytestmark = pytest.mark.usefixtures("without_picture")


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def edit(name, change):
    def damage(record):
        path = record.folder / name
        path.write_text(change(path.read_text()))

    return damage


def garbage_in_the_middle(text):
    lines = text.splitlines(keepends=True)
    return "".join([*lines[:10], lines[10][:20] + "\x00\x00\n", *lines[11:]])


def set_state(state):
    return lambda text: json.dumps({**json.loads(text), "state": state})


# What is done to it, what is said of it, and what where no seal covers it (the same, if nothing stands there).
DAMAGE = {
    "experiment truncated": (lambda r: truncate(r.folder / "experiment.yaml"), "experiment.yaml"),
    "experiment empty": (edit("experiment.yaml", lambda t: ""), "experiment.yaml cannot be read"),
    "experiment is no yaml": (edit("experiment.yaml", lambda t: "{[" + t), "experiment.yaml cannot be read"),
    "experiment with a field too many": (edit("experiment.yaml", lambda t: t + "more: 1\n"), "experiment.yaml cannot"),
    "another rate": (edit("experiment.yaml", lambda t: t.replace("lr: 0.1", "lr: 0.2")), "does not hash to the folder"),
    "another seed": (edit("experiment.yaml", lambda t: t.replace("seed: 0", "seed: 1")), "does not hash to the folder"),
    "status is no json": (edit("status.json", lambda t: t[:-5]), "status.json cannot be read"),
    "status of an unknown state": (
        edit("status.json", set_state("fine")),
        "status.json is not as it was written",
        "unknown state 'fine'",
    ),
    "status without a state": (edit("status.json", lambda t: "{}"), "status.json cannot be read"),
    "status missing": (lambda r: (r.folder / "status.json").unlink(), "status.json cannot be read"),
    "garbage among the rows": (
        edit("metrics.jsonl", garbage_in_the_middle),
        "metrics.jsonl is not as it was written",
        "metrics.jsonl cannot be read",
    ),
    "a row of words": (
        edit("metrics.jsonl", lambda t: '{"update": 1, "train/loss": "low"}\n' + t),
        "metrics.jsonl is not as it was written",
        "metrics.jsonl cannot be read",
    ),
    "summary missing": (
        lambda r: (r.folder / "summary.json").unlink(),
        "summary.json is missing",
        "summary.json cannot be read",
    ),
    "summary truncated": (
        lambda r: truncate(r.folder / "summary.json"),
        "summary.json is not as it was written",
        "summary.json cannot be read",
    ),
    "an accuracy that is a word": (
        edit("summary.json", lambda t: re.sub('("test/accuracy": )[0-9.]+', r'\1"high"', t)),
        "summary.json is not as it was written",
        "summary.json cannot be read",
    ),
    "a summary of another run": (
        edit("summary.json", lambda t: re.sub('("run_id": )"[0-9a-f]+"', r'\1"0123"', t)),
        "summary.json is not as it was written",
        "summary.json is of another run",
    ),
    "origin is no list": (
        edit("provenance.json", lambda t: "{}"),
        "provenance.json is not as it was written",
        "provenance.json is no list of attempts",
    ),
    "series missing": (lambda r: (r.folder / "series.npy").unlink(), "series.npy is missing"),
    "series without a header": (
        lambda r: (r.folder / "series.npy").write_bytes(b"x" * 300),
        "series.npy is not as it was written",
        "series.npy cannot be read",
    ),
}


def unseal(record: Record) -> None:
    """As a record was left before there were seals."""
    (record.folder / "seal.json").unlink()
    status = json.loads((record.folder / "status.json").read_text())
    del status["seal"]
    write_json(record.folder / "status.json", status)


def content(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def pristine(make, tmp_path_factory):
    """A finished record, to copy."""
    from lrbench.engine.train import train
    from lrbench.experiment import Settings
    from lrbench.plots import run

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "picture_of", lambda record: None)
        return train(make(), Settings(results=tmp_path_factory.mktemp("pristine")))


@pytest.fixture
def record(pristine, run):
    folder = run.results / "runs" / pristine.run_id
    shutil.copytree(pristine.folder, folder)
    return Record(folder)


@pytest.mark.parametrize("sealed", [True, False])
@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_record_is_reported_kept_and_trained_anew(
    make, run, record, pristine, kind, sealed, require_same_run
):
    damage, *said = DAMAGE[kind]
    words = said[0] if sealed else said[-1]
    if not sealed:
        unseal(record)
        assert not record.look().why
    damage(record)
    damaged = content(record.folder)
    assert record.standing() == "corrupt"
    assert words in record.look().why
    again = run(make())
    require_same_run(again, pristine)
    (aside,) = [p for p in record.folder.parent.iterdir() if p.is_dir() and p != record.folder]
    assert aside.name.startswith(f"{record.run_id}.corrupt-")
    assert content(aside) == damaged  # every file, as it was
    (said,) = run.said
    assert words in said
    assert str(aside) in said
    assert "training anew" in said


def test_libyaml_writes_an_experiment_as_yaml_itself_does(record):
    text = (record.folder / "experiment.yaml").read_text()
    assert text == yaml.safe_dump(yaml.safe_load(text), sort_keys=False)


def test_a_torn_last_line_is_no_damage_where_nothing_is_sealed(make, run, record):
    unseal(record)
    path = record.folder / "metrics.jsonl"
    path.write_bytes(path.read_bytes()[:-25])
    assert record.standing() == "finished"
    assert len(record.rows()) == len(path.read_text().splitlines()) - 1
    assert run(make()) == record
    assert run.said == []


def test_a_damaged_record_that_somebody_writes_is_left_to_them(record):
    """A reader may meet a file at a bad moment; nothing that is being trained is ever moved away."""
    from lrbench.store.lease import Lease

    lease = Lease(record.folder)
    assert lease.take()
    truncate(record.folder / "metrics.jsonl")
    (record.folder / "status.json").write_text("{")
    assert record.standing() == "running"
    lease.release()
    assert record.standing() == "corrupt"


def test_a_folder_without_an_experiment_is_a_new_run(make, run, record):
    (record.folder / "experiment.yaml").unlink()
    assert record.standing() == "new"
    assert run(make()).standing() == "finished"


@pytest.mark.parametrize(("state", "standing"), [("running", "interrupted"), ("failed", "failed")])
def test_how_a_run_stands(record, state, standing):
    record.set_status(state, 3, 64)
    (record.folder / "summary.json").unlink()
    assert record.standing() == standing
    assert not record.look().why


def test_the_record_gives_back_its_experiment(make, record):
    assert record.experiment() == make()
    assert run_id(record.experiment()) == record.run_id == record.folder.name
    plain = yaml.safe_load((record.folder / "experiment.yaml").read_text())
    assert plain["optimizer"]["lr"] == 0.1


def test_a_record_set_aside_can_still_be_read(record):
    aside = Record(record.set_aside("old"))
    assert aside.standing() == "finished"
    assert aside.run_id == record.folder.name
    assert record.standing() == "new"


def test_two_records_set_aside_at_once_both_stay(record):
    copy = record.folder.with_name("copy")
    shutil.copytree(record.folder, copy)
    first = record.set_aside("old")
    copy.rename(record.folder)
    assert first != record.set_aside("old")
    assert len(list(record.folder.parent.iterdir())) == 2


# ---- Columns, while they are written.


def test_columns_are_read_up_to_the_last_whole_row(tmp_path):
    path = tmp_path / "series.npy"
    assert read_series(path).shape == (0,)
    values = np.arange(15.0).view(series_type(["lr/all"]))
    np.save(path, values)
    whole = path.read_bytes()
    assert (read_series(path) == values).all()
    for missing in range(1, 15 * 8 + 1):
        path.write_bytes(whole[:-missing])
        assert (read_series(path) == values[: (15 * 8 - missing) // 24]).all()


def test_columns_of_a_run_in_progress(make, run):
    """What a reader finds while a run goes on: the rows that are flushed, all right, though the header says more."""
    from lrbench.engine.train import train
    from lrbench.experiment import Settings

    lengths = []
    record = Record(run.results / "runs" / run_id(make()))

    def look(view):
        assert record.standing() in ("running", "finished")
        rows = record.rates()
        lengths.append((len(rows), len(record.rows())))

    train(make(), Settings(results=run.results, checkpoint_every="1ep"), look)
    whole = record.rates()
    assert [n for n, _ in lengths] == [16, 32, 48, 64]
    assert len(whole) == 64


def test_a_file_is_replaced_in_one_step_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "deep" / "status.json"
    write_json(path, {"a": 1})
    with monkeypatch.context() as patch:

        def full(descriptor):
            raise OSError(28, "No space left on device")

        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            write_bytes(path, b"new")
    assert json.loads(path.read_text()) == {"a": 1}
    assert list(path.parent.iterdir()) == [path]  # nothing half written stays behind


# ---- A disk that refuses.


@pytest.mark.parametrize("largest", [300, 900, 4_000])
def test_a_file_that_may_not_grow_stops_the_run_and_it_goes_on_later(make, run, server, largest, require_same_run):
    """RLIMIT_FSIZE: every write beyond it fails, as on a full disk."""
    experiment = make("scheduler=onecycle", "optimizer=adamw")
    process = server.start(experiment, run.results, largest=largest)
    ended = process.wait()
    record = Record(run.results / "runs" / run_id(experiment))
    assert ended.startswith("raised RunFailed: ")
    assert str(record.folder) in ended
    assert "File too large" in ended
    assert "make room, then give the same command again" in ended
    assert record.standing() in ("new", "interrupted")
    assert not (record.folder / "lease.json").exists()
    assert not [p for p in record.folder.rglob(".*") if p.is_file()]  # nothing half written stays behind
    resumed = run(experiment)
    require_same_run(resumed, run(experiment, results=run.results / "whole"))


def leave(folder: Path, free: int) -> Path:
    """Fill a file system but for `free` bytes."""
    filler = folder / "filler"
    size = os.statvfs(folder)
    filler.write_bytes(b"x" * (size.f_bavail * size.f_frsize - free))
    return filler


@pytest.mark.slow
@pytest.mark.parametrize("free", [0, 4096, 16384, 32768, 45056, 57344])
def test_a_full_disk_stops_the_run_and_it_goes_on_once_there_is_room(make, run, tiny_disk, free, require_same_run):
    experiment = make("scheduler=onecycle", "optimizer=adamw", "horizon=8ep")
    whole = run(experiment)
    filler = leave(tiny_disk, free)
    record = Record(tiny_disk / "runs" / whole.run_id)
    with pytest.raises(RunFailed, match=rf"{record.folder}: No space left on device.*make room"):
        run(experiment, results=tiny_disk)
    assert record.standing() in ("new", "interrupted")
    with pytest.raises(RunFailed, match="No space left on device"):
        run(experiment, results=tiny_disk)
    filler.unlink()
    require_same_run(run(experiment, results=tiny_disk), whole)


@pytest.mark.slow
def test_the_command_ends_with_1_on_a_full_disk(tiny_disk):
    filler = leave(tiny_disk, 32768)
    command = [sys.executable, "-m", "lrbench", "tracker=none", "model=mlp", "horizon=4ep", f"results={tiny_disk}"]
    full = subprocess.run(command, capture_output=True, text=True)
    assert full.returncode == 1
    assert "No space left on device" in full.stderr
    assert str(tiny_disk) in full.stderr
    assert "Traceback" not in full.stderr
    filler.unlink()
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_results_that_cannot_be_written_are_refused(make, run, tmp_path):
    (tmp_path / "file").write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ConfigError, match=r"results=.*file: cannot be written \(Not a directory\).*LRBENCH_RESULTS"):
        run(make(), results=tmp_path / "file")
    assert sorted(tmp_path.rglob("*")) == before


def test_a_read_only_folder_is_refused(make, run, tmp_path):
    folder = tmp_path / "fixed"
    folder.mkdir()
    if os.geteuid() == 0:  # permissions do not bind root: a read-only mount does
        mount = ["mount", "-t", "tmpfs", "-o", "ro,size=64k", "none", str(folder)]
        if subprocess.run(mount, capture_output=True).returncode:
            pytest.skip("a file system cannot be mounted here")
    else:
        folder.chmod(0o500)
    try:
        with pytest.raises(ConfigError, match=r"results=.*fixed: cannot be written"):
            run(make(), results=folder)
        assert list(folder.iterdir()) == []
    finally:
        if os.geteuid() == 0:
            subprocess.run(["umount", str(folder)], check=True)


def test_the_folders_of_levels_that_were_given(tmp_path):
    """So that "train the arms again" finds them; none where it is not recorded, or cannot be read."""
    from lrbench.report.commands import command_of
    from lrbench.store.files import write_text

    record = Record(tmp_path / "runs" / "0123456789abcdef")
    assert record.config_dirs() == []
    sources = "[{path: hydra.conf, provider: hydra}, {path: /mine, provider: command-line}]"
    write_text(record.folder / ".hydra" / "hydra.yaml", f"hydra: {{runtime: {{config_sources: {sources}}}}}\n")
    assert record.config_dirs() == ["/mine"]

    class Run:
        seed = 3
        config_dirs = staticmethod(record.config_dirs)

        def overrides(self):
            return ["scheduler=mine"]

    assert command_of([Run()]) == "lrbench --config-dir /mine scheduler=mine seed=3"
    write_text(record.folder / ".hydra" / "hydra.yaml", "hydra: [")
    assert record.config_dirs() == []
