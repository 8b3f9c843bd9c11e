"""`python tests/benchmarks/run.py corruptions`: a thousand single corruptions of records, and who believes them."""

import sys
import tempfile
from pathlib import Path

from harness import keep

COUNT, SEED = 1000, 1

sys.path.append(str(Path(__file__).parents[1]))


def corruptions() -> None:
    """Over every file of a finished record that keeps checkpoints, of one that was stopped, and of a restored one."""
    from corruptions_of_records import make_world, try_many

    with tempfile.TemporaryDirectory() as folder:
        trials = try_many(make_world(Path(folder)), COUNT, SEED)
    keep(
        "corruptions",
        "single corruptions of records: what compares, exports, restores, resumes or forks takes from them, and "
        "whether show, runs, diagnose, verify and report end in a traceback",
        "none believed, no traceback",
        {
            "corruptions": sum(trials.tried.values()),
            "by_kind": dict(sorted(trials.tried.items())),
            "noticed": trials.noticed,
            "harmless": trials.harmless,
            "believed": trials.believed,
            "tracebacks": trials.tracebacks,
        },
    )


EVERY = (corruptions,)
