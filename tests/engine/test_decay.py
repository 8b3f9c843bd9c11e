"""A weight decay that moves during training: against a textbook loop, recorded, audited, resumed and forked."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, OneCycleLR

from lrbench.data import Reading
from lrbench.data.digits import Digits
from lrbench.engine import state
from lrbench.engine.attempt import RunFailed
from lrbench.engine.state import read_checkpoint
from lrbench.experiment import Experiment, Start
from lrbench.experiment.identity import run_id
from lrbench.models.mlp import mlp
from lrbench.randomness import seed_of
from lrbench.schedules import lr_table

pytestmark = pytest.mark.usefixtures("without_picture")
DECAYING = ("weight_decay=cosine", "param_groups=no_decay_norm_bias", "scheduler=onecycle", "horizon=50ba")
OPTIMIZERS = {
    "sgd": lambda groups: torch.optim.SGD(groups, lr=0.1, momentum=0.9, weight_decay=1e-4),
    "adamw": lambda groups: torch.optim.AdamW(groups, lr=1e-3, weight_decay=0.05),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_it_is_the_textbook_loop(make, run, name):
    """A person's loop, with DINO's way: the weight decay set by hand before each step, the biases left without."""
    record = run(make(*DECAYING, f"optimizer={name}"))
    torch.manual_seed(seed_of("init", 0))
    model: nn.Module = mlp((1, 8, 8), 10, [16], 0.0)
    matrices = [p for p in model.parameters() if p.ndim > 1]
    biases = [p for p in model.parameters() if p.ndim < 2]
    live = OPTIMIZERS[name]([{"params": matrices}, {"params": biases, "weight_decay": 0.0}])
    peaks, start = [g["lr"] for g in live.param_groups], live.param_groups[0]["weight_decay"]
    decay = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=start)
    schedule, decaying = OneCycleLR(live, max_lr=peaks, total_steps=50), CosineAnnealingLR(decay, 50, eta_min=0.4)
    batches = Digits().load(0).train.stream(Reading(64, 0))
    rows = []
    for t in range(50):
        live.param_groups[0]["weight_decay"] = decay.param_groups[0]["lr"]
        x, y = batches.batch(t)
        live.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        live.step()
        momenta = [g["betas"][0] if "betas" in g else g["momentum"] for g in live.param_groups]
        rows.append([*(g["lr"] for g in live.param_groups), *momenta, *(g["weight_decay"] for g in live.param_groups)])
        decay.step()
        if t < 49:
            schedule.step()
            decaying.step()
    assert record.rates().tolist() == rows
    trained = read_checkpoint(record.checkpoint("update-00000050"), torch.device("cpu"))["model"]
    for key, value in model.state_dict().items():
        assert torch.equal(trained[key], value), key
    last = [r for r in record.rows() if "train/loss" in r][-1]
    assert last["weight_decay/decay"] == rows[-1][4]
    assert last["weight_decay/no_decay"] == 0


def test_it_moves_the_weights(make, run):
    """The same run without it ends elsewhere, at the same rates."""
    moved, still = run(make(*DECAYING)), run(make(*DECAYING, "weight_decay=constant"))
    assert (moved.rates()[:, :4] == still.rates()).all()
    assert moved.summary()["test/loss"] != still.summary()["test/loss"]


def test_it_is_audited(make, run, monkeypatch):
    build = state.build_optimizer

    def tampered(model, experiment):
        optimizer = build(model, experiment)
        optimizer.register_step_pre_hook(lambda o, *_: o.param_groups[0].update(weight_decay=0.3))
        return optimizer

    monkeypatch.setattr(state, "build_optimizer", tampered)
    with pytest.raises(RunFailed, match=r"update 0 used the rates \[0\.004\d*, 0\.95, 0\.3\]"):
        run(make("weight_decay=cosine", "scheduler=onecycle", "horizon=20ba"))


def test_a_schedule_that_hears_the_loss_moves_beside_it(make, run):
    """The rates are the live ones, row by row, and the weight decay the table's."""
    heard = ("scheduler=plateau", "scheduler.interval=batch", "monitor=train/loss", "scheduler.args.patience=3",
             "scheduler.args.threshold=0.1")  # fmt: skip
    experiment = make(*heard, "weight_decay=cosine", "warmup=linear5", "warmup.length=1ep")
    record = run(experiment)
    assert record.summary()["audit"] == "as planned"
    rates = record.rates()
    assert len(np.unique(rates[16:, 0])) > 1
    assert (rates[:, 1:] == lr_table(experiment).weight_decay).all()


def test_a_fork_has_its_own(make, run):
    """It begins with the child's, and the parent's does not come along with the moments."""
    parent: Experiment = make("scheduler=constant", "weight_decay=cosine", "horizon=2ep")
    run(parent)
    child = replace(parent, start=Start(of=parent, at="end"), horizon="1ep", weight_decay=None)
    record = run(child)
    optimizer = read_checkpoint(record.checkpoint("update-00000016"), torch.device("cpu"))["optimizer"]
    assert optimizer["param_groups"][0]["weight_decay"] == 1e-4
    again = run(replace(child, weight_decay=parent.weight_decay))
    assert again.rates()[0].tolist() == [0.1, 1e-4]
    assert run_id(child) != run_id(parent)
