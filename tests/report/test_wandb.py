"""The W&B report of a comparison: built and validated offline; published to a server on this machine."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from report_records import COSINE, compare, experiment, record, rows_of_a_run
from study_world import World, rules
from wandb import teardown
from wandb.sdk.lib import wbauth
from wandb_server import Server, serving

from lrbench.errors import ConfigError
from lrbench.report import markdown, wandb
from lrbench.report.result import Comparison
from lrbench.report.study import markdown as study_markdown
from lrbench.report.study import wandb as study_wandb
from lrbench.study.design import Design

pytest.importorskip("wandb_workspaces")


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No key, no home, no server: whatever the machine holds, nothing here can reach one."""
    for name in ("WANDB_API_KEY", "WANDB_ENTITY", "WANDB_MODE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HOME", "NETRC", "WANDB_CONFIG_DIR", "WANDB_DIR", "WANDB_CACHE_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")


@pytest.fixture
def found(tmp_path: Path) -> Comparison:
    return compare(
        [
            record(tmp_path, experiment(name, s), 0.9 + s / 50, rows=rows_of_a_run(s))
            for name in ("ConstantLR", COSINE)
            for s in (0, 1)
        ],
        name="two | arms",
    )


def test_one_run_set_an_arm(found: Comparison) -> None:
    spec = wandb.build(found, "a-project", "me").spec
    assert json.loads(json.dumps(spec)) == spec
    assert (spec["displayName"], spec["project"]) == (
        "two | arms: test/accuracy",
        {"name": "a-project", "entityName": "me"},
    )
    text, grid = spec["spec"]["blocks"][1:3]
    assert text["content"] == markdown.render(found)
    sets = grid["metadata"]["runSets"]
    assert [s["name"] for s in sets] == [a.name for a in found.arms]
    for arm, runs in zip(found.arms, sets, strict=True):
        (condition,) = runs["filters"]["filters"]
        assert condition["key"] == {"section": "run", "name": "name"}  # W&B's name of a run's id
        assert (condition["op"], condition["value"]) == ("IN", [o.run_id for o in arm.outcomes])
        assert runs["grouping"] == [{"section": "run", "name": "group"}]
    panels = grid["metadata"]["panelBankSectionConfig"]["panels"]
    assert [p["config"]["metrics"] for p in panels] == [["train/loss"], ["val/accuracy"], ["val/loss"], ["lr/all"]]
    assert {p["config"]["xAxis"] for p in panels} == {"epoch"}


def test_a_spec_comes_back_as_the_report_it_was(found: Comparison) -> None:
    """wandb-workspaces reads what was written."""
    from wandb_workspaces.reports.v2 import Report
    from wandb_workspaces.reports.v2.internal import ReportViewspec

    spec = wandb.build(found, "a-project", "me").spec
    read = Report._from_model(ReportViewspec.model_validate(spec))
    assert (read.title, read.project, read.entity) == ("two | arms: test/accuracy", "a-project", "me")
    assert [r.name for r in read.blocks[1].runsets] == [a.name for a in found.arms]


def test_a_study_has_the_runs_of_its_pairs() -> None:
    """The baseline's once, though both contrasts have them."""
    made = rules(arms=("a", "b", "c"))
    result = World({"a": 0.9, "b": 0.92, "c": 0.88}).run(made)
    (task,) = result.tasks
    named = [  # by ids such as a run has
        replace(c, pairs=tuple(replace(p, runs=(f"{c.arm}{p.seed}", f"a{p.seed}")) for p in c.pairs))
        for c in task.contrasts
    ]
    result = replace(result, tasks=(replace(task, contrasts=tuple(named)),))
    design = Design("mine", "Which is best?", made, {}, {})
    spec = study_wandb.build(design, result, "a-project", "me").spec
    assert spec["displayName"] == "mine: Which is best?"
    text, grid = spec["spec"]["blocks"][1:3]
    assert text["content"] == study_markdown.render(design, result)
    expected = [[f"{arm}{seed}" for seed in range(2_000_000, 2_000_010)] for arm in "abc"]
    sets = grid["metadata"]["runSets"]
    assert [s["name"] for s in sets] == ["a", "b", "c"]
    assert [s["filters"]["filters"][0]["value"] for s in sets] == expected


def test_not_installed(found: Comparison, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wandb, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r'pip install "lr-schedule-bench\[report-wandb\]"'):
        wandb.build(found, "a-project")


def test_it_stays_here_unless_asked_and_able(found: Comparison, monkeypatch: pytest.MonkeyPatch) -> None:
    report = wandb.build(found, "a-project")
    spec = Path("somewhere/wandb.json")
    assert report.publish(spec) == f"{spec} (not published: no API key; set WANDB_API_KEY or run `wandb login`)"
    monkeypatch.setenv("WANDB_MODE", "offline")
    assert report.publish(spec) == f"{spec} (not published: WANDB_MODE=offline)"
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setattr("wandb.login", lambda **_: True)
    monkeypatch.setattr("wandb.Api", lambda: (_ for _ in ()).throw(ConnectionError("nobody there\nat all")))
    assert report.publish(spec) == f"{spec} (not published: ConnectionError: nobody there)"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with serving() as served:
        monkeypatch.setenv("WANDB_BASE_URL", served.url)
        monkeypatch.setenv("WANDB_API_KEY", "k" * 40)
        teardown()  # it reads mode and address once in a process: another test may have been offline
        yield served
    teardown()
    wbauth.unauthenticate_session()  # and keeps the key


def test_published_where_a_server_is(found: Comparison, server: Server) -> None:
    report = wandb.build(found, "a-project")
    said = report.publish(Path("wandb.json"))
    (saved,) = server.reports
    assert (saved["entityName"], saved["projectName"], saved["displayName"]) == (
        "me",
        "a-project",
        "two | arms: test/accuracy",
    )
    assert json.loads(saved["spec"])["blocks"] == report.spec["spec"]["blocks"]
    assert "/me/a-project/reports/" in said
