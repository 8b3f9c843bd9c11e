"""The guide's mistakes as levels: each is what a person does with plain torch, and trains or fails as it says."""

import re
import shlex
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conf_files import CONF, FACTORS, composed, content, levels, made
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, OneCycleLR, ReduceLROnPlateau, SequentialLR

from lrbench.config.composer import composer
from lrbench.config.experiments import experiment
from lrbench.errors import ConfigError
from lrbench.experiment.identity import run_id
from lrbench.schedules import facts, lr_table

PITFALLS = [level for level in levels("pitfall") if level != "none"]
SHORT = ("model=mlp", "model.args.hidden=[16]", "tracker=none", "horizon=3ep")
NEEDS = {  # what keeps a level from a perceptron of three epochs
    "t_max_of_all_epochs": ("horizon=6ep",),
    "milestones_not_rebased": ("horizon=6ep",),
    "one_rate_for_all": ("model=timm", "model.args.name=test_resnet", "model.args.pretrained=false", "horizon=1ep",
                         "model.args.hidden=null"),
}  # fmt: skip
REFUSED = {"no_metric": "monitor", "verbose_plateau": "scheduler.args.verbose", "wrong_mode": "scheduler.args.mode"}


def one_now(names: Iterable[str]) -> list[Any]:
    """The first on every change, the others among the slow tests: Hydra composes each anew."""
    return [pytest.param(name, marks=[pytest.mark.slow] if i else []) for i, name in enumerate(names)]


def header(level: str) -> dict[str, str]:
    """The lines `# Key: value` of a level."""
    lines = (CONF / "pitfall" / f"{level}.yaml").read_text().splitlines()
    return dict(re.fullmatch(r"# (\w+): (.+)", line).groups() for line in lines[2:] if re.match(r"# \w+: ", line))


def overrides(level: str, *more: str) -> list[str]:
    """Short, and with what a level needs in place of it."""
    own = NEEDS.get(level, ())
    replaced = {o.partition("=")[0] for o in own}
    short = [o for o in SHORT if o.partition("=")[0] not in replaced]
    return [*short, *(o for o in own if o != "model.args.hidden=null"), f"pitfall={level}", *more]


@pytest.mark.parametrize("level", PITFALLS)
def test_a_level_says_what_it_is_and_what_comes_of_it(level: str) -> None:
    lines = (CONF / "pitfall" / f"{level}.yaml").read_text().splitlines()
    assert lines[0] == "# @package _global_"
    assert re.match(r"# [A-Z].{30,}", lines[1])
    said = header(level)
    assert said.keys() == {"Guide", "Expect", "Instead"}
    assert said["Guide"].startswith("section ")
    assert said["Expect"] in ("trains", "TypeError", "refused")
    assert (said["Expect"] == "trains") == (level not in REFUSED)


def test_the_guides_pitfalls_are_here() -> None:
    """All but the last two, which are not about the schedule."""
    told = {int(n) for level in PITFALLS for n in re.findall(r"Pitfall (\d+)", header(level)["Guide"])}
    assert told == set(range(1, 9))


@pytest.mark.parametrize("level", PITFALLS)
def test_a_level_composes(level: str) -> None:
    """With the model of its own, and as it is in a sweep."""
    config = composed(f"pitfall={level}")
    if level in REFUSED:
        with pytest.raises(ConfigError) as caught:
            made(config)
        assert caught.value.option == REFUSED[level]
        return
    if level == "one_rate_for_all":
        assert config.model.args.pretrained
    assert lr_table(made(config)).lr.shape[0] == made(config).clock.updates


@pytest.mark.slow
@pytest.mark.parametrize("level", one_now(PITFALLS))
def test_what_stands_instead_is_another_schedule_or_run(level: str) -> None:
    instead = shlex.split(header(level)["Instead"])
    if level == "one_rate_for_all":  # the weights are not here
        instead.append("model.args.pretrained=false")
        instead.append("model.args.name=test_resnet")
    right = experiment("tracker=none", f"pitfall={level}", *instead)
    if level not in REFUSED:
        own = [o for o in instead if o.startswith("model.args")]
        assert run_id(right) != run_id(experiment("tracker=none", f"pitfall={level}", *own))


@pytest.mark.slow
@pytest.mark.parametrize("level", [p for p in PITFALLS if p not in REFUSED])
def test_it_trains(level: str, run: Callable[..., Any], without_picture: None) -> None:
    asked = experiment(*overrides(level))
    record = run(asked)
    assert record.standing() in ("finished", "diverged")
    series = record.series()
    used = np.array([series[name] for name in series.dtype.names if name.startswith("lr/")]).T
    assert np.array_equal(used, lr_table(asked).lr[: len(used)])


@pytest.mark.parametrize("level", REFUSED)
def test_it_is_refused_with_the_option_and_a_cure(level: str) -> None:
    with pytest.raises(ConfigError) as caught:
        experiment(*overrides(level))
    assert caught.value.option == REFUSED[level]
    assert caught.value.cure


# ---- as in plain torch -------------------------------------------------------------------------------------------


def sgd(rate: float = 0.1) -> torch.optim.SGD:
    weight = torch.nn.Parameter(torch.ones(2))
    weight.grad = torch.ones(2)
    return torch.optim.SGD([weight], lr=rate, momentum=0.9)


def used(optimizer: torch.optim.SGD, scheduler: Any, updates: int, every: int = 1) -> list[float]:
    rates = []
    for update in range(updates):
        rates.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        if (update + 1) % every == 0:
            scheduler.step()
    return rates


def rates(level: str, *more: str) -> list[float]:
    return lr_table(experiment(*overrides(level, *more))).lr[:, 0].tolist()


def test_torch_raises_without_a_metric() -> None:
    with pytest.raises(TypeError, match="metrics"):
        ReduceLROnPlateau(sgd()).step()


def test_torch_knows_no_verbose() -> None:
    with pytest.raises(TypeError, match="verbose"):
        ReduceLROnPlateau(sgd(), mode="min", verbose=True)


def test_torch_takes_the_wrong_mode_and_cuts_while_it_gets_better() -> None:
    optimizer = sgd()
    plateau = ReduceLROnPlateau(optimizer, mode="min", patience=1)
    for accuracy in (0.5, 0.6, 0.7, 0.8):
        plateau.step(accuracy)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.01)


def test_stepping_every_batch() -> None:
    optimizer = sgd()
    assert rates("step_every_batch") == used(optimizer, CosineAnnealingLR(optimizer, T_max=3), 48)


def test_onecycle_every_epoch() -> None:
    optimizer = sgd()
    cycle = OneCycleLR(optimizer, max_lr=0.1, epochs=3, steps_per_epoch=100)
    assert rates("onecycle_every_epoch") == used(optimizer, cycle, 48, every=16)
    found = facts((asked := experiment(*overrides("onecycle_every_epoch"))).schedule, lr_table(asked))["all"]
    assert found.peak < 0.005  # of 0.1


def test_t_max_of_all_epochs() -> None:
    optimizer = sgd()
    up = LinearLR(optimizer, start_factor=0.01, total_iters=5)
    both = SequentialLR(optimizer, [up, CosineAnnealingLR(optimizer, T_max=10)], milestones=[5])
    assert rates("t_max_of_all_epochs", "horizon=10ep") == used(optimizer, both, 160, every=16)


@pytest.mark.slow
def test_a_mistake_is_as_long_as_the_training() -> None:
    """The bare number follows the horizon, a recipe's too; one that is in no epochs is refused."""
    of = {h: experiment("tracker=none", "pitfall=t_max_of_all_epochs", f"horizon={h}") for h in ("20ep", "60ep")}
    assert [e.scheduler.args["T_max"] for e in of.values()] == [20, 60]
    with pytest.raises(ConfigError, match=r"horizon=480ba: this pitfall.*such as 30ep"):
        experiment("tracker=none", "pitfall=t_max_of_all_epochs", "horizon=480ba")


# ---- monitoring and the dry run: why they have no level ----------------------------------------------------------


def test_the_rate_is_always_on_record(run: Callable[..., Any], without_picture: None) -> None:
    """The guide's pitfall 9: whatever is logged and shown, each update's rate is kept as it was read back."""
    asked = experiment(*SHORT, "scheduler=onecycle")
    record = run(asked, log_every="end")
    assert record.series()["lr/all"].tolist() == lr_table(asked).lr[:, 0].tolist()


def test_the_schedule_is_always_gone_through_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its pitfall 10: an Experiment cannot be made without its whole table, so what fails late is refused early."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="Tried to step"):
        experiment(*SHORT, "scheduler=onecycle", "scheduler.args.total_steps=40")  # at the 41st of 48 updates
    assert not [*tmp_path.iterdir()]


# ---- beside an ablation ------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_none_changes_nothing() -> None:
    """The frozen ids hold for the default, which is null."""
    for others in ([], ["recipe=noisy_quadratic"], ["scheduler=step", "warmup=linear5"]):
        assert experiment(*others, "pitfall=none") == experiment(*others)


def test_what_is_chosen_by_name_wins() -> None:
    """A level that a person chooses replaces the pitfall's, and none of its arguments is left behind."""
    config = composed("pitfall=constant_for_long", "scheduler=step", "warmup=linear5")
    for group, level in (("scheduler", "step"), ("warmup", "linear5")):
        assert config[group] == composed(f"{group}={level}")[group]


@pytest.mark.parametrize("level", one_now(p for p in PITFALLS if "args" in content("pitfall", p).get("scheduler", {})))
@pytest.mark.parametrize("scheduler", ["constant", "exponential"])
def test_a_mistake_of_one_scheduler_is_refused_with_another(level: str, scheduler: str) -> None:
    """In a sweep over schedulers it never becomes an arm that is not what it says."""
    with pytest.raises(ConfigError, match=r"has no argument|needs"):
        experiment(*overrides(level, f"scheduler={scheduler}"))


def test_a_pitfall_changes_what_a_recipe_picks() -> None:
    config = composed("recipe=vit_tiny", "pitfall=no_warmup")
    assert config.warmup._target_ is None
    assert config.horizon == "60ep"
    assert config.scheduler == composed("scheduler=cosine").scheduler


@pytest.mark.parametrize("level", one_now(PITFALLS[::-1]))
def test_a_sweep_composes_it_as_hydra_does(level: str) -> None:
    with composer() as fast:
        job = fast([f"pitfall={level}", "seed=1"])
    from lrbench.config.compose import compose, resolved

    assert job.plain == resolved(compose([f"pitfall={level}", "seed=1"]))


def test_a_pitfall_names_levels_that_there_are() -> None:
    for level in PITFALLS:
        for entry in content("pitfall", level).get("defaults", []):
            ((where, chosen),) = entry.items()
            group = where.removeprefix("override /")
            assert group in FACTORS
            assert chosen in levels(group)
