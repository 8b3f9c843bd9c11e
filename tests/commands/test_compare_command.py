"""`lrbench compare`: from what is typed to a verdict, stopped and killed on the way, refused where it cannot be."""

import json
import os
import random
import re
import shlex
import shutil
import signal
import time
from collections import Counter
from contextlib import suppress

import pytest
from cli_support import assert_refused, files, in_process

from lrbench.config.study import compile_study
from lrbench.config.study_files import read_study
from lrbench.store.store import Store
from lrbench.study.store import freeze

TINY = ("model=mlp", "model.args.hidden=[8]", "data=digits", "horizon=1ep", "batch_size=256")
STUDY = """# A study of the tests.
question: Which of the two?
set: [model=mlp, 'model.args.hidden=[8]', data=digits, horizon=1ep, batch_size=256]
arms: {constant: [scheduler=constant], cosine: [scheduler=cosine_floor_10pct, scheduler.interval=batch]}
tuning: {first: 0.2, points: 3, at_most: 8, seeds: 2, more: 0, best: 1}
metric: val/loss
looks: 1
"""
ALONE = "hydra.launcher.workers=1"

pytestmark = pytest.mark.usefixtures("without_picture")


@pytest.fixture
def lrbench(tmp_path, monkeypatch, capsys):
    return in_process(tmp_path, monkeypatch, capsys)


@pytest.fixture
def own(tmp_path):
    """A folder of the user's own with a study in it."""
    (tmp_path / "own" / "study").mkdir(parents=True)
    (tmp_path / "own" / "study" / "mine.yaml").write_text(STUDY)
    return ("--config-dir", str(tmp_path / "own"), ALONE, "device=cpu")


def edit(tmp_path, before, after):
    path = tmp_path / "own" / "study" / "mine.yaml"
    assert before in path.read_text()
    path.write_text(path.read_text().replace(before, after))


def answer(tmp_path, name="mine"):
    return (tmp_path / "results" / "studies" / name / "verdict.json").read_bytes()


@pytest.mark.slow
def test_a_study_from_its_question_to_its_verdict_and_again(tmp_path, lrbench, own, monkeypatch):
    said = lrbench("compare", "mine", *own)
    assert said.code == 0, said.err
    folder = tmp_path / "results" / "studies" / "mine"
    assert {"design.json", "runs.csv", "arms.json", "verdict.json"} <= set(files(folder))
    found = json.loads(answer(tmp_path))
    assert found["headlines"].keys() == {"cosine"}
    (task,) = found["tasks"]
    assert len(task["contrasts"][0]["pairs"]) == 10
    first = answer(tmp_path)
    # What is done is read once to be told again.
    asked, done = Counter(), Store.done
    monkeypatch.setattr(Store, "done", lambda store, run_id: asked.update([run_id]) or done(store, run_id))
    assert lrbench("compare", "mine", *own).out == said.out
    assert {*asked.values()} == {1}
    # Its rows alone give the same answer, without a record and without its file.
    shutil.rmtree(tmp_path / "results" / "runs")
    shutil.rmtree(tmp_path / "results" / "sweeps")
    shutil.rmtree(tmp_path / "own")
    again = lrbench("compare", "mine")
    assert (again.code, again.out) == (0, said.out)
    assert answer(tmp_path) == first
    assert not (tmp_path / "results" / "runs").exists()


@pytest.mark.slow
def test_a_study_for_wandb(tmp_path, lrbench, own, monkeypatch):
    pytest.importorskip("wandb_workspaces")
    monkeypatch.setenv("WANDB_MODE", "offline")
    with monkeypatch.context() as without:
        without.setattr("lrbench.report.wandb.find_spec", lambda name: None)
        assert_refused(lrbench("compare", "mine", *own, "--wandb"), "--wandb", "report-wandb")
    assert not (tmp_path / "results").exists()  # refused before anything is trained
    said = lrbench("compare", "mine", *own, "--wandb", "--project", "theirs", "--entity", "them")
    assert said.code == 0, said.err
    written = "results/studies/mine/wandb.json"
    assert said.out.splitlines()[-1] == f"W&B   {written} (not published: WANDB_MODE=offline)"
    spec = json.loads((tmp_path / written).read_text())
    assert spec["project"] == {"name": "theirs", "entityName": "them"}
    assert spec["displayName"].startswith("mine: Which of the two?")


@pytest.mark.slow
def test_a_design_that_was_edited_is_refused_and_a_new_one_keeps_the_old(tmp_path, lrbench, own):
    assert lrbench("compare", "mine", *own).code == 0
    first = answer(tmp_path)
    edit(tmp_path, "question: Which of the two?", "question: In other words?")
    assert lrbench("compare", "mine", *own).code == 0  # words decide nothing
    edit(tmp_path, "first: 0.2", "first: 0.1")
    assert_refused(lrbench("compare", "mine", *own), "mine", "another design", "--new-design")
    said = lrbench("compare", "mine", *own, "--new-design")
    assert said.code == 0
    assert "mine.old-1" in said.err
    assert answer(tmp_path, "mine.old-1") == first
    kept = json.loads((tmp_path / "results/studies/mine/design.json").read_text())
    assert kept["fresh"] is False  # its confirmation runs were there before it
    assert kept["existed"][""].keys() == {"constant", "cosine"}


@pytest.mark.slow
def test_a_dry_run_says_what_will_be_asked_for_and_writes_nothing(tmp_path, lrbench, own):
    said = lrbench("compare", "mine", *own, "--dry-run")
    assert said.code == 0, said.err
    assert "tuning, 3 values on 2 seeds" in said.out
    assert "confirmation, 10 pairs" in said.out
    assert "12 runs: 12 new" in said.out
    assert "supported" in said.out
    assert not (tmp_path / "results").exists()


def test_what_is_typed_makes_a_study(tmp_path, lrbench):
    said = lrbench("compare", *TINY, "scheduler=constant,linear", "--pairs", "12", "--dry-run")
    assert said.code == 0, said.err
    assert "constant against linear, on test/accuracy" in said.out
    assert "confirmation, 12 pairs" in said.out
    arms = lrbench("compare", *TINY, "--arm", "a: scheduler=constant", "--arm", "b: scheduler=linear", "--dry-run")
    assert "a against b" in arms.out
    swap = lrbench("compare", *TINY, "scheduler=constant,linear", "--swap", "--dry-run")
    assert "tuning" not in swap.out


@pytest.mark.slow
def test_a_study_of_a_file_under_another_name_is_a_study_of_its_own(tmp_path, lrbench, own):
    (folder := tmp_path / "results" / "studies" / "mine").mkdir(parents=True)
    freeze(compile_study(read_study(tmp_path / "own" / "study" / "mine.yaml"), "mine"), folder)
    assert lrbench("compare", "mine", *own, "--dry-run").out.startswith("mine: ")
    assert lrbench("compare", "mine", *own, "--name", "other", "--dry-run").out.startswith("other: ")
    shutil.rmtree(tmp_path / "own")
    assert_refused(lrbench("compare", "mine", "--name", "other", "--dry-run"), "--name=other")


@pytest.mark.slow
def test_the_examples_of_the_help_can_be_meant(lrbench):
    said = lrbench("compare", "--help").out
    examples = [line.split("  ")[0] for line in re.findall(r"^  lrbench compare (.*=.*)$", said, re.MULTILINE)]
    assert len(examples) >= 3
    for example in examples:
        done = lrbench("compare", *shlex.split(example), "--dry-run")
        assert (done.code, done.err) == (0, ""), (example, done)


def test_studies_are_listed(lrbench, own):
    said = lrbench("compare", *own[:2])
    assert said.code == 0
    assert re.search(r"^  mine +A study of the tests\.$", said.out, re.MULTILINE)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["decay"], ["study=decay", "decay_fashion"]),
        ([*TINY, "scheduler=cosine"], ["one arm is compared with nothing"]),
        ([*TINY, "scheduler=cosine,cosine"], ["same experiment"]),
        ([*TINY, "scheduler=constant,cosine", "--metric", "val/f1"], ["metric=val/f1", "val/accuracy"]),
        ([*TINY, "scheduler=constant,cosine", "--baseline", "step"], ["baseline=step"]),
        ([*TINY, "scheduler=constant,cosine", "--pairs", "3"], ["pairs=3"]),
        ([*TINY, "scheduler=constant,cosine", "seed=1"], ["seed=1"]),
        ([*TINY, "scheduler=constant,cosine", "force=true"], ["force"]),
        ([*TINY, "scheduler=constant,cosine", "--name", "a/b"], ["--name=a/b"]),
        ([*TINY, "scheduler=constant,cosinus"], ["cosinus"]),
        ([*TINY, "scheduler=constant,cosine", "hydra/launcher=basic"], ["hydra/launcher"]),
        (["mine", "scheduler=cosine"], ["mine"]),
        ([*TINY, "scheduler=constant,cosine", "--results", "there"], ["--results", "without dashes: results=VALUE"]),
        ([*TINY, "scheduler=constant,cosine", "--config-dir", "nowhere"], ["nowhere"]),
        ([*TINY, "scheduler=constant,cosine", "--noise", "none", "--dry-run"], ["--noise=none"]),
        ([*TINY, "scheduler=constant,cosine", "--noise", "none"], ["--noise=none", "--dry-run"]),
        (["control_null", "--wandb", "--dry-run"], ["--wandb", "dry run"]),
        (["control_null", "--name", "../mine", "--dry-run"], ["--name=../mine"]),
        (["control_null", "--arm", "step: scheduler=step", "--dry-run"], ["--arm", "control_null"]),
        ([*TINY, "scheduler=constant,cosine", "results=/dev/null/here"], ["cannot be written"]),
    ],
)
def test_what_cannot_be_meant_is_refused_and_writes_nothing(tmp_path, lrbench, words, told):
    assert_refused(lrbench("compare", *words), *told)
    assert files(tmp_path) == []


@pytest.mark.slow
def test_killed_twice_at_random_it_comes_to_the_same_answer(tmp_path, own, warm):
    undisturbed, killed = tmp_path / "one", tmp_path / "two"
    undisturbed.mkdir()
    killed.mkdir()
    words = ["compare", "mine", *own[:2], "hydra.launcher.workers=2", "device=cpu"]
    assert warm.run(*words, folder=undisturbed).returncode == 0
    many = len(list((undisturbed / "results" / "runs").iterdir()))
    draw = random.Random(int.from_bytes(os.urandom(4)))
    for share in sorted(draw.uniform(0.05, 0.9) for _ in range(2)):
        process = warm.start(*words, folder=killed)
        while len(list((killed / "results" / "runs").glob("*/summary.json"))) < share * many and process.poll() is None:
            time.sleep(0.02)
        with suppress(ProcessLookupError):  # it may have come to its end
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert warm.run(*words, folder=killed).returncode == 0
    for name in ("verdict.json", "design.json", "report.md"):
        ours, theirs = (folder / "results" / "studies" / "mine" / name for folder in (killed, undisturbed))
        assert ours.exists() == theirs.exists()
        assert not ours.exists() or ours.read_bytes() == theirs.read_bytes()
