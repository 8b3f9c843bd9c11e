"""A study that is typed: what has several values makes its arms, the rest is shared."""

import re
from collections.abc import Sequence
from itertools import product
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from lrbench.config.arms import SweepArm
from lrbench.config.entries import key_of
from lrbench.config.grid import axes
from lrbench.errors import ConfigError

HERE = (
    "results", "device", "tracker", "log_every", "checkpoint_every", "workers", "force", "retry", "audit", "strict",
    "accepts", "keep",
)  # fmt: skip


def typed_study(overrides: Sequence[str], arms: Sequence[SweepArm] = ()) -> dict[str, Any]:
    """`set` and `arms` of the study that these overrides make: `["horizon=5ep", "scheduler=step,cosine"]` has two arms.

    Raises ConfigError for overrides that cannot be read, and where they make no arms.
    """
    try:
        grid = axes(OverridesParser.create(), list(overrides))
    except HydraException as error:
        raise ConfigError(" ".join(overrides), "", f"this cannot be read ({str(error).splitlines()[0]})") from error
    shared = [text for axis in grid if len(axis) == 1 for text in axis]
    swept = [list(axis) for axis in grid if len(axis) > 1]
    if swept and arms:
        why = "arms are given by --arm, and by an option with several values"
        raise ConfigError(swept[0][0].partition("=")[0], "", why, "use one of the two")
    made = {arm.name: list(arm.overrides) for arm in arms}
    for overrides_of in product(*swept) if swept else ():
        name = "-".join(_word(o) for o in overrides_of)
        made[name if name not in made else f"{name}-{len(made)}"] = list(overrides_of)
    if len(made) < 2:
        cure = "give an option several values, as in scheduler=constant,cosine; `lrbench compare` lists studies by name"
        raise ConfigError("arms", ", ".join(made), "one arm is compared with nothing", cure)
    return {"set": shared, "arms": made}


def apart(words: Sequence[str]) -> tuple[list[str], list[str], list[str]]:
    """Overrides of arms, of where and how they are trained, and of Hydra's own node."""
    hydra = [w for w in words if w.lstrip("+~").startswith(("hydra.", "hydra/"))]
    here = [w for w in words if w not in hydra and re.split(r"[./]", key_of(w))[0] in HERE]
    return [w for w in words if w not in hydra and w not in here], here, hydra


def _word(override: str) -> str:
    """An arm's name from its value."""
    word = re.sub(r"[^\w.-]+", "_", override.partition("=")[2]).strip("_.-")
    return word or re.sub(r"[^\w-]+", "_", key_of(override))
