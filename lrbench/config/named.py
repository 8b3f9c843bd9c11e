"""`lrbench sweep NAME`: grids with a name, in `conf/sweep/` and, of a user's own, in `sweep/` under `--config-dir`."""

from pathlib import Path
from typing import Any, NamedTuple

import yaml

from lrbench import CONF
from lrbench.config.arms import Arm, arms_from
from lrbench.errors import ConfigError, did_you_mean

FOLDER = CONF / "sweep"
LISTS = ("set", "grid")  # overrides with one value, and with several


def sweep_files(config_dir: str | None = None) -> dict[str, Path]:
    """The named sweeps. Of two with one name lrbench's own counts, as with Hydra's option files.

    Raises ConfigError for a folder that is not there.
    """
    if config_dir is not None and not Path(config_dir).is_dir():
        raise ConfigError("--config-dir", config_dir, "there is no such folder")
    folders = [*([Path(config_dir) / "sweep"] if config_dir is not None else []), FOLDER]
    found = {path.stem: path for folder in folders for path in folder.glob("*.yaml")}
    return dict(sorted(found.items()))


def listing(config_dir: str | None = None) -> str:
    """Every named sweep in a line, with the first line of its file."""
    files = sweep_files(config_dir)
    width = max(map(len, files), default=0)
    lines = [f"  {name:{width}}  {first_comment(path)}".rstrip() for name, path in files.items()]
    return "\n".join(["sweeps (lrbench sweep NAME)", *lines])


def named_sweep(name: str, config_dir: str | None = None) -> "Named":
    """What the file of a sweep says. Raises ConfigError for a name that there is not, and for a file that is none."""
    files = sweep_files(config_dir)
    if not name or "=" in name:
        example = next(iter(files), "NAME")
        raise ConfigError("sweep", "", f"say which one, as in `lrbench sweep {example}`", did_you_mean("", files))
    if name not in files:
        raise ConfigError("sweep name", name, "there is no such sweep", did_you_mean(name, files))
    return _read(files[name])


class Named(NamedTuple):
    """A grid with a name: overrides that all jobs have, those with several values, and arms."""

    overrides: list[str]
    arms: tuple[Arm, ...]


def first_comment(path: Path) -> str:
    """What the first line of a file says of it."""
    first = path.read_text().partition("\n")[0]
    return first.lstrip("# ") if first.startswith("#") else ""


def _read(path: Path) -> Named:
    where = f"conf/sweep/{path.name}" if path.parent == FOLDER else str(path)
    try:
        content: Any = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise ConfigError(where, "", f"this is no YAML ({str(error).splitlines()[0]})") from error
    if not isinstance(content, dict):
        cure = f"give the keys {' and '.join(LISTS)}, each a list of overrides, or arms"
        raise ConfigError(where, "", "this is no mapping", cure)
    for key, value in content.items():
        if key not in (*LISTS, "arms"):
            raise ConfigError(where, "", f"there is no key '{key}'", did_you_mean(str(key), (*LISTS, "arms")))
        if key in LISTS and not (isinstance(value, list) and all(isinstance(v, str) for v in value)):
            why = f"{key} is a list of overrides such as 'seed=0,1,2', each in quotes; got {value}"
            raise ConfigError(where, "", why)
    arms = arms_from(content["arms"], where) if "arms" in content else ()
    return Named([override for key in LISTS for override in content.get(key, [])], arms)
