"""A misspelt or missing option is refused wherever it stands, naming the option and the nearest right one."""

import re
from pathlib import Path

import pytest
from cli_support import TINY, Lrbench, assert_refused, files, in_process

from lrbench.config.experiments import experiment
from lrbench.config.hydra_errors import CALLED
from lrbench.errors import ConfigError


@pytest.fixture
def lrbench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Lrbench:
    folder = tmp_path / "here"
    folder.mkdir()
    return in_process(folder, monkeypatch, capsys)


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A folder of a user's own levels, for --config-dir."""
    return tmp_path / "mine"


def write(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


# the override with the typo, what the message names, the nearest right one
ON_THE_COMMAND_LINE = [
    ("optimzer=sgd", "optimzer", "optimizer"),
    ("schedular=step", "schedular", "scheduler"),
    ("recipy=cnn_paper", "recipy", "recipe"),
    ("scheduler=cosin", "scheduler=cosin", "cosine"),
    ("warmup=liner5", "warmup=liner5", "linear5"),
    ("recipe=cnn_papr", "recipe=cnn_papr", "cnn_paper"),
    ("batchsize=32", "batchsize", "batch_size"),
    ("lr=0.1", "lr=0.1", "optimizer.lr"),
    ("optimizer.lrr=0.1", "optimizer.lrr", "optimizer.lr"),
    ("scheduler.intervall=batch", "scheduler.intervall", "scheduler.interval"),
    ("scheduler.args.eta_mn=0.1", "scheduler.args.eta_mn", "scheduler.args.eta_min"),
    ("warmup.lenght=5ep", "warmup.lenght", "warmup.length"),
    ("data.augment.hfip=true", "data.augment.hfip", "data.augment.hflip"),
    ("start.off=abc", "start.off", "start.of"),
    ("lr_scaling.rul=linear", "lr_scaling.rul", "lr_scaling.rule"),
    ("scheduler._target_=torch.optim.lr_scheduler.CosineAnealingLR", "scheduler._target_", "CosineAnnealingLR"),
    ("+batchsize=32", "batchsize", "batch_size"),
    ("+optimizer.lrr=0.1", "optimizer.lrr", "lr"),
    ("+optimizer.args.momentun=0.9", "optimizer.args.momentun", "momentum"),
    ("+scheduler.intervall=batch", "scheduler.intervall", "interval"),
    ("+scheduler.args.eta_mn=0.1", "scheduler.args.eta_mn", "eta_min"),
    ("+data.augment.hfip=true", "data.augment.hfip", "hflip"),
    ("+data.args.val_sise=3", "data.args.val_sise", "val_size"),
    ("+task.args.label_smothing=0.1", "task.args.label_smothing", "label_smoothing"),
    ("+model.args.droput=0.1", "model.args.droput", "dropout"),
    ("++batchsize=32", "batchsize", "batch_size"),
]


# One of each kind, by where the option stands and how it is typed; the others are slow.
KINDS = ("optimzer=sgd", "scheduler=cosin", "recipe=cnn_papr", "batchsize=32", "lr=0.1", "optimizer.lrr=0.1",
         "scheduler.args.eta_mn=0.1", "start.off=abc", "scheduler._target_=", "+batchsize=32", "+optimizer.lrr=0.1",
         "+scheduler.args.eta_mn=0.1", "+data.augment.hfip=true", "++batchsize=32")  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(
    ("override", "option", "nearest"),
    [pytest.param(*a, marks=[] if a[0].startswith(KINDS) else [pytest.mark.slow]) for a in ON_THE_COMMAND_LINE],
)
def test_on_the_command_line(override: str, option: str, nearest: str, lrbench: Lrbench, tmp_path: Path) -> None:
    assert_refused(lrbench(*TINY, override), option, f"Did you mean '{nearest}'?")
    assert files(tmp_path) == []


@pytest.mark.parametrize("name", CALLED)
def test_what_others_call_it(name: str) -> None:
    """How it is written here is an override that composes."""
    asked, *_ = CALLED[name].split(", or ")
    with pytest.raises(ConfigError, match=f"there is no option '{name}'; write {re.escape(asked)}"):
        experiment(f"{name}=1")
    assert experiment(asked)


def test_in_the_arguments_of_a_tracker(lrbench: Lrbench, tmp_path: Path) -> None:
    said = lrbench(*TINY, "tracker=wandb", "+tracker.args.projct=x")
    assert_refused(said, "tracker.args.projct", "Did you mean 'project'?")
    assert files(tmp_path) == []


COSINE = """# Mine.
_target_: torch.optim.lr_scheduler.CosineAnnealingLR
interval: epoch
args:
  T_max: end
"""

IN_A_GROUP_FILE = [
    (COSINE.replace("interval:", "intervall:"), "scheduler.intervall", "Did you mean 'scheduler.interval'?"),
    (COSINE.replace("interval: epoch\n", ""), "scheduler.interval", "has no value"),
    (COSINE.replace("_target_:", "_traget_:"), "scheduler._traget_", "Did you mean 'scheduler._target_'?"),
    (COSINE.replace("T_max", "Tmax"), "scheduler.args.Tmax", "Did you mean 'T_max'?"),
    (COSINE.replace("  T_max: end\n", "  eta_min: 0.1\n"), "scheduler.args", "CosineAnnealingLR needs T_max"),
    (COSINE.replace("args:\n  T_max: end\n", ""), "scheduler.args", "CosineAnnealingLR needs T_max"),
    (COSINE + "  optimizer: sgd\n", "scheduler.args.optimizer", "remove it"),
    (COSINE.replace("epoch", "epochs"), "scheduler.interval", "epoch, batch, metric"),
    (COSINE + "own_warmpu: true\n", "scheduler.own_warmpu", "Did you mean 'scheduler.own_warmup'?"),
    (
        COSINE.replace("CosineAnnealingLR", "CosineAnealingLR"),
        "scheduler._target_",
        "Did you mean 'CosineAnnealingLR'?",
    ),
]


@pytest.mark.slow
@pytest.mark.parametrize(("text", "option", "said"), IN_A_GROUP_FILE)
def test_in_a_group_file(text: str, option: str, said: str, lrbench: Lrbench, mine: Path) -> None:
    write(mine, "scheduler/mine.yaml", text)
    assert_refused(lrbench("--config-dir", str(mine), *TINY, "scheduler=mine"), option, said)


@pytest.mark.slow
def test_the_file_without_a_typo_trains(lrbench: Lrbench, mine: Path) -> None:
    """The other side of the tests above: the same file, right, is a level like any other."""
    write(mine, "scheduler/mine.yaml", COSINE)
    assert lrbench("plot", "--config-dir", str(mine), *TINY, "scheduler=mine").code == 0
    assert lrbench("plot", f"hydra.searchpath=[file://{mine}]", *TINY, "scheduler=mine").code == 0


def test_a_level_of_ones_own_is_known(lrbench: Lrbench, mine: Path) -> None:
    write(mine, "scheduler/mine.yaml", COSINE)
    assert_refused(lrbench("--config-dir", str(mine), "scheduler=mime"), "scheduler=mime", "Did you mean 'mine'?")


RECIPE = """# @package _global_
# Mine.
defaults:
  - override /scheduler: step
horizon: 10ep
"""

IN_A_RECIPE = [
    (RECIPE.replace("horizon:", "horizonn:"), "horizonn", "Did you mean 'horizon'?"),
    (RECIPE.replace("/scheduler: step", "/scheduler: stepp"), "scheduler=stepp", "Did you mean 'step'?"),
    (RECIPE.replace("/scheduler:", "/schedular:"), "schedular", "Did you mean 'scheduler'?"),
    (RECIPE + "scheduler:\n  intervall: batch\n", "scheduler.intervall", "Did you mean 'scheduler.interval'?"),
    (RECIPE + "batch_size: many\n", "batch_size=many", "this is no whole number"),
]


@pytest.mark.parametrize(("text", "option", "said"), IN_A_RECIPE)
def test_in_a_recipe(text: str, option: str, said: str, lrbench: Lrbench, mine: Path) -> None:
    write(mine, "recipe/mine.yaml", text)
    assert_refused(lrbench("--config-dir", str(mine), "recipe=mine"), option, said)


@pytest.mark.slow
def test_in_an_empty_file(lrbench: Lrbench, mine: Path) -> None:
    write(mine, "recipe/mine.yaml", "")
    assert_refused(lrbench("--config-dir", str(mine), "recipe=mine"), "this is no recipe", "# @package _global_")
    write(mine, "scheduler/mine.yaml", "# nothing\n")
    said = lrbench("--config-dir", str(mine), "scheduler=mine")
    assert_refused(said, "scheduler._target_, scheduler.interval: these options of scheduler have no value")
    assert_refused(said, "scheduler._target_=... scheduler.interval=...", "one that is empty gives nothing")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("overrides", "option"),
    [
        (("scheduler=custom",), "scheduler._target_"),
        (("scheduler=custom", "scheduler._target_=torch.optim.lr_scheduler.StepLR"), "scheduler.interval"),
        (("scheduler=custom", "scheduler._target_=torch.optim.lr_scheduler.StepLR", "scheduler.interval=epoch"),
         "+scheduler.args.step_size="),
        (("~scheduler.args.T_max",), "+scheduler.args.T_max="),
        (("~optimizer.lr",), "optimizer"),
    ],
)  # fmt: skip
def test_a_missing_argument_is_named(overrides: tuple[str, ...], option: str, lrbench: Lrbench) -> None:
    assert_refused(lrbench(*overrides), option)


@pytest.mark.parametrize("overrides", [("scheduler.args.eta_mn=1",), ("+batchsize=3",), ("scheduler=cosin",)])
def test_in_python(overrides: tuple[str, ...]) -> None:
    """From Python, Hydra's own errors may come out; never an Experiment."""
    with pytest.raises(Exception, match=r"eta_mn|batchsize|cosin"):
        experiment(*overrides)


@pytest.mark.slow
def test_in_the_parent_of_a_fork(lrbench: Lrbench) -> None:
    said = lrbench(*TINY, "start.of=['scheduler=cosin']")
    assert_refused(said, "start.of", "scheduler=cosin", "Did you mean 'cosine'?")
    said = lrbench(*TINY, "start.of=['+scheduler.args.eta_mn=1']")
    assert_refused(said, "start.of", "scheduler.args.eta_mn", "Did you mean 'eta_min'?")
    with pytest.raises(ConfigError, match=r"start\.of=cnn_papr: recipe=cnn_papr: .*Did you mean 'cnn_paper'"):
        experiment("start.of=cnn_papr")


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("~seed", "~seed: every run has this option, so it cannot be taken away"),
        ("~channels_last=null", "~channels_last: every run has this option"),
        ("early_stop=${seed}", "early_stop=0: it has options of its own; give each of them"),
        ("start.carry=${horizon}", "start.carry=30ep: it is a list"),
    ],
)
def test_what_is_taken_away_or_follows_another_kind_of_option(lrbench: Lrbench, override: str, said: str) -> None:
    for command in ((), ("plot",), ("check",)):
        assert_refused(lrbench(*command, override), said)
