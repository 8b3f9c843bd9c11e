"""Twenty updates of every kind of run: the numbers a version of lrbench promises.

`python tests/engine/test_numerics.py` adds the kinds that tests/golden/trajectories.json lacks; with words of a kind's
name (`mlp digits`) it writes those anew, to be done only together with raising the constant that a failure names.
"""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import yaml

GOLDEN = Path(__file__).parents[1] / "golden" / "trajectories.json"
TOLERANCE = 1e-4  # relative: other processors add in another order
UPDATES = 20

MODELS = {  # (resnet20 makes 3 % of a last bit in 20 updates: no golden numbers for it)
    "mlp": ("model=mlp",),
    "resnet8": ("model=resnet8", "model.args.width=4"),
    "vit_micro": ("model=vit_micro",),
    "vit_micro_postln": ("model=vit_micro_postln",),
    "timm": ("model=timm", "model.args.name=test_resnet"),
    "noisy_quadratic": ("model=noisy_quadratic",),
}
SIZES = ("data.args.train_size=150", "data.args.val_size=50")
DATA = {
    "digits": ("data=digits",),
    "fashion_mnist": ("data=fashion_mnist_14px_5k",),
    # Made-up files in the real formats; two of the changes of images are drawn here too.
    "cifar10": ("data=cifar10", *SIZES, "data.augment.mixup=0.2", "data.augment.cutmix=1.0"),
    "cifar100": ("data=cifar100", *SIZES, "data.augment.erase=0.5"),
    "image_folder": ("data=image_folder", "data.args.val_size=10", "data.args.size=16", "data.args.resize=18"),
    "noisy_quadratic": ("data=noisy_quadratic", "data.args.noise=0.5"),
}
TASKS = {
    "classification": ("task=classification", "task.args.label_smoothing=0.1"),
    "noisy_quadratic": ("task=noisy_quadratic",),
}
EVERYWHERE = {"sgd": ("optimizer=sgd",), "adamw": ("optimizer=adamw", "param_groups=no_decay_norm_bias")}
OPTIMIZERS = EVERYWHERE | {
    name: (f"optimizer={name}",)
    for name in ("sgd_nesterov", "sgd_plain", "adam", "rmsprop", "lamb", "muon", "schedulefree_adamw", "lion")
}
KINDS = {
    f"{model} {data} {task} {optimizer}": (model, data, task, optimizer)
    for model in MODELS
    for data in DATA
    for task in TASKS
    for optimizer in OPTIMIZERS
    if "noisy_quadratic" not in (model, data, task)
    and (data in ("digits", "fashion_mnist") or model in ("mlp", "resnet8"))
    and (optimizer in EVERYWHERE or (model, data) == ("mlp", "digits"))
} | {
    f"noisy_quadratic with {optimizer}": ("noisy_quadratic", "noisy_quadratic", "noisy_quadratic", optimizer)
    for optimizer in ("sgd", "sgd_plain")
}
MODULES = {
    "mlp": "lrbench/models/mlp.py",
    "resnet8": "lrbench/models/resnet.py",
    "vit_micro": "lrbench/models/vit.py",
    "vit_micro_postln": "lrbench/models/vit.py",
    "timm": "lrbench/models/timm.py, or timm itself: its numbers may change with its version",
    "digits": "lrbench/data/digits.py",
    "fashion_mnist": "lrbench/data/fashion_mnist.py",
    "cifar10": "lrbench/data/cifar.py",
    "cifar100": "lrbench/data/cifar.py",
    "image_folder": "lrbench/data/image_folder.py",
    "classification": "lrbench/tasks/classification.py",
    "noisy_quadratic": "noisy_quadratic.py in lrbench/data, lrbench/models or lrbench/tasks",
}


@contextmanager
def present(data: str) -> Iterator[tuple[str, ...]]:
    """The overrides of a data set, while data that cannot be had without a download are made up."""
    from data_support import write_cifar, write_image_folder

    from lrbench.data.cifar import CIFAR10, CIFAR100

    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        here: tuple[str, ...] = ()
        if data.startswith("cifar"):
            patch.setenv("LRBENCH_DATA", folder)
            write_cifar(Path(folder), {"cifar10": CIFAR10, "cifar100": CIFAR100}[data], patch)
        if data == "image_folder":
            here = (f"data.args.root={write_image_folder(Path(folder) / 'root')}",)
        yield (*DATA[data], *here)


def losses(kind: str) -> list[float]:
    """The losses of a kind's first updates, clipped, under a schedule that moves the rate at every one."""
    import torch

    from lrbench.config.experiments import experiment
    from lrbench.engine.loop import advance
    from lrbench.engine.state import new_state, set_up

    model, data, task, optimizer = KINDS[kind]
    with present(data) as of_data:
        made = experiment(
            "tracker=none", *MODELS[model], *of_data, *TASKS[task], *OPTIMIZERS[optimizer], "scheduler=onecycle",
            f"horizon={UPDATES}ba", f"eval_every={UPDATES}ba", "batch_size=32", "clip=2.0",
            "channels_last=false",
        )  # fmt: skip
        setup, state = set_up(made, torch.device("cpu")), new_state(made, torch.device("cpu"))
        blocks = []
        while state.update < UPDATES:
            blocks += advance(setup, state, UPDATES).series["train/loss"].tolist()
    return blocks


def available(kind: str) -> bool:
    from lrbench.data import fashion_mnist

    return "fashion_mnist" not in kind or fashion_mnist._find() is not None


@pytest.mark.parametrize("kind", KINDS)
def test_the_numbers_are_those_of_this_version(kind):
    if not available(kind):
        pytest.skip("Fashion-MNIST is neither in LRBENCH_DATA nor installed (dataset-fashion-mnist)")
    golden = json.loads(GOLDEN.read_text())
    assert kind in golden, f"{kind}: not in {GOLDEN.name} yet; run `python {Path(__file__).name}`"
    model, data, task, _ = KINDS[kind]
    modules = [MODULES[model], MODULES[data], MODULES[task]]
    shared = ["lrbench/optim.py", "lrbench/data/batches.py (augment, loader)", "lrbench/engine/__init__.py"]
    np.testing.assert_allclose(
        losses(kind),
        golden[kind],
        rtol=TOLERANCE,
        err_msg=(
            f"the numbers of '{kind}' have changed: raise NUMERICS in the module that changed ("
            f"{', '.join([*modules, *shared])}) or restore the numbers. With NUMERICS raised, `python "
            "tests/engine/test_numerics.py` writes the golden file anew."
        ),
    )


def test_the_golden_file_holds_the_kinds_there_are():
    golden = json.loads(GOLDEN.read_text())
    assert golden.keys() == KINDS.keys()
    assert len({tuple(values) for values in golden.values()}) == len(KINDS)
    for kind, values in golden.items():
        assert len(values) == UPDATES, kind
        assert np.mean(values[-5:]) < values[0], kind  # it learns


def test_every_level_has_a_golden_trajectory():
    """A model family, data set, task or optimizer that is added gets one too."""
    from lrbench import CONF
    from lrbench.config.levels import levels

    def module(level: str) -> str:
        return yaml.safe_load((CONF / "model" / f"{level}.yaml").read_text())["_target_"].rpartition(".")[0]

    assert {module(level) for level in levels("model")} == {module(level) for level in MODELS}
    assert {level.removesuffix("_14px_5k") for level in levels("data")} == set(DATA)
    assert set(levels("task")) == set(TASKS)
    assert set(levels("optimizer")) == set(OPTIMIZERS)


def test_numerics_are_part_of_the_identity(make, monkeypatch):
    from lrbench.config.experiments import experiment
    from lrbench.data import batches, digits
    from lrbench.engine import __name__ as engine_name
    from lrbench.experiment.identity import run_id
    from lrbench.models import mlp

    asked = ("tracker=none", "model=mlp", "horizon=1ep")
    before = run_id(experiment(*asked))
    import sys

    for module in (batches, digits, mlp, sys.modules[engine_name]):
        with monkeypatch.context() as patch:
            patch.setattr(module, "NUMERICS", module.NUMERICS + 1)
            assert run_id(experiment(*asked)) != before, module.__name__
    assert run_id(experiment(*asked)) == before


if __name__ == "__main__":
    sys.path.append(str(Path(__file__).parents[1]))
    numbers = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {}
    again = [kind for kind in KINDS if kind not in numbers or (sys.argv[1:] and set(sys.argv[1:]) <= set(kind.split()))]
    if lacking := [kind for kind in again if not available(kind)]:
        sys.exit(f"{', '.join(lacking)}: needs Fashion-MNIST, Debian's package dataset-fashion-mnist")
    numbers = {kind: losses(kind) if kind in again else numbers[kind] for kind in KINDS}
    GOLDEN.parent.mkdir(exist_ok=True)
    GOLDEN.write_text(json.dumps(numbers, indent=1) + "\n")
    print(f"{GOLDEN}: {len(numbers)} trajectories")
