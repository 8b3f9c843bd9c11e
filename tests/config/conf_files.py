"""What stands in conf/, by enumeration: groups, levels, the plain content of a level's file, its scalars."""

import atexit
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import yaml
from data_support import write_boxed_folder, write_image_folder, write_masked_folder, write_texts
from omegaconf import OmegaConf, open_dict

from lrbench import CONF
from lrbench.config.compose import compose
from lrbench.config.experiments import experiment_from
from lrbench.errors import ConfigError

GROUPS = sorted(p.name for p in CONF.iterdir() if p.is_dir() and p.name not in ("hydra", "sweep", "study", "claim"))
FACTORS = [g for g in GROUPS if g not in ("recipe", "pitfall")]  # groups that hold one component each

# Folders for the levels that need one; they go when the tests end.
IMAGES, MASKS, BOXES, TEXTS = (Path(mkdtemp()) for _ in range(4))
for folder in (IMAGES, MASKS, BOXES, TEXTS):
    atexit.register(shutil.rmtree, folder)
write_image_folder(IMAGES)
write_masked_folder(MASKS, [f"t{i}" for i in range(220)], [f"v{i}" for i in range(10)])
write_boxed_folder(BOXES, 200)
write_texts(TEXTS)

# What goes with a text: a model and a task for it.
GPT, BERT = ("model=gpt_micro", "task=causal_lm"), ("model=bert_micro", "task=masked_lm")

# A level that leaves keys open needs them given; at 300 epochs every position and share of the others fits.
OPEN = {
    ("scheduler", "custom"): (
        "scheduler._target_=torch.optim.lr_scheduler.ExponentialLR",
        "scheduler.interval=batch",
        "+scheduler.args.gamma=0.95/ep",
    ),
    ("model", "custom"): ("model._target_=lrbench.models.resnet.resnet8", "+model.args.width=4"),
    ("data", "custom"): ("data._target_=lrbench.data.digits.Digits",),
    ("task", "custom"): ("task._target_=lrbench.tasks.classification.Classification",),
    ("optimizer", "custom"): ("optimizer._target_=torch.optim.Adagrad", "optimizer.lr=0.05"),
    ("param_groups", "layer_decay"): ("model=vit_micro",),  # one that knows its layers
    ("model", "timm"): ("model.args.name=test_resnet",),
    ("data", "image_folder"): (f"data.args.root={IMAGES}", "data.args.val_size=10"),
    # Data with masks, the networks and the task of them go together.
    **{
        ("model", name): ("data=composites", "task=segmentation")
        for name in ("unet", "unet_tiny", "torchvision_segmentation")
    },
    ("data", "composites"): ("model=unet_tiny", "task=segmentation"),
    ("data", "voc"): (f"data.args.root={MASKS}", "data.args.val_size=10", "model=unet_tiny", "task=segmentation"),
    ("task", "segmentation"): ("data=composites", "model=unet_tiny"),
    # And so do data with boxes, detectors and their task.
    **{
        ("model", name): ("data=composite_boxes", "task=detection")
        for name in ("faster_rcnn_tiny", "torchvision_detection", "detr", "detr_tiny")
    },
    ("param_groups", "backbone_transformer"): ("model=detr_tiny", "data=composite_boxes", "task=detection"),
    **{
        ("data", name): ("model=faster_rcnn_tiny", "task=detection")
        for name in ("composite_boxes", "composite_boxes_3k")
    },
    ("data", "coco"): (
        f"data.args.root={BOXES}",
        "data.args.val_size=10",
        "data.args.test_size=10",
        "data.args.size=48",
        "model=faster_rcnn_tiny",
        "task=detection",
    ),
    ("task", "detection"): ("data=composite_boxes", "model=faster_rcnn_tiny"),
    # The three go together.
    ("data", "noisy_quadratic"): ("model=noisy_quadratic", "task=noisy_quadratic"),
    ("model", "noisy_quadratic"): ("data=noisy_quadratic", "task=noisy_quadratic"),
    ("task", "noisy_quadratic"): ("data=noisy_quadratic", "model=noisy_quadratic"),
    ("data", "kjv"): GPT,
    ("data", "pydoc"): GPT,
    ("data", "text_file"): (f"data.args.path={TEXTS / 'texts'}", "data.args.length=16", *GPT),
    ("data", "wikitext"): (
        f"data.args.path={TEXTS / 'wikitext'}",
        "data.args.tokenizer=char",
        "data.args.length=16",
        *GPT,
    ),
    **{
        ("model", level): ("data=pydoc", GPT[1])
        for level in ("gpt_micro", "gpt_micro_postln", "gpt_mini", "gpt_small", "gpt_d512_postln")
    },
    **{("model", level): ("data=pydoc", BERT[1]) for level in ("bert_micro", "bert_mini", "bert_base")},
    ("task", "causal_lm"): ("data=pydoc", GPT[0]),
    ("task", "masked_lm"): ("data=pydoc", BERT[0]),
}
ROOMY = ("horizon=300ep", "model=mlp", "monitor=val/loss")


def levels(group: str) -> list[str]:
    return sorted(p.stem for p in (CONF / group).glob("*.yaml"))


def content(group: str, level: str) -> dict[str, Any]:
    return yaml.safe_load((CONF / group / f"{level}.yaml").read_text()) or {}


def chosen(group: str, level: str) -> tuple[str, ...]:
    """The overrides that choose a level."""
    return (f"{group}={level}", *OPEN.get((group, level), ()))


@cache
def composed(*overrides: str) -> Any:
    """A composed configuration; do not change it."""
    return compose(overrides)


@cache
def node(group: str, level: str) -> Any:
    """A level's own node, with what it leaves open. The levels of all groups are composed together, a row at a time: on
    no other choice does a group's node depend."""
    row = levels(group).index(level)
    together = []
    for other in FACTORS:
        override, *given = chosen(other, levels(other)[row % len(levels(other))])
        together += [override, *(o for o in given if o.lstrip("+").startswith(f"{other}."))]
    return composed(*together)[group]


@cache
def of_level(group: str, level: str) -> Any:
    """ROOMY with a level, put together; do not change it. It is what Hydra composes (test_levels.py)."""
    config = composed(*ROOMY).copy()
    with open_dict(config):
        for override in chosen(group, level):
            name, _, value = override.partition("=")
            if name in FACTORS:
                config[name] = node(name, value)
    return config


def changed(config: Any, path: tuple[str | int, ...], value: Any) -> Any:
    """A copy of a configuration with one value changed, as an override would; a list's element by its number."""
    copy = config.copy()
    *above, last = path
    node = copy
    with open_dict(copy):
        for key in above:
            node = node[key]
        node[last] = value
    return OmegaConf.create(copy)


def made(config: Any) -> Any:
    return experiment_from(config)


def refusal(config: Any) -> str | None:
    """Why a configuration is refused; None if it makes an Experiment."""
    try:
        made(config)
    except ConfigError as error:
        return str(error)
    return None


def scalars(node: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Every scalar below a node with its path; an empty list counts as one. An empty mapping has none."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from scalars(value, (*path, key))
    elif isinstance(node, list) and node:
        for i, value in enumerate(node):
            yield from scalars(value, (*path, i))
    else:
        yield path, node
