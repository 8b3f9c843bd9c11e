"""Time two things in interleaved rounds of one process and keep the ratios, with the environment they were taken in."""

import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from lrbench.engine.outcome import provenance

RESULTS = Path(__file__).parents[2] / "results" / "benchmarks"


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def interleaved(first: Callable[[], float], second: Callable[[], float], rounds: int) -> dict[str, Any]:
    """Both in turn, after one round that is not counted; each returns the seconds of what it wants timed.

    The ratio second / first is taken round by round, so that a machine that slows down slows both.
    """
    first(), second()
    pairs = [(first(), second()) for _ in range(rounds)]
    ratios = sorted(b / a for a, b in pairs)
    return {
        "ratio": round(statistics.median(ratios), 4),
        "ratio_10_90": [round(ratios[int(q * (rounds - 1))], 4) for q in (0.1, 0.9)],
        "first_s": statistics.median(a for a, _ in pairs),
        "second_s": statistics.median(b for _, b in pairs),
        "rounds": rounds,
    }


def environment() -> dict[str, str]:
    """That of somebody who has named no results folder."""
    return {name: value for name, value in os.environ.items() if name != "LRBENCH_RESULTS"}


def spread(found: Sequence[float]) -> dict[str, Any]:
    """What seeds reached: their mean and standard deviation, and each."""
    return {
        "mean": round(statistics.mean(found), 4),
        "sd": round(statistics.stdev(found), 4),
        "of_seeds": [round(x, 4) for x in found],
    }


def keep(name: str, what: str, target: str, figures: dict[str, Any]) -> None:
    """Print a result and write it to results/benchmarks/<name>.json."""
    made = provenance(torch.device("cpu"), torch.get_num_threads())
    made["command"] = ["python", *(os.path.relpath(a) if os.path.exists(a) else a for a in sys.argv)]
    made["load_average"] = os.getloadavg()
    RESULTS.mkdir(parents=True, exist_ok=True)
    content = {"what": what, "target": target, **figures, "environment": made}
    (RESULTS / f"{name}.json").write_text(json.dumps(content, indent=2) + "\n")
    print(f"{name}: {json.dumps(figures)}   target: {target}")
