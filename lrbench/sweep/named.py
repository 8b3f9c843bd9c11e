"""`lrbench sweep NAME`: grids with a name, in `conf/sweep/` and, of a user's own, in `sweep/` under `--config-dir`."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

from lrbench import CONF
from lrbench.cli.flags import CONFIG_DIR, config_dir_of
from lrbench.errors import ConfigError, did_you_mean

FOLDER = CONF / "sweep"
KEYS = {"set": "overrides with one value", "grid": "overrides with several"}


def sweep_files(config_dir: str | None = None) -> dict[str, Path]:
    """The named sweeps. Of two with one name lrbench's own counts, as with Hydra's option files.

    Raises ConfigError for a folder that is not there.
    """
    if config_dir is not None and not Path(config_dir).is_dir():
        raise ConfigError(f"--config-dir={config_dir}: there is no such folder.")
    folders = [*([Path(config_dir) / "sweep"] if config_dir is not None else []), FOLDER]
    found = {path.stem: path for folder in folders for path in folder.glob("*.yaml")}
    return dict(sorted(found.items()))


def listing(config_dir: str | None = None) -> str:
    """Every named sweep in a line, with the first line of its file."""
    files = sweep_files(config_dir)
    width = max(map(len, files), default=0)
    lines = [f"  {name:{width}}  {_comment(path)}".rstrip() for name, path in files.items()]
    return "\n".join(["sweeps (lrbench sweep NAME)", *lines])


def words_of(arguments: Sequence[str]) -> list[str]:
    """The arguments without flags: the name and overrides."""
    return [a for before, a in pairwise(["", *arguments]) if not (a.startswith("-") or before in CONFIG_DIR)]


def named_sweep(arguments: Sequence[str]) -> tuple[str, list[str]]:
    """The name, and the overrides of that sweep with the arguments given beside it. Raises ConfigError."""
    files, words = sweep_files(config_dir_of(arguments)), words_of(arguments)
    named = next((w for w in words if w.startswith("name=")), next(iter(words), ""))
    name = named.removeprefix("name=")
    if not name or "=" in name:
        example = next(iter(files), "NAME")
        raise ConfigError(f"sweep: say which one, as in `lrbench sweep {example}`.{did_you_mean('', files)}")
    if name not in files:
        raise ConfigError(f"sweep name={name}: there is no such sweep.{did_you_mean(name, files)}")
    place = list(arguments).index(named)
    return name, [*_overrides(files[name]), *arguments[:place], *arguments[place + 1 :]]


def _comment(path: Path) -> str:
    first = path.read_text().partition("\n")[0]
    return first.lstrip("# ") if first.startswith("#") else ""


def _overrides(path: Path) -> list[str]:
    where = f"conf/sweep/{path.name}" if path.parent == FOLDER else str(path)
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
