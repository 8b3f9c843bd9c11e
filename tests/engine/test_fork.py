"""Runs that begin from another run's state."""

from dataclasses import replace
from itertools import product

import pytest
import torch
from torch import nn

from lrbench.config.experiments import experiment as compose
from lrbench.data import Splits
from lrbench.data.digits import Digits
from lrbench.engine import attempt, fork, legs
from lrbench.engine import fork as fork_engine
from lrbench.engine.carried import require_fit
from lrbench.engine.fork import check_start
from lrbench.engine.state import _resting, new_state, read_checkpoint
from lrbench.engine.train import train
from lrbench.errors import ConfigError
from lrbench.experiment import Component, Experiment, Optimizer, ParamGroups, Settings, Start
from lrbench.experiment.identity import arm_id, run_id
from lrbench.store.record import Record
from lrbench.sweep.checks import Checks

pytestmark = pytest.mark.usefixtures("without_picture")
CPU = torch.device("cpu")
SPLIT = ParamGroups(target="lrbench.param_groups.no_decay_norm_bias", lr_scales={"decay": 1.0, "no_decay": 1.0})
PLATEAU = ("scheduler=plateau", "scheduler.args.patience=1", "scheduler.args.threshold=0.3", "horizon=8ep")


def loss(record: Record):
    return record.series()["train/loss"]


def child_of(parent: Experiment, at: str = "end", carry=("model", "optimizer"), **changes) -> Experiment:
    return replace(parent, start=Start(of=parent, at=at, carry=carry), **changes)


@pytest.fixture
def begun(monkeypatch):
    """The state in which every run began: (weights, optimizer state), by run id."""
    states, real = {}, attempt._begin

    def noted(setup, record, settings, say):
        state = real(setup, record, settings, say)
        copy = torch.load(_through_bytes(state.optimizer.state_dict()))
        states[record.run_id] = ({k: v.clone() for k, v in state.model.state_dict().items()}, copy)
        return state

    monkeypatch.setattr(attempt, "_begin", noted)
    return states


def _through_bytes(value):
    import io

    buffer = io.BytesIO()
    torch.save(value, buffer)
    buffer.seek(0)
    return buffer


@pytest.fixture
def through(monkeypatch):
    """The weights after every update of a run in progress, by update: what a fork must find."""
    weights, real = {}, legs.advance

    def noted(setup, state, until):
        if setup.experiment.start is not None:
            return real(setup, state, until)
        hook = state.optimizer.register_step_post_hook(
            lambda *_: weights.update({len(weights) + 1: [p.detach().clone() for p in state.model.parameters()]})
        )
        try:
            return real(setup, state, until)
        finally:
            hook.remove()

    monkeypatch.setattr(legs, "advance", noted)
    return weights


def same(weights, parameters) -> bool:
    return all(torch.equal(a, b) for a, b in zip(weights.values(), parameters, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize(("at", "update"), [("2ep", 32), ("21ba", 21), ("end", 64), ("50%", 32)])
def test_a_child_begins_with_its_parents_weights(make, run, begun, through, at, update, kept):
    parent = make("scheduler=onecycle", "model.args.dropout=0.2")
    run(parent, keep=(at,) if kept else ())  # what was not kept is trained again, to the same bits
    child = child_of(parent, at, horizon="1ep")
    record = run(child)
    assert record.standing() == "finished"
    weights, _ = begun[run_id(child)]
    assert same(weights, through[update])
    assert Record(run.results / "runs" / run_id(parent)).checkpoint(f"update-{update:08d}").exists()


@pytest.mark.slow
@pytest.mark.parametrize("kept", [True, False])
def test_a_child_begins_at_its_parents_plateau(make, run, begun, through, kept, monkeypatch):
    parent = make(*PLATEAU, "warmup=linear5", "warmup.length=1ep")
    rates = run(parent).rates()[:, 0]
    cut = next(u for u in range(17, 128) if rates[u] < rates[u - 1])  # after the warmup: its rates rise
    if kept:
        run(parent, keep=(f"{cut}ba",), force=True)
        monkeypatch.setattr(fork, "replayed", None)  # nothing is replayed
    child = child_of(parent, "plateau", horizon="1ep", warmup=None)
    run(child)
    assert cut % 16 == 0  # it was cut after an evaluation
    assert same(begun[run_id(child)][0], through[cut])


def test_a_replayed_parent_hears_its_metrics(make, run, begun, through):
    """A feedback schedule is replayed with its evaluations, so that the rates after them are the same."""
    parent = make(*PLATEAU)
    rates = run(parent).rates()[:, 0]
    assert rates[110] < rates[0]
    child = child_of(parent, "110ba", horizon="1ep")
    run(child)
    assert same(begun[run_id(child)][0], through[110])


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_moments_are_carried_or_not(make, run, begun, optimizer):
    parent = make(f"optimizer={optimizer}")
    parents = run(parent)
    both, model = child_of(parent, horizon="1ep"), child_of(parent, carry=("model",), horizon="1ep")
    with_moments, without = run(both), run(model)
    saved = read_checkpoint(parents.checkpoint("update-00000064"), CPU)["optimizer"]["state"]
    carried = begun[run_id(both)][1]["state"]
    assert carried.keys() == saved.keys() != set()
    for i, moments in saved.items():
        for name, value in moments.items():
            assert torch.equal(torch.as_tensor(carried[i][name]), torch.as_tensor(value))
    assert begun[run_id(model)][1]["state"] == {}
    assert loss(with_moments)[0] == loss(without)[0]
    assert loss(with_moments)[5] != loss(without)[5]


def test_carried_moments_leave_the_childs_own_settings(make, run, begun):
    """torch's load_state_dict would bring the parent's weight decay and cycled momentum along."""
    parent = make("scheduler=onecycle")
    child = replace(
        child_of(parent, "48ba", horizon="1ep"),
        optimizer=Optimizer(target="torch.optim.SGD", lr=0.1, args={"momentum": 0.8, "weight_decay": 0.25}),
        scheduler=make("scheduler=constant").scheduler,
    )
    record = run(child)
    (group,) = begun[run_id(child)][1]["param_groups"]
    assert (group["momentum"], group["weight_decay"], group["lr"]) == (0.8, 0.25, 0.1)
    assert begun[run_id(child)][1]["state"]
    assert record.summary()["audit"] == "as planned"


@pytest.mark.slow
def test_batchnorm_statistics_come_along(make, run, begun):
    parent = make("model=resnet8", "model.args.width=4", "horizon=1ep")
    parents = run(parent)
    child = child_of(parent, horizon="4ba", eval_every="4ba")
    run(child)
    saved = read_checkpoint(parents.checkpoint("update-00000016"), CPU)["model"]
    assert begun[run_id(child)][0]["1.num_batches_tracked"] == 16
    assert all(torch.equal(begun[run_id(child)][0][k], v) for k, v in saved.items())


def test_every_part_of_a_start_is_part_of_the_identity(make):
    parent = make()
    starts = [
        None,
        Start(of=parent, at="end"),
        Start(of=parent, at="2ep"),
        Start(of=parent, at="3ep"),
        Start(of=parent, at="2ep", carry=("model",)),
        Start(of=make("seed=1"), at="2ep"),
        Start(of=make("optimizer.lr=0.2"), at="2ep"),
        Start(of=child_of(parent), at="2ep"),
    ]
    assert len({run_id(replace(parent, start=s)) for s in starts}) == len(starts)
    assert arm_id(replace(parent, start=starts[1])) != arm_id(parent)
    assert run_id(child_of(parent)) == run_id(child_of(make("scheduler=cosine")))


def test_a_missing_parent_is_trained_first_and_once(make, run, monkeypatch):
    began, real = [], legs.advance

    def noted(setup, state, until):
        began.append((run_id(setup.experiment), state.update))
        return real(setup, state, until)

    monkeypatch.setattr(legs, "advance", noted)
    parent = make("horizon=2ep")
    child = child_of(parent, horizon="1ep")
    run(child, hydra={"overrides.yaml": "- the child's\n"}, keep=("end", "1ep"))
    assert began == [(run_id(parent), 0), (run_id(parent), 16), (run_id(child), 0)]
    record = Record(run.results / "runs" / run_id(parent))
    assert record.standing() == "finished"
    assert not (record.folder / ".hydra").exists()  # what the child was asked is not what the parent was
    assert Record(run.results / "runs" / run_id(child)).experiment() == child
    run(child)
    run(replace(child, horizon="2ep"))
    assert [r for r, _ in began].count(run_id(parent)) == 2


@pytest.mark.slow
def test_a_parent_has_the_forks_seed_unless_it_names_another():
    """Another seed draws other splits of the same data: what the fork is tested on, the parent may have trained on."""
    fork = ("tracker=none", "model=mlp", "horizon=1ep", "seed=3")
    assert compose(*fork, "start.of=['model=mlp']").start.of.seed == 3
    assert compose(*fork, "start.of=cnn_paper_tiny").start.of.seed == 3
    named = compose(*fork, "start.of=['model=mlp','seed=4']")
    assert named.start.of.seed == 4
    with pytest.raises(ConfigError, match="seed=3: the parent has the seed 4, which draws other splits"):
        fork_engine.check_start(named, named.start)
    elsewhere = replace(named, data=replace(named.data, fingerprint="other data"))
    fork_engine.check_start(elsewhere, elsewhere.start)


def test_parent_and_fork_are_shown_by_their_own_times(run, capsys):
    """Of which the parent has more: nobody reads `epoch 3/1`."""
    child = child_of(compose("tracker=none", "model=mlp", "horizon=3ep", "scheduler=constant"), horizon="1ep")
    train(child, Settings(results=run.results))
    said = capsys.readouterr().err
    assert "epoch 3.0/3" in said
    assert "epoch 1.0/1" in said
    assert "epoch 3.0/1" not in said
    assert said.count("is trained first") == 1


def test_keeping_more_than_the_parent_has_is_no_error(make, run):
    assert run(child_of(make("horizon=1ep"), horizon="3ep"), keep=("end", "2ep")).standing() == "finished"


def test_force_trains_the_child_again_and_not_the_parent(make, run):
    child = child_of(make("horizon=1ep"), horizon="1ep")
    run(child)
    run(child, force=True)
    folders = sorted(p.name for p in (run.results / "runs").iterdir() if p.is_dir())
    assert len(folders) == 3
    assert sum(name.startswith(run_id(child)) for name in folders) == 2


def test_grandchildren(make, run, begun):
    first = make("horizon=1ep")
    second = child_of(first, horizon="1ep")
    third = child_of(second, "7ba", horizon="1ep")  # the middle one is replayed, from its own parent
    run(second, keep=())
    run(third)
    replayed = begun[run_id(third)][0]
    run(second, force=True, keep=("7ba",))
    kept = read_checkpoint(Record(run.results / "runs" / run_id(second)).checkpoint("update-00000007"), CPU)["model"]
    assert all(torch.equal(kept[k], v) for k, v in replayed.items())


def test_a_late_stage_phase(make, run):
    """The guide's last epochs at a small constant rate, after the end of a finished schedule."""
    parent = make("scheduler=cosine")
    late = child_of(
        parent,
        scheduler=make("scheduler=constant").scheduler,
        optimizer=replace(parent.optimizer, lr=0.001),
        horizon="2ep",
    )
    parents, record = run(parent), run(late)
    assert set(record.rates()[:, 0]) == {0.001}
    assert len(record.rates()) == 32
    assert loss(record).mean() < loss(parents)[:16].mean() / 2  # it goes on from there


CONTINUED = {
    "momentum": ("optimizer=sgd",),
    "adam's moments": ("optimizer=adamw", "optimizer.lr=0.001"),
    "noise": ("model=vit_micro", "model.args.dropout=0.2", "optimizer=adamw", "optimizer.lr=0.001"),
    "batch norm": ("model=resnet8", "model.args.width=4"),
    "averaged weights": ("optimizer=schedulefree_adamw",),
    "augmentation": ("data.augment.crop=1", "data.augment.mixup=0.2"),
}


# Cut at an epoch's end, inside one, or twice.
CUTS = {"at an end": ("16ba",), "inside": ("20ba",), "twice": ("7ba", "16ba")}
QUICK = {("momentum", "at an end"), ("momentum", "inside"), *((name, "twice") for name in CONTINUED)}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "cuts"),
    [
        pytest.param(CONTINUED[n], CUTS[c], id=f"{n}, {c}", marks=[] if (n, c) in QUICK else [pytest.mark.full])
        for n, c in product(CONTINUED, CUTS)
    ],
)
def test_a_run_cut_in_pieces_equals_the_uncut_one(make, run, options, cuts):
    """To the bit: losses, and the weights at the end; cut at an epoch's end, inside one, or twice."""
    constant = ("scheduler=constant", *options)
    uncut = run(make(*constant, "horizon=32ba"))
    left, piece = 32, None
    for cut in (*cuts, None):
        length = left if cut is None else int(cut.removesuffix("ba"))
        made = make(*constant, f"horizon={length}ba", f"eval_every={length}ba")
        piece = made if piece is None else replace(made, start=Start(of=piece, at="end"))
        left -= length
    record = run(piece)
    assert loss(record).tolist() == loss(uncut)[-len(loss(record)) :].tolist()
    ends = [read_checkpoint(r.checkpoint(f"update-{n:08d}"), CPU)["model"] for r, n in ((record, length), (uncut, 32))]
    assert all(torch.equal(ends[0][k], ends[1][k]) for k in ends[1])


@pytest.mark.slow
def test_a_stream_that_is_not_carried_begins_anew(make, run):
    """By choice; and where the batches would be others anyway."""
    parent = make("scheduler=constant", "horizon=1ep")
    uncut = run(make("scheduler=constant", "horizon=2ep"))
    left_out = child_of(parent, horizon="1ep")
    assert not left_out.continues
    assert loss(run(left_out))[0] != loss(uncut)[16]
    carry = ("model", "optimizer", "stream")
    assert child_of(parent, carry=carry).continues
    assert not child_of(parent, carry=carry, batch_size=32).continues
    assert not child_of(parent, carry=carry, seed=1).continues


def test_a_child_can_be_interrupted_and_resumed(make, run, monkeypatch, require_same_run, tmp_path):
    import os
    import signal

    from lrbench.data.batches import Batches
    from lrbench.engine.attempt import Interrupted

    child = child_of(make("scheduler=onecycle"), "20ba")
    whole = run(child, results=tmp_path / "whole")
    batch = Batches.batch
    with monkeypatch.context() as patch:

        def stopping(self, update, *parts):
            if update == 40 and len(run.shown) > 12:
                os.kill(os.getpid(), signal.SIGINT)
            return batch(self, update, *parts)

        run(child.start.of)
        run.shown.extend([None] * 20)
        patch.setattr(Batches, "batch", stopping)
        with pytest.raises(Interrupted):
            run(child)
    require_same_run(run(child), whole)


def test_a_child_with_more_threads_than_its_parent_keeps_its_own(make, run, monkeypatch):
    """A replay of the parent must not leave the parent's thread count behind."""
    pinned, real = [], legs.advance

    def noted(setup, state, until):
        pinned.append((setup.experiment.start is not None, torch.get_num_threads()))
        return real(setup, state, until)

    monkeypatch.setattr(legs, "advance", noted)
    parent = make("horizon=1ep")
    run(parent, keep=())
    try:
        run(child_of(parent, "9ba", horizon="1ep", threads=2))
    finally:
        torch.set_num_threads(1)
    assert set(pinned) == {(False, 1), (True, 2)}


# ---- Refusals, before anything is trained.


@pytest.mark.parametrize(
    ("overrides", "at", "carry", "message"),
    [
        ((), "5ep", ("model",), r"start.at=5ep: that is update 80, past the end of the run \(64\)"),
        ((), "65ba", ("model",), r"start.at=65ba: that is update 65, past the end"),
        ((), "plateau", ("model",), "hears no metric, so it has no plateau"),
        (("optimizer=adamw",), "end", ("model", "optimizer"), r"trains with AdamW.*use start.carry=\[model,stream\]"),
    ],
)  # fmt: skip
def test_what_cannot_be_forked_is_refused_before_the_parent_is_trained(make, run, overrides, at, carry, message):
    parent = make(*overrides)
    with pytest.raises(ConfigError, match=message):
        run(replace(make(), start=Start(of=parent, at=at, carry=carry)))
    assert not run.results.exists()


@pytest.mark.parametrize("carry", [(), ("optimizer",), ("model", "scheduler"), ("weights",)])
def test_nonsense_to_carry_is_refused(make, carry):
    with pytest.raises(ConfigError, match=r"carry \[model\], with optimizer, stream or both"):
        Start(of=make(), at="end", carry=carry)


@pytest.mark.parametrize("at", ["soon", "0ep", "1.3ep", "-1ep", "@2ep"])
def test_nonsense_for_a_time_is_refused(make, at):
    with pytest.raises(ConfigError, match=r"start\.at="):
        child_of(make(), at)


def test_a_plateau_never_reached_is_refused(make, run):
    parent = make("scheduler=plateau", "scheduler.args.patience=100")
    with pytest.raises(ConfigError, match=r"never cut its rate; give an update such as 30ep"):
        run(child_of(parent, "plateau"))


def test_a_model_that_does_not_fit_is_refused(make, run):
    parent = make()
    wider = Component(target=parent.model.target, args={"hidden": [17]}, numerics=parent.model.numerics)
    with pytest.raises(ConfigError, match=r"start.of=\w+: its state does not fit this experiment"):
        run(child_of(parent, model=wider))
    deeper = replace(wider, args={"hidden": [16, 16]})
    with pytest.raises(ConfigError, match="does not fit"):
        run(child_of(parent, model=deeper))


# ---- Fine-tuning: a new head, a frozen backbone.


class Labels(Digits):
    """Digits whose labels are told apart by what is left of a division: other classes of the same images."""

    def __init__(self, classes: int = 3) -> None:
        super().__init__()
        self.classes = classes

    def info(self):
        known = super().info()
        return replace(known, spec=known.spec | {"num_classes": self.classes})

    def load(self, seed):
        return Splits(*(s._replace(y=s.y % self.classes, num_classes=self.classes) for s in super().load(seed)))


CLASSES = "data.args.classes={}"
THREE = ("data=custom", f"data._target_={__name__}.Labels", "+data.args.classes=3")


def fine_tuned(parent: Experiment, *overrides: str, **start) -> Experiment:
    made = compose("tracker=none", "model=mlp", "model.args.hidden=[16]", "horizon=1ep", *THREE, *overrides)
    return replace(made, start=Start(of=parent, at="end", carry=("model",), **start))


def weights_at_the_end(record: Record, update: int):
    return read_checkpoint(record.checkpoint(f"update-{update:08d}"), CPU)["model"]


@pytest.mark.slow
def test_a_new_head_is_drawn_and_the_rest_carried(make, run, begun):
    """Also where the classes are as many as before: nobody guesses."""
    parent = make("model.args.hidden=[16]")
    trained = weights_at_the_end(run(parent), 64)
    for child in (fine_tuned(parent, new_head=True), child_of(parent, carry=("model",))):
        start = replace(child.start, new_head=True)
        child = replace(child, start=start)
        run(child)
        weights, fresh = begun[run_id(child)][0], new_state(replace(child, start=None), CPU).model.state_dict()
        assert weights.keys() == trained.keys() == {"1.weight", "1.bias", "3.weight", "3.bias"}
        assert all(torch.equal(weights[k], trained[k]) for k in ("1.weight", "1.bias"))
        assert all(torch.equal(weights[k], fresh[k]) for k in ("3.weight", "3.bias"))


def test_a_head_by_its_names(make, run, begun):
    parent = make("model.args.hidden=[16, 16]")
    child = child_of(parent, carry=("model",), horizon="1ep")
    child = replace(child, start=replace(child.start, new_head=True, head_names=r"[35]\."))
    trained = weights_at_the_end(run(parent), 64)
    run(child)
    weights = begun[run_id(child)][0]
    assert [k for k in weights if torch.equal(weights[k], trained[k])] == ["1.weight", "1.bias"]


def test_weights_that_do_not_fit_are_named_before_the_parent_is_trained(make, run):
    parent = make("model.args.hidden=[16]")
    with pytest.raises(ConfigError, match=r"3.weight is 10 x 16 in the parent and 3 x 16 here; 3.bias .*new_head=true"):
        run(fine_tuned(parent))
    with pytest.raises(ConfigError, match=r"1.weight is 16 x 64 in the parent and 17 x 64 here; .* the same model"):
        run(fine_tuned(parent, "model.args.hidden=[17]", new_head=True))
    with pytest.raises(ConfigError, match=r"3.weight is 10 x 16 in the parent and 16 x 16 here"):
        run(fine_tuned(parent, "model.args.hidden=[16, 16]", new_head=True))
    assert not run.results.exists()


@pytest.mark.parametrize(
    ("model", "start", "message"),
    [
        (("model=mlp",), {"new_head": True, "head_names": "x"}, r"head_names=x: Sequential has no parameter so named"),
        (("model=mlp",), {"new_head": True, "head_names": ""}, "every parameter is in the head"),
        (("model=mlp",), {"new_head": True, "head_names": "["}, r"head_names=\[: no regular expression"),
        (("model=unet_tiny", "data=composites", "task=segmentation"), {"new_head": True}, "UNet has no classifier"),
        (
            ("model=gpt_micro", "data=pydoc", "task=causal_lm"),
            {"new_head": True},
            "shares its weights with embed.weight",
        ),
    ],
)
def test_a_head_that_cannot_be_told_is_refused(model, start, message):
    parent = compose("tracker=none", *model)
    with pytest.raises(ConfigError, match=message):
        require_fit(parent, Start(of=parent, at="end", carry=("model",), **start))


def test_names_of_a_carried_head_and_moments_of_a_new_one_are_refused(make):
    with pytest.raises(ConfigError, match=r"start.head_names=3: the head is carried"):
        Start(of=make(), at="end", head_names="3")
    with pytest.raises(ConfigError, match=r"use start.carry=\[model\]"):
        Start(of=make(), at="end", new_head=True)


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["adamw", "schedulefree_adamw"])
def test_what_is_frozen_keeps_weights_and_statistics(make, run, optimizer):
    """To the bit, through evaluations and a resume; the record's rates are those of the head alone."""
    small = ("model=resnet8", "model.args={width: 4}")
    parent = make(*small, "horizon=1ep")
    trained = weights_at_the_end(run(parent), 16)
    made = compose("tracker=none", *small, *THREE, "horizon=2ep", "eval_every=5ba", "param_groups=frozen",
                   f"optimizer={optimizer}", "scheduler=constant")  # fmt: skip
    child = replace(made, start=Start(of=parent, at="end", carry=("model",), new_head=True))
    record = run(child)
    after = weights_at_the_end(record, 32)
    moved = {k for k in after if k not in trained or not torch.equal(after[k], trained[k])}
    assert moved == {"8.weight", "8.bias"}
    assert [*child.peaks] == ["trained"]
    assert record.rates().shape == (32, 1)


def test_a_part_is_frozen_by_its_names_and_dropout_in_the_rest_stays(make):
    made = make(
        "model.args={hidden: [16, 16], dropout: 0.5}", "param_groups=frozen", r"param_groups.args.frozen_names='1\.'"
    )
    state = new_state(made, CPU)
    assert [n for n, p in state.model.named_parameters() if not p.requires_grad] == ["1.weight", "1.bias"]
    assert sum(p.numel() for g in state.optimizer.param_groups for p in g["params"]) == 16 * 16 + 16 + 16 * 10 + 10
    assert all(m.training for m in state.model.modules())  # there is no norm


def test_norms_of_a_frozen_part_rest_and_nothing_else_does():
    """A part in evaluation mode would compute otherwise: no dropout, and of a detector no losses."""
    model = nn.Sequential(
        nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2, affine=False), nn.Dropout(), nn.BatchNorm2d(2), nn.Flatten(),
        nn.Linear(2, 2), nn.BatchNorm1d(2, affine=False)
    )  # fmt: skip
    for parameter in [*model[0].parameters(), *model[3].parameters()]:
        parameter.requires_grad_(False)
    assert _resting(model) == (model[1], model[3])


def test_moments_are_not_given_to_other_weights(make, run):
    """As many parameters, and others: told before the parent is trained."""
    deep, names = "model.args.hidden=[16, 16, 16]", "param_groups.args.frozen_names"
    parent, child = (make(deep, "param_groups=frozen", f"{names}='{i}'") for i in (3, 5))
    with pytest.raises(ConfigError, match="its moments would be given to other weights; give start"):
        run(replace(child, start=Start(of=parent, at="end")))
    assert not run.results.exists()


def test_what_a_sweep_found_of_one_fork_is_not_said_of_another(make, tmp_path):
    parent, frozen = make(), make("param_groups=frozen")
    checks, settings = Checks(), Settings(results=tmp_path)
    with pytest.raises(ConfigError, match="its moments would be given to other weights"):
        checks(replace(frozen, start=Start(of=parent, at="end")), settings)
    checks(replace(frozen, start=Start(of=parent, at="end", carry=("model",))), settings)
    checks(replace(parent, start=Start(of=parent, at="end")), settings)


@pytest.mark.parametrize(
    ("parents", "childs", "why"),
    [
        (("data=digits",), ("data=digits", "data.args.val_size=300"), "val_size=300: the parent has 360"),
        ((CLASSES.format("[0,1]"),), (CLASSES.format("[1,2]"),), r"classes=\[1, 2\]: the parent has .* has none"),
        ((), (CLASSES.format("[1,2]"),), r"classes=\[1, 2\]: the parent has None"),
        (
            (CLASSES.format("[0,1]"),),
            (CLASSES.format("[2,3]"),),
            "the parent tells .* apart, so .* give start.new_head=true",
        ),
    ],
)
def test_nobody_is_evaluated_on_what_the_parent_was_trained_on(make, parents, childs, why):
    fashion = ("data=fashion_mnist", "data.args.train_size=500", "data.args.val_size=100")
    parent, child = (make(*(() if "data=digits" in own else fashion), *own) for own in (parents, childs))
    start = Start(of=parent, at="end", carry=("model",))
    with pytest.raises(ConfigError, match=why):
        check_start(child, start)


def test_classes_of_its_own_under_a_new_head(make):
    fashion = ("data=fashion_mnist", "data.args.train_size=500", "data.args.val_size=100")
    parent, child = (make(*fashion, CLASSES.format(own)) for own in ("[0,1]", "[2,3]"))
    check_start(child, Start(of=parent, at="end", carry=("model",), new_head=True))


def test_other_parameter_groups_do_not_fit(make, run):
    parent = make()
    with pytest.raises(ConfigError, match="its moments would be given to other weights"):
        run(child_of(parent, param_groups=SPLIT))
    assert run(child_of(parent, carry=("model",), param_groups=SPLIT)).standing() == "finished"


def test_a_parent_that_diverged_is_refused(make, run):
    with pytest.raises(ConfigError, match=r"start\.of=\w+: the parent is diverged, and nothing can fork from it"):
        run(child_of(make("optimizer.lr=1e6"), carry=("model",)))


def test_a_damaged_checkpoint_of_the_parent_is_named(make, run):
    parent = make()
    path = run(parent).checkpoint("update-00000064")
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ConfigError, match=r"update-00000064.pt: the checkpoint cannot be read .* remove it"):
        run(child_of(parent))
    path.unlink()
    assert run(child_of(parent)).standing() == "finished"


@pytest.mark.parametrize("keep", ["5ep", "plateau", "soon"])
def test_checkpoints_that_cannot_be_kept_are_refused(make, run, keep):
    with pytest.raises(ConfigError, match=f"keep={keep}"):
        run(make(), keep=(keep,))
    assert not run.results.exists()


# ---- Composed from overrides.


def test_a_record_names_no_code(make, run, tmp_path, monkeypatch):
    """In a folder that others can write, a record's task may be anything."""
    parent = replace(make("horizon=2ep"), task=replace(make().task, target="os.system", args={"command": "touch ran"}))
    monkeypatch.chdir(tmp_path)
    record = Record(run.results / "runs" / run_id(parent))
    record.create(parent, {})
    asked = ["tracker=none", "model=mlp", f"results={run.results}", f"start.of={record.run_id}", "start.at=1ep"]
    with pytest.raises(ConfigError, match=rf"start.of={record.run_id}: what lies there names os.system as its code"):
        compose(*asked)
    assert not (tmp_path / "ran").exists()


def test_a_damaged_record_is_no_start(make, run):
    record = run(make("horizon=2ep"))
    path = record.folder / "summary.json"
    path.write_text(path.read_text().replace("0.", "1."))
    with pytest.raises(ConfigError, match=r"its record is damaged: summary.json is not as it was written"):
        compose("tracker=none", "model=mlp", f"results={run.results}", f"start.of={record.run_id}", "start.at=1ep")


@pytest.mark.slow
def test_a_start_is_composed_from_overrides_or_a_record(make, run):
    parent = ["tracker=none", "model=mlp", "horizon=2ep"]
    child = compose(*parent, "scheduler=constant", f"start.of={parent}", "start.at=1ep", "start.carry=[model]")
    assert child.start == Start(of=compose(*parent), at="1ep", carry=("model",))
    record = run(child.start.of)
    again = compose(*parent, f"results={run.results}", f"start.of={record.run_id[:8]}")
    assert again.start.of == child.start.of
    with pytest.raises(ConfigError, match=r"start.of=.*optimizer.lr=-1"):
        compose(*parent, "start.of=['model=mlp','optimizer.lr=-1']")
