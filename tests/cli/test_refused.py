"""Slips of a person's at the command line: refused with the reason and the cure, and nothing is written."""

import os
from pathlib import Path

import pytest
from cli_support import TINY, Lrbench, assert_refused, files, in_process


@pytest.fixture
def lrbench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Lrbench:
    folder = tmp_path / "here"
    folder.mkdir()
    return in_process(folder, monkeypatch, capsys)


SLIPS = [
    (("scheduler.args.T_max={1:2}",), ["scheduler.args.T_max.1", "no such parameter group"]),
    (("accepts={1:x}",), ["accepts.1=x", "no such rule"]),
    (("model.args={1:2}",), ["model.args={1:2}", "its keys are names"]),
    (("data.augment={hflp:true}",), ["data.augment.hflp", "Did you mean 'data.augment.hflip'?"]),
    (("scheduler=onecycle", "++optimizer.args.momentum=x"), ["optimizer.args.momentum=x", "give momentum as 0.9"]),
    (("results=résultats",), ["results=résultats", "ASCII", "'results=\"résultats\"'"]),
    (("warmup=5",), ["warmup=5", "one of its levels", "linear5"]),
    (("keep=[bst]",), ["keep=bst", "or best, for the weights with the best monitor"]),
    (("--name", "mine"), ["--name", "add -m"]),
    (("--skip-invalid",), ["--skip-invalid", "add -m"]),
    (("hydra.run.dir='???'",), ["hydra.run.dir", "results=FOLDER"]),
    (("-m", "seed=0,1", "hydra.sweep.dir=x"), ["hydra.sweep.dir=x", "Hydra writes nothing here"]),
    (("threads=99999999",), ["threads=99999999", "no machine has so many cores"]),
    (("horizon=99999999999ep",), ["horizon=99999999999ep", "at most 100,000,000"]),
    (("model.args.hidden=[99999999999999999999999]",), ["model=mlp", "cannot be built"]),
    (("plot", "out=nodir/x.png"), ["out=nodir/x.png", "there is no folder nodir"]),
    (("show", "/nonexistent/x"), ["/nonexistent/x", "begins so"]),
    (("show", "a**b"), ["a**b", "begins so"]),
    (("show", "[a"), ["[a", "begins so"]),
    (("show", ".."), ["..", "begins so"]),
]


@pytest.mark.slow
@pytest.mark.parametrize(("words", "said"), SLIPS, ids=lambda v: "_".join(v)[:40] if isinstance(v, tuple) else "")
def test_a_slip_is_refused(words: tuple[str, ...], said: list[str], lrbench: Lrbench, tmp_path: Path) -> None:
    command, rest = (words[:1], words[1:]) if words[0] in ("plot", "show") else ((), words)
    given = () if command == ("show",) else TINY
    assert_refused(lrbench(*command, *given, *rest), *said)
    assert files(tmp_path) == []
    assert os.listdir(tmp_path / "here") == []


@pytest.mark.slow
def test_a_word_that_resembles_nothing_is_not_guessed(lrbench: Lrbench) -> None:
    said = lrbench(*TINY, "+xyzzy=[f1]")
    assert_refused(said, "xyzzy=[f1]", "there is no such option")
    assert "Did you mean" not in said.err
    assert_refused(lrbench(*TINY, "+metrics=[f1]"), "metrics=[f1]", "Did you mean 'own_metrics'?")


def test_all_that_is_missing_is_asked_for_at_once_with_what_it_counts(lrbench: Lrbench) -> None:
    said = lrbench("data=image_folder", "tracker=none")
    assert_refused(said, "data.args.root, data.args.val_size", "how many images of train are held out for validation")
    assert_refused(said, "data.args.root=... data.args.val_size=...")


def test_a_folder_that_is_gone(lrbench: Lrbench, tmp_path: Path) -> None:
    (tmp_path / "here").rmdir()
    try:
        assert_refused(lrbench(*TINY), "the folder you are in is gone")
    finally:
        os.chdir(tmp_path)
