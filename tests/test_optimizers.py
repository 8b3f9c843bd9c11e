"""Every optimizer level, trained for a few updates: sound enough to be resumed, and right where an oracle says so."""

from dataclasses import replace

import pytest
import torch
import yaml
from torch import nn

from lrbench import CONF
from lrbench.config import experiments as config
from lrbench.engine.attempt import RunFailed
from lrbench.engine.averaging import evaluating
from lrbench.engine.evaluation import evaluate
from lrbench.engine.fork import start_state
from lrbench.engine.loop import advance
from lrbench.engine.state import load, new_state, save, set_up
from lrbench.experiment import Start
from lrbench.experiment.identity import run_id
from lrbench.optim import Averaging
from lrbench.store.record import Record
from lrbench.targets import resolve

LEVELS = sorted(p.stem for p in (CONF / "optimizer").glob("*.yaml") if p.stem != "custom")
CPU = torch.device("cpu")
AVERAGING = "optimizer=schedulefree_adamw"


def level(name):
    return yaml.safe_load((CONF / "optimizer" / f"{name}.yaml").read_text())


RESNET = ("model=resnet8", "model.args.width=4")  # it has batch norm, which averaging concerns; and it takes longer


def short(*overrides, model=RESNET):
    return config.experiment(
        "tracker=none", *model, "horizon=20ba", "eval_every=10ba", "warmup=linear_10pct", *overrides
    )  # fmt: skip


def short_by(name):
    return short(f"optimizer={name}", model=RESNET if name in ("sgd", "schedulefree_adamw") else ("model=mlp",))


def trained(experiment, state, until):
    setup = set_up(experiment, CPU)
    while state.update < until:
        advance(setup, state, until)
    return state


def require_equal(one, other):
    for key, value in one.model.state_dict().items():
        assert torch.equal(value, other.model.state_dict()[key]), key


@pytest.mark.parametrize("name", LEVELS)
def test_a_run_goes_on_from_a_checkpoint_to_the_same_bits(name, tmp_path):
    experiment = short_by(name)
    whole = trained(experiment, new_state(experiment, CPU), 20)
    save(trained(experiment, new_state(experiment, CPU), 11), tmp_path / "half.pt")
    require_equal(trained(experiment, load(experiment, CPU, tmp_path / "half.pt"), 20), whole)


@pytest.mark.slow
@pytest.mark.parametrize("name", LEVELS)
def test_an_evaluation_changes_no_bit_of_what_trains(name):
    experiment = short_by(name)
    setup = set_up(experiment, CPU)
    looked, blind = (trained(experiment, new_state(experiment, CPU), 12) for _ in range(2))
    evaluate(setup, looked, setup.splits.val, "val")
    require_equal(looked, blind)
    require_equal(trained(experiment, looked, 20), trained(experiment, blind, 20))


@pytest.mark.slow
@pytest.mark.parametrize("name", LEVELS)
def test_every_optimizer_learns_the_digits(name):
    """Sound: from about 2.3 the training loss falls well below 1.5 within ten epochs, most at a constant rate."""
    scheduler = "inverse_sqrt_d64" if name == "adam_noam" else "constant"  # its rate of 1 is for one that is a rate
    rates = {"sgd_no_decay": "0.1", "adamw_detr": "1e-3"}  # 0.81 is the peak of one cycle, 1e-4 of 300 epochs
    rate = (f"optimizer.lr={rates[name]}",) if name in rates else ()
    experiment = config.experiment(
        "tracker=none", "model=mlp", "horizon=10ep", f"scheduler={scheduler}", f"optimizer={name}", *rate
    )  # fmt: skip
    setup, state = set_up(experiment, CPU), new_state(experiment, CPU)
    losses = []
    while state.update < experiment.clock.updates:
        losses += advance(setup, state, experiment.clock.updates).series["train/loss"].tolist()
    assert losses[0] > 2.0
    assert sum(losses[-5:]) / 5 < 1.5


def steps(optimizer, parameter, gradients):
    for gradient in gradients:
        parameter.grad = gradient.clone()
        optimizer.step()
    return parameter.detach()


def test_timms_muon_is_torchs_on_a_matrix():
    """Two implementations; both orthogonalise in bfloat16, so they agree to its precision and no further."""
    torch.manual_seed(0)
    start, gradients = torch.randn(6, 4), [torch.randn(6, 4) for _ in range(3)]
    ours, theirs = (nn.Parameter(start.clone()) for _ in range(2))
    plain = level("muon")
    args = {**plain["args"], "ns_coefficients": "original"}  # torch has no others
    shared = ("momentum", "nesterov", "weight_decay", "ns_steps", "eps", "adjust_lr_fn")
    moved = steps(resolve(plain["_target_"], "optimizer")([ours], lr=0.02, **args), ours, gradients)
    expected = steps(torch.optim.Muon([theirs], lr=0.02, **{k: args[k] for k in shared}), theirs, gradients)
    step = (expected - start).abs().max()
    assert step > 5e-3
    assert (moved - expected).abs().max() < 0.02 * step


def test_lambs_first_step_by_hand():
    """Adam's first direction is the gradient's sign; with decay 0.02 the step is lr times the weights' norm."""
    plain = level("lamb")
    weights, gradient = torch.tensor([3.0, 4.0]), torch.tensor([0.5, -0.5])
    parameter = nn.Parameter(weights.clone())
    moved = steps(resolve(plain["_target_"], "optimizer")([parameter], lr=0.1, **plain["args"]), parameter, [gradient])
    direction = torch.tensor([1.0, -1.0]) + 0.02 * weights  # 1.06, -0.92: norm 1.4036
    expected = weights - 0.1 * 5.0 / direction.norm() * direction
    torch.testing.assert_close(moved, expected, rtol=1e-5, atol=0)


# ---- Averaged weights ---------------------------------------------------------------------------------------


def test_schedule_free_is_its_authors_loop():
    """The losses of a run equal those of a loop written as schedulefree's documentation says, evaluations too."""
    schedulefree = pytest.importorskip("schedulefree")
    experiment = config.experiment(
        "tracker=none", "model=mlp", "horizon=40ba", "eval_every=10ba", "scheduler=constant", AVERAGING
    )  # fmt: skip
    setup, state = set_up(experiment, CPU), new_state(experiment, CPU)
    model = new_state(experiment, CPU).model
    optimizer = schedulefree.AdamWScheduleFree(model.parameters(), lr=2.5e-3)
    ((x_val, y_val),) = setup.splits.val.in_order()
    for stop in (10, 20, 30, 40):
        trained(experiment, state, stop)
        optimizer.train()
        for update in range(stop - 10, stop):
            x, y = setup.splits.train.batch(update)
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
        optimizer.eval()
        with torch.no_grad():
            theirs = nn.functional.cross_entropy(model(x_val), y_val).item()
        assert evaluate(setup, state, setup.splits.val, "val")["val/loss"] == pytest.approx(theirs, rel=1e-5)


def test_the_rate_that_an_optimizer_really_used_is_what_is_read_back(run):
    """RAdam's schedule-free kin warms up by itself, from a rate of 0, and no argument says so: the audit does."""
    pytest.importorskip("schedulefree")
    experiment = config.experiment(
        "tracker=none", "model=mlp", "horizon=20ba", "eval_every=10ba", "scheduler=constant", AVERAGING,
        "optimizer._target_=schedulefree.RAdamScheduleFree",
    )  # fmt: skip
    with pytest.raises(RunFailed, match=r"update 0 used the rates \[0.0\] and \[0.0025\] were planned"):
        run(experiment)


def test_batchnorm_sees_the_averaged_weights():
    """Statistics taken under the averaged weights, not those of the weights that train; afterwards all is as before."""
    experiment = short(AVERAGING)
    setup, state = set_up(experiment, CPU), trained(experiment, new_state(experiment, CPU), 20)
    norm = next(m for m in state.model.modules() if isinstance(m, nn.BatchNorm2d))
    before, buffers = norm.running_mean.clone(), {k: v.clone() for k, v in state.model.named_buffers()}
    with evaluating(setup, state):
        assert not norm.training
        inside = norm.running_mean.clone()
        with torch.no_grad():
            first = next(m for m in state.model.modules() if isinstance(m, nn.Conv2d))
            means = torch.stack([first(setup.splits.train.batch(u)[0]).mean((0, 2, 3)) for u in range(20)])
        assert (inside - means.mean(0)).abs().max() < (before - means.mean(0)).abs().max() + 1e-3
        assert not torch.equal(inside, before)
    for name, buffer in state.model.named_buffers():
        assert torch.equal(buffer, buffers[name])


def test_a_fork_of_the_model_alone_begins_from_the_averaged_weights(tmp_path):
    parent = short(AVERAGING)
    record = Record(tmp_path / "runs" / run_id(parent))
    state = trained(parent, new_state(parent, CPU), 20)
    save(state, record.checkpoint("update-00000020"))
    setup = set_up(parent, CPU)
    averaged, training = (
        start_state(set_up(replace(short(optimizer), start=Start(of=parent, at="end", carry=carry)), CPU), record)
        for optimizer, carry in (("optimizer=sgd", ("model",)), (AVERAGING, ("model", "optimizer")))
    )
    with evaluating(setup, state):
        for ours, theirs in zip(averaged.model.parameters(), state.model.parameters(), strict=True):
            assert torch.equal(ours, theirs)
    require_equal(training, state)
    assert isinstance(training.optimizer, Averaging)
    (group,) = training.optimizer.param_groups
    assert (group["k"], group["train_mode"]) == (20, True)  # its counters are moments too
    assert group["lr"] == parent.optimizer.lr
