"""What stands in conf/, by enumeration: groups, levels, the plain content of a level's file, its scalars."""

import atexit
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import yaml
from data_support import write_image_folder

from lrbench import CONF
from lrbench.config.compose import compose
from lrbench.config.experiments import experiment_from
from lrbench.errors import ConfigError

GROUPS = sorted(p.name for p in CONF.iterdir() if p.is_dir() and p.name not in ("hydra", "sweep", "study", "claim"))
FACTORS = [g for g in GROUPS if g != "recipe"]  # groups that hold one component each

# A folder for the level that needs one; it goes when the tests end.
IMAGES = Path(mkdtemp())
atexit.register(shutil.rmtree, IMAGES)
write_image_folder(IMAGES)

# A level that leaves keys open needs them given; at 300 epochs every position and share of the others fits.
OPEN = {
    ("scheduler", "custom"): (
        "scheduler._target_=torch.optim.lr_scheduler.ExponentialLR",
        "scheduler.interval=batch",
        "+scheduler.args.gamma=0.95/ep",
    ),
    ("param_groups", "layer_decay"): ("model=vit_micro",),  # one that knows its layers
    ("model", "timm"): ("model.args.name=test_resnet",),
    ("data", "image_folder"): (f"data.args.root={IMAGES}", "data.args.val_size=10"),
    # The three go together.
    ("data", "noisy_quadratic"): ("model=noisy_quadratic", "task=noisy_quadratic"),
    ("model", "noisy_quadratic"): ("data=noisy_quadratic", "task=noisy_quadratic"),
    ("task", "noisy_quadratic"): ("data=noisy_quadratic", "model=noisy_quadratic"),
}
ROOMY = ("horizon=300ep", "model=mlp")


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


def changed(config: Any, path: tuple[str | int, ...], value: Any) -> Any:
    """A copy of a configuration with one value changed, as an override would; a list's element by its number."""
    from omegaconf import OmegaConf, open_dict

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
