"""`watch` and `schedule` in the trainers that people use: a right loop is silent, a planted mistake is told.

transformers' Trainer needs accelerate; where Lightning or accelerate is not installed, its tests are left out.
"""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import SGD, Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, OneCycleLR, StepLR

import lrbench
from lrbench.check.finding import Finding
from lrbench.interop.watch import Watch
from lrbench.schedules import lr_table

pytestmark = pytest.mark.filterwarnings("ignore:.*")  # trainers warn of much
EPOCHS, PER_EPOCH = 12, 8
UPDATES = EPOCHS * PER_EPOCH
Make = Callable[[Optimizer], Any]


def rules(found: list[Finding]) -> list[str]:
    return [f.rule for f in found]


def quiet(optimizer: Optimizer, scheduler: Any, **said: Any) -> Watch:
    said = {"updates": UPDATES, "per_epoch": PER_EPOCH, "tell": lambda _: None, **said}
    return lrbench.watch(optimizer, scheduler, **said)


def cosine(steps: int) -> Make:
    return lambda o: CosineAnnealingLR(o, T_max=steps)


def one_cycle(o: Optimizer) -> OneCycleLR:
    return OneCycleLR(o, 0.1, total_steps=UPDATES)


def with_lrbench(o: Optimizer) -> Any:
    return lrbench.schedule(o, "scheduler=cosine", "warmup=linear3", updates=UPDATES, per_epoch=PER_EPOCH)


# What a person may do in any trainer: a scheduler, whether it is stepped after every update, and what is to be told.
CASES: list[tuple[Make, bool, list[str]]] = [
    (one_cycle, True, []),
    (cosine(EPOCHS), False, []),
    (cosine(UPDATES), True, []),
    (with_lrbench, True, []),
    (one_cycle, False, ["check.onecycle-stepped-by-epoch"]),
    (cosine(UPDATES), False, ["watch.stepped-by-epoch"]),
    (cosine(EPOCHS), True, ["check.epoch-schedule-stepped-by-batch"]),
    (lambda o: StepLR(o, 3), True, ["check.epoch-schedule-stepped-by-batch"]),
    (cosine(EPOCHS + 20), False, ["check.schedule-ends-elsewhere"]),
]
STEPPED = [c for c in CASES if c[1]]


# ---- Lightning ----------------------------------------------------------------------------------------------


def in_lightning(make: Make, by_update: bool, folder: Path, **said: Any) -> Watch:
    """Two lines in configure_optimizers; the rest is Lightning's."""
    lightning = pytest.importorskip("lightning.pytorch")

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = nn.Linear(2, 1)

        def training_step(self, batch: Any, _: int) -> torch.Tensor:
            return self.net(batch[0]).pow(2).mean()

        def configure_optimizers(self) -> Any:
            optimizer = SGD(self.parameters(), lr=0.1, momentum=0.9)
            scheduler = make(optimizer)
            self.watch = quiet(optimizer, scheduler, **said)
            interval = "step" if by_update else "epoch"  # Lightning's default is epoch
            return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": interval}}

    module = Module()
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.randn(PER_EPOCH * 4, 2)), batch_size=4)
    trainer = lightning.Trainer(
        max_epochs=EPOCHS, logger=False, enable_checkpointing=False, enable_progress_bar=False, accelerator="cpu",
        enable_model_summary=False, default_root_dir=folder,
    )  # fmt: skip
    trainer.fit(module, loader)
    return module.watch


@pytest.mark.slow
@pytest.mark.parametrize(("make", "by_update", "expected"), CASES)
def test_lightning(make: Make, by_update: bool, expected: list[str], tmp_path: Path) -> None:
    watch = in_lightning(make, by_update, tmp_path)
    assert rules(watch.finish()) == expected
    assert len(watch.rates) == UPDATES


@pytest.mark.slow
def test_lightnings_rates_are_the_tables(tmp_path: Path) -> None:
    made: list[Any] = []
    watch = in_lightning(lambda o: made.append(with_lrbench(o)) or made[0], True, tmp_path)
    assert watch.rates.tolist() == lr_table(made[0]._plan).lr.tolist()


# ---- transformers -------------------------------------------------------------------------------------------


class Net(nn.Module):
    """A model as transformers takes it."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Linear(2, 1)

    def forward(self, x: torch.Tensor, labels: torch.Tensor | None = None) -> dict[str, torch.Tensor]:
        return {"loss": self.net(x).pow(2).mean()}


def trainer_of(
    model: nn.Module, folder: Path, callbacks: Any = (), optimizers: Any = (None, None), **given: Any
) -> Any:
    pytest.importorskip("accelerate")
    transformers = pytest.importorskip("transformers")
    samples = [{"x": torch.randn(2), "labels": torch.zeros(1)} for _ in range(PER_EPOCH * 4)]
    arguments = transformers.TrainingArguments(
        output_dir=str(folder), num_train_epochs=EPOCHS, per_device_train_batch_size=4, report_to=[], use_cpu=True,
        disable_tqdm=True, save_strategy="no", logging_strategy="no", **given,
    )  # fmt: skip
    return transformers.Trainer(
        model=model, args=arguments, train_dataset=samples, optimizers=optimizers, callbacks=[*callbacks]
    )


def in_transformers(make: Make, folder: Path, callbacks: Any = ()) -> Watch:
    """An optimizer and a scheduler of one's own given to the Trainer, which steps it after every update."""
    model = Net()
    optimizer = SGD(model.parameters(), lr=0.1, momentum=0.9)
    scheduler = make(optimizer)
    watch = quiet(optimizer, scheduler)
    trainer_of(model, folder, callbacks, (optimizer, scheduler)).train()
    return watch


@pytest.mark.slow
@pytest.mark.parametrize(("make", "by_update", "expected"), STEPPED)
def test_transformers(make: Make, by_update: bool, expected: list[str], tmp_path: Path) -> None:
    watch = in_transformers(make, tmp_path)
    assert rules(watch.finish()) == expected
    assert len(watch.rates) == UPDATES


@pytest.mark.slow
def test_transformers_with_somebody_who_steps_too(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")

    class Too(transformers.TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, lr_scheduler: Any = None, **_: Any) -> None:
            lr_scheduler.step()

    watch = in_transformers(lambda o: LambdaLR(o, lambda t: 0.99**t), tmp_path, [Too()])
    assert rules(watch.finish()) == ["watch.stepped-twice"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "plan", "expected"),
    [
        ("linear", "scheduler=linear", []),
        ("cosine", "scheduler=cosine", []),
        ("constant_with_warmup", "scheduler=constant", []),
        ("cosine", "scheduler=linear", ["watch.off-plan"]),
    ],
)
def test_transformers_own_schedule_by_a_callback(kind: str, plan: str, expected: list[str], tmp_path: Path) -> None:
    """The Trainer makes optimizer and scheduler when it begins. Its schedules are lrbench's, after a warmup from 0."""
    transformers = pytest.importorskip("transformers")
    watches: list[Watch] = []

    class Watching(transformers.TrainerCallback):
        def on_train_begin(
            self, args: Any, state: Any, control: Any, optimizer: Any = None, lr_scheduler: Any = None, **_: Any
        ) -> None:
            asked = [plan, "scheduler.interval=batch", "warmup=linear_10pct_zero", "warmup.length=10ba"]
            watches.append(quiet(optimizer, lr_scheduler, updates=state.max_steps, plan=asked))

    settings = {"lr_scheduler_type": kind, "warmup_steps": 10, "learning_rate": 0.01}
    trainer_of(Net(), tmp_path, [Watching()], **settings).train()
    assert rules(watches[0].finish()) == expected
    assert watches[0].rates.shape == (UPDATES, 2)  # with and without weight decay


# ---- accelerate ---------------------------------------------------------------------------------------------


def in_accelerate(make: Make, by_update: bool, own_too: bool = False) -> Watch:
    """Prepared by accelerate, watched before or after: its wrappers are looked through."""
    accelerate = pytest.importorskip("accelerate")
    accelerator = accelerate.Accelerator(cpu=True)
    model = nn.Linear(2, 1)
    bare = SGD(model.parameters(), lr=0.1, momentum=0.9)
    own = make(bare)
    model, optimizer, scheduler = accelerator.prepare(model, bare, own)
    watch = quiet(optimizer, scheduler)
    for update in range(UPDATES):
        optimizer.zero_grad()
        accelerator.backward(model(torch.randn(4, 2)).pow(2).mean())
        optimizer.step()
        if by_update or (update + 1) % PER_EPOCH == 0:
            scheduler.step()
            if own_too:
                own.step()
    return watch


@pytest.mark.slow
@pytest.mark.parametrize(("make", "by_update", "expected"), CASES)
def test_accelerate(make: Make, by_update: bool, expected: list[str]) -> None:
    watch = in_accelerate(make, by_update)
    assert rules(watch.finish()) == expected
    assert len(watch.rates) == UPDATES


@pytest.mark.slow
def test_accelerate_with_the_bare_scheduler_stepped_too() -> None:
    watch = in_accelerate(lambda o: LambdaLR(o, lambda t: 0.99**t), True, own_too=True)
    assert rules(watch.finish()) == ["watch.stepped-twice"]


# ---- A program that is a Hydra app of its own ---------------------------------------------------------------


@pytest.mark.slow
def test_beside_the_hydra_of_another_program(tmp_path: Path) -> None:
    """The overrides are lrbench's own options, whatever the program's configuration is called."""
    (tmp_path / "config.yaml").write_text("scheduler: mine\nhorizon: 7\n")
    (tmp_path / "app.py").write_text(
        "import hydra, torch, lrbench\n"
        "@hydra.main(version_base=None, config_path='.', config_name='config')\n"
        "def main(cfg):\n"
        "    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.1)\n"
        "    made = lrbench.schedule(optimizer, 'scheduler=cosine', 'warmup=linear5', updates=300, per_epoch=10)\n"
        "    print(cfg.scheduler, hydra.core.hydra_config.HydraConfig.get().job.name, made.get_last_lr())\n"
        "    print(hydra.compose('config').scheduler)\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "app.py"], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.splitlines() == ["mine app [0.001]", "mine"], done.stderr
