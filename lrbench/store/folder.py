"""Where results live. Alone here, so that a command which only reads a verdict needs no numpy."""

import os
from pathlib import Path


def results_folder(results: str | None = None) -> Path:
    """Where records live: the `results` option, else $LRBENCH_RESULTS, else ./results."""
    return Path(results or os.environ.get("LRBENCH_RESULTS") or "results")
