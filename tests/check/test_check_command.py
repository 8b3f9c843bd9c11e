"""`lrbench check` as it is typed: what it prints, its exit codes, JSON and SARIF; and what stops a run."""

import json
from pathlib import Path
from typing import Any

import pytest
from cli_support import TINY, Lrbench, assert_refused, files, in_process

VIT = ("model=vit_micro", "optimizer=adamw")
MISSING = "check.transformer-without-warmup"
BY_BATCH = ("model=mlp", "scheduler=step", "scheduler.interval=batch", "scheduler.args.step_size=10")
TOLD = """warning  check.transformer-without-warmup
         The model has attention and begins from random weights, and its first
         update uses 0.001, 100% of the peak of 0.001, under AdamW.
         cure   warmup=linear_10pct
         claim  transformer-without-warmup-diverges (supported)

1 warning in 1 schedule
"""
BROKEN = """error    check.epoch-schedule-stepped-by-batch
         StepLR counts 10 in updates, and there are 16 updates an epoch: the
         rate is below 1% of the peak from update 30 (epoch 1.88) on, 1e-48 at
         last.
         cure   scheduler.interval=epoch
         claim  per-batch-cosine-reaches-min-early (true)

1 error in 1 schedule
"""
WARM_T_MAX = """warning  check.schedule-ends-elsewhere
         scheduler.args.T_max=100: the warmup leaves 95 of the 100 epochs; write
         end for all of them. The run ends at 0.0008856, 0.0089 of the peak.
         cure   scheduler.args.T_max=end
         claim  tmax-must-subtract-warmup (true)

1 warning in 1 schedule
"""


@pytest.fixture
def lrbench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Lrbench:
    return in_process(tmp_path, monkeypatch, capsys)


def settle(folder: Path, claim: str, verdict: str) -> None:
    """A verdict as `lrbench claims run` stores it."""
    path = folder / "results" / "claims" / claim / "verdict.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"id": claim, "verdict": verdict, "parts": [], "studies": [], "torch": ""}))


def test_nothing_against_the_defaults(lrbench: Lrbench, tmp_path: Path) -> None:
    said = lrbench("check")
    assert (said.code, said.out, said.err) == (0, "nothing found in 1 schedule\n", "")
    assert files(tmp_path) == []


@pytest.mark.parametrize(("overrides", "told", "code"), [(VIT, TOLD, 0), (BY_BATCH, BROKEN, 1)])
def test_what_is_told(overrides: tuple[str, ...], told: str, code: int, lrbench: Lrbench, tmp_path: Path) -> None:
    settle(tmp_path, "transformer-without-warmup-diverges", "supported")
    said = lrbench("check", *overrides)
    assert (said.code, said.out, said.err) == (code, told, "")
    assert max(map(len, said.out.splitlines())) <= 80


def test_a_verdict_stands_beside_its_claim(lrbench: Lrbench, tmp_path: Path) -> None:
    settle(tmp_path, "tmax-must-subtract-warmup", "true")
    said = lrbench("check", "model=mlp", "warmup=linear5", "scheduler.args.T_max=100", "horizon=100ep")
    assert (said.code, said.out) == (0, WARM_T_MAX)


@pytest.mark.slow
def test_a_claim_that_did_not_hold_makes_it_a_note(lrbench: Lrbench, tmp_path: Path) -> None:
    settle(tmp_path, "transformer-without-warmup-diverges", "contradicted")
    said = lrbench("check", *VIT)
    assert said.out.startswith("note     check.transformer-without-warmup\n")
    assert "was found contradicted" in " ".join(said.out.split())
    assert lrbench("train", *VIT, "tracker=none", "strict=true", "--dry-run").code == 0


@pytest.mark.slow
def test_jobs_of_a_grid(lrbench: Lrbench) -> None:
    said = lrbench("check", "-m", "model=mlp", "horizon=1ep,2ep", "scheduler=cosine,constant")
    assert said.code == 0
    assert said.out.startswith("horizon=1ep scheduler=cosine\n\nwarning  check.never-moves\n")
    assert said.out.endswith("\n1 warning, 1 note in 4 schedules\n")


def test_for_a_program(lrbench: Lrbench, tmp_path: Path) -> None:
    settle(tmp_path, "transformer-without-warmup-diverges", "supported")
    said = lrbench("check", *VIT, "--json")
    (job,) = json.loads(said.out)["jobs"]
    assert job["overrides"] == list(VIT)
    (found,) = job["findings"]
    assert found["says"].startswith("The model has attention")
    assert {**found, "says": ""} == {
        "rule": MISSING,
        "severity": "warning",
        "says": "",
        "cure": ["warmup=linear_10pct"],
        "drop": [],
        "otherwise": "",
        "claim": "transformer-without-warmup-diverges",
        "verdict": "supported",
        "accepted": None,
    }


@pytest.mark.slow
def test_for_code_scanning(lrbench: Lrbench, tmp_path: Path) -> None:
    accept = "accepts={check.high-rate-without-warmup: as in the paper}"
    said = lrbench("check", *VIT, "model=resnet8", "optimizer.lr=0.05", accept, "--sarif", "found.sarif")
    assert said.code == 0
    log = json.loads((tmp_path / "found.sarif").read_text())
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    assert run["tool"]["driver"]["name"] == "lrbench"
    (result,) = run["results"]
    rule = run["tool"]["driver"]["rules"][result["ruleIndex"]]
    assert result["ruleId"] == rule["id"] == "check.high-rate-without-warmup"
    assert rule["shortDescription"]["text"].endswith(".")
    assert result["level"] == "note"
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "conf/scheduler/cosine.yaml"
    assert result["suppressions"][0]["justification"] == "as in the paper"
    assert len(result["partialFingerprints"]["lrbench/v1"]) == 32


# Of SARIF 2.1.0 (OASIS 2020), the objects that a log of lrbench is made of: the properties that must be there, and
# those that may, each as its schema has it (which allows no others). [x]: a list of x; {x}: a mapping to x.
OBJECTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "sarifLog": ({"version": ["2.1.0"], "runs": "[run]"}, {"$schema": str}),
    "run": ({"tool": "tool"}, {"results": "[result]"}),
    "tool": ({"driver": "toolComponent"}, {}),
    "toolComponent": ({"name": str}, {"semanticVersion": str, "rules": "[reportingDescriptor]"}),
    "reportingDescriptor": ({"id": str}, {"name": str, "shortDescription": "multiformatMessageString"}),
    "multiformatMessageString": ({"text": str}, {}),
    "result": (
        {"message": "message"},
        {"ruleId": str, "ruleIndex": int, "level": ["none", "note", "warning", "error"], "locations": "[location]",
         "partialFingerprints": "{str}", "suppressions": "[suppression]"},
    ),
    "message": ({}, {"text": str}),
    "location": ({}, {"physicalLocation": "physicalLocation", "logicalLocations": "[logicalLocation]"}),
    "physicalLocation": ({"artifactLocation": "artifactLocation"}, {"region": "region"}),
    "artifactLocation": ({}, {"uri": str}),
    "region": ({}, {"startLine": int}),
    "logicalLocation": ({}, {"name": str, "fullyQualifiedName": str, "kind": str}),
    "suppression": (
        {"kind": ["inSource", "external"]},
        {"status": ["accepted", "underReview", "rejected"], "justification": str},
    ),
}  # fmt: skip


def require_object(kind: Any, value: Any, where: str = "log") -> None:
    """That a value is what the schema has under this name."""
    if isinstance(kind, list):
        assert value in kind, where
    elif isinstance(kind, type):
        assert isinstance(value, kind), where
    elif kind.startswith("["):
        assert isinstance(value, list), where
        for i, item in enumerate(value):
            require_object(kind[1:-1], item, f"{where}[{i}]")
    elif kind == "{str}":
        assert all(isinstance(k, str) and isinstance(v, str) for k, v in value.items()), where
    else:
        must, may = OBJECTS[kind]
        assert {*must} <= {*value} <= {*must, *may}, where
        for name, item in value.items():
            require_object({**must, **may}[name], item, f"{where}.{name}")


@pytest.mark.slow
def test_the_log_is_sarif(lrbench: Lrbench, tmp_path: Path) -> None:
    """Every object has what the standard's schema asks for, and nothing that it does not know; of several jobs, with
    findings of two severities, accepted ones. (The whole schema is in no package that could be installed.)"""
    accept = "accepts={check.high-rate-without-warmup: a trial}"
    jobs = ("-m", "model=mlp", "horizon=2ep", "scheduler=constant", "optimizer=adam", "optimizer.lr=0.01,0.5")
    lrbench("check", *jobs, accept, "--sarif", "found.sarif")
    log = json.loads((tmp_path / "found.sarif").read_text())
    require_object("sarifLog", log)
    results, rules = log["runs"][0]["results"], log["runs"][0]["tool"]["driver"]["rules"]
    assert len({r["level"] for r in results}) > 1
    assert all(rules[r["ruleIndex"]]["id"] == r["ruleId"] for r in results)
    assert len({r["id"] for r in rules}) == len(rules)


@pytest.mark.slow
def test_a_folder_that_is_not_there_is_not_made(lrbench: Lrbench, tmp_path: Path) -> None:
    said = lrbench("check", "model=mlp", "horizon=2ep", "--sarif", "out/found.sarif")
    assert_refused(said, "--sarif=out/found.sarif", "No such file", "folder that is there")
    assert not (tmp_path / "out").exists()


def test_it_points_at_a_file_of_ones_own(lrbench: Lrbench, tmp_path: Path) -> None:
    recipe = tmp_path / "mine" / "recipe" / "fast.yaml"
    recipe.parent.mkdir(parents=True)
    recipe.write_text("# @package _global_\n# Mine.\nhorizon: 1ep\n")
    assert lrbench("check", "model=mlp", "recipe=fast", "--config-dir", "mine", "--sarif=f.sarif").code == 0
    (result,) = json.loads((tmp_path / "f.sarif").read_text())["runs"][0]["results"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "mine/recipe/fast.yaml"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("overrides", "rule", "cure"),
    [
        (("scheduler.args.T_max=10",), "check.past-t-max", "scheduler.args.T_max=end"),
        (("scheduler.args.eta_min=0.2",), "check.floor-above-peak", "scheduler.args.eta_min=0.1x"),
        (("scheduler=plateau", "scheduler.args.mode=max"), "check.mode-against-monitor", "scheduler.args.mode=min"),
        (("scheduler=plateau", "monitor=null"), "check.plateau-without-metric", "monitor=val/loss"),
    ],
)
def test_what_is_refused_is_an_error_with_a_cure(
    overrides: tuple[str, ...], rule: str, cure: str, lrbench: Lrbench
) -> None:
    said = lrbench("check", "model=mlp", *overrides)
    assert said.code == 1
    assert said.out.startswith(f"error    {rule}\n")
    assert f"         cure   {cure}\n" in said.out
    assert lrbench("check", "model=mlp", *overrides, cure).code == 0
    assert_refused(lrbench("plot", "model=mlp", *overrides))


@pytest.mark.slow
def test_bad_usage(lrbench: Lrbench) -> None:
    assert_refused(lrbench("check", "--sarif"), "--sarif", "takes a value")
    assert_refused(lrbench("check", "--jsn"), "--jsn", "no such flag")
    assert_refused(lrbench("plot", "--sarif", "x"), "--sarif", "no such flag")
    assert_refused(lrbench("check", "--dry-run"), "for training")
    assert_refused(lrbench("check", "scheduler.args.T_mx=3"), "T_max")
    assert_refused(lrbench("check", "accepts={check.never-move: why}"), "accepts.check.never-move", "check.never-moves")
    assert_refused(lrbench("check", "accepts={check.never-moves: null}"), "say why")
    assert_refused(lrbench("check", "accepts=check.never-moves"), "as {ID: REASON}")


def test_its_page(lrbench: Lrbench) -> None:
    said = lrbench("check", "--help")
    assert said.code == 0
    for word in ("usage: lrbench check", "--sarif", "strict=true", "accepts={ID: REASON}", "Exit codes"):
        assert word in said.out


@pytest.mark.parametrize(("flag", "page"), [("--rates", "the CSV file"), ("--sarif", "accepts={ID: REASON}")])
def test_help_is_no_value_of_a_flag(flag: str, page: str, lrbench: Lrbench, tmp_path: Path) -> None:
    said = lrbench("check", flag, "--help")
    assert said.code == 0
    assert page in said.out
    assert files(tmp_path) == []


# ---- what stops a run, and what does not ------------------------------------------------------------------------

STILL = (*TINY, "horizon=1ep")


@pytest.mark.slow
@pytest.mark.usefixtures("without_picture")
def test_training_tells_and_goes_on_unless_it_is_strict(lrbench: Lrbench, tmp_path: Path) -> None:
    said = lrbench("train", *STILL)
    assert said.code == 0
    assert said.err.count("warning") == 1
    assert "[check.never-moves]" in said.err
    assert_refused(lrbench("train", *STILL, "seed=1", "strict=true"), "strict=true", "check.never-moves")
    assert len([*(tmp_path / "results/runs").iterdir()]) == 1
    accept = "+accepts={check.never-moves: one epoch is enough here}"
    again = lrbench("train", *STILL, accept, "strict=true")
    assert again.code == 0
    assert "warning" not in again.err  # and it is the same run
    assert len([*(tmp_path / "results/runs").iterdir()]) == 1


def test_a_plan_stops_too_or_leaves_them_out(lrbench: Lrbench) -> None:
    grid = ("-m", *TINY, "horizon=1ep,2ep", "seed=0,1", "strict=true", "--dry-run")
    assert_refused(lrbench(*grid), "in the run 'horizon=1ep seed=0'", "check.never-moves")
    said = lrbench(*grid, "--skip-invalid")
    assert said.code == 0
    assert "left out (2)" in said.out
    assert said.err == ""


def test_a_plan_tells_each_thing_once_with_how_many_share_it(lrbench: Lrbench) -> None:
    said = lrbench("-m", *TINY, "horizon=1ep,2ep", "seed=0,1", "--dry-run")
    assert said.err.count("warning") == 1
    assert "[check.never-moves; 2 of 4 runs]" in " ".join(said.err.split())


@pytest.mark.slow
def test_a_cure_drops_the_arguments_of_the_level_that_it_replaces(lrbench: Lrbench) -> None:
    said = lrbench("check", "model=mlp", "scheduler=linear", "scheduler.args.end_factor=0.5")
    assert (said.code, said.err) == (0, "")
    assert "cure   scheduler=cosine\n         drop   scheduler.args.end_factor=0.5\n" in said.out
    assert "nothing found" in lrbench("check", "model=mlp", "scheduler=cosine").out


@pytest.mark.slow
def test_strict_counts_warnings(lrbench: Lrbench) -> None:
    warned = ("check", "model=mlp", "scheduler=onecycle", "scheduler.interval=epoch")
    assert lrbench(*warned).code == 0
    assert lrbench(*warned, "strict=true").code == 1


@pytest.mark.slow
def test_a_drop_at_the_very_end_costs_nothing(lrbench: Lrbench) -> None:
    drops = ("check", "model=mlp", "horizon=90ep", "scheduler=multistep")
    assert "nothing found" in lrbench(*drops, "scheduler.args.milestones=[30,60,90]").out
    assert (
        "cure   'scheduler.args.milestones=[@30ep,@60ep]'"
        in lrbench(*drops, "scheduler.args.milestones=[30,60,120]").out
    )
