"""A sweep whose first runs all fail alike stops and says so; any other goes on to its end."""

from pathlib import Path
from typing import Any

import pytest

from lrbench.config.entries import entries
from lrbench.config.grid import expanded
from lrbench.sweep.alike import FIRST, Alike
from lrbench.sweep.carry_out import carry_out
from lrbench.sweep.freeze import freeze
from lrbench.sweep.observer import Observer
from lrbench.sweep.words import lines


def heard(*ends: tuple[str, str]) -> list[bool]:
    alike = Alike()
    return [alike(*end) is not None for end in ends]


FAILED, OTHER, FINE = ("failed", "ValueError: no update 17"), ("failed", "OSError: gone"), ("finished", "")


def test_it_stops_at_the_third_and_only_there() -> None:
    assert FIRST == 3
    assert heard(FAILED, FAILED, FAILED, FAILED) == [False, False, True, False]
    assert heard(FAILED, ("failed", "ValueError: no update 18"), FAILED) == [False, False, True]  # numbers aside
    assert heard(FAILED, OTHER, FAILED, FAILED, FAILED) == [False] * 5
    assert heard(FAILED, FAILED, FINE, FAILED, FAILED, FAILED) == [False] * 6
    assert heard(("diverged", ""), ("diverged", ""), ("diverged", "")) == [False] * 3


BROKEN = """
import torch


class Opt(torch.optim.SGD):
    def __init__(self, params, lr=0.1, fine=False):
        super().__init__(params, lr=lr)
        self.fine = fine

    def step(self, closure=None):
        if not self.fine:
            raise RuntimeError("in the middle of everything")
        return super().step(closure)
"""


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_sweep_of_nine(workers: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_opt.py").write_text(BROKEN)
    monkeypatch.syspath_prepend(str(tmp_path))
    said: list[str] = []

    class Hears(Observer):
        def say(self, text: str) -> None:
            said.append(text)

    small = ["tracker=none", f"results={tmp_path}/results", "model=mlp", "horizon=1ep", "batch_size=256"]
    broken = ["optimizer=custom", "optimizer._target_=broken_opt.Opt", "optimizer.lr=0.1"]
    overrides = [*small, *broken, "seed=range(9)"]

    def plan(*more: str) -> Any:
        return freeze(entries(expanded([*overrides, *more])))

    outcome = carry_out(plan(), workers, Hears())
    assert outcome.end == "all alike"
    failed = outcome.standings().count("failed")
    assert 3 <= failed <= 2 + workers  # one more may be under way
    assert outcome.standings().count("new") == 9 - failed
    (told,) = [text for text in said if "all failed alike" in text]
    assert "broken_opt.py, line 12, in step: RuntimeError: in the middle of everything" in told
    assert lines(outcome) == [f"stopped. {failed} failed, {9 - failed} new."] or workers == 2
    if workers == 1:
        retried = carry_out(plan("+optimizer.args.fine=true", "seed=0", "retry=true"), 1, Hears())
        assert retried.end == "done"


def test_a_retry_that_finishes_leaves_no_traceback(make: Any, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from lrbench.engine import attempt

    def breaks(*_: object) -> None:
        raise RuntimeError("once")

    with monkeypatch.context() as broken:
        broken.setattr(attempt, "_finish", breaks)
        with pytest.raises(RuntimeError, match="once"):
            run(make())
    record = run(make())
    assert record.traceback.exists()
    assert (record.status()["state"], record.status()["error"]) == ("failed", "RuntimeError: once")
    record = run(make(), retry=True)
    assert record.standing() == "finished"
    assert not record.traceback.exists()
