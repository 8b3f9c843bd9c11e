"""Hydra as it is, but quicker: the tests compose some thousand configurations, most of them again and again.

Two dozen files are parsed for each: by libyaml here. And a composition that was made before is copied.
"""

import os
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import yaml
from hydra.core.global_hydra import GlobalHydra
from hydra.core.utils import JobRuntime
from omegaconf import DictConfig, open_dict
from omegaconf._utils import get_yaml_loader as plain_loader

from lrbench import CONF


@cache
def quick_loader() -> Any:
    """OmegaConf's loader, its rules and types, over libyaml's parser. `test_levels.py` holds the two equal."""

    class Quick(yaml.cyaml.CParser, plain_loader()):  # type: ignore[misc]
        def __init__(self, stream: Any) -> None:
            yaml.cyaml.CParser.__init__(self, stream)
            yaml.constructor.SafeConstructor.__init__(self)
            yaml.resolver.Resolver.__init__(self)

    return Quick


def remembered(compose: Callable[..., DictConfig]) -> Callable[..., DictConfig]:
    """`lrbench.config.compose.hydra_compose`, which remembers what it made of lrbench's own levels alone."""
    made: dict[tuple[Any, ...], DictConfig] = {}

    def composed(name: str, overrides: Sequence[str], return_hydra_config: bool = False) -> DictConfig:
        if return_hydra_config or not _of_lrbench_alone(GlobalHydra.instance().config_loader(), overrides):
            return compose(name, list(overrides), return_hydra_config=return_hydra_config)
        key = (name, *overrides)
        if key not in made:
            made[key] = compose(name, list(overrides))
        return made[key].copy()

    return composed


def remembering(load: Callable[..., DictConfig]) -> Callable[..., DictConfig]:
    """The same one step below, where the command line passes too: with Hydra's own node, which has the folder."""
    made: dict[tuple[Any, ...], DictConfig] = {}

    def loaded(self: Any, config_name: str, overrides: list[str], *how: Any, **more: Any) -> DictConfig:
        if not _of_lrbench_alone(self, overrides):
            return load(self, config_name, overrides, *how, **more)
        key = (JobRuntime().get("name"), config_name, *overrides, how, *sorted(more.items()))
        if key not in made:
            made[key] = load(self, config_name, overrides, *how, **more)
        config = made[key].copy()
        with open_dict(config):
            config.hydra.runtime.cwd = os.getcwd()
        return config

    return loaded


def _of_lrbench_alone(loader: Any, overrides: Sequence[str]) -> bool:
    """Whether levels are looked for nowhere else: in no folder of a test's own."""
    where = {s.path for s in loader.get_sources() if s.scheme() == "file"}
    return where == {str(CONF)} and not any("searchpath" in o for o in overrides)
