"""`lrbench find-lr`, and `optimizer.lr=auto`."""

import json
import re
from pathlib import Path

import pytest
from cli_support import TINY, Lrbench, assert_refused, files, in_process

from lrbench.config.experiments import experiment
from lrbench.config.study import compile_study
from lrbench.errors import ConfigError
from lrbench.experiment.identity import run_id
from lrbench.find_lr.names import RULES
from lrbench.study.cells import Cell

SHORT = ("find_lr.iterations=40", "find_lr.seeds=2", "find_lr.start=1e-3")


@pytest.fixture
def lrbench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Lrbench:
    return in_process(tmp_path, monkeypatch, capsys)


@pytest.mark.slow
def test_it_finds_a_rate_and_the_command_trains_with_it(lrbench: Lrbench, tmp_path: Path) -> None:
    said = lrbench("find-lr", *TINY, *SHORT, "scheduler=onecycle")
    assert said.code == 0, said.err
    assert said.err.count("sweep ") == 2
    assert max(len(line) for line in said.out.splitlines() if not line.startswith("train")) <= 100
    for rule in RULES:
        assert re.search(rf"^  [a-h ] {rule} ", said.out, re.MULTILINE)
    chart = said.out.partition("learning rate")[0]
    for letter, rate in re.findall(r"^  ([a-h]) \w+ +(\S+)", said.out, re.MULTILINE):
        assert letter in chart, (letter, rate)  # each rule that has a rate, be it beyond the curve's end
    assert len(re.findall(r"^  [a-h] steepest_x5 .*  suggested$", said.out, re.MULTILINE)) == 1
    (command,) = re.findall(r"^train    lrbench (.*)$", said.out, re.MULTILINE)
    assert "scheduler=onecycle" in command
    assert "find_lr" not in command
    kept, picture = (re.findall(rf"^{word} +(.*)$", said.out, re.MULTILINE)[0] for word in ("kept", "picture"))
    assert files(tmp_path) == sorted([kept, picture])
    assert (tmp_path / picture).read_bytes().startswith(b"\x89PNG")
    again = lrbench("find-lr", *TINY, *SHORT, "scheduler=cosine", "horizon=9ep", "out=x.svg")
    assert again.err == ""  # its schedule is not looked at, so nothing is swept
    assert "picture  x.svg" in again.out


def test_json(lrbench: Lrbench, tmp_path: Path) -> None:
    plain = json.loads(lrbench("find-lr", *TINY, *SHORT, "--json").out)
    assert plain["suggested"] == plain["suggestions"][plain["test"]["rule"]]["rate"]
    assert set(plain["suggestions"]) == set(RULES)
    assert [s["seed"] for s in plain["sweeps"]] == [4_000_000, 4_000_001]
    assert len(plain["sweeps"][0]["rates"]) == len(plain["sweeps"][0]["losses"])
    assert files(tmp_path) == [f"results/find_lr/{plain['id']}.json"]
    guide = json.loads(lrbench("find-lr", *TINY, *SHORT, "find_lr.variant=guide", "--json").out)
    assert guide["test"]["rule"] == "steepest"
    assert guide["id"] != plain["id"]


def test_no_rate(lrbench: Lrbench) -> None:
    said = lrbench("find-lr", *TINY, *SHORT, "find_lr.start=1e-9", "find_lr.end=1e-8")
    assert said.code == 1
    assert "no rate" in said.out
    assert "never falls" in said.out


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("find_lr.end=1e-4",), ("find_lr.end=0.0001", "give a higher one")),
        (("find_lr.iterations=5",), ("find_lr.iterations=5", "give 100")),
        (("find_lr.variant=guyde",), ("find_lr.variant=guyde",)),
        (("find_lr.sedes=5",), ("find_lr.sedes", "find_lr.seeds")),
        (("optimizer.lr=auto",), ("optimizer.lr=auto", "what find-lr looks for", "leave it out")),
        (("scheduler",), ("scheduler", "no key=value")),
        (("scheduler=cosine,step",), ("scheduler", "several values")),
        (("out=x.nope",), ("out=x.nope", "another file", ".svg or .pdf")),
        (("batch_size=100000",), ("batch_size=100000",)),
        (("--jason",), ("--jason",)),
    ],
)
def test_refused(lrbench: Lrbench, words: tuple[str, ...], expected: tuple[str, ...]) -> None:
    said = lrbench("find-lr", *TINY, *SHORT, *words)
    assert said.code == 2
    assert "Traceback" not in said.err
    for word in expected:
        assert word in said.err, said.err


def test_help_teaches(lrbench: Lrbench) -> None:
    said = lrbench("find-lr", "--help")
    assert said.code == 0
    for word in ("examples", "Exit codes", "find_lr.seeds", *RULES):
        assert word in said.out
    assert max(map(len, said.out.splitlines())) <= 120


# ---- optimizer.lr=auto --------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_auto_is_the_run_of_its_number(lrbench: Lrbench, tmp_path: Path) -> None:
    found = json.loads(lrbench("find-lr", *TINY, *SHORT, "--json").out)
    said = lrbench(*TINY, *SHORT, "optimizer.lr=auto", "scheduler=cosine")
    assert said.code == 0, said.err
    expected = experiment(*TINY, f"optimizer.lr={found['suggested']}", "scheduler=cosine")
    assert said.out.startswith(run_id(expected))
    assert "sweep " not in said.err  # it stood there already
    typed = (tmp_path / "results/runs" / run_id(expected) / ".hydra/overrides.yaml").read_text()
    assert f"optimizer.lr={found['suggested']}" in typed
    assert "auto" not in typed
    by_number = lrbench(*TINY, f"optimizer.lr={found['suggested']}", "scheduler=cosine")
    assert "is finished already" in by_number.err


@pytest.mark.slow
def test_auto_in_a_sweep(lrbench: Lrbench, tmp_path: Path) -> None:
    jobs = ("-m", *TINY, *SHORT, "optimizer.lr=auto,0.3", "hydra.launcher.workers=1")
    planned = lrbench(*jobs, "--dry-run")
    assert_refused(planned, "optimizer.lr=auto", "not been made yet", "lrbench find-lr")
    assert list(tmp_path.iterdir()) == []
    said = lrbench(*jobs)
    assert said.code == 0, said.err
    assert said.err.count("sweep ") >= 2  # it makes its range test
    assert len(list((tmp_path / "results/runs").iterdir())) == 2
    (found,) = (tmp_path / "results/find_lr").iterdir()
    rate = json.loads(found.read_text())["suggestions"]["2"]["steepest_x5"]["rate"]
    assert (tmp_path / "results/runs" / run_id(experiment(*TINY, f"optimizer.lr={rate}"))).is_dir()
    assert "2 runs: 2 done" in lrbench(*jobs, "--dry-run").out


@pytest.mark.slow
def test_auto_in_a_study(lrbench: Lrbench) -> None:
    asked = ("compare", *TINY, *SHORT, "optimizer.lr=auto", "scheduler=constant,cosine", "--swap", "--dry-run")
    assert_refused(lrbench(*asked), "optimizer.lr=auto", "not been made yet", "lrbench find-lr")
    found = json.loads(lrbench("find-lr", *TINY, *SHORT, "--json").out)
    said = lrbench(*asked)
    assert said.code == 0, said.err
    tuned = lrbench(*(word for word in asked if word != "--swap"))
    assert_refused(tuned, "arm constant", "a range test finds its rate, and the study tunes it", "--swap")
    design = compile_study(
        {"set": [*TINY, *SHORT, "optimizer.lr=auto"], "arms": {"a": ["scheduler=constant"], "b": ["scheduler=cosine"]},
         "estimand": "swap", "pairs": 10}, "study", results=Path("results"),
    )  # fmt: skip
    assert design.experiment(Cell("", "a", None, 1, True)).optimizer.lr == found["suggested"]


def test_auto_of_a_rule_without_an_answer(lrbench: Lrbench) -> None:
    said = lrbench(*TINY, *SHORT, "find_lr.start=1e-9", "find_lr.end=1e-8", "optimizer.lr=auto")
    assert said.code == 2
    assert "0 of 2 seeds" in said.err
    assert "give a number" in said.err


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        ("plot", *TINY, "optimizer.lr=auto"),
        (*TINY, 'start.of=["model=mlp","optimizer.lr=auto"]'),
    ],
    ids=["plot", "a parent"],
)
def test_auto_elsewhere_is_refused(lrbench: Lrbench, words: tuple[str, ...]) -> None:
    assert_refused(lrbench(*words), "optimizer.lr=auto", "find-lr")


@pytest.mark.parametrize(("given", "why"), [("abc", "no number"), ("null", "needs a value"), ("true", "no number")])
def test_a_rate_that_is_no_number(given: str, why: str) -> None:
    with pytest.raises(ConfigError, match=f"optimizer.lr={given}: .*{why}"):
        experiment(*TINY, f"optimizer.lr={given}")


def test_whole_numbers_are_rates_as_before() -> None:
    assert run_id(experiment(*TINY, "optimizer.lr=1")) == run_id(experiment(*TINY, "optimizer.lr=1.0"))
    assert isinstance(experiment(*TINY, "optimizer.lr=1").optimizer.lr, float)
    assert experiment(*TINY, "optimizer.lr='0.5'").optimizer.lr == 0.5
