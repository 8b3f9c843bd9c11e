"""Hydra composes: from overrides to a configuration, and from that to plain data."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

import lrbench.config.schema
import lrbench.plugins  # noqa: F401  (Hydra looks for them)
from lrbench import CONF
from lrbench.errors import ConfigError


def _epochs(horizon: str) -> int:
    """The bare number of epochs that a person writes without units, 30 of `30ep`: `${lrbench.epochs:${horizon}}` in
    conf/pitfall, so that a mistake is as large as the training. Raises ConfigError for a horizon in other units."""
    if not (whole := re.fullmatch(r"(\d+)ep", str(horizon), re.ASCII)):
        why = "this pitfall is a length in bare epochs, of which a person writes the number"
        raise ConfigError("horizon", horizon, why, "give the horizon in whole epochs, such as 30ep")
    return int(whole[1])


OmegaConf.register_new_resolver("lrbench.epochs", _epochs, replace=True)


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


@contextmanager
def hydra_apart() -> Iterator[None]:
    """A Hydra of lrbench's own for the time being, whatever Hydra runs in this process: a program that uses lrbench may
    be a Hydra app, whose options are not ours."""
    running = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(CONF), version_base="1.3"):
            yield
    finally:
        GlobalHydra.instance().hydra = running


def resolved(cfg: DictConfig | Mapping[str, Any]) -> dict[str, Any]:
    """A configuration as plain data, every ${...} resolved. Raises ConfigError for a value that is missing."""
    if not isinstance(cfg, DictConfig):
        return cast(dict[str, Any], cfg)
    try:
        plain = OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True, enum_to_str=True)
    except MissingMandatoryValue as error:
        raise _missing(cfg, str(error.full_key)) from error
    except OmegaConfBaseException as error:  # ${...} that leads nowhere, or to what has no value
        if refusal := next((e for e in _behind(error) if isinstance(e, ConfigError)), None):
            raise refusal from error
        raise ConfigError(str(error.full_key), "", str(error).splitlines()[0]) from error
    return cast(dict[str, Any], plain)


def _missing(cfg: DictConfig, first: str) -> ConfigError:
    """All that is missing in the group of the first, each with what its level says of it."""
    group = first.split(".")[0]
    keys = sorted(k for k in OmegaConf.missing_keys(cfg) if k.split(".")[0] == group) or [first]
    said = {key: text for key in keys if (text := _comment(group, key))}
    why = f"this option of {group} has no value" if len(keys) == 1 else f"these options of {group} have no value"
    told = "; ".join(f"{key.rpartition('.')[2]}: {text}" for key, text in said.items())
    given, them = " ".join(f"{key}=..." for key in keys), "it" if len(keys) == 1 else "them"
    cure = f"give {them}, as in {given}, or in the level's file (one that is empty gives nothing)"
    return ConfigError(", ".join(keys), "", f"{why} ({told})" if told else why, cure)


def _comment(group: str, key: str) -> str:
    """What the one level that leaves a key open says of it, behind it; empty where none does, or several."""
    open_key = re.compile(rf"^\s*{re.escape(key.rpartition('.')[2])}: \?\?\? # (.+)$", re.MULTILINE)
    said = [m[1] for path in sorted((CONF / group).glob("*.yaml")) for m in open_key.finditer(path.read_text())]
    return said[0] if len(said) == 1 else ""


def _behind(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what it was raised in answer to."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
