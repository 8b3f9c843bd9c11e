"""Command lines of torchvision's reference scripts, against loops on torch's schedulers as those scripts have them (the
scripts are no part of the package, so that the loops stand here)."""

import shlex
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from imports import SETTINGS, rate, rates, require_same, sgd
from torch.optim.lr_scheduler import (
    ConstantLR,
    CosineAnnealingLR,
    ExponentialLR,
    LinearLR,
    LRScheduler,
    MultiStepLR,
    PolynomialLR,
    SequentialLR,
    StepLR,
)

from lrbench.errors import ConfigError
from lrbench.interop.foreign import torchvision
from lrbench.interop.foreign.imported import GivenSizes, Imported
from lrbench.interop.foreign.read import words_of

U, LR = 5, 0.5
ASKED = GivenSizes(updates_per_epoch=U)


def imported(line: str, asked: GivenSizes = ASKED) -> Imported:
    return torchvision.imported(shlex.split(line), asked)


def loop(optimizer: torch.optim.Optimizer, epochs: int) -> Iterator[tuple[int, int]]:
    """Epoch and update of every optimizer step."""
    for epoch in range(epochs):
        for update in range(U):
            yield epoch, update
            optimizer.step()


def by_epoch(optimizer: torch.optim.Optimizer, scheduler: LRScheduler, epochs: int) -> np.ndarray:
    seen = []
    for _, update in loop(optimizer, epochs):
        seen.append(rate(optimizer))
        if update == U - 1:
            optimizer.step()
            scheduler.step()
    return np.array(seen)


def warmed(optimizer: torch.optim.Optimizer, warmup: LRScheduler, main: LRScheduler, steps: int) -> SequentialLR:
    return SequentialLR(optimizer, [warmup, main], milestones=[steps])


@pytest.mark.filterwarnings("ignore:The epoch parameter in")  # of SequentialLR itself
@pytest.mark.parametrize(
    ("flags", "made"),
    [
        ("--lr 0.5 --epochs 20", lambda o: StepLR(o, 30, 0.1)),
        ("--lr 0.5 --epochs 20 --lr-step-size 6 --lr-gamma 0.5", lambda o: StepLR(o, 6, 0.5)),
        ("--lr 0.5 --epochs 20 --lr-scheduler cosineannealinglr", lambda o: CosineAnnealingLR(o, 20)),
        ("--lr=0.5 --epochs=20 --lr-scheduler=exponentiallr --lr-gamma=0.9", lambda o: ExponentialLR(o, 0.9)),
        ("--lr 0.5 --epochs 20 --lr-scheduler cosineannealinglr --lr-min 0.001 --lr-warmup-epochs 4 "
         "--lr-warmup-method linear --lr-warmup-decay 0.01",
         lambda o: warmed(o, LinearLR(o, 0.01, total_iters=4), CosineAnnealingLR(o, 16, 0.001), 4)),
        ("--lr 0.5 --epochs 20 --lr-step-size 6 --lr-warmup-epochs 4",
         lambda o: warmed(o, ConstantLR(o, 0.01, total_iters=4), StepLR(o, 6, 0.1), 4)),
    ],
)  # fmt: skip
def test_classification_is_stepped_by_the_epoch(flags: str, made: object) -> None:
    optimizer = sgd(LR)
    theirs = by_epoch(optimizer, made(optimizer), 20)  # type: ignore[operator]
    require_same(rates(imported(f"train.py --model resnet50 {flags}")), theirs)


@pytest.mark.parametrize("flags", ["", "--lr-scheduler cosineannealinglr"])
def test_detection_climbs_over_the_first_epoch(flags: str) -> None:
    """engine.train_one_epoch has a LinearLR of its own in epoch 0, for min(1000, updates - 1) updates."""
    optimizer = sgd(0.02)
    main = CosineAnnealingLR(optimizer, 26) if flags else MultiStepLR(optimizer, [16, 22], 0.1)
    seen = []
    warm: LRScheduler | None = None
    for epoch, update in loop(optimizer, 26):
        if (epoch, update) == (0, 0):
            warm = LinearLR(optimizer, 0.001, total_iters=min(1000, U - 1))
        if epoch == 1:
            warm = None
        seen.append(rate(optimizer))
        optimizer.step()
        if warm is not None:
            warm.step()
        if update == U - 1:
            main.step()
    require_same(rates(imported(f"python references/detection/train.py --model fasterrcnn_resnet50_fpn {flags}")), seen)


@pytest.mark.filterwarnings("ignore:The epoch parameter in")
@pytest.mark.parametrize("warm", [0, 2])
def test_segmentation_is_stepped_by_the_update(warm: int) -> None:
    optimizer = sgd(0.02)
    main: LRScheduler = PolynomialLR(optimizer, total_iters=U * (10 - warm), power=0.9)
    if warm:
        main = warmed(optimizer, LinearLR(optimizer, 0.01, total_iters=U * warm), main, U * warm)
    seen = []
    for _ in loop(optimizer, 10):
        seen.append(rate(optimizer))
        optimizer.step()
        main.step()
    found = imported(f"references/segmentation/train.py --lr 0.02 --epochs 10 --aux-loss --lr-warmup-epochs {warm}")
    require_same(rates(found), seen)
    assert "10 times" in found.left[0]


def test_a_file_of_theirs() -> None:
    found = torchvision.imported(words_of(str(SETTINGS / "torchvision_resnet50.sh")), GivenSizes(samples=1281167))
    assert found.overrides == (
        "optimizer=sgd", "optimizer.lr=0.5", "optimizer.args.momentum=0.9", "optimizer.args.weight_decay=2e-05",
        "scheduler=cosine", "scheduler.args.eta_min=0", "warmup=linear5", "warmup.interval=epoch",
        "warmup.length=5ep", "warmup.args.start_factor=0.01", "horizon=600ep",
    )  # fmt: skip
    assert (found.batch, found.run.per_epoch) == (1024, 1252)  # 1,281,167 / 8 / 128, the last batch kept
    assert "--auto-augment" in found.not_taken
    assert set(found.defaults) == {"lr_min"}


@pytest.mark.parametrize(
    ("line", "asked", "words"),
    [
        ("train.py --epochs 90", GivenSizes(), ("--updates-per-epoch",)),
        ("train.py --epochs many", ASKED, ("--epochs", "many")),
        ("train.py --epochs 0", ASKED, ("--epochs=0",)),
        ("train.py --lr-scheduler onecycle", ASKED, ("--lr-scheduler=onecycle", "steplr")),
        ("train.py --lr-warmup-epochs 3 --lr-warmup-method cosine", ASKED, ("--lr-warmup-method=cosine",)),
        ("train.py --lr-warmdown 3", ASKED, ("--lr-warmdown", "may move rates")),
        ("train.py --opt lamb", ASKED, ("--opt=lamb",)),
        ("references/video_classification/train.py", ASKED, ("not known", "segmentation")),
        ("hello world", ASKED, ("no command line",)),
    ],
)
def test_what_is_refused(line: str, asked: GivenSizes, words: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError) as refused:
        imported(line, asked)
    assert all(word in str(refused.value) for word in words), str(refused.value)


@pytest.mark.parametrize(
    ("line", "script"),
    [
        ("train.py --lr-steps 8 11", None),
        ("train.py --lr 0.1", "references/classification/train.py"),
        ("--lr 0.1", "references/classification/train.py"),
    ],
)
def test_which_script_is_told_where_the_line_does_not(line: str, script: str | None) -> None:
    assert imported(line).defaults.get("script") == script


def test_devices_of_the_launcher() -> None:
    found = imported("torchrun --nnodes=2 --nproc-per-node=4 train.py -b 64", GivenSizes(samples=51200))
    assert (found.batch, found.run.per_epoch) == (512, 100)
    submitted = imported("run_with_submitit.py --ngpus 8 --nodes 2 --batch-size=64", GivenSizes(samples=51200))
    assert (submitted.batch, submitted.run.per_epoch) == (1024, 50)
