"""The benchmarks: `python tests/benchmarks/run.py [NAME ...]`, all of EVERY by default.

Each is a ratio, or a bound that the design sets; results go to results/benchmarks. Run on an otherwise idle machine.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from boxes import EVERY as BOXES
from compare import EVERY as COMPARE
from corpus import check_corpus
from corruptions import EVERY as CORRUPTIONS
from diagnosis import EVERY as DIAGNOSIS
from find_lr import EVERY as FIND_LR
from harness import interleaved, keep, seconds
from interop import EVERY as INTEROP
from kills import EVERY as KILLS
from loops import EVERY as LOOPS
from recipes import EVERY as RECIPES
from study import EVERY as STUDIES
from texts import EVERY as TEXTS
from torch import nn
from tuning import EVERY as TUNING

from lrbench.check.linter import checked
from lrbench.config import experiments as config
from lrbench.config.entries import entries
from lrbench.config.grid import expanded
from lrbench.config.named import named_sweep
from lrbench.data import Reading, Stream
from lrbench.data.batches import normaliser
from lrbench.data.digits import Digits
from lrbench.data.kinds import Images
from lrbench.engine import attempt, evaluation
from lrbench.engine.evaluation import evaluate
from lrbench.engine.log import Log
from lrbench.engine.loop import advance
from lrbench.engine.state import Setup, new_state, set_up
from lrbench.engine.train import train
from lrbench.experiment import Augment, Component, Settings
from lrbench.models.resnet import resnet8
from lrbench.schedules.compose import lr_table, traced
from lrbench.store.export import write_rows
from lrbench.store.files import write_json
from lrbench.store.record import Record
from lrbench.store.series import series_type
from lrbench.store.store import Store
from lrbench.sweep.entry import Entry, run_entry
from lrbench.sweep.freeze import freeze
from lrbench.sweep.mirror import replay
from lrbench.sweep.observer import Observer
from lrbench.sweep.plan import make_plan
from lrbench.sweep.pool import Pool

CPU = torch.device("cpu")
UPDATES = 640


def loop() -> None:
    """An overhead-bound job: MLP 64-64-64-10, batch 64, data in memory, OneCycle per update, record on."""
    experiment = config.experiment("model=mlp", "scheduler=onecycle", f"horizon={UPDATES}ba", f"eval_every={UPDATES}ba")
    setup = set_up(experiment, CPU)
    figures = interleaved(lambda: _bare_loop(setup), lambda: _our_loop(setup), rounds=41)
    again = interleaved(lambda: _bare_loop(setup), lambda: _bare_loop(setup), rounds=21)
    figures["bare_against_bare"] = again["ratio"]
    figures["bare_us_per_update"] = round(figures["first_s"] / UPDATES * 1e6, 1)
    keep(
        "loop",
        "lrbench's loop with its record / a bare torch loop that calls OneCycleLR.step()",
        "ratio <= 1.05",
        figures,
    )


def _bare_loop(setup: Setup) -> float:
    """What a person writes without a framework, with the same model, data in memory, optimizer and schedule."""
    model = new_state(setup.experiment, CPU).model
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, total_steps=UPDATES)
    images, labels, mean, std, _ = Digits().load(setup.experiment.seed).train
    x, y, loss_of = normaliser(mean, std, Reading(64, 0))(images), labels, nn.CrossEntropyLoss()
    began = time.perf_counter()
    done = 0
    while done < UPDATES:
        for rows in torch.randperm(len(y)).split(64)[: len(y) // 64]:
            loss = loss_of(model(x.index_select(0, rows)), y.index_select(0, rows))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            done += 1
            if done == UPDATES:
                break
            schedule.step()
    return time.perf_counter() - began


def _our_loop(setup: Setup) -> float:
    state = new_state(setup.experiment, CPU)
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        log = Log(Record(Path(folder)), setup, 0, log_every=1)  # the default: 1,000 rows a run, so here every update
        while state.update < UPDATES:
            log.write(advance(setup, state, UPDATES))
        log.flush()
        return time.perf_counter() - began


def batches() -> None:
    """Batches with crop and flip against a resnet8 training step on them."""
    torch.set_num_threads(1)
    figures = {}
    for side, width in ((14, 8), (14, 16), (28, 16)):
        x = torch.randint(256, (5000, 1, side, side), dtype=torch.uint8)
        split = Images(x, torch.randint(10, (5000,)), torch.tensor([0.3]), torch.tensor([0.3]), 10)
        made = split.stream(Reading(64, 0, Augment(crop=2, hflip=True)))
        result = interleaved(_steps(resnet8((1, side, side), 10, width), made), _batches(made), rounds=15)
        figures[f"{side}x{side}_width{width}"] = {
            "share_of_step": result["ratio"],
            "us_per_image": round(result["second_s"] / 20 / 64 * 1e6, 2),
        }
    keep("batches", "a batch with crop and flip / a resnet8 step on a ready batch", "share <= 0.05", figures)


def augment() -> None:
    """Each augmentation and all together at 32x32x3, batch 128, its draws included, against a resnet8 training step."""
    torch.set_num_threads(1)
    changes = {"crop": 4, "hflip": True, "erase": 0.25, "mixup": 0.2, "cutmix": 1.0}
    options = {"none": {}, **{name: {name: value} for name, value in changes.items()}, "all": changes}
    n = 20  # batches an epoch; the model takes as many steps in four rounds
    x, y, shade = torch.randint(256, (n * 128, 3, 32, 32), dtype=torch.uint8), torch.randint(10, (n * 128,)), [0.3] * 3
    split = Images(x, y, torch.tensor(shade), torch.tensor(shade), 10)
    steps = _steps(resnet8((3, 32, 32), 10, 16), split.stream(Reading(128, 0)), n // 4)
    figures = {}
    for name, given in options.items():
        result = interleaved(steps, _epochs(split.stream(Reading(128, 0, Augment(**given))), n), rounds=9)
        figures[name] = {
            "us_per_image": round(result["second_s"] / n / 128 * 1e6, 2),
            "share_of_step": round(result["ratio"] / 4, 4),
        }
    keep(
        "augment",
        "a batch of 128 with its augmentation and its draws (none: without) / a resnet8 step on a ready batch",
        "us_per_image <= 10",
        figures,
    )


def _epochs(made: Stream, n: int) -> Callable[[], float]:
    """Times an epoch of batches, the next one at every call."""
    updates = count()
    return lambda: seconds(lambda: [made.batch(next(updates)) for _ in range(n)])


def _batches(made: Stream) -> Callable[[], float]:
    """Times 20 batches."""
    return lambda: seconds(lambda: [made.batch(update) for update in range(20)])


def _steps(model: nn.Module, made: Stream, n: int = 20) -> Callable[[], float]:
    """Times n training steps on one ready batch."""
    optimizer, loss_of = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9), nn.CrossEntropyLoss()
    x, y = made.batch(0)

    def update() -> None:
        optimizer.zero_grad()
        loss_of(model(x), y).backward()
        optimizer.step()

    return lambda: seconds(lambda: [update() for _ in range(n)])


PRECISIONS = {
    "bf16": ("amp=bf16",),
    "channels_last": ("channels_last=true",),
    "bf16_channels_last": ("amp=bf16", "channels_last=true"),
}
PRECISION_MODELS = {
    "resnet8": ("model=resnet8",),
    "resnet20": ("model=resnet20",),
    "vit_micro": ("model=vit_micro",),
    "mobilenetv3_small_100": ("model=timm", "model.args.name=mobilenetv3_small_100"),
}


def precision() -> None:
    """Updates in bfloat16, in channels_last and in both, against float32 in torch's own memory format."""
    figures = {}
    for model, chosen in PRECISION_MODELS.items():
        for data in ("digits", "fashion_mnist_14px_5k"):
            plain = _updates(*chosen, f"data={data}")
            of_model = figures[f"{model} {data}"] = {}
            for name, options in PRECISIONS.items():
                result = interleaved(plain, _updates(*chosen, f"data={data}", *options), rounds=9)
                of_model[name] = {k: result[k] for k in ("ratio", "ratio_10_90")}
                of_model["float32_ms_per_update"] = round(result["first_s"] / 5 * 1000, 2)
    keep(
        "precision",
        "an update of 64 images under amp and channels_last / in float32, one thread",
        "none: above 1 it is a slow-down, and the default of the main job (resnet8 on digits) should be its fastest",
        figures,
    )


def _updates(*overrides: str) -> Callable[[], float]:
    """Times 5 updates of an experiment, at a rate that leaves the numbers finite for however long."""
    setup = set_up(
        config.experiment(
            "channels_last=false",
            *overrides,
            "scheduler=constant",
            "optimizer.lr=1e-3",
            "horizon=99999ba",
            "eval_every=100%",
        ),
        CPU,
    )
    state = new_state(setup.experiment, CPU)

    def five() -> None:
        until = state.update + 5
        while state.update < until:  # a block ends after half a second
            advance(setup, state, until)

    return lambda: seconds(five)


def trace() -> None:
    """A million per-update rates against stepping the same torch scheduler as often; memory of the table's making."""
    n, figures = 1_000_000, {}
    for level in ("constant", "step", "multistep", "cosine", "onecycle"):
        plan = config.experiment(
            f"scheduler={level}", "scheduler.interval=batch", f"horizon={n}ba", "eval_every=10%", "model=mlp"
        ).schedule

        def stepped(plan=plan) -> float:
            from lrbench.schedules.build import build

            scheduler = build(plan, plan.main, plan.arguments(plan.main, "all"), "all").scheduler
            began = time.perf_counter()
            for _ in range(n - 1):
                scheduler.step()
            return time.perf_counter() - began

        result = interleaved(stepped, lambda plan=plan: seconds(lambda: traced(plan, None)), rounds=5)
        tracemalloc.start()
        table = traced(plan, None)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        figures[level] = {
            "ratio": result["ratio"],
            "seconds": round(result["second_s"], 2),
            "peak_MB": round(peak / 1e6, 1),
        }
        del table
    keep(
        "trace",
        "the table of a million per-update rates / stepping the torch scheduler as often",
        "ratio <= 1.2, <= 64 MB a group",
        figures,
    )


def check() -> None:
    """What `lrbench check` takes for 300 epochs of 5,000 updates beside its imports and the stepping of torch's own
    scheduler, which a trace is."""
    figures = {}
    for level in ("cosine", "onecycle", "cosine_restarts"):
        small = config.experiment(
            "model=vit_micro", "optimizer=adamw", f"scheduler={level}", "scheduler.interval=batch", "horizon=2ep"
        )
        checked(small)  # what torch imports for a first forward pass
        data = replace(small.data, n_train=5000 * small.batch_size)
        for rounds in range(3):
            optimizer = replace(small.optimizer, lr=1e-3 * (1 + rounds))  # else the table of before is kept
            made = replace(small, data=data, horizon="300ep", optimizer=optimizer)
            stepped = seconds(lambda made=made: lr_table(made.schedule))
            beside = seconds(lambda made=made: checked(made))
            figures.setdefault(level, []).append((stepped, beside))
    kept = {
        level: {
            "stepping_s": round(statistics.median(s for s, _ in pairs), 2),
            "beside_s": round(statistics.median(b for _, b in pairs), 2),
        }
        for level, pairs in figures.items()
    }
    keep("check", "seconds of `lrbench check` beside stepping the scheduler 1,500,000 times", "beside_s <= 2", kept)


BARE = """
import os, torch, {imports}
from torch import nn
from lrbench.data.digits import Digits
from lrbench.models.resnet import resnet8
torch.set_num_threads(1)
from torch.optim.optimizer import register_optimizer_step_post_hook
register_optimizer_step_post_hook(lambda *_: os._exit(0))
splits = Digits().load(0)
model = resnet8((1, 8, 8), 10, 16)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=30)
x, y = splits.train.x[:64].float() / 255, splits.train.y[:64]
nn.functional.cross_entropy(model(x), y).backward()
optimizer.step()
"""
OURS = """
import os, sys, torch
from torch.optim.optimizer import register_optimizer_step_post_hook
register_optimizer_step_post_hook(lambda o, *_: type(o) is torch.optim.SGD and os._exit(0))
from lrbench.cli.main import run
run(["results=" + sys.argv[1], "force=true"])
"""


def fixed_cost() -> None:
    """What `train()` does beside its updates and evaluations, for a run of the loop's job: data, record, checkpoint."""
    experiment = config.experiment("model=mlp", "scheduler=onecycle", f"horizon={UPDATES}ba", f"eval_every={UPDATES}ba")
    spent: list[float] = []

    def timed(*given: object) -> dict[str, float]:
        began = time.perf_counter()
        try:
            return evaluate(*given)  # type: ignore[arg-type]
        finally:
            spent[-1] += time.perf_counter() - began

    beside = []
    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch.object(evaluation, "evaluate", timed),
        mock.patch.object(attempt, "evaluate", timed),
    ):
        for seed in range(21):
            spent.append(0.0)
            began = time.perf_counter()
            record = train(replace(experiment, seed=seed), Settings(results=Path(folder)))
            beside.append(time.perf_counter() - began - spent[-1] - record.summary()["seconds"])
    warm = sorted(beside[1:])  # the first imports, and asks git
    keep(
        "fixed_cost",
        "seconds of train() beside its updates and evaluations, 640 updates of the loop's job",
        "<= 0.04 s",
        {"first_s": round(beside[0], 4), "median_s": round(statistics.median(warm), 4), "p90_s": round(warm[17], 4)},
    )


def first_update() -> None:
    """Whole processes, from the command to the first update: `python -m lrbench` against a bare script."""

    def ours() -> float:
        with tempfile.TemporaryDirectory() as folder:
            return seconds(lambda: subprocess.run([sys.executable, "-c", OURS, folder], check=True))

    def bare(imports: str) -> float:
        return seconds(lambda: subprocess.run([sys.executable, "-c", BARE.format(imports=imports)], check=True))

    figures = interleaved(lambda: bare("hydra, omegaconf, rich.progress, numpy, yaml"), ours, rounds=9)
    figures["against_torch_and_numpy_alone"] = interleaved(lambda: bare("numpy"), ours, rounds=5)["ratio"]
    keep(
        "first_update",
        "command to first update / a bare script with the same imports, data, model, optimizer",
        "ratio <= 1.3",
        figures,
    )


def help() -> None:
    """`python -m lrbench --help`, whole processes."""
    command = [sys.executable, "-m", "lrbench", "--help"]
    times = [seconds(lambda: subprocess.run(command, check=True, capture_output=True)) for _ in range(12)][1:]
    keep(
        "help",
        "seconds of `python -m lrbench --help`",
        "< 0.7 s, without torch",
        {"median_s": round(statistics.median(times), 3), "max_s": round(max(times), 3)},
    )


def advise() -> None:
    """`python -m lrbench advise --domain vit`, whole processes."""
    command = [sys.executable, "-m", "lrbench", "advise", "--domain", "vit", "--samples", "1.28M"]
    times = [seconds(lambda: subprocess.run(command, check=True, capture_output=True)) for _ in range(12)][1:]
    keep(
        "advise",
        "seconds of `python -m lrbench advise --domain vit --samples 1.28M`",
        "< 0.7 s, without torch",
        {"median_s": round(statistics.median(times), 3), "max_s": round(max(times), 3)},
    )


def main_job() -> None:
    """The README's main job over ten seeds: test accuracy with its standard deviation, and seconds of training."""
    records = []
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(10):
            asked = config.experiment("scheduler=cosine", "warmup=linear5", f"seed={seed}")
            records.append(train(asked, Settings(results=Path(folder))).summary())
    accuracies = [r["test/accuracy"] for r in records]
    keep(
        "main_job",
        "python -m lrbench scheduler=cosine warmup=linear5, seeds 0 to 9",
        "at most 90 s of training on 2 cores",
        {
            "test_accuracy_mean": round(statistics.mean(accuracies), 5),
            "test_accuracy_sd": round(statistics.stdev(accuracies), 5),
            "seconds_max": max(r["seconds"] for r in records),
            "runs": [
                {k: r[k] for k in ("run_id", "title", "test/accuracy", "test/loss", "val/accuracy", "seconds")}
                for r in records
            ],
        },
    )


def runs() -> None:
    """`lrbench runs` over 10,000 records, whole processes: without an index, and with one that is up to date."""
    sys.path.append(str(Path(__file__).parents[1]))
    from made_records import put_many

    with tempfile.TemporaryDirectory() as folder:
        put_many(Path(folder), config.experiment("scheduler=cosine", "warmup=linear5"), 10_000)
        command = [sys.executable, "-m", "lrbench", "runs", "test/accuracy>=0.9995", "--results", folder]

        def ask() -> float:
            return seconds(lambda: subprocess.run(command, check=True, capture_output=True))

        fresh = []
        for _ in range(3):
            (Path(folder) / "runs" / "index.json").unlink(missing_ok=True)
            fresh.append(ask())
        refreshed = [ask() for _ in range(9)]
    keep(
        "runs",
        "seconds of `python -m lrbench runs test/accuracy>=0.9995` over 10,000 records, before and after it is indexed",
        "< 2 s with an index",
        {
            "fresh_median_s": round(statistics.median(fresh), 2),
            "refreshed_median_s": round(statistics.median(refreshed), 2),
            "refreshed_max_s": round(max(refreshed), 2),
        },
    )


TOUR = ("sweep", "tour", "tracker=none")
GRID = ("tracker=none", "scheduler=constant,cosine,step,onecycle", "optimizer.lr=0.1,0.2,0.4,0.8,1.6",
        "optimizer.args.weight_decay=0,1e-4,1e-3,1e-2,1e-1", "batch_size=32,64", "seed=range(50)")  # fmt: skip


def sweep() -> None:
    """The tour's 36 short runs: two warm workers against one warm process, Hydra's basic launcher, a process a run."""
    entries = _entries(_tour_jobs())
    rounds = []
    for _ in range(3):
        one = seconds(lambda: _in_this_process(entries)) / len(entries)
        two = _steady_seconds_a_run(entries)
        ours = _whole(*TOUR)
        basic = _whole(*TOUR, "hydra/launcher=basic")
        single = statistics.median(_whole("tracker=none", "horizon=5ep", f"seed={i}") for i in range(3))
        rounds.append(
            {
                "share_of_twice_one": one / two / 2,
                "basic_over_ours": basic / ours,
                "a_process_a_run_over_ours": len(entries) * single / ours,
                "one_s_a_run": one,
                "two_workers_s_a_run": two,
                "ours_s": ours,
            }
        )
    figures = {k: round(statistics.median(r[k] for r in rounds), 3) for k in rounds[0]}
    keep(
        "sweep",
        "lrbench sweep tour (36 runs) on 2 cores",
        "share >= 0.9, basic >= 1, a process a run >= 4",
        {**figures, "rounds": len(rounds)},
    )


def _tour_jobs() -> list[tuple[str, ...]]:
    return expanded([*named_sweep("tour").overrides, "tracker=none"])


def _entries(asked: list[tuple[str, ...]]) -> list[Entry]:
    return list(freeze(entries(asked)).entries)


def _into(entries: list[Entry], folder: str) -> list[Entry]:
    return [replace(e, settings=replace(e.settings, results=Path(folder))) for e in entries]


def _in_this_process(entries: list[Entry]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for entry in _into(entries, folder):
            run_entry(entry.payload())


class _Clock(Observer):
    """When each run ended, and nothing shown."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def ended(self, *event: object) -> None:
        self.ends.append(time.perf_counter())


def _steady_seconds_a_run(entries: list[Entry], cold: int = 4) -> float:
    """With two workers, once both are warm."""
    with tempfile.TemporaryDirectory() as folder:
        plan = make_plan(_into(entries, folder))
        clock = _Clock()
        assert Pool(plan, 2, clock).run() == "done"
        return (clock.ends[-1] - clock.ends[cold - 1]) / (len(clock.ends) - cold)


def _whole(*arguments: str) -> float:
    """A whole command, in an empty folder."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "lrbench", *arguments, f"results={folder}"]
        return seconds(lambda: subprocess.run(command, check=True, capture_output=True))


PLANNED = """
import json, sys, time
from lrbench.cli.main import run
anonymous = lambda: int(next(l for l in open("/proc/self/status") if l.startswith("RssAnon")).split()[1]) / 1000
code = run(["-m", sys.argv[1], "tracker=none", "--dry-run"])
before, began = anonymous(), time.perf_counter()
code = code or run(["-m", sys.argv[1], *sys.argv[2:]])
print(json.dumps({"s": time.perf_counter() - began, "MB": anonymous() - before, "whole_MB": anonymous()}))
sys.exit(code)
"""


def plan() -> None:
    """Planning a grid of 10,000 jobs, and planning it again when all of it is done: time and memory of its own."""
    figures = {}
    with tempfile.TemporaryDirectory() as folder:
        figures["new"] = _planned(folder, "new", "--dry-run")
        for entry in _into(_entries(expanded(GRID)), folder):
            entry.record.create(entry.experiment, {})
            np.save(entry.record.folder / "series.npy", np.zeros(480, series_type(["lr/all"])))
            write_json(entry.record.folder / "summary.json", {"updates": 480, "seconds": 4.8, "test/loss": 0.1})
            entry.record.set_status("finished", 480, 480)
            entry.record.adopt()  # sealed, as what was trained is
        figures["finished"] = _planned(folder, "done")
    with tempfile.TemporaryDirectory() as folder:
        _write_evidence(Path(folder), files=400, rows=200)
        figures["new_beside_400_files_of_200_rows"] = _planned(folder, "new", "--dry-run")
    target = "new <= 60 s, <= 500 MB; finished <= 20 s; beside evidence <= 15 s"
    keep("plan", f"lrbench -m {' '.join(GRID)}: 10,000 jobs", target, figures)


def _write_evidence(results: Path, files: int, rows: int) -> None:
    """Rows of other runs, in many files: one is written, and its copies name runs of their own."""
    sys.path.append(str(Path(__file__).parents[1]))
    from made_records import put_many

    with tempfile.TemporaryDirectory() as folder:
        put_many(Path(folder), config.experiment("model=mlp", "tracker=none"), rows)
        write_rows(Store(Path(folder)).records(), results / "claims" / "0" / "runs.csv")
    first = results / "claims" / "0"
    header, *lines = (first / "runs.csv").read_text().splitlines()
    for i in range(1, files):
        text = "\n".join([header, *(f"{i:08x}{n:08x}{line[16:]}" for n, line in enumerate(lines))]) + "\n"
        copy = results / "claims" / str(i)
        copy.mkdir()
        (copy / "runs.csv").write_text(text)
        (copy / "arms.json").write_bytes((first / "arms.json").read_bytes())


def _planned(folder: str, standing: str, *flags: str) -> dict[str, float]:
    command = [sys.executable, "-c", PLANNED, f"results={folder}", *GRID, "hydra.launcher.workers=1", *flags]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert f"10000 runs: 10000 {standing}" in said
    return {k: round(v, 2) for k, v in json.loads(said.splitlines()[-1]).items()}


def wandb_replay() -> None:
    """A record of 10,000 rows, replayed by `lrbench wandb export`'s own function, wandb's start included once."""
    with tempfile.TemporaryDirectory() as folder:
        asked = config.experiment("model=mlp", "horizon=9900ba", "eval_every=1%", "scheduler.interval=batch")
        record = train(asked, Settings(results=Path(folder), log_every="1ba"))
        tracker = Component(target="lrbench.trackers.WandB")
        times = [seconds(lambda: replay(record, tracker, (), print)) for _ in range(8)]
        figures = {"rows": len(record.rows()), "first_s": round(times[0], 2)}
    figures |= {"median_s": round(statistics.median(times[1:]), 2), "max_s": round(max(times[1:]), 2)}
    keep("wandb_replay", "seconds to replay a record into an offline W&B segment", "<= 2 s for 10,000 rows", figures)


EVERY = (
    main_job, loop, fixed_cost, batches, augment, precision, trace, first_update, help, runs, plan, sweep,
    wandb_replay, check_corpus, advise, check, *STUDIES, *DIAGNOSIS, *INTEROP, *LOOPS, *FIND_LR,
    *CORRUPTIONS, *TEXTS, *TUNING, *BOXES, *RECIPES, *COMPARE, *KILLS,
)  # fmt: skip

if __name__ == "__main__":
    known = {benchmark.__name__: benchmark for benchmark in EVERY}
    if unknown := set(sys.argv[1:]) - set(known):
        sys.exit(f"{', '.join(unknown)}: no benchmark; choose of {', '.join(known)}")
    for name in sys.argv[1:] or known:
        known[name]()
