"""Somebody's own code: its errors are theirs by file and line, what it has to be stands in refusals; arguments that are
built; levels `custom`."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from cli_support import TINY, Lrbench, Said, assert_refused, files, in_process

from lrbench.blame import LIBRARIES, blame
from lrbench.config.experiments import experiment
from lrbench.errors import ConfigError
from lrbench.experiment.identity import run_id
from lrbench.schedules import lr_table

OWN = """
import sys
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, shape, num_classes, width=4):
        super().__init__()
        n = shape[0] * shape[1] * shape[2]
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(n, width), nn.ReLU(), nn.Linear(width, num_classes))

    def forward(self, x):
        return self.body(x)


class Raises(nn.Module):
    def __init__(self):
        raise ValueError("a licence is needed")


class Leaves(nn.Module):
    def __init__(self):
        sys.exit("no GPU")


class Forward(Net):
    def forward(self, x):
        raise RuntimeError("three channels are expected")


class TwoClasses(Net):
    def __init__(self, shape):
        super().__init__(shape, 2)


class ByPlace(Net):
    def __init__(self, shape, num_classes, /):
        super().__init__(shape, num_classes)


class Needy(Net):
    def __init__(self, vocabulary):
        pass


def no_module():
    return 5


class Opt(torch.optim.SGD):
    def __init__(self, parameters, lr=0.1, beta=0.8):
        super().__init__(parameters, lr=lr, momentum=beta)


class OptRaises(torch.optim.SGD):
    def __init__(self, params, lr=0.1):
        raise ValueError("rates are given by us")


class NoRate(torch.optim.SGD):
    def __init__(self, params, rate=0.1):
        super().__init__(params, lr=rate)


class Breaks(torch.optim.lr_scheduler.LambdaLR):
    def __init__(self, optimizer):
        super().__init__(optimizer, lambda step: 1 / (3 - step))


def halving(step, by=0.5):
    return by**step


class NoTask:
    pass
"""
FILES = {
    "own": OWN,
    "raising": "raise KeyError('weights')",
    "leaving": "import sys\nsys.exit(3)",
    "lacking": "import a_package_that_is_not_there",
    "unread": "def f(:",
}


@pytest.fixture
def lrbench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Lrbench]:
    folder = tmp_path / "here"
    (folder / "package").mkdir(parents=True)
    for name, text in FILES.items():
        (folder / f"{name}.py").write_text(text)
    (folder / "package" / "__init__.py").write_text("")
    (folder / "package" / "lacking.py").write_text(FILES["lacking"])
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    yield in_process(folder, monkeypatch, capsys)
    for name in (*FILES, "package", "package.lacking"):
        sys.modules.pop(name, None)


def planned(lrbench: Lrbench, *overrides: str) -> Said:
    """Where a model is chosen, not TINY's."""
    given = [o for o in TINY if not (overrides[0].startswith("model=") and o.startswith("model"))]
    return lrbench(*given, "--dry-run", *overrides)


def model(target: str) -> tuple[str, ...]:
    return "model=custom", f"model._target_={target}"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (model("own.Raises"), ["own.py, line 19, in __init__: ValueError: a licence is needed"]),
        (model("own.Leaves"), ["own.py, line 24, in __init__: SystemExit: no GPU"]),
        (model("own.Forward"), ["own.py, line 29, in forward: RuntimeError: three channels are expected"]),
        (model("raising.Net"), ["raising.py, line 1: KeyError: 'weights'"]),
        (model("leaving.Net"), ["leaving.py, line 2: SystemExit: 3"]),
        (model("lacking.Net"), ["lacking.py, line 1: ModuleNotFoundError"]),
        (model("package.lacking.Net"), ["lacking.py, line 1: ModuleNotFoundError"]),
        (model("unread.Net"), ["unread.py, line 1: SyntaxError"]),
        (("optimizer=custom", "optimizer._target_=own.OptRaises", "optimizer.lr=0.1"),
         ["own.py, line 58, in __init__"]),
        (("scheduler=custom", "scheduler._target_=own.Breaks", "scheduler.interval=batch"),
         ["in <lambda>: ZeroDivisionError"]),
    ],
)  # fmt: skip
def test_an_error_in_it_is_theirs(
    lrbench: Lrbench, tmp_path: Path, overrides: tuple[str, ...], words: list[str]
) -> None:
    """Exit code 1, the file and line, and no frame of lrbench's or of a library's."""
    before = files(tmp_path)
    said = planned(lrbench, *overrides)
    assert said.code == 1
    assert said.err.startswith("lrbench: ")
    assert "That is in code of yours" in said.err
    assert "Traceback" not in said.err
    assert str(Path(torch.__file__).parent) not in said.err
    assert "/lrbench/" not in said.err
    assert all(word in said.err for word in words), said.err
    assert files(tmp_path) == before


@pytest.mark.slow
@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (model("own.TwoClasses"), ["model=own.TwoClasses", "1 x 8 x 8 and 10 classes", "conf/model/custom.yaml"]),
        (model("own.ByPlace"), ["takes shape, num_classes by place only"]),
        (model("own.Needy"), ["Needy needs vocabulary", "it gives shape, num_classes"]),
        (model("own.no_module"), ["what it makes is of type int, no torch.nn.Module"]),
        (("model._target_=own.Net",), ["Net has no argument 'hidden'", "model=custom has none"]),
        (("optimizer=custom", "optimizer._target_=own.NoRate", "optimizer.lr=0.1"), ["NoRate takes no lr"]),
        (("task=custom", "task._target_=own.NoTask"), ["it has no method metrics"]),
        (("data=custom", "data._target_=own.NoTask"), ["it has no method info", "conf/data/custom.yaml"]),
        (("model=custom",), ["model._target_", "no value"]),
    ],
)
def test_what_it_has_to_be_is_said(lrbench: Lrbench, overrides: tuple[str, ...], words: list[str]) -> None:
    assert_refused(planned(lrbench, *overrides), *words)


@pytest.mark.slow
def test_arguments_that_a_level_hands_on_are_told(lrbench: Lrbench) -> None:
    """resnet8's width of 16 is an argument of the class too, so nothing refuses it."""
    said = lrbench("tracker=none", "horizon=1ep", "--dry-run", "model._target_=own.Net")
    assert said.code == 0
    assert "model._target_ keeps the arguments of model=resnet8 (width=16)" in " ".join(said.err.split())
    said = lrbench("tracker=none", "horizon=1ep", "--dry-run", "model._target_=own.Net", "model.args.width=16")
    assert "keeps the arguments" not in said.err


def hooked() -> None:
    raise SystemExit


@pytest.mark.parametrize("end", [sys.exit, hooked])  # hooked: as wandb leaves it behind, in a file of its own
def test_something_without_python_code_that_ends_the_process(
    lrbench: Lrbench, monkeypatch: pytest.MonkeyPatch, end: Callable[..., None]
) -> None:
    monkeypatch.setattr(sys, "exit", end)
    monkeypatch.setattr("lrbench.blame.LIBRARIES", (*LIBRARIES, __file__))
    said = lrbench("tracker=none", "--dry-run", "model=custom", "model._target_=sys.exit")
    assert said.code == 1
    assert "a _target_ ended the process (SystemExit)" in said.err


def test_an_error_of_lrbenchs_own_is_nobodys() -> None:
    def called() -> None:
        raise ValueError

    with pytest.raises(ValueError) as error:  # noqa: PT011
        called()
    assert blame(error.value) is None  # no frame of lrbench's led here


@pytest.mark.usefixtures("lrbench")
def test_an_optimizer_that_names_its_momentum_otherwise_goes_with_one_cycle() -> None:
    """torch's OneCycleLR takes it, since its groups have a momentum: 0.85 to 0.95, as the level says."""
    made = experiment(*TINY, "optimizer=custom", "optimizer._target_=own.Opt", "optimizer.lr=0.1", "scheduler=onecycle")
    momentum = lr_table(made).momentum
    assert momentum is not None
    assert (momentum.min(), momentum.max()) == pytest.approx((0.85, 0.95), abs=0.01)


# ---- arguments that are built ---------------------------------------------------------------------------------

TORCH = "torch.optim.lr_scheduler."
CUSTOM = ("scheduler=custom", "scheduler.interval=batch", "horizon=40ba", "tracker=none", "model=mlp")


def rates(target: str, *args: str) -> np.ndarray:
    return lr_table(experiment(*CUSTOM, f"scheduler._target_={target}", *args)).lr[:, 0]


def by_torch(make, updates: int = 40) -> list[float]:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    scheduler, found = make(optimizer), []
    for _ in range(updates):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return found


PARTS = (
    "+scheduler.args.schedulers=[{_target_: torch.optim.lr_scheduler.LinearLR, start_factor: 0.1, total_iters: 10ba}, "
    "{_target_: torch.optim.lr_scheduler.CosineAnnealingLR, T_max: 30ba}]"
)


def parts(o: torch.optim.Optimizer) -> list:
    lr = torch.optim.lr_scheduler
    return [lr.LinearLR(o, start_factor=0.1, total_iters=10), lr.CosineAnnealingLR(o, T_max=30)]


def test_torchs_composites_are_as_torch_has_them() -> None:
    lr = torch.optim.lr_scheduler
    sequential = by_torch(lambda o: lr.SequentialLR(o, parts(o), [10]))
    assert rates(TORCH + "SequentialLR", PARTS, "+scheduler.args.milestones=[10ba]").tolist() == sequential
    chained = by_torch(lambda o: lr.ChainedScheduler(parts(o), o))
    assert rates(TORCH + "ChainedScheduler", PARTS).tolist() == chained


@pytest.mark.usefixtures("lrbench")
def test_a_function_of_ones_own_in_lambda_lr() -> None:
    given = "+scheduler.args.lr_lambda={_target_: own.halving, _partial_: true, by: 0.9}"
    found = rates(TORCH + "LambdaLR", given)
    assert found.tolist() == by_torch(lambda o: torch.optim.lr_scheduler.LambdaLR(o, lambda step: 0.9**step))


@pytest.mark.usefixtures("lrbench")
def test_an_edit_of_what_is_built_makes_another_run(tmp_path: Path) -> None:
    given = (*CUSTOM, f"scheduler._target_={TORCH}LambdaLR",
             "+scheduler.args.lr_lambda={_target_: own.halving, _partial_: true}")  # fmt: skip
    before, source = run_id(experiment(*given)), tmp_path / "here" / "own.py"
    source.write_text(OWN.replace("by**step", "by**step * 1"))
    assert run_id(experiment(*given)) != before


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["+scheduler.args.schedulers=[{_target_: torch.optim.lr_scheduler.StepLR, step_sise: 3}]"],
         "scheduler.args.schedulers[0].step_sise: StepLR has no argument 'step_sise'. Did you mean 'step_size'?"),
        (["+scheduler.args.schedulers=[{_target_: torch.optim.lr_scheduler.StepLR}]"], "StepLR needs step_size"),
        (["+scheduler.args.schedulers=[{_target_: torch.optim.lr_scheduler.StepLRR}]"], "cannot be imported"),
        (["+scheduler.args.schedulers=[{_target_: torch.optim.lr_scheduler.StepLR, step_size: 3ep1}]"], "step_size"),
    ],
)  # fmt: skip
def test_what_is_wrong_inside_is_named(args: list[str], words: str) -> None:
    with pytest.raises(ConfigError) as error:
        rates(TORCH + "ChainedScheduler", *args)
    assert words in str(error.value)


def test_a_name_where_a_function_is_wanted() -> None:
    with pytest.raises(ConfigError, match=r"takes a function.*_partial_: true"):
        rates(TORCH + "LambdaLR", "+scheduler.args.lr_lambda=own.halving")
