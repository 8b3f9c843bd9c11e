"""LightningCLI's settings, against Lightning's own Trainer, and against torch's classes stepped once an epoch as it
steps them."""

from typing import Any

import numpy as np
import pytest
import torch
from imports import SETTINGS, rate, rates, require_same, sgd
from torch.optim import lr_scheduler

from lrbench.errors import ConfigError
from lrbench.interop.foreign import lightning
from lrbench.interop.foreign.imported import GivenSizes
from lrbench.interop.foreign.read import mapping_of

U, EPOCHS, LR = 4, 20, 0.1
ASKED = GivenSizes(updates_per_epoch=U)
SGD = {"class_path": "torch.optim.SGD", "init_args": {"lr": LR, "momentum": 0.9}}


def settings(name: str, trainer: dict[str, Any] | None = None, **args: Any) -> dict[str, Any]:
    path = name if "." in name else f"torch.optim.lr_scheduler.{name}"
    scheduled = {"class_path": path, "init_args": args}
    return {"trainer": {"max_epochs": EPOCHS, **(trainer or {})}, "optimizer": SGD, "lr_scheduler": scheduled}


def theirs(name: str, updates: int = EPOCHS * U, **args: Any) -> np.ndarray:
    optimizer = sgd(LR)
    scheduler = getattr(lr_scheduler, name)(optimizer, **args)
    seen = []
    for update in range(updates):
        seen.append(rate(optimizer))
        optimizer.step()
        if (update + 1) % U == 0:
            scheduler.step()
    return np.array(seen)


# Their classes and arguments; whether a level of lrbench stands for it.
SCHEDULES: list[tuple[str, dict[str, Any], bool]] = [
    ("CosineAnnealingLR", {"T_max": 20, "eta_min": 1e-4}, True),
    ("CosineAnnealingLR", {"T_max": 100}, True),  # the pitfall: the run ends at 2 % of the way down
    ("CosineAnnealingLR", {"T_max": 8}, True),  # it climbs again
    ("CosineAnnealingWarmRestarts", {"T_0": 5, "T_mult": 2}, True),
    ("StepLR", {"step_size": 6}, True),
    ("StepLR", {"step_size": 30, "gamma": 0.5}, True),
    ("MultiStepLR", {"milestones": [8, 15], "gamma": 0.2}, True),
    ("MultiStepLR", {"milestones": [8, 80]}, True),
    ("ExponentialLR", {"gamma": 0.9}, True),
    ("PolynomialLR", {"total_iters": 12, "power": 0.9}, True),
    ("OneCycleLR", {"max_lr": 0.2, "total_steps": 21}, True),
    ("OneCycleLR", {"max_lr": 0.2, "epochs": 20, "steps_per_epoch": 4, "pct_start": 0.2}, True),  # never at its peak
    ("CyclicLR", {"base_lr": 0.01, "max_lr": 0.2, "step_size_up": 4}, True),
    ("LinearLR", {"start_factor": 0.1, "total_iters": 5}, False),
    ("ConstantLR", {}, False),
]  # fmt: skip


@pytest.mark.parametrize(("name", "args", "level"), SCHEDULES)
def test_every_one_is_stepped_once_an_epoch(name: str, args: dict[str, Any], level: bool) -> None:
    """To the bit: torch's classes are lrbench's."""
    found = lightning.imported(settings(name, **args), ASKED)
    assert ("scheduler=custom" not in found.overrides) is level
    require_same(rates(found), theirs(name, **args), close=0)


def test_a_config_of_the_subcommand() -> None:
    bare = settings("StepLR", step_size=5)
    assert lightning.imported({"fit": bare, "ckpt_path": "last"}, ASKED) == lightning.imported(bare, ASKED)


def test_a_training_that_ends_within_an_epoch() -> None:
    found = lightning.imported(settings("CosineAnnealingLR", {"max_steps": 30}, T_max=20), ASKED)
    assert found.run.updates == 30
    require_same(rates(found), theirs("CosineAnnealingLR", 30, T_max=20), close=0)


def test_a_plateau_hears_what_theirs_hears() -> None:
    path = "lightning.pytorch.cli.ReduceLROnPlateau"
    found = lightning.imported(settings(path, monitor="val_loss", patience=1, factor=0.5), ASKED)
    metrics = np.random.default_rng(0).exponential(size=EPOCHS).tolist()
    optimizer = sgd(LR)
    scheduler = lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=1)
    seen = []
    for metric in metrics:
        seen += [rate(optimizer)] * U
        optimizer.step()
        scheduler.step(metric)
    assert len({row[0] for row in seen}) > 3
    require_same(rates(found, metrics[:-1]), seen, close=0)


def test_a_class_of_ones_own_is_itself() -> None:
    found = lightning.imported(settings("timm.scheduler.TanhLRScheduler", t_initial=20, lr_min="1e-4"), ASKED)
    assert "scheduler._target_=timm.scheduler.TanhLRScheduler" in found.overrides
    assert "+scheduler.args.lr_min=0.0001" in found.overrides


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_lightnings_own_trainer(tmp_path: Any) -> None:
    """What LightningCLI returns from configure_optimizers, `[optimizer], [scheduler]`, in Lightning's Trainer."""
    import lightning as L
    from lightning.pytorch.cli import LightningCLI

    class Net(L.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.seen = torch.nn.Linear(1, 1), list[list[float]]()

        def training_step(self, batch: list[torch.Tensor], index: int) -> torch.Tensor:
            self.seen.append(rate(self.optimizers()))  # type: ignore[arg-type]
            return self.layer(batch[0]).sum()

        def configure_optimizers(self) -> Any:
            optimizer = torch.optim.SGD(self.parameters(), lr=LR, momentum=0.9)
            scheduler = lr_scheduler.OneCycleLR(optimizer, max_lr=0.2, total_steps=21)
            return LightningCLI.configure_optimizers(self, optimizer, scheduler)

    data = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.ones(U, 1)))
    net = Net()
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "accelerator": "cpu"}
    L.Trainer(max_epochs=EPOCHS, enable_model_summary=False, default_root_dir=tmp_path, **quiet).fit(net, data)
    found = lightning.imported(settings("OneCycleLR", max_lr=0.2, total_steps=21), ASKED)
    require_same(rates(found), net.seen, close=0)


def test_a_file_of_theirs() -> None:
    found = lightning.imported(
        mapping_of(str(SETTINGS / "lightning_cosine.yaml")), GivenSizes(samples=50000, batch_size=256)
    )
    assert found.overrides == (
        "optimizer=adamw", "optimizer.lr=0.001", "optimizer.args.weight_decay=0.05", "scheduler=cosine",
        "scheduler.args.eta_min=1e-06", "warmup=none", "horizon=100ep",
    )  # fmt: skip
    assert (found.batch, found.run.per_epoch) == (512, 98)
    assert "EarlyStopping" in found.left[0]
    assert {"model", "data", "trainer.precision"} < {*found.not_taken}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"trainer": {"max_epochs": 3}}, ("optimizer", "in the module's code")),
        (settings("CosineAnnealingLR"), ("lr_scheduler.init_args.T_max", "not there")),
        (settings("CosineAnnealingLR", T_max=20, eta=3), ("eta=3", "no such argument")),
        (settings("ReduceLROnPlateau", monitor="val_f1"), ("monitor=val_f1",)),
        (settings("SequentialLR", schedulers=[{"class_path": "LinearLR"}]), ("made of others",)),
        (settings("StepLR", {"limit_train_batches": 0.5}, step_size=5), ()),
        (settings("StepLR", {"fast_dev_run": True}, step_size=5), ("fast_dev_run",)),
        (settings("StepLR", {"max_epochs": -1}, step_size=5), ("no end",)),
        (
            settings("StepLR", {"callbacks": [{"class_path": "StochasticWeightAveraging"}]}, step_size=5),
            ("of its own",),
        ),
        ({**settings("StepLR", step_size=5), "lr_multiplier": 3}, ("lr_multiplier=3", "may move rates")),
    ],
)
def test_what_is_refused(given: dict[str, Any], words: tuple[str, ...]) -> None:
    if not words:  # given as it was asked for, a share of an epoch is no question
        assert lightning.imported(given, ASKED).run.per_epoch == U
        given, words = given, ("limit_train_batches=0.5", "--updates-per-epoch")
        asked = GivenSizes(samples=100, batch_size=10)
    else:
        asked = ASKED
    with pytest.raises(ConfigError) as refused:
        lightning.imported(given, asked)
    assert all(word in str(refused.value) for word in words), str(refused.value)
