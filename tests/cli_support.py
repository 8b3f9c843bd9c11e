"""`lrbench` in this process: its exit code and what it said."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from hydra.core.global_hydra import GlobalHydra

from lrbench.cli import main as cli

TINY = ("tracker=none", "model=mlp", "model.args.hidden=[8]", "horizon=2ep", "batch_size=256")  # 4 updates an epoch


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str


Lrbench = Callable[..., Said]


def in_process(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Lrbench:
    """The command line in an empty folder."""
    monkeypatch.chdir(folder)
    monkeypatch.delenv("LRBENCH_RESULTS", raising=False)
    monkeypatch.delenv("COMP_LINE", raising=False)
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")  # so that it is taken back after the test
    monkeypatch.setenv("COLUMNS", "100")

    def lrbench(*argv: str) -> Said:
        GlobalHydra.instance().clear()
        capsys.readouterr()
        code = cli.run(argv)
        GlobalHydra.instance().clear()
        out, err = capsys.readouterr()
        return Said(code, out, err)

    return lrbench


def assert_refused(said: Said, *words: str) -> None:
    """Exit code 2, one paragraph on stderr, nothing on stdout, each of the words in it."""
    assert said.code == 2, said
    assert said.out == ""
    assert said.err.startswith("lrbench: ")
    assert said.err.count("\n") == 1, said.err
    assert "Traceback" not in said.err
    for word in words:
        assert word in said.err, (word, said.err)


def files(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file() or p.is_symlink())
