"""A claim of one's own is one file beside its study: run, settled, shown, and settled again from rows alone."""

import json
import shutil
from pathlib import Path

import pytest
from cli_support import assert_refused, in_process

from lrbench.claims.measured import MOVED, OTHER_BASELINE
from lrbench.claims.settled import Settled, keep

STUDY = """# A study of the tests.
question: Which of the three?
set: [model=mlp, 'model.args.hidden=[8]', data=digits, horizon=2ep, batch_size=64]
arms:
  constant: [scheduler=constant]
  cosine: [scheduler=cosine_floor_10pct, scheduler.interval=batch]
  linear: [scheduler=linear, scheduler.interval=batch]
estimand: swap
metric: val/loss
pairs: 10
looks: 1
"""
CLAIM = """says: {says}
parts: [{{studies: [mine], contrasts: [{contrast}], {rest}}}]
settles: The interval does.
"""

pytestmark = pytest.mark.usefixtures("without_picture")


@pytest.fixture
def lrbench(tmp_path, monkeypatch, capsys):
    return in_process(tmp_path, monkeypatch, capsys)


def written(tmp_path: Path, **claims: str) -> tuple[str, str]:
    for folder in ("study", "claim"):
        (tmp_path / "own" / folder).mkdir(parents=True, exist_ok=True)
    (tmp_path / "own" / "study" / "mine.yaml").write_text(STUDY)
    for name, text in claims.items():
        (tmp_path / "own" / "claim" / f"{name}.yaml").write_text(text)
    return "--config-dir", str(tmp_path / "own")


def settled(tmp_path: Path, name: str) -> dict:
    return json.loads((tmp_path / "results" / "claims" / name / "verdict.json").read_text())


@pytest.mark.slow
def test_from_a_file_to_a_verdict(tmp_path, lrbench):
    loses = CLAIM.format(
        says="One epoch is too short to decay in.", contrast="constant against cosine", rest="claim: {}"
    )
    close = "kind: no worse, claim: {margin: 100}"
    same = CLAIM.format(says="Linear is as good.", contrast="linear against constant", rest=close)
    shape = CLAIM.format(says="The shape matters.", contrast="cosine against linear", rest="claim: {}")
    own = written(tmp_path, loses=loses, same=same, shape=shape)
    before = lrbench("claims", "run", "loses", *own)
    assert "1 claim: 1 not yet run" in before.out
    assert lrbench("compare", "mine", *own, "hydra.launcher.workers=1", "device=cpu").code == 0
    assert lrbench("claims", "run", "loses", "same", "shape", *own).code == 0
    found = settled(tmp_path, "same")
    assert found["verdict"] == "supported"
    assert [m["arm"] for m in found["studies"]] == ["linear"]
    (turned,) = settled(tmp_path, "loses")["studies"]
    assert (turned["arm"], turned["baseline"], turned["n"]) == ("constant", "cosine", 10)
    frozen = json.loads((tmp_path / "results" / "studies" / "mine" / "verdict.json").read_text())
    (of_study,) = (c for c in frozen["tasks"][0]["contrasts"] if c["arm"] == "cosine")
    assert turned["low"] == pytest.approx(-of_study["tested"]["interval"][1])
    assert turned["level"] == of_study["tested"]["level"]
    (other,) = settled(tmp_path, "shape")["studies"]
    assert (other["arm"], other["baseline"], other["n"]) == ("cosine", "linear", 10)
    assert OTHER_BASELINE in other["remarks"]
    assert OTHER_BASELINE not in turned["remarks"]
    assert other["low"] < other["effect"] < other["high"]
    shown = lrbench("claims", "show", "same", *own)
    assert "Linear is as good." in shown.out
    assert "linear against constant: val loss" in shown.out
    shutil.rmtree(tmp_path / "results" / "runs")  # the study's rows are enough
    again = lrbench("claims", "run", "loses", "same", "--check", *own)
    assert (again.code, again.err) == (0, "")
    assert other["fresh"]
    written(tmp_path, shape=shape.replace("claim: {}", "claim: {low: 0.001}"))
    moved = lrbench("claims", "run", "shape", "--check", *own)
    assert (moved.code, moved.err) == (1, "shape: what its studies say is not what is stored\n")
    lrbench("claims", "run", "shape", *own)
    (exploratory,) = settled(tmp_path, "shape")["studies"]
    assert exploratory["claim"]["low"] == 0.001
    assert not exploratory["fresh"]
    assert MOVED in exploratory["remarks"]


def test_what_is_no_claim_is_refused(tmp_path, lrbench):
    own = written(tmp_path, silent="parts: [{studies: [mine], contrasts: [cosine against constant]}]\nsettles: x\n")
    assert_refused(lrbench("claims", *own), "claim/silent.yaml", "says")
    assert_refused(lrbench("claims", "show", "plateau-patience"), "plateau-patience-semantics")
    assert_refused(lrbench("claims", "--kind", "traces"), "--kind", "trace")
    assert_refused(lrbench("claims", "--check"), "--check")
    assert_refused(lrbench("claims", "--verdict", "flase"), "--verdict", "Did you mean 'false'")
    assert lrbench("claims", "--verdict", "supported").code == 0  # a verdict, though no claim has it here
    assert_refused(lrbench("claims", "runn", "plateau-cooldown"), "runn", "Did you mean 'run'")
    assert_refused(lrbench("claims", "--config-dir", "nowhere"), "nowhere")
    assert_refused(lrbench("report", "--claims", "--json"), "--claims")


def test_an_own_claim_is_none_of_the_guide_s_and_names_a_study(tmp_path, lrbench):
    text = CLAIM.format(says="x", contrast="cosine against constant", rest="claim: {}")
    own = written(tmp_path, **{"cosine-best-default": text})
    assert_refused(lrbench("claims", "run", "cosine-best-default", *own), "cosine-best-default", "another name")
    (tmp_path / "own" / "claim" / "cosine-best-default.yaml").unlink()
    own = written(tmp_path, lost=text.replace("[mine]", "[mina]"))
    assert_refused(lrbench("claims", "run", "lost", *own), "mina", "mine")
    assert_refused(lrbench("claims", "--domain", "cnm"), "--domain", "cnn")


def test_a_verdict_that_nothing_gives_is_a_change_and_is_not_kept(tmp_path, lrbench):
    keep(tmp_path / "results" / "claims", Settled("adam-benefits-from-schedule", "supported"))
    checked = lrbench("claims", "run", "adam-benefits-from-schedule", "--check")
    assert (checked.code, checked.err) == (
        1, "adam-benefits-from-schedule: supported is stored, and nothing says so now\n",
    )  # fmt: skip
    assert lrbench("claims", "run", "--verdict", "supported").out == "1 claim: 1 not yet run\n"
    assert not list(tmp_path.glob("results/claims/*/verdict.json"))


def test_what_cannot_be_written_is_told(tmp_path, lrbench):
    (tmp_path / "results").mkdir(exist_ok=True)
    (tmp_path / "results" / "claims").write_text("a file")
    assert_refused(lrbench("claims", "run", "cosine-widely-used"), "cannot be written")


def test_claims_are_listed_and_counted(lrbench):
    listed = lrbench("claims", "--kind", "advice", "--domain", "vit").out
    assert listed.splitlines()[-1].startswith(f"{len([x for x in listed.splitlines() if x.startswith('  ')])} claims: ")
    assert lrbench("claims", "no such words anywhere").out.strip() == "0 claims: none"


def test_the_claims_as_a_wandb_report(tmp_path, lrbench, monkeypatch):
    pytest.importorskip("wandb_workspaces")
    monkeypatch.setenv("WANDB_MODE", "offline")
    said = lrbench("report", "--claims", "--wandb", "--project", "theirs")
    assert said.out.splitlines()[-1] == "W&B       results/wandb.json (not published: WANDB_MODE=offline)"
    spec = json.loads((tmp_path / "results" / "wandb.json").read_text())
    assert spec["project"]["name"] == "theirs"
    assert "323 claims" in json.dumps(spec)
    assert (tmp_path / "results" / "claims.html").exists()
