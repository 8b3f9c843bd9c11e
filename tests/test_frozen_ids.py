"""The ids of every level, frozen: a record or a row of evidence of today is found by the lrbench of tomorrow.

`python tests/test_frozen_ids.py` adds what is new to tests/golden/ids.json, and changes nothing that is there. An id
that changes means that every record of that level is given up: give a field that was added the neutral default None;
raise NUMERICS where numbers changed, and only then remove the ids that it touches from the file, and say so in
CHANGELOG.md.
"""

import json
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from omegaconf import open_dict

GOLDEN = Path(__file__).parent / "golden" / "ids.json"
HERE = ("tracker=none", "results=nowhere", "horizon=300ep")  # room for every milestone
NEEDS = {  # what a level cannot do without
    ("scheduler", "custom"): ("scheduler._target_=torch.optim.lr_scheduler.ExponentialLR", "scheduler.interval=batch",
                              "+scheduler.args.gamma=0.1/end"),
    ("model", "custom"): ("model._target_=lrbench.models.resnet.resnet8", "+model.args.width=5"),
    ("data", "custom"): ("data._target_=lrbench.data.digits.Digits", "+data.args.val_size=100"),
    ("task", "custom"): ("task._target_=lrbench.tasks.classification.Classification",
                         "+task.args.label_smoothing=0.3"),
    ("optimizer", "custom"): ("optimizer._target_=torch.optim.Adagrad", "optimizer.lr=0.05"),
    ("model", "timm"): ("model.args.name=test_resnet",),
    ("param_groups", "layer_decay"): ("model=vit_micro",),
    ("weight_decay", "cosine"): ("optimizer=adamw",),
    # The three go together, each with another seed: no two are one.
    ("data", "noisy_quadratic"): ("model=noisy_quadratic", "task=noisy_quadratic"),
    ("model", "noisy_quadratic"): ("data=noisy_quadratic", "task=noisy_quadratic", "seed=1"),
    ("task", "noisy_quadratic"): ("data=noisy_quadratic", "model=noisy_quadratic", "seed=2"),
    # What is of images with masks, each with another seed too.
    ("data", "composites"): ("model=unet_tiny", "task=segmentation"),
    **{("model", name): ("data=composites", "task=segmentation", "seed=1")
       for name in ("unet", "unet_tiny", "torchvision_segmentation")},
    ("task", "segmentation"): ("data=composites", "model=unet_tiny", "seed=2"),
    # What is of images with boxes.
    **{("data", name): ("model=faster_rcnn_tiny", "task=detection")
       for name in ("composite_boxes", "composite_boxes_3k")},
    **{("model", name): ("data=composite_boxes", "task=detection", "seed=1")
       for name in ("faster_rcnn_tiny", "torchvision_detection", "detr", "detr_tiny")},
    ("param_groups", "backbone_transformer"): ("model=detr_tiny", "data=composite_boxes", "task=detection", "seed=3"),
    ("task", "detection"): ("data=composite_boxes", "model=faster_rcnn_tiny", "seed=2"),
    # Of a text that is the same under every version of Python, whose sizes are known before it is there.
    ("data", "kjv"): ("model=gpt_micro", "task=causal_lm"),
    **{("model", name): ("data=kjv", "task=causal_lm", "seed=1")
       for name in ("gpt_micro", "gpt_micro_postln", "gpt_mini", "gpt_small", "gpt_d512_postln")},
    **{("model", name): ("data=kjv", "task=masked_lm", "seed=1") for name in ("bert_micro", "bert_mini", "bert_base")},
    ("task", "causal_lm"): ("data=kjv", "model=gpt_micro", "seed=2"),
    ("task", "masked_lm"): ("data=kjv", "model=bert_micro", "seed=2"),
    **{("recipe", name): ("data=kjv", "data.args.length=64")
       for name in ("gpt_tiny", "bert_tiny", "transformer_inverse_sqrt_tiny")},
}  # fmt: skip
# No fixed content: a folder of one's own; an optimizer whose identity is the source of a library's present version.
# Python's help has other words with every version, and so other ids.
LEFT_OUT = {("data", "image_folder"), ("optimizer", "schedulefree_adamw"), ("data", "pydoc"), ("data", "text_file"),
            ("data", "wikitext"), ("data", "voc"), ("data", "coco")}  # fmt: skip
GROUPS = ("model", "data", "task", "optimizer", "scheduler", "warmup", "weight_decay", "param_groups", "recipe")
OPTIONS = {
    "accumulate": ("accumulate=2",), "amp": ("amp=bf16",), "clip": ("clip=1.0",), "a seed": ("seed=7",),
    "channels_last": ("channels_last=false",), "lr_scaling": ("lr_scaling.rule=sqrt",),
    "an interval": ("scheduler.interval=batch",), "a join": ("warmup=linear5", "warmup.join=product"),
    "a rate by group": ("param_groups=no_decay_norm_bias", "scheduler.args.eta_min={decay: 1e-4, no_decay: 0.1x}"),
    "augmentation": ("data.augment.crop=1", "data.augment.mixup=0.2"),
    "a fork": ('start.of=["scheduler=constant","horizon=10ep"]', "start.at=5ep", "scheduler=constant"),
}  # fmt: skip


@cache
def asked() -> dict[str, tuple[str, ...]]:
    """The overrides of everything that has an id here, by its name."""
    from lrbench.config.levels import levels

    of_levels = {
        f"{group}={level}": (f"{group}={level}", *NEEDS.get((group, level), ()))
        for group in GROUPS
        for level in levels(group)
        if (group, level) not in LEFT_OUT
    }
    return of_levels | OPTIONS


def ids(name: str) -> list[str]:
    """Of the run and of its arm."""
    from lrbench.config.experiments import experiment
    from lrbench.experiment.identity import arm_id, run_id

    made = experiment(*(HERE[:2] if name.startswith("recipe=") else HERE), *asked()[name])
    return [run_id(made), arm_id(made)]


@cache
def node(group: str, level: str) -> Any:
    """A level's own node. The levels of all groups are composed together, a row at a time: thirty compositions, not
    ninety. (That a group's node depends on no other choice: tests/config/test_levels.py.)"""
    from lrbench.config.compose import compose
    from lrbench.config.levels import levels

    row, together = levels(group).index(level), []
    for other in GROUPS[:-1]:  # but the recipes
        name = levels(other)[row % len(levels(other))]
        given = [o for o in NEEDS.get((other, name), ()) if o.lstrip("+").startswith(f"{other}.")]
        together += [f"{other}={name}", *given]
    return compose(together)[group]


def put_together(name: str) -> list[str]:
    """`ids` of a level, of a configuration whose nodes are put together."""
    from lrbench.config.compose import compose
    from lrbench.config.experiments import experiment_from
    from lrbench.experiment.identity import arm_id, run_id

    config = compose(HERE)
    with open_dict(config):
        for override in asked()[name]:
            key, _, value = override.partition("=")
            if key in GROUPS:
                config[key] = node(key, value)
            elif key == "seed":
                config.seed = int(value)
    made = experiment_from(config)
    return [run_id(made), arm_id(made)]


def frozen(name: str) -> list[str]:
    golden: dict[str, list[str]] = json.loads(GOLDEN.read_text())
    assert name in golden, f"{name}: not frozen yet; run `python {Path(__file__).name}`, which adds it"
    return golden[name]


# Through Hydra one by one: what is no level alone, and one level of each group; with the slow tests what needs others
# beside it; the others so under `full`.
ONE_BY_ONE = {*OPTIONS, *(name for name in asked() if name.startswith("recipe="))}
ONE_BY_ONE |= {next(name for name in asked() if name.startswith(f"{group}=")) for group in GROUPS}
NOT_ALONE = {f"{group}={level}" for group, level in NEEDS} - ONE_BY_ONE


def mark(name: str) -> list[pytest.MarkDecorator]:
    return [] if name in ONE_BY_ONE else [pytest.mark.slow if name in NOT_ALONE else pytest.mark.full]


@pytest.mark.parametrize("name", [pytest.param(n, marks=mark(n)) for n in asked()])
def test_it_is_what_it_was(name: str) -> None:
    assert ids(name) == frozen(name), __doc__


@pytest.mark.parametrize("name", [n for n in asked() if n.partition("=")[0] in GROUPS[:-1]])
def test_every_level_is_what_it_was(name: str) -> None:
    assert put_together(name) == frozen(name), __doc__


def test_no_two_are_one() -> None:
    """But for those that say the default in other words."""
    golden = json.loads(GOLDEN.read_text())
    assert golden.keys() == asked().keys()
    default = golden["scheduler=cosine"]
    others = [tuple(v) for v in golden.values() if v != default]
    same = sorted({v for v in others if others.count(v) > 1})
    told = [sorted(name for name, v in golden.items() if tuple(v) == s) for s in same]
    assert not told, f"one id for several: {told}"


if __name__ == "__main__":
    kept = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {}
    kept = {name: kept.get(name) or ids(name) for name in asked()}
    GOLDEN.write_text(json.dumps(kept, indent=1) + "\n")
    print(f"{GOLDEN}: {len(kept)} ids")
    sys.exit(0)
