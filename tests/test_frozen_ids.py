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

import pytest

GOLDEN = Path(__file__).parent / "golden" / "ids.json"
HERE = ("tracker=none", "results=nowhere", "horizon=300ep")  # room for every milestone
NEEDS = {  # what a level cannot do without
    ("scheduler", "custom"): ("scheduler._target_=torch.optim.lr_scheduler.ExponentialLR", "scheduler.interval=batch",
                              "+scheduler.args.gamma=0.1/end"),
    ("model", "timm"): ("model.args.name=test_resnet",),
    ("param_groups", "layer_decay"): ("model=vit_micro",),
    ("weight_decay", "cosine"): ("optimizer=adamw",),
    # The three go together, each with another seed: no two are one.
    ("data", "noisy_quadratic"): ("model=noisy_quadratic", "task=noisy_quadratic"),
    ("model", "noisy_quadratic"): ("data=noisy_quadratic", "task=noisy_quadratic", "seed=1"),
    ("task", "noisy_quadratic"): ("data=noisy_quadratic", "model=noisy_quadratic", "seed=2"),
}  # fmt: skip
# No fixed content: a folder of one's own; an optimizer whose identity is the source of a library's present version.
LEFT_OUT = {("data", "image_folder"), ("optimizer", "schedulefree_adamw")}
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


@pytest.mark.parametrize("name", asked())
def test_it_is_what_it_was(name: str) -> None:
    golden = json.loads(GOLDEN.read_text())
    assert name in golden, f"{name}: not frozen yet; run `python {Path(__file__).name}`, which adds it"
    assert ids(name) == golden[name], __doc__


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
    frozen = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {}
    frozen = {name: frozen.get(name) or ids(name) for name in asked()}
    GOLDEN.write_text(json.dumps(frozen, indent=1) + "\n")
    print(f"{GOLDEN}: {len(frozen)} ids")
    sys.exit(0)
