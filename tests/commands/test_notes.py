"""What `train`, `plot` and a sweep's plan say of a schedule, each thing once, before anything is trained."""

from pathlib import Path

import pytest
from cli_support import TINY, Lrbench, in_process

SHIFTED = ("scheduler=multistep", "scheduler.args.milestones=[2,3]", "warmup=linear1", "horizon=5ep")
WARNING = """warning  scheduler.args.milestones=[2, 3]: bare numbers count from the end of
         the warmup, so these are epochs 3 and 4 of the run; ['@2ep', '@3ep']
         count from its start. [check.milestones-shifted-by-warmup{many}]
         `lrbench check` instead of the command shows what would mend it.
"""


@pytest.fixture
def lrbench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Lrbench:
    return in_process(tmp_path, monkeypatch, capsys)


@pytest.mark.parametrize("command", [("train",), ("plot",), ("-m", "seed=0,1", "--dry-run"), ("-m", "seed=0,1")])
@pytest.mark.usefixtures("without_picture")
def test_it_is_said_once(command: tuple[str, ...], lrbench: Lrbench) -> None:
    said = lrbench(*command, *TINY, *SHIFTED, "hydra.launcher.workers=1")
    assert said.code == 0, said.err
    assert said.err.count("warning") == 1
    shown = WARNING.format(many="; 2 of 2 runs" if "-m" in command else "")
    assert " ".join(shown.split()) in " ".join(said.err.split())
    assert max(map(len, shown.splitlines())) <= 80


def test_nothing_is_said_where_there_is_nothing_to_say(lrbench: Lrbench) -> None:
    assert lrbench("plot", *TINY, "scheduler=multistep", "scheduler.args.milestones=[2,3]", "horizon=5ep").err == ""


def test_nor_of_what_is_refused(lrbench: Lrbench) -> None:
    said = lrbench("plot", *TINY, "scheduler=cosine", "scheduler.args.eta_min=1.0")
    assert said.code == 2
    assert "warning" not in said.err
    assert "eta_min=0.1x" in said.err
