"""A schedule as code on torch alone: executed in a loop of its own, it sets the table's numbers to the bit."""

import subprocess
import sys
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from cli_support import Lrbench, assert_refused, in_process
from pairwise import pairwise

from lrbench.config.plans import plan_of
from lrbench.errors import ConfigError
from lrbench.experiment import Optimizer, Scheduler, Warmup, WeightDecay
from lrbench.experiment.schedule_plan import SchedulePlan
from lrbench.horizon import Clock
from lrbench.interop.export import export
from lrbench.schedules import hears_metric, lr_table

CONF = Path(__file__).parents[2] / "conf"
SCHEDULERS = [p.stem for p in sorted((CONF / "scheduler").glob("*.yaml")) if p.stem != "custom"]
WARMUPS = [p.stem for p in sorted((CONF / "warmup").glob("*.yaml"))]
PER_EPOCH = 2
EPOCHS = 40
# Epochs of the levels with drops at fixed ones.
LONG = {"multistep_200": 220, "multistep_30_60_90": 100}


def plan(*overrides: str, epochs: int = EPOCHS) -> SchedulePlan:
    """Of these overrides."""
    return plan_of(["optimizer=sgd", *overrides], updates=epochs * PER_EPOCH, per_epoch=PER_EPOCH)


@cache
def level(group: str, name: str) -> dict[str, Any]:
    """A level's file as the arguments of its dataclass."""
    plain = yaml.safe_load((CONF / group / f"{name}.yaml").read_text())
    return {"target": plain.pop("_target_"), **plain}


def of_levels(
    scheduler: str, warmup: str = "none", groups: str = "one", decay: bool = False, **fields: Any
) -> SchedulePlan:
    """Of levels' files, without Hydra; `fields` are the main scheduler's, `join` the warmup's."""
    join = {"join": fields.pop("join", None)}
    peaks, updates = GROUPS[groups], LONG.get(scheduler, 100 if warmup == "linear20" else EPOCHS) * PER_EPOCH
    return SchedulePlan(
        clock=Clock(updates, PER_EPOCH, PER_EPOCH),
        peaks=peaks,
        optimizer=Optimizer(**level("optimizer", "sgd")),
        scheduler=Scheduler(**{**level("scheduler", scheduler), **fields}),
        warmup=None if warmup == "none" else Warmup(**level("warmup", warmup), **join),
        monitor="val/loss",
        weight_decay=WeightDecay(**level("weight_decay", "cosine")) if decay else None,
        decays={name: 0.0 if name == "bare" else 1e-4 for name in peaks},
    )


def optimizer_of(made: SchedulePlan) -> torch.optim.Optimizer:
    """A real one with the plan's groups, each of one parameter."""
    decays = made.decays or {}
    groups = [
        {"params": [torch.nn.Parameter(torch.ones(1))], "lr": lr, "weight_decay": decays.get(name, 1e-4)}
        for name, lr in made.peaks.items()
    ]
    kind = torch.optim.AdamW if "betas" in made.optimizer.args else torch.optim.SGD
    return kind(groups, lr=0.1, **({} if kind is torch.optim.AdamW else {"momentum": 0.9}))


def used(code: str, made: SchedulePlan, metrics: dict[int, float]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What every update of a loop on the exported code used: rates, momenta, weight decays; metrics by the update after
    which they were measured."""
    scope: dict[str, Any] = {"__name__": "exported"}
    exec(compile(code, "exported.py", "exec"), scope)
    optimizer = optimizer_of(made)
    rates, rows = scope["schedule"](optimizer), []
    for update in range(scope["UPDATES"]):
        metric = metrics.get(update - 1)
        next(rates) if metric is None else rates.send(metric)
        rows.append(
            [
                (g["lr"], g["betas"][0] if "betas" in g else g["momentum"], g["weight_decay"])
                for g in optimizer.param_groups
            ]
        )
        if update == 0:  # all that torch wants to see before a scheduler's step
            optimizer.step()
    with pytest.raises(StopIteration):
        next(rates)
    return tuple(np.moveaxis(np.array(rows), 2, 0))  # type: ignore[return-value]


def heard(made: SchedulePlan, seed: int = 0) -> tuple[dict[int, float], list[float]]:
    """Metrics by the update after which each was measured, and those of them that the schedule hears."""
    if not hears_metric(made):
        return {}, []
    every = made.clock.per_eval
    values = np.random.default_rng(seed).exponential(size=made.clock.updates // every).tolist()
    at = {(i + 1) * every - 1: value for i, value in enumerate(values)}
    warmup = made.warm.phase.stop if made.warm else 0
    return at, [value for update, value in at.items() if update + 1 > warmup or not warmup]


def require_equal(made: SchedulePlan) -> None:
    """To the bit, all that the table has."""
    at, metrics = heard(made)
    table = lr_table(made, metrics)
    rates, momenta, decays = used(export(made), made, at)
    assert rates.tolist() == table.lr.tolist()
    if table.momentum is not None:
        assert momenta.tolist() == table.momentum.tolist()
    if table.weight_decay is not None:
        assert decays.tolist() == table.weight_decay.tolist()


GROUPS = {"one": {"all": 0.1}, "equal": {"body": 0.1, "bare": 0.1}, "apart": {"backbone": 0.01, "head": 0.1}}


def legal(scheduler: str, warmup: str, *_: str) -> bool:
    """A schedule that warms up by itself takes no warmup, and a drop at epoch 16 none of 20 epochs and more."""
    fits = warmup == "none" or not level("scheduler", scheduler).get("own_warmup")
    return fits and (scheduler, warmup) != ("multistep_16_22", "linear20")


@cache
def shapes() -> list[str]:
    """One warmup of each shape: the others differ from it in their length alone."""
    first: dict[str, str] = {}
    for warmup in WARMUPS:
        plain = level("warmup", warmup)
        first.setdefault(repr((plain["target"], plain.get("interval"), plain.get("args"))), warmup)
    return list(first.values())


def cases() -> list[Any]:
    """On every change an array of all pairs, with one warmup of each shape; every scheduler after every warmup among
    the slow tests; the whole product under `full`."""
    others = (("epoch", "batch"), [*GROUPS])
    quick = {*pairwise(SCHEDULERS, shapes(), *others, legal=legal)}
    slow = {*pairwise(SCHEDULERS, WARMUPS, *others, legal=legal)}
    return [
        pytest.param(*case, marks=[] if case in quick else [pytest.mark.slow if case in slow else pytest.mark.full])
        for case in product(SCHEDULERS, WARMUPS, *others)
        if legal(*case)
    ]


@pytest.mark.parametrize(("scheduler", "warmup", "interval", "groups"), cases())
def test_every_scheduler_after_every_warmup(scheduler: str, warmup: str, interval: str, groups: str) -> None:
    interval = "metric" if scheduler == "plateau" else interval
    require_equal(of_levels(scheduler, warmup, groups, interval=interval))


@pytest.mark.parametrize("join", ["replace", "min", "product"])
@pytest.mark.parametrize("scheduler", ["cosine", "cosine_hold", "cyclic", "multistep"])
@pytest.mark.parametrize("groups", ["one", "apart"])
def test_a_warmup_over_the_main_schedule(join: str, scheduler: str, groups: str) -> None:
    require_equal(of_levels(scheduler, "linear5", groups, join=join))


@pytest.mark.parametrize("groups", ["one", "equal", "apart"])
@pytest.mark.parametrize("scheduler", ["cosine", "onecycle", "cyclic"])
def test_a_schedule_of_the_weight_decay(groups: str, scheduler: str) -> None:
    """`bare` begins without weight decay, and keeps none."""
    require_equal(of_levels(scheduler, groups=groups, decay=True))


def test_values_by_group() -> None:
    args = {**level("scheduler", "cosine")["args"], "eta_min": {"backbone": 1e-6, "head": "0.01x"}}
    made = of_levels("cosine", "linear5", "apart", args=args)
    require_equal(made)
    assert "# backbone" in export(made)


def test_an_adam_has_betas() -> None:
    require_equal(plan("optimizer=adamw", "scheduler=onecycle"))


@pytest.mark.slow  # timm takes seconds to import
@pytest.mark.parametrize("target", ["CosineLRScheduler", "StepLRScheduler"])
def test_a_step_that_takes_the_count(target: str) -> None:
    """timm's schedulers, as in timm's own loop."""
    args = {"CosineLRScheduler": "'+scheduler.args.t_initial=20ep'", "StepLRScheduler": "'+scheduler.args.decay_t=5ep'"}
    made = plan(
        "scheduler=custom", f"scheduler._target_=timm.scheduler.{target}", "scheduler.interval=epoch",
        args[target].strip("'"), "warmup=linear5", epochs=40,
    )  # fmt: skip
    require_equal(made)
    assert f"from timm.scheduler import {target}" in export(made)


def test_a_class_of_ones_own_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "halving.py").write_text(
        "from torch.optim.lr_scheduler import LambdaLR\n\n\n"
        "class Halving(LambdaLR):\n"
        "    def __init__(self, optimizer, every):\n"
        "        super().__init__(optimizer, lambda t: 0.5 ** (t // every))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    made = plan("scheduler=custom", "scheduler._target_=halving.Halving", "scheduler.interval=epoch",
                "+scheduler.args.every=5ep", "warmup=linear5", epochs=40)  # fmt: skip
    require_equal(made)
    assert "from halving import Halving\n" in export(made)


TORCHS = "torch.optim.lr_scheduler"
RISING = {"_target_": f"{TORCHS}.LinearLR", "start_factor": 0.1, "total_iters": "5ep"}
FALLING = {"_target_": f"{TORCHS}.CosineAnnealingLR", "T_max": "30ep", "eta_min": "0.01x"}
NESTED = {
    "SequentialLR": {"schedulers": [RISING, FALLING], "milestones": ["@10ep"]},
    "ChainedScheduler": {"schedulers": [RISING, {"_target_": f"{TORCHS}.ExponentialLR", "gamma": 0.9}]},
    "LambdaLR": {"lr_lambda": {"_target_": "lambdas.halved", "_partial_": True, "every": "5ep"}},
}


@pytest.mark.parametrize("groups", [*GROUPS])
@pytest.mark.parametrize(("join", "warmup"), [(None, "none"), (None, "linear5"), ("min", "linear5")])
@pytest.mark.parametrize("name", NESTED)
def test_what_is_built_among_its_arguments(
    name: str, join: str | None, warmup: str, groups: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lambdas.py").write_text("def halved(t, every):\n    return 0.5 ** (t // every)\n")
    monkeypatch.syspath_prepend(tmp_path)
    custom = {"target": f"{TORCHS}.{name}", "args": NESTED[name], "interval": "epoch", "only_falls": None}
    require_equal(of_levels("cosine", warmup, groups, join=join, **custom))


def test_two_of_one_name_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.py").write_text(
        f"from {TORCHS} import LinearLR as Torchs\n\n\nclass LinearLR(Torchs):\n    pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    both = [RISING, {**RISING, "_target_": "mine.LinearLR"}]
    made = of_levels("cosine", target=f"{TORCHS}.ChainedScheduler", args={"schedulers": both}, only_falls=None)
    with pytest.raises(ConfigError, match=r"export=mine.LinearLR: torch.optim.lr_scheduler.LinearLR is in this .* too"):
        export(made)


@pytest.mark.parametrize(
    "levels", [("cosine", "linear5"), ("wsd", "linear_10pct_zero"), ("cosine_cycles",), ("inverse_sqrt",)]
)
def test_it_needs_torch_alone(levels: tuple[str, ...]) -> None:
    code = export(of_levels(*levels))
    assert "lrbench" not in code.replace("Made by lrbench", "")
    modules = {line.split()[1].partition(".")[0] for line in code.splitlines() if line.startswith(("import", "from"))}
    assert modules <= {"torch", *sys.stdlib_module_names}


def test_a_guard_stays_behind_and_its_function_is_whole() -> None:
    code = export(of_levels("wsd"))
    assert "ConfigError" not in code
    assert code.count("def stable_decay(") == 1
    assert "RISES" not in code


def test_other_rates_are_refused_by_the_code() -> None:
    scope: dict[str, Any] = {"__name__": "exported"}
    exec(export(of_levels("cosine")), scope)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.2)
    with pytest.raises(ValueError, match=r"made for parameter groups with the rates \[0.1\]"):
        next(scope["schedule"](optimizer))


def test_the_code_reads_well() -> None:
    """The whole of it, for the plainest case: an edit of the templates shows here."""
    code = export(plan("scheduler=cosine", "warmup=linear5", epochs=30), "lrbench export ...")
    assert code.partition("def schedule")[2] == (
        "(optimizer: Optimizer) -> Generator[None, float | None, None]:\n"
        '    """Sets what the update to come uses, at every next(); ends after the last update."""\n'
        '    if [group["lr"] for group in optimizer.param_groups] != PEAKS:\n'
        '        raise ValueError(f"this schedule was made for parameter groups with the rates {PEAKS}")\n'
        "    warmup = LinearLR(optimizer, start_factor=0.01, end_factor=1.0, total_iters=5)\n"
        "    for update in range(WARMUP):\n"
        "        yield\n"
        "        if (update + 1) % PER_EPOCH == 0:\n"
        "            warmup.step()\n"
        "    for group, peak in zip(optimizer.param_groups, PEAKS):  # the main schedule starts from the peak\n"
        '        group["lr"] = peak\n'
        '        group.pop("initial_lr", None)\n'
        "    main = CosineAnnealingLR(optimizer, T_max=25, eta_min=0.0)\n"
        "    for update in range(WARMUP, UPDATES):\n"
        "        yield\n"
        "        if (update + 1) % PER_EPOCH == 0:\n"
        "            main.step()\n"
    )


# ---- The command --------------------------------------------------------------------------------------------


@pytest.fixture
def lrbench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Lrbench:
    return in_process(tmp_path, monkeypatch, capsys)


def test_the_command_of_a_loop_of_ones_own(lrbench: Lrbench, tmp_path: Path) -> None:
    asked = ("scheduler=cosine", "warmup=linear5", "optimizer.lr=0.2", "--updates", "480", "--per-epoch", "16")
    said = lrbench("export", "--torch", *asked)
    assert (said.code, said.err) == (0, "")
    assert "lrbench export --torch scheduler=cosine" in said.out
    assert "PEAKS = [0.2]" in said.out
    written = lrbench("export", "--torch", *asked, "--out", "schedule.py")
    assert written.out == "written  schedule.py\n"
    assert (tmp_path / "schedule.py").read_text().partition("from ")[2] == said.out.partition("from ")[2]


def test_the_command_of_an_experiment_tells_what_plot_tells(lrbench: Lrbench) -> None:
    said = lrbench(
        "export", "tracker=none", "scheduler=multistep", "scheduler.args.milestones=[10,20]", "warmup=linear5"
    )
    assert said.code == 0
    assert "UPDATES = 480" in said.out
    assert "note     scheduler.args.milestones=[10, 20]: bare numbers count from the end of the warmup" in said.err


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (["scheduler=cosine", "--per-epoch", "16"], ["--per-epoch=16", "it goes with --updates"]),
        (["scheduler=cosine", "horizon=3ep", "--updates", "480"], ["horizon=3ep", "no part of a schedule", "updates"]),
        (["scheduler=cosine", "--updates", "480"], ["scheduler.interval=epoch", "no epochs"]),
        (["schedular=cosine", "--updates", "480"], ["schedular", "Did you mean 'scheduler'?"]),
        (["scheduler=cosines", "--updates", "480"], ["scheduler=cosines", "cosine"]),
        (["scheduler=cosine", "--updates", "0"], ["updates=0", "above 0"]),
        (["scheduler=cosine", "--out", "no/such/folder.py"], ["--out=no/such/folder.py", "No such file"]),
    ],
)
def test_refusals(lrbench: Lrbench, asked: list[str], words: list[str]) -> None:
    assert_refused(lrbench("export", *asked), *words)


def test_samples_need_a_batch() -> None:
    asked = ["scheduler=step", "scheduler.interval=batch", "scheduler.args.step_size=640sa"]
    with pytest.raises(ConfigError, match="how many samples an update has is not known"):
        plan(*asked)
    assert plan(*asked, "batch_size=64").main.spec.args["step_size"] == "640sa"
    require_equal(plan(*asked, "batch_size=64"))


@pytest.mark.slow
def test_the_file_runs_by_itself(tmp_path: Path) -> None:
    """In a process of its own, where lrbench cannot be imported."""
    made = of_levels("cosine_hold", "linear5")
    (tmp_path / "exported.py").write_text(export(made))
    (tmp_path / "loop.py").write_text(
        "import sys, torch\n"
        "sys.modules['lrbench'] = None\n"
        "from exported import UPDATES, schedule\n"
        "optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.1)\n"
        "rates = schedule(optimizer)\n"
        "for update in range(UPDATES):\n"
        "    next(rates)\n"
        "    optimizer.step()\n"
        "print(optimizer.param_groups[0]['lr'].hex())\n"
    )
    done = subprocess.run([sys.executable, "loop.py"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert float.fromhex(done.stdout.strip()) == lr_table(made).lr[-1, 0]
