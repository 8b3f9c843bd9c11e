"""The command that trains an arm again."""

import shlex
from collections.abc import Sequence

from lrbench.store.run import Run


def command_of(runs: Sequence[Run]) -> str | None:
    """`lrbench ...` with the overrides that made the arm's first run, the folders of its own levels, and all its seeds;
    None if not recorded."""
    overrides = runs[0].overrides()
    if overrides is None:
        return None
    seed = f"seed={','.join(str(run.seed) for run in runs)}"
    folders = [word for folder in runs[0].config_dirs() for word in ("--config-dir", folder)]
    return shlex.join(["lrbench", *folders, *(["-m"] if len(runs) > 1 else []), *overrides, seed])
