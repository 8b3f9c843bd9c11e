"""Hydra composes: from overrides to a configuration, and from that to plain data."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

import lrbench.config.schema  # noqa: F401  (Hydra composes over it)
from lrbench import CONF, PLUGINS
from lrbench.errors import ConfigError

# Hydra looks for plugins once a process, when it composes for the first time.
sys.path.append(str(PLUGINS))


@contextmanager
def hydra_running() -> Iterator[None]:
    """The Hydra that runs already, or one for the time being."""
    if GlobalHydra.instance().is_initialized():
        yield
    else:
        with initialize_config_dir(str(CONF), version_base="1.3"):
            yield


def compose(overrides: Sequence[str], with_hydra: bool = False) -> DictConfig:
    """Compose the configuration from overrides, as the command line does; with or without Hydra's own node."""
    with hydra_running():
        return hydra_compose("config", list(overrides), return_hydra_config=with_hydra)


def resolved(cfg: DictConfig | Mapping[str, Any]) -> dict[str, Any]:
    """A configuration as plain data, every ${...} resolved. Raises ConfigError for a value that is missing."""
    if not isinstance(cfg, DictConfig):
        return cast(dict[str, Any], cfg)
    try:
        plain = OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True, enum_to_str=True)
    except MissingMandatoryValue as error:
        key = str(error.full_key)
        group = key.split(".")[0]
        cure = f"give it, as in {key}=..., or in the level's file (one that is empty gives nothing)"
        raise ConfigError(key, "", f"this option of {group} has no value", cure) from error
    except OmegaConfBaseException as error:  # ${...} that leads nowhere
        raise ConfigError(str(error.full_key), "", str(error).splitlines()[0]) from error
    return cast(dict[str, Any], plain)
