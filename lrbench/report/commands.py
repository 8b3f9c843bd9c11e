"""The command that trains an arm again."""

import shlex
from collections.abc import Sequence

from lrbench.store.run import Run


def command_of(runs: Sequence[Run]) -> str | None:
    """`lrbench ...` with the overrides that made the arm's first run, and all its seeds; None if not recorded."""
    overrides = runs[0].overrides()
    if overrides is None:
        return None
    seed = f"seed={','.join(str(run.seed) for run in runs)}"
    return shlex.join(["lrbench", *(["-m"] if len(runs) > 1 else []), *overrides, seed])
