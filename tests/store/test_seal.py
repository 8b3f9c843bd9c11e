"""What a seal holds, what legitimate changes do to it, and what nobody believes of a record that was changed."""

import json
import os
import shutil
from dataclasses import replace

import pytest
from corruptions_of_records import HYDRA

from lrbench.engine.train import train
from lrbench.errors import ConfigError
from lrbench.experiment import Settings, Start
from lrbench.report.compare import compare
from lrbench.store import seal
from lrbench.store.checkpoint import LENGTH, open_checked
from lrbench.store.export import write_rows
from lrbench.store.files import Damaged, write_json
from lrbench.store.record import Record
from lrbench.store.run import read, read_whole
from lrbench.store.store import Store

pytestmark = pytest.mark.usefixtures("without_picture")


@pytest.fixture(scope="module")
def pristine(make, tmp_path_factory):
    """Two finished records, one of them without its test set; to copy."""
    results = tmp_path_factory.mktemp("sealed")
    settings = Settings(results=results, hydra=HYDRA)
    return [
        train(make(), settings, say=lambda text: None),
        train(make("seed=1"), replace(settings, test=False), say=lambda text: None),
    ]


@pytest.fixture
def records(pristine, run):
    shutil.copytree(pristine[0].folder.parent, run.results / "runs")
    return [Record(run.results / "runs" / each.run_id) for each in pristine]


def rot(path, at=-20):
    """A bit flipped by the disk itself: the file keeps its size and the time of its last change."""
    times, content = path.stat(), bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def better(record):
    """An accuracy edited by a person."""
    path = record.folder / "summary.json"
    summary = json.loads(path.read_text())
    path.write_text(json.dumps({**summary, "test/accuracy": 0.999}, indent=2) + "\n")


def test_every_file_of_a_finished_run_is_in_it(records):
    record, _ = records
    there = {p.relative_to(record.folder).as_posix() for p in record.folder.rglob("*") if p.is_file()}
    beside = {"seal.json", "status.json", "lease.lock"}  # the status bears a hash of its own
    kept = {name for name in there if name.endswith(".pt")}  # which bear hashes of their own
    assert {*seal.read_seal(record.folder)} == there - beside - kept
    assert kept == {"checkpoints/update-00000064.pt", "weights/end.pt"}
    assert record.standing() == "finished"
    assert record.examine() is None


def test_an_edited_accuracy_is_noticed_by_everybody(records, run, make):
    record, other = records
    better(record)
    assert record.standing() == record.glance().standing == "corrupt"
    assert read(record).why == "summary.json is not as it was written"
    (row,) = [row for row in Store(run.results).index.rows() if row["run_id"] == record.run_id]
    assert row == {"run_id": record.run_id, "state": "corrupt", "error": "summary.json is not as it was written"}
    with pytest.raises(ConfigError, match=r"this run is corrupt: summary.json is not as it was written"):
        write_rows([record], run.results / "runs.csv")
    found = compare([read_whole(each) for each in records], metric="val/loss")
    assert [(x.run_id, x.why) for x in found.left_out] == [
        (record.run_id, "corrupt: summary.json is not as it was written")
    ]
    assert run(make()).summary()["test/accuracy"] < 0.999  # trained anew
    assert "summary.json is not as it was written. The folder is kept as" in run.said[0]
    assert other.standing() == "finished"


@pytest.mark.parametrize("name", ["series.npy", "metrics.jsonl", "provenance.json", ".hydra/overrides.yaml"])
def test_what_a_disk_rots_is_noticed_where_it_is_used_and_stays_noticed(records, run, name):
    record, _ = records
    rot(record.folder / name)
    assert record.standing() == "finished"  # its size and its time are right
    assert read_whole(record).why == f"{name} is not as it was written"
    assert record.standing() == "finished"  # who compares writes nothing
    assert Store(run.results).done(record.run_id) is None
    assert record.standing() == record.glance().standing == "corrupt"  # a study would ask for it for ever
    assert record.look().why == f"{name} is not as it was written"


def test_a_copy_is_read_whole_until_its_times_are_known(records, monkeypatch):
    record, _ = records
    for path in record.folder.rglob("*"):
        os.utime(path)
    assert seal.moved(record.folder)
    assert record.standing() == "finished"
    seal.complete(record.folder, {})
    assert not seal.moved(record.folder)
    sums = []
    monkeypatch.setattr(seal, "_sum", lambda path: sums.append(path.name))
    record.glance()
    assert {*sums} <= {*seal.READ}  # the rest by a look at each


def test_a_test_set_that_is_asked_for_later_is_sealed(records, run, make):
    _, record = records
    before = record.summary()
    again = run(make("seed=1"))
    assert again.tested()
    assert {k: again.summary()[k] for k in before} == before
    assert again.examine() is None
    assert run.said == []


def test_a_kill_between_seal_and_summary_leaves_either(records, monkeypatch):
    _, record = records
    before = record.summary()

    real = seal.write_bytes

    def killed(path, content, **more):
        if path.name != seal.SEAL:
            raise KeyboardInterrupt
        real(path, content, **more)

    with monkeypatch.context() as patch:
        patch.setattr(seal, "write_bytes", killed)
        with pytest.raises(KeyboardInterrupt):
            record.add_to_summary({**before, "test/accuracy": 0.5})
    assert record.examine() is None
    assert record.summary() == before
    record.add_to_summary({**before, "test/accuracy": 0.6})
    assert record.examine() is None
    assert record.summary()["test/accuracy"] == 0.6


def test_nothing_is_put_in_the_place_of_what_is_damaged(records):
    _, record = records
    better(record)
    with pytest.raises(Damaged, match=r"summary.json is not as it was written"):
        record.add_to_summary({"test/accuracy": 0.5})


@pytest.mark.parametrize("name", ["seal.json", "status.json"])
def test_a_seal_that_is_gone_is_missed(records, name):
    record, _ = records
    if name == "seal.json":
        (record.folder / name).unlink()
    else:
        status = json.loads((record.folder / name).read_text())
        del status["seal"]
        write_json(record.folder / name, status)
    assert record.standing() == "corrupt"


def test_a_seal_is_of_one_run(records):
    one, other = records
    shutil.copy(one.folder / "seal.json", other.folder / "seal.json")
    assert other.look().why == "seal.json is not as it was written"


def test_a_note_of_damage_is_taken_back_when_the_file_is_right_again(records):
    record, _ = records
    path = record.folder / "series.npy"
    whole = path.read_bytes()
    rot(path)
    assert record.examine() == "series.npy is not as it was written"
    path.write_bytes(whole)
    assert record.standing() == "corrupt"
    assert record.examine() is None
    assert record.standing() == "finished"


# ---- Checkpoints.


def test_a_checkpoint_says_whose_it_is_and_torch_reads_it(records):
    import torch

    record, _ = records
    path = record.checkpoint("update-00000064")
    _, about = open_checked(path)
    assert about == {"run_id": record.run_id, "update": 64}
    assert torch.load(path, weights_only=True)["update"] == 64


@pytest.mark.parametrize("at", [0, 40, 1000, -LENGTH - 30, -LENGTH - 1, -LENGTH, -LENGTH + 3, -1])
def test_a_bit_of_a_checkpoint(records, at):
    path = records[0].checkpoint("update-00000064")
    rot(path, at)
    with pytest.raises(Damaged):
        open_checked(path)


def test_a_checkpoint_from_before_is_checked_by_the_sums_of_its_archive(records, make):
    import torch

    record, _ = records
    path = record.checkpoint("update-00000064")
    content = torch.load(path, weights_only=True)
    torch.save(content, path)
    assert open_checked(path)[1] == {}
    weights = content["model"]["1.weight"].numpy().tobytes()
    rot(path, path.read_bytes().index(weights[:64]) + 10)
    with pytest.raises(Damaged, match="does not agree with its CRC"):
        open_checked(path)


@pytest.mark.parametrize("what", ["a bit", "another run's", "another update's"])
def test_nothing_is_forked_from_a_checkpoint_that_is_not_the_parents(records, run, make, what):
    record, other = records
    path = record.checkpoint("update-00000064")
    if what == "a bit":
        rot(path, 2000)
    elif what == "another run's":
        shutil.copy(other.checkpoint("update-00000064"), path)
    else:
        path.rename(record.checkpoint("update-00000032"))
    at = "2ep" if what == "another update's" else "end"
    child = replace(make("horizon=1ep"), start=Start(of=make(), at=at))
    words = {"a bit": "SHA-256", "another run's": f"of the run {other.run_id}", "another update's": "after update 64"}
    with pytest.raises(
        ConfigError, match=rf"the checkpoint cannot be read \(.*{words[what]}.*remove it, and it is made"
    ):
        run(child)


def test_a_damaged_parent_is_trained_anew(records, run, make):
    record, _ = records
    rot(record.folder / "series.npy")
    child = replace(make("horizon=1ep"), start=Start(of=make(), at="end"))
    assert run(child).standing() == "finished"
    assert record.examine() is None
    assert any("series.npy is not as it was written. The folder is kept as" in text for text in run.said)


# ---- What reaches a terminal.


def test_what_a_terminal_obeys_is_escaped_in_whatever_a_record_says(records):
    """A record without a seal may say anything."""
    record, _ = records
    (record.folder / "seal.json").unlink()
    summary = {**record.summary(), "title": "\x1b[2Jgone", "a\x07": 1.0}
    write_json(record.folder / "summary.json", summary)
    status = {"state": "finished", "update": 64, "updates": 64, "error": "\x1b]0;x\x07"}
    write_json(record.folder / "status.json", status)
    write_json(record.folder / "provenance.json", [{"from_update": 0, "cpu": "\u202efast"}])
    run = read_whole(record)
    assert run.summary["title"] == "\\x1b[2Jgone"
    assert "a\\x07" in run.summary
    assert run.status["error"] == "\\x1b]0;x\\x07"
    assert run.attempts[0]["cpu"] == "\\u202efast"


def test_an_experiment_that_a_terminal_would_obey_is_none(make):
    model = replace(make().model, args={"hidden": [16], "name": "\x1b[31mred"})
    with pytest.raises(ConfigError, match=r"experiment=\\x1b\[31mred: it holds characters that a terminal obeys"):
        replace(make(), model=model)
