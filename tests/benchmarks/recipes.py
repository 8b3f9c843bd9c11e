"""What every tiny recipe reaches, which their headers say; by `run.py`. Half an hour on two idle cores."""

import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from harness import keep

from lrbench import CONF
from lrbench.config.experiments import experiment
from lrbench.engine.train import train
from lrbench.experiment import Settings
from lrbench.store.record import MEASURED

SHORT = ("cnn_fast_tiny", "cnn_modern_tiny", "cnn_paper_tiny", "large_batch_tiny", "onecycle_fast_tiny")  # five seeds
LONG = ("detr_tiny", "faster_rcnn_tiny")  # begin first, so that neither core waits for them


def recipe_scores() -> None:
    """Metrics and processor time of each, on seed 0, of the short ones on seeds 0 to 4; a run a process."""
    tiny = sorted((path.stem for path in (CONF / "recipe").glob("*_tiny.yaml")), key=lambda name: name not in LONG)
    runs = [(name, seed) for name in tiny for seed in (range(5) if name in SHORT else range(1))]
    with ProcessPoolExecutor(2, get_context("spawn"), max_tasks_per_child=1) as pool:
        told = list(pool.map(_reached, *zip(*runs, strict=True)))
    figures: dict[str, list[dict[str, Any]]] = {name: [] for name in sorted(tiny)}
    for (name, _), reached in zip(runs, told, strict=True):
        figures[name].append(reached)
    keep("recipe_scores", "the end of `python -m lrbench recipe=NAME seed=SEED`", "what the headers say", figures)


def _reached(recipe: str, seed: int) -> dict[str, Any]:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        asked = experiment(f"recipe={recipe}", f"seed={seed}", "tracker=none")
        began = time.process_time()
        summary = train(asked, Settings(results=Path(folder)), say=lambda text: None).summary()
        seconds = round(time.process_time() - began)
    measured = {key: round(value, 4) for key, value in summary.items() if key.startswith(MEASURED)}
    return {"seed": seed, "cpu_seconds": seconds, **measured}


EVERY = (recipe_scores,)
