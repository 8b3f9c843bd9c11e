"""What tests of imports share: the rates of an import, and a loop that a library's own schedulers are stepped in."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf, open_dict

from lrbench import CONF
from lrbench.config import plans
from lrbench.config.compose import compose
from lrbench.config.schema import OptimizerConfig, SchedulerConfig, WarmupConfig
from lrbench.experiment.schedule_plan import SchedulePlan
from lrbench.horizon import Clock, whole_updates
from lrbench.interop.foreign.imported import Imported
from lrbench.schedules import lr_table

SETTINGS = Path(__file__).parent / "settings"
GROUPS = {"optimizer": OptimizerConfig, "scheduler": SchedulerConfig, "warmup": WarmupConfig}
PARSER = OverridesParser.create()
CLOSE = 1e-12  # of the peak: what the recursions of torch's schedulers leave


def plan(found: Imported, **more: object) -> SchedulePlan:
    """Of an import, over the updates that it says, which are those of its horizon too."""
    run = found.run
    horizon = next(w for w in found.overrides if w.startswith("horizon="))
    clock = Clock(run.updates, run.per_epoch, 1)
    assert whole_updates(horizon.removeprefix("horizon="), clock, "horizon") == run.updates
    kept = [w for w in found.overrides if not w.startswith(("horizon=", "param_groups"))]
    with patch.object(plans, "_composed", composed):
        return plans.plan_of(kept, updates=run.updates, per_epoch=run.per_epoch, **more)  # type: ignore[arg-type]


@cache
def usual() -> Any:
    """What is composed of no overrides; do not change it."""
    return compose([])


def composed(overrides: Sequence[str]) -> Any:
    """As Hydra composes overrides: levels from their files, then the rest in order, as its own parser reads it. (That
    Hydra composes the same: test_import_command.py.)"""
    config = usual().copy()
    parsed = [PARSER.parse_override(override) for override in overrides]
    with open_dict(config):
        for override in parsed:
            if (group := override.key_or_group) in GROUPS:
                level = OmegaConf.load(CONF / group / f"{override.value()}.yaml")
                config[group] = OmegaConf.merge(OmegaConf.structured(GROUPS[group]), level)
        for override in parsed:
            if override.key_or_group not in GROUPS:
                OmegaConf.update(config, override.key_or_group, override.value(), force_add=True)
    return config


def rates(found: Imported, metrics: Sequence[float] = (), **more: object) -> np.ndarray:
    """Of every update and group, (updates, groups)."""
    return lr_table(plan(found, **more), metrics).lr


def require_same(ours: np.ndarray, theirs: Sequence[float] | np.ndarray, close: float = CLOSE) -> None:
    """Update for update, within `close` of the peak."""
    wanted = np.asarray(theirs, dtype=float).reshape(len(theirs), -1)
    assert ours.shape == wanted.shape
    np.testing.assert_allclose(ours, wanted, rtol=0, atol=close * wanted.max())


def sgd(lr: float, *scales: float) -> torch.optim.SGD:
    """With a group for each scale, at that share of the rate; one at the rate itself where there is none."""
    groups = [{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": lr * scale} for scale in scales or (1.0,)]
    return torch.optim.SGD(groups, lr=lr, momentum=0.9)


def rate(optimizer: torch.optim.Optimizer) -> list[float]:
    return [group["lr"] for group in optimizer.param_groups]
