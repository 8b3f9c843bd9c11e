"""Dotted paths, and arguments bound to signatures before anything is built."""

import inspect
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from lrbench import data, optim
from lrbench.data.digits import Digits
from lrbench.errors import ConfigError, did_you_mean
from lrbench.schedules import shapes
from lrbench.targets import check_arguments, numerics, resolve, with_defaults
from lrbench.trust import named_in, require_known, targets_in

LR = "torch.optim.lr_scheduler."
STEP = LR + "StepLR"


def refused(*words: str) -> Any:
    return pytest.raises(ConfigError, match=".*".join(words))


class Nested:
    class Inner:
        def __init__(self, optimizer: object, rate: float, *, last: int = 3) -> None: ...


def anything(optimizer: object, **rest: object) -> None: ...


def positional(optimizer: object, rate: float, /, last: int = 3, *more: int) -> None: ...


HERE = __name__ + "."


# ---- resolve ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "target"),
    [
        (STEP, torch.optim.lr_scheduler.StepLR),
        ("torch.optim.SGD", torch.optim.SGD),
        ("lrbench.schedules.shapes.stable_decay", shapes.stable_decay),
        ("lrbench.data.digits.Digits", Digits),
        (HERE + "anything", anything),
        (HERE + "Nested.Inner", Nested.Inner),
    ],
)
def test_a_path_names_a_class_or_function(path: str, target: object) -> None:
    assert resolve(path, "group") is target


@pytest.mark.parametrize(
    ("path", "words"),
    [
        (LR + "StepLRR", ("scheduler._target_=.*StepLRR", "cannot be imported", "Did you mean 'StepLR'")),
        (LR + "CosineAnealingLR", ("Did you mean 'CosineAnnealingLR'",)),
        (LR + "Nothing", ("cannot be imported", "Give the full path, such as package.module.Class")),
        ("nopackage.Thing", ("No module named 'nopackage'", "pip install nopackage")),
        ("StepLR", ("cannot be imported", "full path")),
        ("torch..StepLR", ("cannot be imported", "full path")),
        ("", ("cannot be imported", "full path")),
        ("torch.optim", ("this is a module, not a class or function",)),
        ("torch.__version__", ("not a class or function",)),
        ("math.pi", ("this is a float, not a class or function",)),
    ],
)
def test_a_path_that_names_none(path: str, words: tuple[str, ...]) -> None:
    with refused(*words):
        resolve(path, "scheduler")


# ---- check_arguments ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "args"),
    [
        (STEP, {"step_size": 3}),
        (STEP, {"step_size": 3, "gamma": 0.1}),
        (HERE + "Nested.Inner", {"rate": 1.0, "last": 2}),
        (HERE + "anything", {}),
        (HERE + "anything", {"what": 1, "ever": 2}),
        ("lrbench.schedules.shapes.inverse_sqrt", {"warmup_steps": 4}),
    ],
)
def test_arguments_that_fit(path: str, args: dict[str, Any]) -> None:
    check_arguments(path, args, ("optimizer",), "scheduler")


@pytest.mark.parametrize(
    ("path", "args", "words"),
    [
        (STEP, {"step_sise": 3}, (r"scheduler\.args\.step_sise", "no argument 'step_sise'", "mean 'step_size'")),
        (STEP, {"step_size": 3, "x": 1}, (r"scheduler\.args\.x", "Known: gamma, last_epoch, step_size")),
        (STEP, {}, ("StepLR needs step_size", r"\+scheduler\.args\.step_size=")),
        (STEP, {"optimizer": 1, "step_size": 3}, (r"args\.optimizer", "lrbench gives this argument of StepLR itself")),
        (HERE + "Nested.Inner", {}, ("Inner needs rate",)),
        (HERE + "anything", {"optimizer": 1}, ("lrbench gives this argument",)),
        (HERE + "missing", {}, ("cannot be imported",)),
    ],
)  # fmt: skip
def test_arguments_that_do_not(path: str, args: dict[str, Any], words: tuple[str, ...]) -> None:
    with refused(*words):
        check_arguments(path, args, ("optimizer",), "scheduler")


def test_an_argument_that_lrbench_gives_is_never_suggested() -> None:
    with pytest.raises(ConfigError) as caught:
        check_arguments(LR + "OneCycleLR", {"max_lrr": 1}, ("optimizer", "max_lr"), "scheduler")
    assert "'max_lr'" not in str(caught.value)
    assert "optimizer" not in str(caught.value)


def test_every_missing_argument_is_named() -> None:
    with refused("CyclicLR needs base_lr, max_lr"):
        check_arguments(LR + "CyclicLR", {}, ("optimizer",), "scheduler")


@pytest.mark.parametrize("path", ["builtins.dict", "builtins.print", "builtins.type"])
def test_a_target_without_a_signature_is_refused_in_words_or_taken(path: str) -> None:
    """Some of C's own have none: what they take cannot be checked."""
    try:
        inspect.signature(resolve(path, "group"))
    except ValueError:
        with refused(f"scheduler._target_={path}", "signature"):
            check_arguments(path, {}, (), "scheduler")
    else:
        check_arguments(path, {}, (), "scheduler")


# ---- with_defaults ------------------------------------------------------------------------------------------


def test_what_is_left_out_has_the_targets_default() -> None:
    assert with_defaults(STEP, {"step_size": 3}, "scheduler") == {"step_size": 3, "gamma": 0.1, "last_epoch": -1}
    assert with_defaults(HERE + "Nested.Inner", {"last": 5}, "group") == {"last": 5}
    assert with_defaults("torch.optim.SGD", {"momentum": 0.9}, "optimizer")["nesterov"] is False
    assert with_defaults("torch.optim.AdamW", {}, "optimizer")["betas"] == (0.9, 0.999)


# ---- numerics -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", [STEP, "torch.optim.SGD", "timm.scheduler.CosineLRScheduler", "builtins.list", "math.sqrt"]
)
def test_a_library_whose_version_is_recorded_needs_no_number(path: str) -> None:
    assert numerics(path, "group") is None


@pytest.mark.parametrize(
    ("path", "number"),
    [
        ("lrbench.schedules.shapes.stable_decay", shapes.NUMERICS),
        ("lrbench.data.digits.Digits", sys.modules[Digits.__module__].NUMERICS),  # type: ignore[attr-defined]
        ("lrbench.optim.build_optimizer", optim.NUMERICS),
    ],
)
def test_lrbenchs_own_have_the_number_of_their_module(path: str, number: int) -> None:
    assert numerics(path, "group") == number
    assert isinstance(number, int)


def test_a_users_source_is_hashed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    source = tmp_path / "users_own_schedules.py"
    source.write_text("class Mine:\n    def step(self): ...\n\n\nclass Other:\n    pass\n")
    first = numerics("users_own_schedules.Mine", "scheduler")
    assert isinstance(first, str)
    assert len(first) == 16
    assert numerics("users_own_schedules.Other", "scheduler") == first  # of the file
    source.write_text(source.read_text().replace("...", "return 3"))
    assert numerics("users_own_schedules.Mine", "scheduler") != first
    monkeypatch.delitem(sys.modules, "users_own_schedules")


def test_a_name_that_a_module_only_imports_counts_as_where_it_comes_from() -> None:
    assert data.__name__ == "lrbench.data"
    assert numerics("transformers.optimization.LambdaLR", "scheduler") is None  # torch's
    assert isinstance(numerics("transformers.optimization.get_wsd_schedule", "scheduler"), str)


# ---- who may run code ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "torch.optim.SGD", "torch.optim.lr_scheduler.StepLR", "torch.nn.Linear", "timm.optim.Lamb",
        "lrbench.models.mlp.mlp", "lrbench.tasks.classification.Classification", "lrbench.param_groups.layer_decay",
        "lrbench.trackers.WandB",
        "lrbench.schedules.shapes.stable_decay", "torchvision.models.resnet18", "torch.optim.NotThere",
    ],
)  # fmt: skip
def test_the_parts_of_experiments_are_known(path: str) -> None:
    require_known({"model": {"target": path}}, (), "start.of", "0123")


@pytest.mark.parametrize(
    "path",
    [
        "os.system", "builtins.exec", "builtins.eval", "subprocess.run", "torch.os.system",
        "torch.hub.load", "torch.load", "torch.nn.modules.module.functools.partial", "torchvision.os.system",
        "timm.models.load_checkpoint", "timm.create_model", "lrbench.cli.main.run", "lrbench.store.files.write_text",
        "lrbench.data.cifar.pickle.loads", "runpy.run_path", "importlib.import_module", "mine.Net", "torchy.optim.SGD",
        "torch.nn.modules.module.torch.hub.load", "",
    ],
)  # fmt: skip
def test_what_only_a_file_names_is_not_run(path: str) -> None:
    experiment = {"optimizer": {"target": "torch.optim.SGD"}, "start": {"of": {"task": {"target": path, "args": {}}}}}
    with refused("start.of=0123", "names .* as its code", "name its module in this command"):
        require_known(experiment, (), "start.of", "0123")


def test_what_the_persons_own_words_name_is_run() -> None:
    plain = {"model": {"target": "mine.Net"}, "task": {"target": "mine.Loss"}}
    require_known(plain, ["mine.Other"], "start.of", "0123")
    with refused("mine.Net"):
        require_known(plain, ["mine.deeper.Other", "min.e"], "start.of", "0123")
    words = [
        "+arms.x='model._target_=mine.Net'",
        "task:\n  _target_: yours.Loss\n",
        '{"_target_": "theirs.Data"}',
        "a=1",
    ]
    assert named_in(words) == ["mine.Net", "yours.Loss", "theirs.Data"]
    assert [*targets_in({"a": [{"_target_": "x.y"}, {"target": "p.q", "args": {"target": 3}}]})] == ["x.y", "p.q"]


def test_the_current_folder_is_looked_in_last_and_only_where_it_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p not in ("", str(tmp_path))])
    before = list(sys.path)
    (tmp_path / "only_here.py").write_text("import beside_it\nclass Mine:\n    pass\n")
    (tmp_path / "beside_it.py").write_text("")
    (tmp_path / "calendar.py").write_text("raise SystemExit\n")
    assert resolve("torch.optim.SGD", "optimizer") is torch.optim.SGD
    assert resolve("calendar.TextCalendar", "model").__module__ == "calendar"  # Python's own
    assert sys.path == before
    with refused("No module named 'not_here'"):
        resolve("not_here.Mine", "model")
    assert sys.path == before
    assert resolve("only_here.Mine", "model").__name__ == "Mine"
    assert sys.path == [*before, str(tmp_path)]
    for name in ("only_here", "beside_it"):
        monkeypatch.delitem(sys.modules, name)


def test_of_many_known_words_the_nearest_are_named() -> None:
    known = [f"claim-{i}" for i in range(300)]
    said = did_you_mean("claim-7x", known)
    assert said.startswith(" Did you mean 'claim-7'? Known are 300; nearest to it: claim-7, ")
    assert said.count("claim-") == 1 + 8
    assert did_you_mean("x", known[:100]).endswith(f"{sorted(known[:100])[-1]}.")
