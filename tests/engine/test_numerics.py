"""Twenty updates of every kind of run: the numbers a version of lrbench promises.

`python tests/engine/test_numerics.py` adds the kinds that tests/golden/trajectories.json lacks; with words of a kind's
name (`mlp digits`) it writes those anew, to be done only together with raising the constant that a failure names.
"""

import json
import re
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
# A detector picks boxes by their order, and its samples by their number: a last bit of the first updates is a hundredth
# of the loss ten updates on (weights changed by 3e-7 of themselves: up to 1.4 %).
PICKY, LATER = 4, 0.1  # its first updates, and how near the later ones have to come
UPDATES = 20

MODELS = {  # (resnet20 makes 3 % of a last bit in 20 updates: no golden numbers for it)
    "mlp": ("model=mlp",),
    "resnet8": ("model=resnet8", "model.args.width=4"),
    "vit_micro": ("model=vit_micro",),
    "vit_micro_postln": ("model=vit_micro_postln",),
    "timm": ("model=timm", "model.args.name=test_resnet"),
    "noisy_quadratic": ("model=noisy_quadratic",),
    "unet_tiny": ("model=unet_tiny",),
    "torchvision_segmentation": ("model=torchvision_segmentation", "model.args.name=lraspp_mobilenet_v3_large"),
    "faster_rcnn_tiny": ("model=faster_rcnn_tiny", "model.args.width=4"),
    "detr_tiny": ("model=detr_tiny", "model.args.dim=16"),
    "gpt_micro": ("model=gpt_micro",),
    "bert_micro": ("model=bert_micro",),
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
    "composites": ("data=composites", "data.args.train_size=100", "data.args.val_size=20", "data.args.test_size=20"),
    "voc": ("data=voc", "data.args.val_size=10", "data.args.size=16"),
    "composite_boxes": (
        "data=composite_boxes",
        "data.args.train_size=100",
        "data.args.val_size=20",
        "data.args.test_size=20",
        "data.args.side=40",
    ),
    "coco": ("data=coco", "data.args.val_size=10", "data.args.test_size=10", "data.args.size=48"),
    # Made-up texts in the place of those that have to be installed, or that another version of Python changes.
    "pydoc": ("data=pydoc", "data.args.length=16"),
    "kjv": ("data=kjv", "data.args.length=16"),
    "text_file": ("data=text_file", "data.args.length=16", "data.args.tokenizer=byte"),
    "wikitext": ("data=wikitext", "data.args.length=16", "data.args.tokenizer=bpe-300"),
}
TASKS = {
    "classification": ("task=classification", "task.args.label_smoothing=0.1"),
    "noisy_quadratic": ("task=noisy_quadratic",),
    "segmentation": ("task=segmentation",),
    "detection": ("task=detection",),
    "causal_lm": ("task=causal_lm",),
    "masked_lm": ("task=masked_lm",),
}
EVERYWHERE = {"sgd": ("optimizer=sgd",), "adamw": ("optimizer=adamw", "param_groups=no_decay_norm_bias")}
OPTIMIZERS = (
    EVERYWHERE
    | {
        name: (f"optimizer={name}",)
        for name in (
            "sgd_nesterov",
            "sgd_plain",
            "adam",
            "rmsprop",
            "lamb",
            "muon",
            "schedulefree_adamw",
            "lion",
            "adamw_nlp",
            "sgd_lr0.01",
            "sgd_no_decay",
            "sgd_lr0.02",
            "adamw_detr",
            "adamw_detr_tiny",
        )
    }
    | {"adam_noam": ("optimizer=adam_noam", "optimizer.lr=0.01")}
)  # its own rate is 1, for a schedule that is one
TEXTS, OF_TEXT = ("pydoc", "kjv", "text_file", "wikitext"), ("gpt_micro", "bert_micro", "causal_lm", "masked_lm")
OF_MASKS = ("composites", "voc", "segmentation", "unet_tiny", "torchvision_segmentation")
OF_BOXES = ("composite_boxes", "coco", "detection", "faster_rcnn_tiny", "detr_tiny")
KINDS = (
    {
        f"{model} {data} {task} {optimizer}": (model, data, task, optimizer)
        for model in MODELS
        for data in DATA
        for task in TASKS
        for optimizer in OPTIMIZERS
        if not {"noisy_quadratic", *TEXTS, *OF_TEXT, *OF_MASKS, *OF_BOXES} & {model, data, task}
        and (data in ("digits", "fashion_mnist") or model in ("mlp", "resnet8"))
        and (optimizer in EVERYWHERE or (model, data) == ("mlp", "digits"))
    }
    | {
        f"noisy_quadratic with {optimizer}": ("noisy_quadratic", "noisy_quadratic", "noisy_quadratic", optimizer)
        for optimizer in ("sgd", "sgd_plain")
    }
    | {
        f"{model} {data} segmentation sgd": (model, data, "segmentation", "sgd")
        for model, data in (
            ("unet_tiny", "composites"),
            ("unet_tiny", "voc"),
            ("torchvision_segmentation", "composites"),
        )
    }
    | {
        f"faster_rcnn_tiny {data} detection sgd_lr0.02": ("faster_rcnn_tiny", data, "detection", "sgd_lr0.02")
        for data in ("composite_boxes", "coco")
    }
    | {"detr_tiny composite_boxes detection adamw": ("detr_tiny", "composite_boxes", "detection", "adamw")}
    | {
        f"{model} {data} {task} adamw": (model, data, task, "adamw")
        for data in TEXTS
        for model, task in (("gpt_micro", "causal_lm"), ("bert_micro", "masked_lm"))
    }
)
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
    "unet_tiny": "lrbench/models/unet.py",
    "torchvision_segmentation": "lrbench/models/torchvision.py, or torchvision itself",
    "composites": "lrbench/data/composites.py or masks.py",
    "voc": "lrbench/data/voc.py or masks.py",
    "segmentation": "lrbench/tasks/segmentation.py",
    "faster_rcnn_tiny": "lrbench/models/faster_rcnn.py, or torchvision itself",
    "detr_tiny": "lrbench/models/detr.py or set_loss.py",
    "composite_boxes": "lrbench/data/composites.py or boxes.py",
    "coco": "lrbench/data/coco.py, instances.py or boxes.py",
    "detection": "lrbench/tasks/detection.py",
    "gpt_micro": "lrbench/models/gpt.py",
    "bert_micro": "lrbench/models/bert.py",
    **dict.fromkeys(TEXTS, "lrbench/data/text.py"),
    "causal_lm": "lrbench/tasks/causal_lm.py",
    "masked_lm": "lrbench/tasks/masked_lm.py",
}


@contextmanager
def present(data: str) -> Iterator[tuple[str, ...]]:
    """The overrides of a data set, while data that cannot be had without a download are made up."""
    from data_support import (
        words,
        write_boxed_folder,
        write_cifar,
        write_image_folder,
        write_masked_folder,
        write_texts,
    )

    from lrbench.data import text, text_files
    from lrbench.data.cifar import CIFAR10, CIFAR100
    from lrbench.data.prepared import prepared

    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        here: tuple[str, ...] = ()
        if data.startswith("cifar"):
            patch.setenv("LRBENCH_DATA", folder)
            write_cifar(Path(folder), {"cifar10": CIFAR10, "cifar100": CIFAR100}[data], patch)
        if data == "image_folder":
            here = (f"data.args.root={write_image_folder(Path(folder) / 'root')}",)
        if data == "voc":
            names = [f"t{i}" for i in range(80)]
            here = (f"data.args.root={write_masked_folder(Path(folder) / 'root', names)}",)
        if data == "coco":
            here = (f"data.args.root={write_boxed_folder(Path(folder) / 'root', 80)}",)
        if data in TEXTS:
            write_texts(Path(folder))
            at = {"text_file": "texts", "wikitext": "wikitext"}.get(data)
            here = (f"data.args.path={folder}/{at}",) if at else ()
            patch.setenv("LRBENCH_DATA", folder)  # and the pieces of a text are kept there
            patch.setattr(text_files.Topics, "read", lambda self: (words(6000),))
            patch.setattr(text_files.KingJames, "read", lambda self: (words(6000, "verses"),))
            patch.setattr(text.KJV, "facts", text.Text.facts)
        prepared.cache_clear()  # the real text may have been read in this process, and these are made up
        yield (*DATA[data], *here)
        prepared.cache_clear()


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

    return not any(name in kind for name in ("fashion_mnist", "composite")) or fashion_mnist._find() is not None


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_the_numbers_are_those_of_this_version(kind):
    if not available(kind):
        pytest.skip("Fashion-MNIST is neither in LRBENCH_DATA nor installed (dataset-fashion-mnist)")
    golden = json.loads(GOLDEN.read_text())
    assert kind in golden, f"{kind}: not in {GOLDEN.name} yet; run `python {Path(__file__).name}`"
    model, data, task, _ = KINDS[kind]
    modules = [MODULES[model], MODULES[data], MODULES[task]]
    shared = ["lrbench/optim.py", "lrbench/data/batches.py (augment, loader)", "lrbench/engine/__init__.py"]
    found = losses(kind)
    near = [LATER if "detection" in kind and update >= PICKY else TOLERANCE for update in range(UPDATES)]
    np.testing.assert_array_less(
        np.abs(np.subtract(found, golden[kind])),
        np.multiply(near, np.abs(golden[kind])),
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

    def named(group: str) -> set[str]:
        return {level for level in levels(group) if level != "custom"}  # which names a class of somebody's own

    assert {module(level) for level in named("model")} == {module(level) for level in MODELS}
    assert {re.sub("(_14px|_3k).*", "", level) for level in named("data")} == set(DATA)
    assert named("task") == set(TASKS)
    assert named("optimizer") == set(OPTIMIZERS)


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
