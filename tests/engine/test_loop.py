"""The engine against a textbook loop, its keyed randomness, and an audit that finds what is done to it."""

import json
from dataclasses import replace
from functools import wraps
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, OneCycleLR, ReduceLROnPlateau

from lrbench.data import Reading
from lrbench.data.digits import Digits
from lrbench.engine import state
from lrbench.engine.attempt import RunFailed
from lrbench.engine.loop import advance, may_draw
from lrbench.engine.outcome import audit
from lrbench.engine.state import load, new_state, read_checkpoint, set_up
from lrbench.experiment import Component, Experiment, Optimizer
from lrbench.models import mlp as mlp_module
from lrbench.models.mlp import mlp
from lrbench.models.resnet import resnet8
from lrbench.randomness import seed_of
from lrbench.store.record import Record
from lrbench.tasks.classification import Classification, Means

pytestmark = pytest.mark.usefixtures("without_picture")
CPU = torch.device("cpu")
PLATEAU = ("scheduler=plateau", "scheduler.args.patience=1", "scheduler.args.threshold=0.3", "horizon=8ep")


def weights(record: Record, update: int | None = None) -> dict[str, torch.Tensor]:
    update = record.experiment().clock.updates if update is None else update
    return read_checkpoint(record.checkpoint(f"update-{update:08d}"), CPU)["model"]


class Textbook:
    """What a person would write: torch's optimizer and scheduler, stepped by hand. Data and order are lrbench's."""

    def __init__(self, model: nn.Module, seed: int, batch_size: int = 64) -> None:
        self.model, self.seed = model, seed
        self.splits = Digits().load(seed)
        self.reading = Reading(batch_size, seed)
        self.batches = self.splits.train.stream(self.reading)
        self.rates: list[float] = []
        self.momenta: list[float] = []
        self.losses: list[float] = []
        self.norms: list[float] = []

    def update(self, optimizer: torch.optim.Optimizer, t: int, clip: float | None = None) -> None:
        x, y = self.batches.batch(t)
        torch.manual_seed(seed_of("noise", self.seed, t, 0, 0))
        loss = nn.functional.cross_entropy(self.model(x), y)
        optimizer.zero_grad()
        loss.backward()
        if clip is not None:
            self.norms.append(nn.utils.clip_grad_norm_(self.model.parameters(), clip).item())
        (group,) = optimizer.param_groups
        self.rates.append(group["lr"])
        self.momenta.append(group["betas"][0] if "betas" in group else group["momentum"])
        optimizer.step()
        self.losses.append(loss.item())

    def validation_loss(self) -> float:
        self.model.eval()
        with torch.no_grad():
            ((x, y),) = self.splits.val.stream(self.reading).in_order()
            loss = nn.functional.cross_entropy(self.model(x), y, reduction="none").double().sum().item() / len(y)
        self.model.train()
        return loss

    def require_same(self, record: Record, cycled: bool = False) -> None:
        rates = record.rates()
        assert rates[:, 0].tolist() == self.rates
        assert not cycled or rates[:, 1].tolist() == self.momenta
        assert record.series()["train/loss"].tolist() == self.losses
        assert not self.norms or record.series()["grad/norm"].tolist() == self.norms
        for name, value in weights(record).items():
            assert torch.equal(value, self.model.state_dict()[name]), name


def perceptron(seed: int, dropout: float = 0.0) -> nn.Module:
    torch.manual_seed(seed_of("init", seed))
    return mlp((1, 8, 8), 10, [16], dropout)


OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=1e-4),
    "adamw": lambda p: torch.optim.AdamW(p, lr=1e-3, weight_decay=0.05),
}


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("clip", [None, 0.7])
def test_cosine_per_epoch_is_the_textbook_loop(make, run, optimizer, clip):
    record = run(make(f"optimizer={optimizer}", "scheduler=cosine", "seed=3", *([f"clip={clip}"] if clip else [])))
    book = Textbook(perceptron(3), 3)
    live = OPTIMIZERS[optimizer](book.model.parameters())
    schedule = CosineAnnealingLR(live, T_max=4)
    for epoch in range(4):
        for i in range(book.batches.per_epoch):
            book.update(live, epoch * book.batches.per_epoch + i, clip)
        schedule.step()
    book.require_same(record)
    if clip:
        assert max(book.norms) > clip  # it was clipped at all


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_onecycle_per_update_is_the_textbook_loop_with_its_momentum(make, run, optimizer):
    record = run(make(f"optimizer={optimizer}", "scheduler=onecycle", "model.args.dropout=0.2", "horizon=50ba"))
    book = Textbook(perceptron(0, dropout=0.2), 0)
    live = OPTIMIZERS[optimizer](book.model.parameters())
    schedule = OneCycleLR(live, max_lr=live.param_groups[0]["lr"], total_steps=50)
    for t in range(50):
        book.update(live, t)
        if t < 49:
            schedule.step()
    book.require_same(record, cycled=True)
    assert len(set(book.momenta)) > 10


@pytest.mark.slow
def test_plateau_after_a_warmup_is_the_textbook_loop(make, run):
    record = run(make(*PLATEAU, "warmup=linear5", "warmup.length=2ep", "optimizer.lr=0.05"))
    book = Textbook(perceptron(0), 0)
    live = torch.optim.SGD(book.model.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-4)
    warmup = LinearLR(live, start_factor=0.01, total_iters=2)
    plateau = None
    for epoch in range(8):
        for i in range(book.batches.per_epoch):
            book.update(live, epoch * book.batches.per_epoch + i)
        if epoch < 1:
            warmup.step()
        elif epoch == 1:  # the main phase begins at the peak; it has heard nothing yet
            live.param_groups[0]["lr"] = 0.05
            plateau = ReduceLROnPlateau(live, factor=0.1, patience=1, threshold=0.3, min_lr=1e-6)
        else:
            plateau.step(book.validation_loss())
    book.require_same(record)
    assert len(set(book.rates)) > 3  # both phases, and a cut


@pytest.mark.slow
def test_a_plateau_that_hears_every_loss_is_the_textbook_loop(make, run):
    overrides = ("scheduler=plateau", "scheduler.interval=batch", "monitor=train/loss", "warmup=linear_10pct")
    record = run(make(*overrides, "scheduler.args.patience=5", "horizon=60ba", "scheduler.args.threshold=0.2"))
    book = Textbook(perceptron(0), 0)
    live = OPTIMIZERS["sgd"](book.model.parameters())
    ramp, plateau = LinearLR(live, start_factor=0.01, total_iters=6), None
    for t in range(60):
        book.update(live, t)
        if t < 5:
            ramp.step()
        elif t == 5:
            live.param_groups[0]["lr"] = 0.1
            plateau = ReduceLROnPlateau(live, factor=0.1, patience=5, threshold=0.2, min_lr=1e-6)
        if t > 5:
            plateau.step(book.losses[-1])
    book.require_same(record)
    assert record.summary()["audit"] == "as planned"
    assert len(set(book.rates[6:])) > 1


@pytest.mark.slow
def test_batchnorm_is_the_textbook_loop(make, run):
    record = run(make("model=resnet8", "model.args.width=4", "horizon=20ba", "channels_last=false"))
    torch.manual_seed(seed_of("init", 0))
    book = Textbook(resnet8((1, 8, 8), 10, width=4), 0)
    live = OPTIMIZERS["sgd"](book.model.parameters())
    schedule = CosineAnnealingLR(live, T_max=2)
    for t in range(20):
        book.update(live, t)
        if t == 15:
            book.validation_loss()  # measures, and leaves the running statistics alone
            schedule.step()
    book.require_same(record)


def test_the_picture_shows_the_run(make, tmp_path, monkeypatch):
    """Drawn when somebody looks, and once."""
    monkeypatch.undo()  # the real picture
    from lrbench.engine.train import train
    from lrbench.experiment import Settings
    from lrbench.plots.run import picture_of

    record = train(make("horizon=2ep"), Settings(results=tmp_path))
    assert not record.picture.exists()
    assert picture_of(record) == record.picture
    assert record.picture.read_bytes().startswith(b"\x89PNG")
    record.picture.write_bytes(b"")
    assert picture_of(record) == record.picture
    assert not record.picture.read_bytes()


# ---- Randomness is a function of its key.


@pytest.fixture
def seen(monkeypatch):
    """What every model built from here on starts from and meets: weights, batches, dropout masks."""
    runs = []

    @wraps(mlp)
    def spied(*args, **options):
        model = mlp(*args, **options)
        met = SimpleNamespace(weights=[p.detach().clone() for p in model.parameters()], batches=[], masks=[])

        def note(module, inputs, output):
            if module.training:
                met.batches.append(inputs[0].clone())

        def note_mask(module, inputs, output):
            if module.training:
                met.masks.append(torch.where(inputs[0] == 0, False, output == 0))

        model.register_forward_hook(note)
        # A unit that is 0 before dropout tells nothing: all ones in its place draw the same mask.
        for dropout in (m for m in model.modules() if isinstance(m, nn.Dropout)):
            dropout.register_forward_pre_hook(lambda module, inputs: (torch.ones_like(inputs[0]),))
            dropout.register_forward_hook(note_mask)
        runs.append(met)
        return model

    monkeypatch.setattr(mlp_module, "mlp", spied)
    return runs


def same(one, other):
    return len(one) == len(other) and all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.slow
def test_one_seed_is_one_stream_whatever_the_schedule(make, run, seen):
    common = ("model.args.dropout=0.3", "horizon=40ba")
    for overrides in (["scheduler=cosine"], ["scheduler=onecycle", "optimizer.lr=0.3"], ["seed=1"]):
        run(make(*common, *overrides))
    one, other, foreign = seen
    assert len(one.batches) == len(one.masks) == 40
    assert same(one.weights, other.weights)
    assert same(one.batches, other.batches)
    assert same(one.masks, other.masks)
    assert not torch.equal(one.weights[0], foreign.weights[0])
    assert not any(torch.equal(a, b) for a, b in zip(one.batches, foreign.batches, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(one.masks, foreign.masks, strict=True))
    assert not torch.equal(one.masks[0], one.masks[1])  # each update has its own


def test_evaluation_draws_nothing(make, run):
    common = ("model.args.dropout=0.3", "scheduler=onecycle")
    often, seldom = (run(make(*common, f"eval_every={n}ba")) for n in (3, 64))
    assert often.folder != seldom.folder
    for name, value in weights(often).items():
        assert torch.equal(value, weights(seldom)[name])
    assert often.series().tobytes() == seldom.series().tobytes()


def test_evaluation_leaves_the_model_training_and_its_statistics_alone(make):
    from lrbench.engine.evaluation import evaluate

    experiment = make("model=resnet8", "model.args.width=4")
    setup, made = set_up(experiment, CPU), state.new_state(experiment, CPU)
    before = {k: v.clone() for k, v in made.model.state_dict().items()}
    assert evaluate(setup, made, setup.splits.val, "val") == evaluate(setup, made, setup.splits.val, "val")
    assert made.model.training
    assert all(torch.equal(before[k], v) for k, v in made.model.state_dict().items())


# ---- The update uses the rate of its row.


class Spied(torch.optim.SGD):
    """Plain SGD that keeps, for every step, the rate that the weights themselves tell."""

    told: ClassVar[list[float]] = []

    def step(self, closure=None):
        (group,) = self.param_groups
        before = [p.detach().double().clone() for p in group["params"]]
        super().step(closure)
        moved = [(b - p.detach().double(), p.grad.double()) for b, p in zip(before, group["params"], strict=True)]
        Spied.told.append(sum((d * g).sum() for d, g in moved).item() / sum((g * g).sum() for _, g in moved).item())


def test_the_weights_moved_by_the_rate_of_the_row(make, run):
    Spied.told = []
    experiment = replace(
        make(
            "scheduler=onecycle",
            "scheduler.args.cycle_momentum=false",
            "scheduler.args.final_div_factor=10",
            "horizon=40ba",
        ),
        optimizer=Optimizer(target=f"{__name__}.Spied", lr=0.5),
    )
    record = run(experiment)
    assert len(set(Spied.told)) == 40
    # float32 weights tell a rate to about 1e-8 of a peak of 0.5: the last rates are as small as 2e-6.
    np.testing.assert_allclose(Spied.told, record.rates()[:, 0], rtol=1e-5, atol=2e-8)


# ---- Tampering is found.


class Halving(torch.optim.SGD):
    """Changes the rate during the step."""

    def step(self, closure=None):
        self.param_groups[0]["lr"] *= 0.5
        return super().step(closure)


@pytest.mark.parametrize("how", ["a class", "a hook before the step", "a hook after the step", "once"])
def test_a_rate_changed_during_the_step_is_found(make, run, how, monkeypatch):
    experiment: Experiment = make("scheduler=constant", "horizon=20ba")
    if how == "a class":
        experiment = replace(experiment, optimizer=Optimizer(target=f"{__name__}.Halving", lr=0.1))
    else:
        build = state.build_optimizer

        def tampered(model, experiment):
            optimizer, steps = build(model, experiment), []
            register = optimizer.register_step_post_hook if "after" in how else optimizer.register_step_pre_hook

            def halve(optimizer, *_):
                steps.append(1)
                if how != "once" or len(steps) % 20 == 18:  # the same update of both runs
                    optimizer.param_groups[0]["lr"] *= 0.5

            register(halve)
            return optimizer

        monkeypatch.setattr(state, "build_optimizer", tampered)
    first = 17 if how == "once" else 0
    found = rf"update {first} used the rates \[0.05\] and \[0.1\] were planned"
    with pytest.raises(RunFailed, match=found):
        run(experiment)
    record = run(experiment)  # a failed run is returned as it is
    assert record.standing() == "failed"
    assert "the schedule was not followed" in record.status()["error"]
    assert not (record.folder / "summary.json").exists()
    record = run(experiment, force=True, audit=False)
    assert record.standing() == "finished"
    (difference,) = record.summary()["audit"]
    assert difference.startswith(f"update {first} used")


def test_momentum_is_audited_too(make, run, monkeypatch):
    build = state.build_optimizer

    def tampered(model, experiment):
        optimizer = build(model, experiment)
        optimizer.register_step_pre_hook(lambda o, *_: o.param_groups[0].update(momentum=0.9))
        return optimizer

    monkeypatch.setattr(state, "build_optimizer", tampered)
    with pytest.raises(RunFailed, match=r"update 0 used the rates \[0.00\d+, 0.9\]"):
        run(make("scheduler=onecycle", "horizon=20ba"))


@pytest.fixture
def done(make, run):
    """A finished run with a schedule that hears validation, as the audit sees it."""
    experiment = make(*PLATEAU, "warmup=linear5", "warmup.length=1ep")
    record = run(experiment)
    setup = set_up(experiment, CPU)
    final = load(experiment, CPU, record.checkpoint(f"update-{experiment.clock.updates:08d}"))
    assert audit(setup, final, record, record.rows()) == []
    return setup, final, record, record.rows()


def test_a_missing_and_a_surplus_update_are_found(done):
    setup, final, record, rows = done
    path = record.folder / "series.npy"
    whole = path.read_bytes()
    path.write_bytes(whole[:-24])
    assert audit(setup, final, record, rows) == ["127 updates were made and 128 planned"]
    path.write_bytes(whole + whole[-24:])
    assert audit(setup, final, record, rows) == ["129 updates were made and 128 planned"]


def test_a_single_bit_of_a_rate_is_found(done):
    setup, final, record, rows = done
    path = record.folder / "series.npy"
    changed = bytearray(path.read_bytes())
    changed[-24 * 39 - 8] ^= 1  # the last bit of the mantissa of row 88
    path.write_bytes(changed)
    (found,) = audit(setup, final, record, rows)
    assert found.startswith("update 88 used the rates")


def test_another_number_of_updates_in_an_epoch_is_found(done):
    setup, final, record, rows = done
    wrong = replace(setup, splits=setup.splits._replace(train=SimpleNamespace(per_epoch=15)))
    assert audit(wrong, final, record, rows) == ["an epoch had 15 updates and 16 were planned"]


@pytest.mark.parametrize("change", ["one missing", "one too many"])
def test_missing_and_surplus_evaluations_are_found(done, change):
    setup, final, record, rows = done
    last = max(i for i, r in enumerate(rows) if "val/loss" in r)
    rows = rows[:last] if change == "one missing" else [*rows, {**rows[last], "update": 130}]
    (found,) = audit(setup, final, record, rows)
    assert found.startswith("evaluations were made after updates [16, 32")


def test_a_metric_that_the_record_does_not_hold_is_found(done):
    setup, final, record, rows = done
    metrics = final.feedback.metrics
    assert len(metrics) == 7  # the evaluation that ends the warmup is not heard
    metrics[-1] += 1e-9  # too little to change a rate
    assert audit(setup, final, record, rows) == ["the schedule heard other metrics than the record holds"]


def test_rates_that_do_not_follow_from_the_metrics_are_found(done):
    setup, final, record, rows = done
    final.feedback.metrics[:] = [1.0 / 2**k for k in range(7)]  # always better: no cut
    (found, *_) = audit(setup, final, record, rows)
    assert "were planned" in found


def test_a_loss_that_the_record_does_not_hold_is_found(make, run):
    overrides = ("scheduler=plateau", "scheduler.interval=batch", "monitor=train/loss", "horizon=20ba")
    experiment = make(*overrides, "scheduler.args.patience=20ba")
    record = run(experiment)
    final = load(experiment, CPU, record.checkpoint("update-00000020"))
    setup = set_up(experiment, CPU)
    assert audit(setup, final, record, record.rows()) == []
    final.feedback.metrics[3] += 1e-9
    assert audit(setup, final, record, record.rows()) == ["the schedule heard other metrics than the record holds"]


# ---- The record of a run.


def test_rows_are_means_since_the_row_before(make, run):
    record = run(make("horizon=40ba"), log_every="7ba")
    trained = [r for r in record.rows() if "train/loss" in r]
    assert [r["update"] for r in trained] == [7, 14, 21, 28, 35]
    losses = record.series()["train/loss"].tolist()
    for row in trained:
        end = row["update"]
        assert row["train/loss"] == sum(losses[end - 7 : end]) / 7
        assert row["lr/all"] == record.rates()[end - 1, 0]
        assert row["epoch"] == round(end / 16, 6)
    seconds = [r["seconds"] for r in record.rows()]
    assert seconds == sorted(seconds)


def test_the_files_of_a_finished_run(make, run):
    record = run(make(), hydra={"config.yaml": "a: 1\n"})
    names = {p.relative_to(record.folder).as_posix() for p in record.folder.rglob("*") if p.is_file()}
    assert names == {
        "experiment.yaml", "status.json", "metrics.jsonl", "series.npy", "summary.json",
        "provenance.json", "seal.json", ".hydra/config.yaml", "checkpoints/update-00000064.pt", "lease.lock",
        "weights/end.pt",
    }  # fmt: skip
    assert record.experiment() == make()
    assert np.load(record.folder / "series.npy").shape == (64,)
    (origin,) = json.loads((record.folder / "provenance.json").read_text())
    assert origin["from_update"] == 0
    assert origin["versions"]["torch"] == torch.__version__.partition("+")[0]


def test_what_is_shown_and_logged_and_saved_changes_no_number(make, run, tmp_path, require_same_run):
    experiment = make("scheduler=onecycle")
    plain = run(experiment)
    other = run(experiment, results=tmp_path / "other", checkpoint_every="3ba", keep=("end", "1ep"))
    (other.checkpoint("update-00000016")).unlink()
    require_same_run(plain, other)


def test_a_short_block_changes_no_number(make, run, tmp_path, require_same_run, monkeypatch):
    from lrbench.engine import loop

    experiment = make("scheduler=onecycle", "model.args.dropout=0.2")
    plain = run(experiment)
    monkeypatch.setattr(loop, "PATIENCE", 0.0)
    require_same_run(plain, run(experiment, results=tmp_path / "patience"))
    monkeypatch.setattr(loop, "PATIENCE", 0.5)
    monkeypatch.setattr(loop, "BLOCK", 5)
    require_same_run(plain, run(experiment, results=tmp_path / "block"))


def test_a_model_of_ones_own_is_trained(make, run):
    experiment = replace(make("horizon=1ep"), model=Component(target=f"{__name__}.own_model"))
    assert run(experiment).standing() == "finished"


def own_model(shape, num_classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(64, num_classes))


@pytest.mark.parametrize(
    ("overrides", "draws"),
    [
        (("model=mlp",), False),
        (("model=resnet8",), False),
        (("model=vit_micro",), True),  # it holds nn.Dropout, if only of probability 0
        (("model=mlp", "model.args.dropout=0.1"), True),
        (("model=timm", "model.args.name=test_resnet"), True),  # not known to be silent
    ],
)
def test_noise_is_keyed_wherever_something_may_draw(make, overrides, draws):
    """And where nothing is seeded, nothing draws: the default generator is where it was after a block."""
    require_keyed(make(*overrides, "horizon=3ba", "eval_every=3ba"), draws)


def test_noise_of_a_task_is_keyed_too(make):
    drawing = Component(target=f"{__name__}.DrawingTask")
    require_keyed(replace(make("horizon=3ba", "eval_every=3ba"), task=drawing), True)


def require_keyed(experiment, draws):
    setup = set_up(experiment, CPU)
    fresh = new_state(experiment, CPU)
    assert may_draw(setup, fresh) == draws
    torch.default_generator.manual_seed(77)
    before = torch.default_generator.get_state()
    advance(setup, fresh, 3)
    assert torch.equal(before, torch.default_generator.get_state()) == (not draws)


class DrawingTask:
    def metrics(self, spec):
        return Classification().metrics(spec)

    def loss(self, model, batch):
        output = model(batch[0])
        return torch.nn.functional.cross_entropy(output + torch.randn_like(output), batch[1], reduction="sum")

    def weight(self, batch):
        return len(batch[1])

    def meter(self):
        return Means()
