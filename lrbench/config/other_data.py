"""Data by overrides alone: other ones than those of a run, or its own with other options."""

from collections.abc import Sequence
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from lrbench.config.components import data_from
from lrbench.config.compose import compose, resolved
from lrbench.config.composer import applied
from lrbench.config.hydra_errors import composing
from lrbench.config.schema import AugmentConfig, DataConfig
from lrbench.errors import ConfigError
from lrbench.experiment import Data


def data_of(own: Data, overrides: Sequence[str], config_dir: str | None = None) -> Data:
    """The run's own data, changed by overrides of `data` alone. Raises ConfigError for others."""
    for override in overrides:
        key = override.lstrip("+~").partition("=")[0]
        if key.partition(".")[0] != "data" or key.startswith("data.augment"):
            why = "this changes nothing that is measured: weights and task are the run's"
            raise ConfigError(key, override.partition("=")[2], why, "give data=LEVEL or data.args.NAME=VALUE")
    if not overrides:
        return own
    search = [f"hydra.searchpath=[file://{Path(config_dir).absolute()}]"] if config_dir else []
    levels = [o for o in overrides if o.partition("=")[0] == "data"]
    with composing(overrides):
        config = compose([*search, *levels])
        if not levels:
            config.data = OmegaConf.structured(
                DataConfig(_target_=own.target, args=dict(own.args), augment=AugmentConfig())
            )
        values = OverridesParser.create().parse_overrides([o for o in overrides if o not in levels])
        made, _ = data_from(resolved(applied(config, values))["data"])
    return made
