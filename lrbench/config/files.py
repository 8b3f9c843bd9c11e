"""Files with a name: sweeps and studies, lrbench's own under `conf/` and a user's under `--config-dir`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from lrbench import CONF
from lrbench.errors import ConfigError, did_you_mean


def files_of(group: str, config_dir: str | None = None) -> dict[str, Path]:
    """Those of `conf/GROUP/`, and of `GROUP/` under a folder of the user's own. Of two with one name lrbench's own
    counts, as with Hydra's option files.

    Raises ConfigError for a folder that is not there.
    """
    if config_dir is not None and not Path(config_dir).is_dir():
        raise ConfigError("--config-dir", config_dir, "there is no such folder")
    folders = [*([Path(config_dir) / group] if config_dir is not None else []), CONF / group]
    found = {path.stem: path for folder in folders for path in folder.glob("*.yaml")}
    return dict(sorted(found.items()))


def listed(title: str, files: dict[str, Path]) -> str:
    """Every file in a line, with its first line."""
    width = max(map(len, files), default=0)
    return "\n".join([title, *(f"  {name:{width}}  {_first_comment(path)}".rstrip() for name, path in files.items())])


def read_mapping(path: Path, keys: Sequence[str]) -> dict[str, Any]:
    """What a file says under these keys. Raises ConfigError for one that is no mapping, and for another key."""
    where = shown(path)
    try:
        content: Any = yaml.safe_load(path.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(where, "", f"this is no YAML ({' '.join(str(error).split())})") from error
    if not isinstance(content, dict):
        raise ConfigError(where, "", "this is no mapping", f"give the keys {', '.join(keys)}")
    for key in content:
        if key not in keys:
            raise ConfigError(where, "", f"there is no key '{key}'", did_you_mean(str(key), keys))
    return content


def shown(path: Path) -> str:
    """A file's name in an error message."""
    return f"conf/{path.parent.name}/{path.name}" if path.parent.parent == CONF else str(path)


def _first_comment(path: Path) -> str:
    first = path.read_text().partition("\n")[0]
    return first.lstrip("# ") if first.startswith("#") else ""
