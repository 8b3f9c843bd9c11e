"""Any schedule of lrbench as an ordinary torch scheduler: the table to the bit, in torch's manners."""

import copy
import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hydra.core.global_hydra import GlobalHydra
from torch import nn
from torch.optim import SGD, AdamW, Optimizer
from torch.optim.lr_scheduler import LRScheduler, OneCycleLR, ReduceLROnPlateau

import lrbench
from lrbench.errors import ConfigError
from lrbench.interop.schedule import TableLR
from lrbench.schedules import lr_table

UPDATES, PER_EPOCH = 240, 8  # 30 epochs
LENGTH: dict[str, Any] = {"updates": UPDATES, "per_epoch": PER_EPOCH}


def named(*rates: float, kind: type[Optimizer] = SGD, **given: Any) -> Optimizer:
    """An optimizer with the groups backbone, head, ... at these rates."""
    names = ["backbone", "head", "third"]
    groups = [
        {"params": [nn.Parameter(torch.ones(1))], "lr": lr, "name": name}
        for lr, name in zip(rates, names, strict=False)
    ]
    return kind(groups, **({"momentum": 0.9, "lr": 0.1} if kind is SGD else {"lr": 0.1}), **given)


def held(optimizer: Optimizer) -> list[tuple[float, float, float]]:
    return [
        (g["lr"], g["betas"][0] if "betas" in g else g["momentum"], g["weight_decay"]) for g in optimizer.param_groups
    ]


def trained(optimizer: Optimizer, scheduler: Any, updates: int = UPDATES) -> np.ndarray:
    """What every update of an ordinary loop used: shape (3, updates, groups), of rates, momenta and weight decays."""
    rows = []
    for _ in range(updates):
        rows.append(held(optimizer))
        optimizer.step()
        scheduler.step()
    return np.moveaxis(np.array(rows), 2, 0)


def table(scheduler: TableLR, metrics: list[float] | None = None) -> Any:
    return lr_table(scheduler._plan, metrics or ())


CASES = [
    ("scheduler=cosine", "warmup=linear5"),
    ("scheduler=multistep", "scheduler.interval=batch"),
    ("scheduler=wsd", "warmup=linear_10pct_zero"),
    ("scheduler=cosine", "warmup=linear5", "warmup.join=min"),
    ("scheduler=inverse_sqrt",),
    ("scheduler=polynomial_floor",),
]


@pytest.mark.parametrize("overrides", CASES, ids=" ".join)
def test_the_rates_are_the_tables(overrides: tuple[str, ...]) -> None:
    optimizer = named(0.01, 0.1)
    scheduler = lrbench.schedule(optimizer, *overrides, **LENGTH)
    rates, *_ = trained(optimizer, scheduler)
    assert rates.tolist() == table(scheduler).lr.tolist()
    assert table(scheduler).groups == ("backbone", "head")


@pytest.mark.parametrize("kind", [SGD, AdamW])
@pytest.mark.parametrize("name", ["onecycle", "cyclic"])
def test_so_are_momentum_and_weight_decay_where_they_move(kind: type[Optimizer], name: str) -> None:
    optimizer = named(0.01, 0.1, kind=kind, weight_decay=0.04)
    scheduler = lrbench.schedule(optimizer, f"scheduler={name}", "weight_decay=cosine", **LENGTH)
    rates, momenta, decays = trained(optimizer, scheduler)
    expected = table(scheduler)
    assert rates.tolist() == expected.lr.tolist()
    assert momenta.tolist() == expected.momentum.tolist()
    assert decays.tolist() == expected.weight_decay.tolist()
    if kind is AdamW:
        assert {g["betas"][1] for g in optimizer.param_groups} == {0.999}


def test_one_cycle_is_torchs() -> None:
    """An oracle that knows nothing of lrbench."""
    ours, theirs = named(0.1), named(0.1)
    scheduler = lrbench.schedule(ours, "scheduler=onecycle", **LENGTH)
    assert trained(ours, scheduler).tolist() == trained(theirs, OneCycleLR(theirs, 0.1, total_steps=UPDATES)).tolist()


def test_a_plateau_hears_metrics_after_its_warmup() -> None:
    optimizer = named(0.1)
    args = ("scheduler=plateau", "scheduler.args.patience=1", "warmup=linear5")
    scheduler = lrbench.schedule(optimizer, *args, **LENGTH)
    metrics = [1.0 / (1 + min(epoch, 8)) for epoch in range(30)]
    rates = []
    for epoch in range(30):
        for _ in range(PER_EPOCH):
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            scheduler.step()
        scheduler.step(metrics[epoch])
    assert rates == table(scheduler, metrics[5:]).lr[:, 0].tolist()
    assert len({*rates}) > 8  # five of the warmup, the peak, and several cuts


def test_a_plateau_that_is_never_told_a_metric_says_so() -> None:
    optimizer = named(0.1)
    scheduler = lrbench.schedule(optimizer, "scheduler=plateau", **LENGTH)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        for _ in range(3 * PER_EPOCH):
            optimizer.step()
            scheduler.step()
    assert [str(w.message) for w in said] == [
        f"ReduceLROnPlateau has heard no metric in {2 * PER_EPOCH} updates, and its rate does not move: call "
        "step(metric) after each evaluation"
    ]


def test_a_plateau_without_warmup_is_used_as_torchs() -> None:
    """step(metric) alone, once an epoch."""
    ours, theirs = named(0.1), named(0.1)
    scheduler = lrbench.schedule(ours, "scheduler=plateau", "scheduler.args.patience=2", **LENGTH)
    oracle = ReduceLROnPlateau(theirs, patience=2, min_lr=1e-6)
    for epoch in range(30):
        for _ in range(PER_EPOCH):
            ours.step()
            theirs.step()
        scheduler.step(max(0.0, 1 - epoch / 10))
        oracle.step(max(0.0, 1 - epoch / 10))
        assert held(ours) == held(theirs)
    assert held(ours)[0][0] < 0.01


def test_a_schedule_that_hears_every_loss() -> None:
    optimizer = named(0.1)
    asked = ("scheduler=plateau", "scheduler.interval=batch", "monitor=train/loss", "scheduler.args.patience=3")
    scheduler = lrbench.schedule(optimizer, *asked, "warmup=linear1", **LENGTH)
    rates, losses = [], [1.0 / (1 + min(update, 30)) for update in range(UPDATES)]
    for update in range(UPDATES):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step(losses[update])
    assert rates == table(scheduler, losses[PER_EPOCH:]).lr[:, 0].tolist()
    assert scheduler.last_epoch == UPDATES


# ---- torch's manners ----------------------------------------------------------------------------------------


def test_it_is_a_torch_scheduler() -> None:
    optimizer = named(0.1)
    scheduler = lrbench.schedule(optimizer, "scheduler=cosine", **LENGTH)
    assert isinstance(scheduler, LRScheduler)
    assert scheduler.get_last_lr() == [0.1] == scheduler.base_lrs
    optimizer.step()
    scheduler.step()
    assert scheduler.last_epoch == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        optimizer.step()
        scheduler.step()


def test_stepping_it_first_is_warned_of() -> None:
    scheduler = lrbench.schedule(named(0.1), "scheduler=cosine", **LENGTH)
    with pytest.warns(UserWarning, match="before `optimizer.step"):
        scheduler.step()


@pytest.mark.parametrize("at", [1, 37, 100, 200])
@pytest.mark.parametrize("name", ["cosine", "onecycle", "plateau"])
def test_resuming_goes_on_to_the_bit(name: str, at: int) -> None:
    """Through a file that torch reads without trusting it; the scheduler alone brings the rate back."""
    asked = (f"scheduler={name}", *(["scheduler.args.patience=1"] if name == "plateau" else []))

    def run(optimizer: Optimizer, scheduler: TableLR, first: int, last: int) -> list[Any]:
        rows = []
        for update in range(first, last):
            rows.append(held(optimizer))
            optimizer.step()
            scheduler.step()
            if name == "plateau" and (update + 1) % PER_EPOCH == 0:
                scheduler.step(1 / (1 + min(update, 50)))
        return rows

    whole = named(0.01, 0.1)
    expected = run(whole, lrbench.schedule(whole, *asked, **LENGTH), 0, UPDATES)
    first = named(0.01, 0.1)
    scheduler = lrbench.schedule(first, *asked, **LENGTH)
    run(first, scheduler, 0, at)
    file = io.BytesIO()
    torch.save(scheduler.state_dict(), file)
    file.seek(0)
    second = named(0.01, 0.1)
    scheduler = lrbench.schedule(second, *asked, **LENGTH)
    scheduler.load_state_dict(torch.load(file, weights_only=True))
    assert run(second, scheduler, at, UPDATES) == expected[at:]


def test_resuming_in_either_order_and_from_a_loaded_optimizer() -> None:
    first = named(0.1)
    scheduler = lrbench.schedule(first, "scheduler=cosine", **LENGTH)
    trained(first, scheduler, 100)
    saved = copy.deepcopy((first.state_dict(), scheduler.state_dict()))
    after = named(0.1)
    after.load_state_dict(saved[0])  # at the rate of update 100, and its initial_lr is the peak
    made = lrbench.schedule(after, "scheduler=cosine", **LENGTH)
    made.load_state_dict(saved[1])
    assert held(after) == held(first)
    assert table(made).lr.max() == 0.1


def test_another_schedules_state_is_refused() -> None:
    saved = lrbench.schedule(named(0.1), "scheduler=cosine", **LENGTH).state_dict()
    for overrides, said, rate in (
        (["scheduler=cosine"], {**LENGTH, "updates": 480}, 0.1),
        (["scheduler=linear"], LENGTH, 0.1),
        (["scheduler=cosine"], LENGTH, 0.2),
    ):
        other = lrbench.schedule(named(rate), *overrides, **said)
        with pytest.raises(ConfigError, match="this state is of another schedule"):
            other.load_state_dict(saved)
        other.load_state_dict({**saved, "schedule": other.state_dict()["schedule"]})  # on purpose
    same = lrbench.schedule(named(0.1), "scheduler=cosine", f"scheduler.args.T_max={UPDATES // PER_EPOCH}ep", **LENGTH)
    same.load_state_dict(saved)  # other words for it


def test_the_step_after_the_last_update_is_the_last_one() -> None:
    optimizer = named(0.1)
    scheduler = lrbench.schedule(optimizer, "scheduler=cosine", **LENGTH)
    trained(optimizer, scheduler)
    last = held(optimizer)
    assert last[0][0] == table(scheduler).lr[-1, 0]
    with pytest.raises(ConfigError, match=r"updates=240: this is step 241 of a schedule of 240 updates"):
        scheduler.step()
    assert held(optimizer) == last


def test_or_the_last_rate_is_held() -> None:
    optimizer = named(0.1)
    scheduler = lrbench.schedule(optimizer, "scheduler=cosine", **LENGTH, beyond="hold")
    rates, *_ = trained(optimizer, scheduler, UPDATES + 50)
    assert (rates[UPDATES:] == table(scheduler).lr[-1]).all()


def test_a_rate_that_is_a_tensor_stays_the_same_one() -> None:
    rate = torch.tensor(0.1, dtype=torch.float64)
    optimizer = torch.optim.Adam([nn.Parameter(torch.ones(1))], lr=rate, foreach=False, capturable=False)
    scheduler = lrbench.schedule(optimizer, "scheduler=cosine", **LENGTH)
    for row in table(scheduler).lr[:20, 0].tolist():
        assert optimizer.param_groups[0]["lr"] is rate
        assert float(rate) == row
        optimizer.step()
        scheduler.step()


# ---- Groups -------------------------------------------------------------------------------------------------


def test_arguments_by_the_groups_names() -> None:
    optimizer = named(0.01, 0.1)
    floors = "scheduler.args.eta_min={backbone: 1e-4, head: 0.01x}"
    scheduler = lrbench.schedule(optimizer, "scheduler=cosine", floors, **LENGTH)
    last = table(scheduler).lr[-1]
    assert last == pytest.approx([1e-4, 1e-3], rel=0.3)


def test_groups_without_names_are_numbered() -> None:
    optimizer = SGD([{"params": [nn.Parameter(torch.ones(1))]}, {"params": [nn.Parameter(torch.ones(1))]}], lr=0.1)
    floors = "scheduler.args.eta_min={group0: 1e-4, group1: 1e-3}"
    assert table(lrbench.schedule(optimizer, "scheduler=cosine", floors, **LENGTH)).groups == ("group0", "group1")
    with pytest.raises(ConfigError, match=r"no such parameter group\. Did you mean 'group1'"):
        lrbench.schedule(optimizer, "scheduler=cosine", "scheduler.args.eta_min={group0: 1e-4, group2: 1e-3}", **LENGTH)


def test_two_groups_of_one_name_are_refused() -> None:
    optimizer = named(0.1, 0.1)
    optimizer.param_groups[1]["name"] = "backbone"
    with pytest.raises(ConfigError, match="two groups have the same name"):
        lrbench.schedule(optimizer, "scheduler=cosine", **LENGTH)


def test_groups_of_different_momenta_are_refused_where_it_would_move() -> None:
    optimizer = named(0.1, 0.1)
    optimizer.param_groups[1]["momentum"] = 0.5
    with pytest.raises(ConfigError, match=r"different momenta \(0\.5, 0\.9\)"):
        lrbench.schedule(optimizer, "scheduler=onecycle", **LENGTH)
    lrbench.schedule(optimizer, "scheduler=onecycle", "scheduler.args.cycle_momentum=false", **LENGTH)


# ---- Refusals -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("overrides", "said", "words"),
    [
        (["scheduler=cosine", "horizon=30ep"], {}, r"horizon=30ep: .* give its optimizer steps as updates"),
        (["scheduler=cosine", "optimizer.lr=0.2"], {}, r"optimizer\.lr=0\.2: .* whose groups are the peaks"),
        (["recipe=vit"], {}, r"recipe=vit: .* name the levels"),
        (["scheduler=cosin"], {}, r"scheduler=cosin: there is no such level\. Did you mean 'cosine'"),
        (["scheduler=cosine", "scheduler.args.T_mx=3"], {}, "T_mx"),
        (["scheduler=onecycle", "warmup=linear5"], {}, "warms up by itself"),
        (["scheduler=cosine"], {"per_epoch": None}, "no epochs"),
        (["scheduler=plateau"], {"per_epoch": None}, "eval_every: .* say how often it is measured"),
        (["scheduler=plateau", "eval_every=100ep"], {}, "eval_every=100ep: that is 800 updates, and there are 240"),
        (["scheduler=cosine", "weight_decay=cosine"], {}, "this one has none"),
        (["scheduler=multistep_30_60_90"], {}, "past the end"),
        (["scheduler=cosine"], {"updates": 2.5}, "updates=2.5"),
        (["scheduler=cosine"], {"beyond": "stop"}, "beyond=stop"),
        (["scheduler=cosine", "warmup=linear5", "warmup.length=1000sa"], {}, "how many samples an update has"),
    ],
)
def test_bad_input(overrides: list[str], said: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        lrbench.schedule(named(0.1), *overrides, **{**LENGTH, **said})


def test_a_metric_for_a_schedule_that_hears_none() -> None:
    scheduler = lrbench.schedule(named(0.1), "scheduler=cosine", **LENGTH)
    with pytest.raises(ConfigError, match="CosineAnnealingLR hears no metric"):
        scheduler.step(0.5)


def test_an_optimizer_that_warms_up_by_itself() -> None:
    schedulefree = pytest.importorskip("schedulefree")
    optimizer = schedulefree.AdamWScheduleFree([nn.Parameter(torch.ones(1))], lr=0.1, warmup_steps=10)
    with pytest.raises(ConfigError, match="would warm up by itself"):
        lrbench.schedule(optimizer, "scheduler=constant", **LENGTH)


def test_what_plot_would_tell_is_warned_of() -> None:
    asked = ("scheduler=multistep", "scheduler.args.milestones=[10,20]", "warmup=linear5")
    with pytest.warns(UserWarning, match="bare numbers count from the end of the warmup"):
        lrbench.schedule(named(0.1), *asked, **LENGTH)


@pytest.mark.usefixtures("composed_as_it_is")
def test_the_hydra_of_another_program_stays(tmp_path: Path) -> None:
    from hydra import compose, initialize_config_dir

    (tmp_path / "config.yaml").write_text("scheduler: mine\n")
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(tmp_path), version_base="1.3"):
        lrbench.schedule(named(0.1), "scheduler=cosine", **LENGTH)
        assert compose("config").scheduler == "mine"
    assert not GlobalHydra.instance().is_initialized()
