"""`lrbench sweep NAME`: grids with a name, in `conf/sweep/`."""

from collections.abc import Sequence
from typing import Any

import yaml

from lrbench import CONF
from lrbench.errors import ConfigError, did_you_mean

FOLDER = CONF / "sweep"
KEYS = {"set": "overrides with one value", "grid": "overrides with several"}


def sweep_names() -> list[str]:
    return sorted(p.stem for p in FOLDER.glob("*.yaml"))


def named_sweep(arguments: Sequence[str]) -> tuple[str, list[str]]:
    """The name, and the overrides of that sweep with those given after it. Raises ConfigError."""
    known = sweep_names()
    named = next((a for a in arguments if a.startswith("name=")), next(iter(arguments), ""))
    name = named.removeprefix("name=")
    if not name or "=" in name or name.startswith("-"):
        example = known[0] if known else "NAME"
        raise ConfigError(f"sweep: say which one, as in `lrbench sweep {example}`.{did_you_mean('', known)}")
    if name not in known:
        raise ConfigError(f"sweep name={name}: there is no such sweep.{did_you_mean(name, known)}")
    place = list(arguments).index(named)
    return name, [*_overrides(name), *arguments[:place], *arguments[place + 1 :]]


def _overrides(name: str) -> list[str]:
    path = FOLDER / f"{name}.yaml"
    where = f"conf/sweep/{path.name}"
    try:
        content: Any = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise ConfigError(f"{where}: this is no YAML ({str(error).splitlines()[0]}).") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{where}: give the keys {' and '.join(KEYS)}, each a list of overrides.")
    for key, value in content.items():
        if key not in KEYS:
            raise ConfigError(f"{where}: there is no key '{key}'.{did_you_mean(str(key), KEYS)}")
        if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
            raise ConfigError(
                f"{where}: {key} is a list of overrides such as 'seed=0,1,2', each in quotes; got {value}."
            )
    return [override for key in KEYS for override in content.get(key, [])]
