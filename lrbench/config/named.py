"""`lrbench sweep NAME`: grids with a name, in `conf/sweep/` and, of a user's own, in `sweep/` under `--config-dir`."""

from pathlib import Path
from typing import NamedTuple

from lrbench.config.arms import SweepArm, arms_from
from lrbench.config.files import files_of, listed, read_mapping, shown
from lrbench.errors import ConfigError, did_you_mean

LISTS = ("set", "grid")  # overrides with one value, and with several


def sweep_files(config_dir: str | None = None) -> dict[str, Path]:
    """The named sweeps. Raises ConfigError for a folder that is not there."""
    return files_of("sweep", config_dir)


def listing(config_dir: str | None = None) -> str:
    """Every named sweep in a line."""
    return listed("sweeps (lrbench sweep NAME)", sweep_files(config_dir))


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
    arms: tuple[SweepArm, ...]


def _read(path: Path) -> Named:
    content, where = read_mapping(path, (*LISTS, "arms")), shown(path)
    for key in LISTS:
        value = content.get(key, [])
        if not (isinstance(value, list) and all(isinstance(v, str) for v in value)):
            why = f"{key} is a list of overrides such as 'seed=0,1,2', each in quotes; got {value}"
            raise ConfigError(where, "", why)
    arms = arms_from(content["arms"], where) if "arms" in content else ()
    return Named([override for key in LISTS for override in content.get(key, [])], arms)
