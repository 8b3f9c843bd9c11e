"""What the engine costs beside a loop as a person writes it, on the tiny recipe of every task; by `run.py`.

Both train the same weights on the same batches with the same loss: what differs is what is around them. Five minutes on
an idle machine.
"""

import time
from itertools import count, islice

import torch
from harness import interleaved, keep

from lrbench.config.experiments import experiment
from lrbench.engine.loop import advance
from lrbench.engine.state import new_state, set_up

# By task, its tiny recipe, with fewer scenes where drawing them takes a minute.
RECIPES = {
    "causal language model": ("recipe=gpt_tiny",),
    "masked language model": ("recipe=bert_tiny",),
    "segmentation": ("recipe=unet_tiny", "data.args.train_size=320"),
    "detection": ("recipe=faster_rcnn_tiny", "data.args.train_size=320"),
    "set prediction": ("recipe=detr_tiny", "data.args.train_size=320"),
    "classification by a transformer": ("recipe=vit_tiny",),
}
TIMED = 20  # updates; as many come before them


def task_loops() -> None:
    """Twenty updates by the engine, and by hand with the rates of torch's own LambdaLR."""
    torch.set_num_threads(1)
    figures = {task: _ratio(*overrides) for task, overrides in RECIPES.items()}
    keep("task_loops", "lrbench's loop / a bare torch loop, of every task's tiny recipe", "ratio <= 1.05", figures)


def _ratio(*overrides: str) -> dict[str, object]:
    asked, cpu = experiment(*overrides, "tracker=none"), torch.device("cpu")
    setup, state, by_hand = set_up(asked, cpu), new_state(asked, cpu), new_state(asked, cpu)
    task, stream, model, optimizer = setup.task, setup.splits.train, by_hand.model, by_hand.optimizer
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / 1e6)
    updates = count()

    def bare() -> float:
        model.train()
        began = time.perf_counter()
        for update in islice(updates, TIMED):
            batch = stream.batch(update)
            optimizer.zero_grad()
            loss = task.loss(model, batch) / task.weight(batch)
            loss.backward()
            if asked.clip is not None:
                torch.nn.utils.clip_grad_norm_(model.parameters(), asked.clip)
            optimizer.step()
            scheduler.step()
        return time.perf_counter() - began

    def ours() -> float:
        state.train()
        began, until = time.perf_counter(), state.update + TIMED
        while state.update < until:
            advance(setup, state, until)
        return time.perf_counter() - began

    return interleaved(bare, ours, rounds=9)


EVERY = (task_loops,)
