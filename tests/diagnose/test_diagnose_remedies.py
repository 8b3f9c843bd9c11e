"""What is offered to try composes, for runs broken in every way; and how a command is changed."""

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_series import Curve, of

from lrbench.config.experiments import experiment
from lrbench.diagnose.diagnose import diagnose
from lrbench.diagnose.diagnosis import Try
from lrbench.diagnose.hearing import hearing_of
from lrbench.diagnose.remedies import changed, command, fork, quoted, rate, shown
from lrbench.diagnose.series import Series
from lrbench.experiment import Experiment

BASE = ("model=mlp", "model.args.hidden=[8]", "tracker=none", "horizon=10ep")


def falls(x: np.ndarray) -> np.ndarray:
    return 0.05 + 2.25 * np.exp(-7 * x)


def stands(x: np.ndarray) -> np.ndarray:
    return 0.8 + 1.5 * np.exp(-30 * x)


def breaks(x: np.ndarray, at: float = 0.04) -> np.ndarray:
    return np.where(x < at, falls(x), np.nan)


def breaks_late(x: np.ndarray) -> np.ndarray:
    return breaks(x, 0.6)


def rises(x: np.ndarray) -> np.ndarray:
    return 2.3 + 3 * np.minimum(x * 50, 1)


EVALUATED = np.arange(1, 11) * 16.0
PLATEAU = np.array([1.0, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5])

HEARD = {"heard": tuple(PLATEAU.tolist()), "val": PLATEAU}


def broken(overrides: tuple[str, ...], loss: Any, **more: Any) -> Series:
    """A run's series. val: what ten evaluations gave; heard: the same, where the schedule heard them."""
    if "val" in more:
        more = {**more, "val_loss": Curve(EVALUATED, more["val"])}
    given = {k: v for k, v in more.items() if k != "val"}
    return of(experiment(*BASE, *overrides), loss, overrides=(*BASE, *overrides), **given)


CASES = {
    "unstable": (("scheduler=cosine",), breaks, {}),
    "unstable-late": (("scheduler=constant",), breaks_late, {}),
    "unstable-late-warm": (("scheduler=cosine", "warmup=linear2", "param_groups=backbone_head"), breaks_late, {}),
    "blown-up": (("scheduler=constant", "optimizer=adamw", "clip=1.0"), rises, {}),
    "warmup": (("scheduler=step", "warmup=linear_10pct", "warmup.length=1ba"), breaks, {}),
    "onecycle": (("scheduler=onecycle",), lambda x: breaks(x, 0.25), {}),
    "onecycle-stepped": (
        ("scheduler=onecycle", "scheduler.interval=epoch", "scheduler.args.total_steps=160"), falls, {}
    ),
    "plateau-constant": (("scheduler=constant",), stands, {}),
    "plateau-cut": (("scheduler=multistep", "scheduler.args.milestones=['@1ep','@2ep']"), stands, {}),
    "still": (("scheduler=constant",), lambda x: 2.3 - 1e-3 * x, {}),
    "short-cosine": (
        ("scheduler=cosine", "scheduler.args.T_max=2", "scheduler.only_falls=false"), falls, {}
    ),
    "down": (("scheduler=exponential", "scheduler.args.gamma=0.3/ep"), falls, {}),
    "gap": (("scheduler=cosine", "optimizer=adamw"), falls, {"val": np.full(10, 0.6)}),
    "high-at-the-end": (
        ("scheduler=cosine", "scheduler.args.eta_min=0.5x"), falls, {"val": 0.3 + 0.1 * np.array([1, -1] * 5)}
    ),
    "patience": (("scheduler=plateau", "scheduler.args.patience=20"), stands, HEARD),
    "threshold": (
        ("scheduler=plateau", "scheduler.args.patience=2", "scheduler.args.threshold=-1.0"), stands, HEARD
    ),
    "lowest": (
        ("scheduler=plateau", "scheduler.args.patience=2", "scheduler.args.min_lr=1x"), stands, HEARD
    ),
}  # fmt: skip
FOUND = {
    "unstable": "unstable-training (too-high-at-start)",
    "unstable-late": "unstable-training (too-high)",
    "unstable-late-warm": "unstable-training (too-high)",
    "blown-up": "unstable-training (too-high-at-start)",
    "warmup": "warmup-without-effect (too-short)",
    "onecycle": "onecycle (peak-too-high)",
    "onecycle-stepped": "onecycle (stepped-too-seldom)",
    "plateau-constant": "plateau (never-lowered)",
    "plateau-cut": "plateau (cut-too-early)",
    "still": "plateau (too-low)",
    "short-cosine": "decay-too-fast (too-short)",
    "down": "decay-too-fast (too-short)",
    "gap": "poor-final-result (overfitting)",
    "high-at-the-end": "poor-final-result (rate-still-high)",
    "patience": "plateau-never-cuts (patience-too-long)",
    "threshold": "plateau-never-cuts (threshold-too-low)",
    "lowest": "plateau-never-cuts (lowest-rate-reached)",
}


QUICK = ("unstable-late", "plateau-cut", "short-cosine", "high-at-the-end", "patience")


@pytest.mark.slow
@pytest.mark.parametrize("name", [pytest.param(n, marks=[] if n in QUICK else [pytest.mark.slow]) for n in CASES])
def test_found_and_what_to_try_composes(name: str) -> None:
    """Each with the seed of the run, a fork from its own past; nothing but what it says it changes is other."""
    overrides, loss, more = CASES[name]
    series = broken(overrides, loss, **more)
    found = diagnose(series).found
    assert found
    assert f"{found[0].finding.rule.removeprefix('diagnose.')} ({found[0].cause})" == FOUND[name]
    commands = [command(series, what) for d in found for what in d.tries if what.changes]
    assert commands
    for words in commands:
        made = composed(words)
        assert made.model == series.experiment.model
        assert made.seed == series.experiment.seed
        if made.start is not None:
            assert made.start.of == series.experiment
            assert made.clock.updates >= made.clock.per_eval


def composed(words: list[str]) -> Experiment:
    """The Experiment of a command as a shell hands it over."""
    lrbench, *overrides = shlex.split(shown(words))
    assert lrbench == "lrbench"
    return experiment(*overrides)


@pytest.mark.slow
def test_a_fork_of_a_fork() -> None:
    """Quotes inside quotes."""
    parent = ("scheduler=multistep", "scheduler.args.milestones=['@1ep','@2ep']")
    listed = ",".join(map(quoted, (*BASE, *parent)))
    typed = (*BASE, f"start.of=[{listed}]", "start.at=2ep", "scheduler=constant")
    series = of(experiment(*typed), breaks_late, overrides=typed)
    words = command(series, Try(says="", changes=("scheduler=cosine",), at=16, horizon="9ep"))
    assert words is not None
    made = composed(words)
    assert made.start.of == series.experiment
    assert made.start.of.start.of == experiment(*BASE, *parent)


def test_changed() -> None:
    """A group's own overrides go with its level; the same key is given once; the rest stays in its order."""
    typed = ["+scheduler.args.gamma=1", "scheduler=step", "model=mlp", "optimizer.lr=3", "scheduler/args=x"]
    assert changed(typed, ["scheduler=cosine"]) == ["model=mlp", "optimizer.lr=3", "scheduler=cosine"]
    assert changed(typed[1:4], ["optimizer.lr=1"]) == ["scheduler=step", "model=mlp", "optimizer.lr=1"]
    assert changed(["scheduler=step"], ["scheduler.args.gamma=1"]) == ["scheduler=step", "scheduler.args.gamma=1"]


def test_no_command_where_none_is_known() -> None:
    series = replace(broken(("scheduler=constant",), stands), overrides=None)
    assert command(series, Try(says="", changes=("clip=1.0",))) is None
    assert command(replace(series, overrides=()), Try(says="look at it")) is None
    assert fork(series, 0, 0.1, "") is None  # nothing lies before update 0


def test_rates_as_a_person_writes_them() -> None:
    assert [rate(v) for v in (0.1 * 0.3, 1e-3 / 3, 12.34, 5e-7)] == ["0.03", "0.00033", "12", "5e-07"]


@pytest.mark.parametrize(
    ("overrides", "metrics", "cause"),
    [
        (("scheduler.args.patience=2", "scheduler.args.threshold=0.9"), np.linspace(1, 0.4, 10), "threshold-too-high"),
        (("scheduler.args.patience=2",), np.linspace(1, 0.4, 10), None),  # never cut
        (("scheduler.args.patience=2",), PLATEAU, None),  # cut where nothing improved
    ],
)
def test_cut_while_improving(overrides: tuple[str, ...], metrics: np.ndarray, cause: str | None) -> None:
    series = broken(("scheduler=plateau", *overrides), falls, heard=tuple(metrics.tolist()))
    why = hearing_of(series).cut_while_improving()
    assert (why and why[0]) == cause


def test_a_wrong_mode_is_found_where_somebody_went_round_the_refusal() -> None:
    made = experiment(*BASE, "scheduler=plateau", "scheduler.args.patience=2")
    wrong = replace(made, scheduler=replace(made.scheduler, args={**made.scheduler.args, "mode": "max"}))
    series = of(made, falls, heard=tuple(np.linspace(1, 0.4, 10)))
    heard = hearing_of(replace(series, experiment=wrong))
    assert heard.cuts[0] == 4
    assert heard.cut_while_improving()[0] == "wrong-mode"


def test_a_stall_by_cuts_that_came_while_the_metric_improved_is_the_settings_affair() -> None:
    overrides = ("scheduler=plateau", "scheduler.args.patience=2", "scheduler.args.threshold=0.9")
    metrics = tuple(np.linspace(1, 0.4, 10).tolist())
    made = broken(overrides, stands, heard=metrics)
    rates = np.full(len(made.rate), 0.1)
    rates[16:], rates[48:] = 0.01, 0.001
    named = [d.cause for d in diagnose(replace(made, rate=replace(made.rate, value=rates))).found]
    assert named[0] == "threshold-too-high"
    assert "cut-too-early" not in named


def test_a_metric_that_still_improves_has_nothing_to_cut_at() -> None:
    series = broken(("scheduler=plateau",), falls, heard=tuple(np.linspace(1, 0.4, 10)))
    assert [d.finding.rule for d in diagnose(series).found if d.finding.severity != "note"] == []


def test_other_schedules_hear_nothing(tmp_path: Path) -> None:
    assert hearing_of(broken(("scheduler=cosine",), falls, heard=None)) is None
