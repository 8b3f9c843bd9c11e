"""Whatever a command refuses, it has written nothing: a folder of records and a file beside it stay as they were."""

from pathlib import Path

import pytest
from cli_support import TINY, Lrbench, in_process
from made_records import put

from lrbench.config.experiments import experiment

# What is refused only once the records have been read, or much has been done, stands here too.
REFUSED = [
    ("runs", "test/f1>0"),
    ("runs", "scheduler=cosin"),
    ("runs", "--columns", "sede"),
    ("runs", "seed=0", "--sort", "acc"),
    ("runs", "state=failed", "--export", "rows.csv"),
    ("runs", "--parquet", "nodir/file/runs.parquet", "--sort", "acc"),
    ("report", "--where", "scheduler=cosin"),
    ("report", "--where", "seed=0", "--metric", "test/f1"),
    ("report", "--where", "seed=0", "--baseline", "nobody"),
    ("report", "--where", "seed=7"),
    ("report", "--claims", "--json"),
    ("report", "--where", "seed=0", "--name", "a/b"),
    ("wandb", "export", "--where", "seed=7"),
    ("wandb", "sync", "--where", "seed=0"),
    ("verify", "nosuch"),
    ("show", "nosuch"),
    ("status", "nosuch"),
    ("wait", "nosuch"),
    ("cancel", "nosuch"),
    ("eval", "nosuch"),
    ("diagnose", "nosuch.csv"),
    ("diagnose", "notes.txt", "--reported", "x"),
    ("claims", "run", "nosuch"),
    ("claims", "--kind", "nosuch"),
    ("advise", "--domain", "nosuch"),
    ("compare", "nosuch"),
    ("compare", *TINY, "scheduler=constant,cosine", "--noise", "1%"),
    ("compare", *TINY, "scheduler=constant,cosine", "--name", "a/b"),
    ("compare", *TINY, "scheduler=constant,cosine", "force=true"),
    ("compare", *TINY, "scheduler=constant,cosin"),
    ("find-lr", *TINY, "out=results/new/x.foo", "find_lr.seeds=1"),
    ("find-lr", *TINY, "out=nodir/x.png", "find_lr.seeds=1"),
    ("find-lr", *TINY, "find_lr.rule=nosuch"),
    ("plot", *TINY, "out=results/new/x.foo"),
    ("plot", *TINY, "optimizer.lr=-1"),
    ("check", *TINY, "--sarif", "nodir/x.sarif"),
    ("check", "--rates", "nosuch.csv"),
    ("export", "--torch", *TINY, "--out", "nodir/schedule.py"),
    ("import", "timm", "nosuch.yaml"),
    (*TINY, "seed=0", "optimizer.lr=-1"),
    (*TINY, "keep=[best]", "monitor=val/f1"),
    ("-m", *TINY, "seed=0,1", "optimizer.lr=0.1,-1"),
    ("-m", *TINY, "seed=0,1", "hydra.launcher.workers=0"),
    ("-m", *TINY, "seed=0,1", "--arm", "a: seed=3"),
]  # fmt: skip


@pytest.fixture
def lrbench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Lrbench:
    for seed in range(2):
        put(tmp_path / "results", experiment(*TINY, f"seed={seed}"), test__loss=0.5, test__accuracy=0.9, seconds=1.0)
    (tmp_path / "notes.txt").write_text("no log\n")
    return in_process(tmp_path, monkeypatch, capsys)


def content(folder: Path) -> dict[str, bytes | None]:
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in folder.rglob("*")}


@pytest.mark.parametrize("words", REFUSED, ids=lambda words: " ".join(w for w in words if w not in TINY))
def test_nothing_is_written(words: tuple[str, ...], lrbench: Lrbench, tmp_path: Path) -> None:
    before = content(tmp_path)
    said = lrbench(*words)
    assert (said.code, said.out) == (2, ""), said
    assert said.err.splitlines()[-1].startswith("lrbench: ")
    assert content(tmp_path) == before
