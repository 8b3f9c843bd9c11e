"""The range test: how far its rules lie from the rates that studies tuned, and what it costs beside bare updates."""

import statistics
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import replace
from importlib.util import find_spec
from math import log2
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import torch
from harness import RESULTS, interleaved, keep, seconds
from torch import Tensor, nn
from torch.utils.data import DataLoader

from lrbench.config import experiments as config
from lrbench.engine.loop import advance
from lrbench.engine.state import new_state, set_up
from lrbench.experiment import Experiment
from lrbench.experiment.identity import arm_id, run_id
from lrbench.find_lr import sweep as sweep_module
from lrbench.find_lr.find import find
from lrbench.find_lr.found import Found
from lrbench.find_lr.live import range_test
from lrbench.find_lr.names import NAMES
from lrbench.find_lr.range_test import GUIDE, RangeTest
from lrbench.find_lr.sweep import sweep, table
from lrbench.store.store import Store
from lrbench.study.bench import Bench
from lrbench.study.cells import Cell, Needed
from lrbench.study.design import RATE, Design
from lrbench.study.store import frozen
from lrbench.study.tuning import ChosenValue, GridPoint, tune

RANGE_TESTS = {"lrbench": RangeTest(), "guide": GUIDE}
NEAR = 2**0.5  # a rate that a study tried is near a suggestion within this factor, half a step of its grid
CPU = torch.device("cpu")


class Tuned(NamedTuple):
    """An arm whose rate a study tuned."""

    study: str
    arm: str
    choice: ChosenValue
    experiment: Experiment
    higher: bool
    share: bool  # whether what is judged by is a share, and read in points


def find_lr_audit() -> None:
    """Every arm that a stored study tuned. What is missing of the range tests is made, and kept in results/find_lr."""
    store, tuned, left_out = Store(RESULTS.parent), list[Tuned](), list[str]()
    for path in sorted(store.studies_folder.glob("*/design.json")):
        design = frozen(path.parent)
        assert design is not None
        for found in _tuned(design, path.parent.name, store):
            tuned.append(found) if isinstance(found, Tuned) else left_out.append(found)
    once: dict[str, Tuned] = {}
    for t in tuned:  # a study that was asked anew shares its tuning with the one before, which comes later
        once.setdefault(arm_id(t.experiment), t)
    arms = [_audited(t, store.results) for t in once.values()]
    figures: dict[str, Any] = {
        "arms": arms,
        "range_tests": sorted({a["range_test"]["lrbench"] for a in arms}),
        "rules": {variant: {rule: _overall(arms, variant, rule) for rule in NAMES[variant]} for variant in RANGE_TESTS},
        "left_out": left_out,
    }
    for name in ("largest_factor_off", "median_factor_off"):
        figures[f"least_{name}"] = _nearest(figures["rules"]["lrbench"], name)
    what = "what each rule of the range test suggests / the rate that a study tuned, 5 seeds"
    keep("find_lr_audit", what, f"the default, {RangeTest().rule}, has the least largest factor off", figures)
    (RESULTS / "find_lr_audit.md").write_text(_markdown(figures))


def _tuned(design: Design, study: str, store: Store) -> Iterator[Tuned | str]:
    """The arms whose rate was tuned; of the others, why they tell nothing."""
    rules = design.rules
    bench = Bench(design, lambda experiment: store.done(run_id(experiment)))
    for task in rules.tasks if rules.tunes else ():
        choices = tune(rules, task, bench.look)
        if isinstance(choices, Needed):
            yield f"{study} {task}: its tuning is not finished here ({choices.stage})"
            continue
        for arm, choice in choices.items():
            made = design.experiment(Cell(task, arm, choice.value, rules.seeds("tuning", 1)[0], False))
            name = " ".join(filter(None, (task, arm)))
            if choice.standing != "tuned" or design.keys[arm] != RATE or made.start is not None:
                yield f"{study} {name}: {choice.standing}, {design.keys[arm]}{', a fork' if made.start else ''}"
            else:
                yield Tuned(study, name, choice, made, rules.higher, rules.unit == "%")


def _audited(tuned: Tuned, results: Path) -> dict[str, Any]:
    """The suggestions for one arm, each beside its tuned rate."""
    found = {variant: find(tuned.experiment, results, test, say=print) for variant, test in RANGE_TESTS.items()}
    return {
        "study": tuned.study,
        "arm": tuned.arm,
        "tuned": tuned.choice.value,
        "share": tuned.share,
        "tried": [point.value for point in tuned.choice.points],
        "range_test": {variant: f.id for variant, f in found.items()},
        "rules": {variant: _against(f, tuned) for variant, f in found.items()},
    }


def _against(found: Found, tuned: Tuned) -> dict[str, Any]:
    return {
        rule: {
            "rate": s.rate,
            "interval": None if s.low is None else [s.low, s.high],
            "ratio": None if s.rate is None else round(s.rate / tuned.choice.value, 4),
            "lost": None if s.rate is None else _lost(s.rate, tuned),
        }
        for rule, s in found.suggestions.items()
    }


def _lost(rate: float, tuned: Tuned) -> float | None:
    """What the study's validation metric loses at the tried rate that is nearest to a suggestion; None where none is
    near, or all its runs failed."""
    near = [p for p in tuned.choice.points if max(p.value / rate, rate / p.value) <= NEAR * 1.0001]
    best = next(p for p in tuned.choice.points if p.value == tuned.choice.value)

    def off(point: GridPoint) -> float:
        return abs(log2(point.value / rate))

    nearest = min(near, key=off, default=None)
    if nearest is None or nearest.mean is None or best.mean is None:
        return None
    return round((best.mean - nearest.mean) * (1 if tuned.higher else -1), 5)


def _overall(arms: list[dict[str, Any]], variant: str, rule: str) -> dict[str, Any]:
    """Over all arms: how often a rule has an answer, its ratio, and by which factor it is off, whichever way."""
    logs = [log2(ratio) for arm in arms if (ratio := arm["rules"][variant][rule]["ratio"]) is not None]
    if not logs:
        return {"answers": 0, "of": len(arms)}
    return {
        "answers": len(logs),
        "of": len(arms),
        "median_ratio": round(2 ** statistics.median(logs), 4),
        "median_factor_off": round(2 ** statistics.median(map(abs, logs)), 3),
        "largest_factor_off": round(2 ** max(map(abs, logs)), 3),
    }


def _nearest(rules: Mapping[str, Mapping[str, Any]], by: str) -> str | None:
    """The rule that always answers and is off by the least factor."""
    whole = {name: r[by] for name, r in rules.items() if r["answers"] == r["of"] and r["of"]}
    return min(whole, key=whole.__getitem__, default=None)


def _markdown(figures: Mapping[str, Any]) -> str:
    arms, many = figures["arms"], len(figures["range_tests"])
    lines = [
        "# How far the range test's rules lie from tuned rates",
        "",
        "Suggested rate / rate that a study tuned (on a grid of doublings, by validation), for every arm of every "
        "stored study. `python tests/benchmarks/run.py find_lr_audit` makes it again, with what studies there are.",
        f"A range test does not look at the schedule: {len(arms)} arms here are {many} range test(s), so the rows of "
        "arms that share one are not independent.",
        "",
    ]
    for variant in RANGE_TESTS:
        names = NAMES[variant]
        lines += [
            f"## {'As lrbench makes it' if variant == 'lrbench' else 'As the guide makes it (find_lr.variant=guide)'}",
            "",
            "| study | arm | tuned | " + " | ".join(names) + " |",
            "| --- | --- | --: |" + " --: |" * len(names),
        ]
        for arm in arms:
            cells = [_cell(arm["rules"][variant][rule], arm["share"]) for rule in names]
            lines.append(f"| {arm['study']} | {arm['arm']} | {arm['tuned']:g} | " + " | ".join(cells) + " |")
        overall = [figures["rules"][variant][rule] for rule in names]
        medians = [f"{r['median_factor_off']:.1f}x" if "median_factor_off" in r else "-" for r in overall]
        largest = [f"{r['largest_factor_off']:.1f}x" if "largest_factor_off" in r else "-" for r in overall]
        lines += ["| | median factor off | | " + " | ".join(medians) + " |",
                  "| | largest factor off | | " + " | ".join(largest) + " |", ""]  # fmt: skip
    lines += [
        "A cell: the ratio, then what the study's validation metric loses at the tried rate nearest to the suggestion, "
        "where one is within half a step of the grid.",
        "",
        f"The default is to be the rule whose largest factor off is least, `{figures['least_largest_factor_off']}`: a "
        "suggestion that is trained as it stands should never be far off. By the median it would be "
        f"`{figures['least_median_factor_off']}`. (The median was what the first audit was to decide by. It had one "
        "range test, and its rule lost ten points on an arm; the largest took its place when that had been seen.)",
        *(f"\nLeft out: {text}." for text in figures["left_out"]),
    ]
    return "\n".join(lines) + "\n"


def _cell(found: Mapping[str, Any], share: bool) -> str:
    if found["ratio"] is None:
        return "no answer"
    lost = found["lost"]
    return f"{found['ratio']:.2g}" + ("" if lost is None else f" ({100 * lost:.2f} pt)" if share else f" ({lost:.3g})")


# ---- cost ---------------------------------------------------------------------------------------------------------

SWEPT = RangeTest(end=1e-2, stop=None)  # 100 updates that stay finite


class Task(NamedTuple):
    """Somebody's model, data and optimizer."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    batches: list[tuple[Tensor, Tensor]]

    def loss(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        return nn.functional.cross_entropy(self.model(batch[0]), batch[1])


def find_lr_cost() -> None:
    """A range test of 100 updates against 100 bare updates and one copy of the state; other finders where installed."""
    figures: dict[str, Any] = {}
    for model in ("mlp", "resnet8"):
        e = config.experiment(f"model={model}")
        bare, ours = _on(e), _on(e)
        figures[f"{model}, a loop of one's own"] = interleaved(
            lambda bare=bare: seconds(lambda: _bare(bare)),
            lambda ours=ours: seconds(lambda: range_test(ours.model, ours.optimizer, ours.loss, ours.batches, SWEPT)),
            rounds=15,
        )
        figures[f"{model}, the engine's"] = interleaved(
            lambda e=e: _engine_updates(e), lambda e=e: _engine_sweep(e), rounds=15
        )
        for name, others in (("torch_lr_finder", _torch_lr_finder), ("lightning", _lightning)):
            if find_spec(name):
                theirs = _on(e)
                figures[f"{model}, {name}"] = interleaved(
                    lambda bare=bare: seconds(lambda: _bare(bare)),
                    lambda theirs=theirs, others=others: others(theirs),
                    rounds=9,
                )
    what = "a range test of 100 updates / 100 bare updates and a copy of the model's and the optimizer's state"
    keep("find_lr_cost", what, "ratio <= 1.1", figures)


def _on(experiment: Experiment) -> Task:
    setup, state = set_up(experiment, CPU), new_state(experiment, CPU)
    batches = [setup.splits.train.batch(t) for t in range(16)]
    return Task(state.model, state.optimizer, batches)  # type: ignore[arg-type]


def _bare(task: Task) -> None:
    kept = deepcopy(task.model.state_dict()), deepcopy(task.optimizer.state_dict())
    task.model.train()
    losses = []
    for t, rate in enumerate(SWEPT.rates):
        task.optimizer.param_groups[0]["lr"] = rate
        task.optimizer.zero_grad()
        loss = task.loss(task.batches[t % 16])
        losses.append(loss.item())
        loss.backward()
        task.optimizer.step()
    task.model.load_state_dict(kept[0])
    task.optimizer.load_state_dict(kept[1])


def _engine_updates(experiment: Experiment) -> float:
    """100 updates of the engine in one go, under the same rates."""
    setup = replace(set_up(experiment, CPU), table=table(experiment, SWEPT))
    state = new_state(experiment, CPU)
    state.feedback = None

    def all_of_them() -> None:
        while state.update < SWEPT.iterations:
            advance(setup, state, SWEPT.iterations)

    return seconds(all_of_them)


def _engine_sweep(experiment: Experiment) -> float:
    """A sweep without its setting up, which training has as well."""
    spent, real = [], sweep_module._updates

    def timed(*given: Any) -> Any:
        spent.append(0.0)
        result = []
        spent[-1] = seconds(lambda: result.append(real(*given)))
        return result[0]

    with mock.patch.object(sweep_module, "_updates", timed):
        sweep(experiment, SWEPT, SWEPT.seeds_used[0], CPU)
    return spent[-1]


def _torch_lr_finder(task: Task) -> float:
    from torch_lr_finder import LRFinder

    def work() -> None:
        finder = LRFinder(task.model, task.optimizer, nn.CrossEntropyLoss())
        finder.range_test(task.batches, start_lr=SWEPT.start, end_lr=SWEPT.end, num_iter=100, diverge_th=1e9)
        finder.reset()

    for group in task.optimizer.param_groups:
        group.pop("initial_lr", None)  # it refuses an optimizer that a scheduler has seen, its own too
    return seconds(work)


def _lightning(task: Task) -> float:
    import lightning

    class Module(lightning.LightningModule):  # type: ignore[misc]
        lr = 0.1

        def __init__(self) -> None:
            super().__init__()
            self.model = task.model

        def training_step(self, batch: Any, _: int) -> Tensor:
            return task.loss(batch)

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.parameters(), lr=self.lr, momentum=0.9, weight_decay=1e-4)

    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "max_epochs": 7}
    trainer = lightning.Trainer(accelerator="cpu", enable_model_summary=False, **quiet)
    tuner = lightning.pytorch.tuner.Tuner(trainer)
    given = {"min_lr": SWEPT.start, "max_lr": SWEPT.end, "num_training": 100, "early_stop_threshold": None}
    loader = DataLoader(task.batches, batch_size=None)  # type: ignore[arg-type]  # a list would be one of loaders
    return seconds(lambda: tuner.lr_find(Module(), train_dataloaders=loader, **given))


EVERY = (find_lr_audit, find_lr_cost)
