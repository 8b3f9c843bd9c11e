"""Files with a name: sweeps and studies, lrbench's own under `conf/` and a user's under `--config-dir`."""

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import yaml

from lrbench import CONF
from lrbench.errors import ConfigError, did_you_mean

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast where libyaml is


def files_of(group: str, config_dir: str | None = None) -> dict[str, Path]:
    """Those of `conf/GROUP/`, and of `GROUP/` under a folder of the user's own. Of two with one name lrbench's own
    counts, as with Hydra's option files.

    Raises ConfigError for a folder that is not there.
    """
    folders = [*([own_folder(config_dir) / group] if config_dir is not None else []), CONF / group]
    found = {path.stem: path for folder in folders for path in folder.glob("*.yaml")}
    return dict(sorted(found.items()))


def own_folder(config_dir: str) -> Path:
    """Raises ConfigError for a folder that is not there."""
    if not Path(config_dir).is_dir():
        raise ConfigError("--config-dir", config_dir, "there is no such folder")
    return Path(config_dir)


def listed(title: str, files: dict[str, Path]) -> str:
    """Every file in a line, with its first line."""
    width = max(map(len, files), default=0)
    return "\n".join([title, *(f"  {name:{width}}  {_first_comment(path)}".rstrip() for name, path in files.items())])


def read(path: Path, loader: Any = LOADER) -> Any:
    """What a file of YAML holds. Raises ConfigError for one that is none."""
    try:
        return yaml.load(path.read_text(), loader)
    except OSError as error:
        raise ConfigError(shown(path), "", f"it cannot be read ({error.strerror})") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(shown(path), "", f"this is no YAML ({' '.join(str(error).split())})") from error


def read_mapping(path: Path, keys: Sequence[str]) -> dict[str, Any]:
    """What a file says under these keys. Raises ConfigError for one that is no mapping, and for another key."""
    content: Any = read(path)
    _require_mapping(content, keys, shown(path))
    return dict(content)


def made(kind: Any, content: Any, where: str, **more: Any) -> Any:
    """A dataclass from what a file says under the names of its fields; `more`: fields that a file does not give. Raises
    ConfigError for what is no mapping, another key, a text that is none, and a field that is missing."""
    names = [f.name for f in fields(kind) if f.name not in more]
    _require_mapping(content, names, where)
    for name in (f.name for f in fields(kind) if f.type is str and f.name in content):
        if not isinstance(content[name], str):
            raise ConfigError(f"{where}: {name}", content[name], "this is no text", "put it in quotation marks")
    try:
        return kind(**content, **more)
    except TypeError as error:  # a key that is missing
        raise ConfigError(where, "", str(error).partition(" ")[2]) from error


def _require_mapping(content: Any, keys: Sequence[str], where: str) -> None:
    if not isinstance(content, dict):
        raise ConfigError(where, "", "this is no mapping", f"give the keys {', '.join(keys)}")
    for key in content:
        if key not in keys:
            raise ConfigError(where, "", f"there is no key '{key}'", did_you_mean(str(key), keys))


def shown(path: Path) -> str:
    """A file's name in an error message."""
    return f"conf/{path.parent.name}/{path.name}" if path.parent.parent == CONF else str(path)


def _first_comment(path: Path) -> str:
    first = path.read_text().partition("\n")[0]
    return first.lstrip("# ") if first.startswith("#") else ""
