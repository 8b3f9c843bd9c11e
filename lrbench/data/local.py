"""Where data sets that are not embedded lie on this machine, and how torchvision's downloads get there."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from lrbench.errors import ConfigError


def root() -> Path:
    """The folder that holds downloads: $LRBENCH_DATA, or a cache where that is not set."""
    return Path(os.environ.get("LRBENCH_DATA") or "~/.cache/lrbench").expanduser()


def download(folder: str, fetch: Callable[[str], None], name: str, otherwise: str) -> Path:
    """Let `fetch(scratch)` make `scratch/folder`, and move that to `root()`; returns where it is.

    Raises `ConfigError` for the data set of this name, beginning with `otherwise`: what is missing, and the other ways
    to get it.
    """
    target = root() / folder
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        # Beside the target and renamed at the end: another process never sees half a download.
        with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
            fetch(scratch)
            if not target.exists():
                (Path(scratch) / folder).rename(target)
    except (ImportError, OSError, RuntimeError) as error:
        raise ConfigError(
            "data",
            name,
            otherwise,
            f"or run once with access to the internet: torchvision's download to {target} failed just now ({error})",
        ) from error
    return target
