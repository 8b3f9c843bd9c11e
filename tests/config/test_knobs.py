"""A knob that moves nothing fails: every scalar of every level and every hashed option is changed, one at a time, to
another legal value, and something that trains must change with it, and with it the run's identity."""

import ast
import inspect
import json
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from functools import cache
from itertools import count
from pathlib import Path
from shutil import which
from typing import Any

import numpy as np
import pytest
import torch
from conf_files import (
    BOXES,
    FACTORS,
    IMAGES,
    ROOMY,
    changed,
    chosen,
    composed,
    content,
    levels,
    made,
    of_level,
    refusal,
    scalars,
)
from omegaconf import OmegaConf
from omegaconf.errors import ValidationError
from PIL import Image

from lrbench.data import Reading, fashion_mnist
from lrbench.data.coco import Coco
from lrbench.data.image_folder import ImageFolder
from lrbench.data.kinds import ImageFiles, Images
from lrbench.data.pixels import look
from lrbench.engine import state as engine_state
from lrbench.engine.evaluation import evaluation_updates, validate
from lrbench.engine.loop import advance
from lrbench.engine.measuring import measured_by
from lrbench.engine.state import Setup, new_state, set_up, wrap
from lrbench.engine.stopping import last_update
from lrbench.engine.train import train
from lrbench.errors import ConfigError
from lrbench.experiment import Experiment, Settings
from lrbench.experiment.identity import run_id
from lrbench.horizon import is_time
from lrbench.metrics import Metric
from lrbench.optim import build_optimizer
from lrbench.schedules import lr_table
from lrbench.schedules.contradictions import beyond_its_kind
from lrbench.targets import resolve

CPU = torch.device("cpu")
UPDATES = 4800  # of the 300 epochs of 16 that ROOMY has on digits

# ---- values to try ----------------------------------------------------------------------------------------------


WORDS = {
    "ns_coefficients": ["original"],
    "adjust_lr_fn": ["original"],
    "tokenizer": ["byte"],
}  # where the signature only says str


def words_of(target: str, name: str, old: str) -> list[str]:
    """The other values that the signature's Literal allows."""
    if name in WORDS:
        return WORDS[name]
    noted = str(inspect.signature(resolve(target, "test")).parameters[name].annotation)
    start = noted.find("Literal[")
    return (
        [] if start < 0 else [w for w in ast.literal_eval(noted[start + 7 : noted.index("]", start) + 1]) if w != old]
    )


def others(old: Any, target: str | None, name: str) -> list[Any]:
    """Other values of the same kind, the likeliest to be legal and to matter first."""
    if isinstance(old, bool):
        return [not old]
    if isinstance(old, int):
        return [old + 1, max(1, old // 2), 2 * old + 2]
    if isinstance(old, float):
        return [v for v in (old / 2, old * 1.1, 0.5, 0.3, 1e-3, old * 2, 1.0, 0.0) if v != old]
    if old is None:
        return ["x", "1", 1, 0.5]
    if old == []:
        return [["x"]]
    if old == "end":
        return ["50%", 3, 2 * UPDATES]
    at, body = ("@", old[1:]) if old.startswith("@") else ("", old)
    if body.endswith("x"):
        return ["0.2x"]
    if "/" in body:
        return ["0.9/ep"]
    if body[:1].isdigit():
        amount, unit = body.rstrip("%epba"), body.lstrip("0123456789.")
        return [f"{at}{float(amount) + d:g}{unit}" for d in (5, -5, 1)]
    return words_of(target, name, old) if target else []


# ---- what is observed of each group ------------------------------------------------------------------------------


def fingerprint(value: Any) -> Any:
    """Something that can be compared, exactly."""
    if isinstance(value, torch.Tensor):
        return (str(value.dtype), tuple(value.shape), value.detach().cpu().contiguous().float().numpy().tobytes())
    if isinstance(value, np.ndarray):
        return (value.shape, value.tobytes())
    if isinstance(value, dict):
        return {k: fingerprint(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [fingerprint(v) for v in value]
    return value


def metric_traces(steps: int) -> list[np.ndarray]:
    """What a feedback schedule may hear: nothing new, too small improvements, noise, plateaus, a way up."""
    t = np.arange(steps, dtype=float)
    draws = np.random.default_rng(0)
    return [
        np.full(steps, 2.0),
        1000.0 - 5e-4 * t,  # too little for a relative threshold, enough for an absolute one
        1.0 - 2e-5 * t,
        1 / (1 + t) + 0.05 * draws.standard_normal(steps),
        2.0 - 0.5 * (t // 15),
        1.0 + t,
    ]


def seen_of_schedule(experiment: Experiment) -> Any:
    clock = experiment.clock
    metrics = metric_traces(clock.updates // clock.per_eval) if experiment.monitor else [np.empty(0)]
    tables = [lr_table(experiment, m) for m in metrics]
    return [(t.kinds, t.columns.tobytes()) for t in tables]


def seen_of_optimizer(experiment: Experiment) -> Any:
    torch.manual_seed(0)
    model = torch.nn.Linear(6, 5)  # large enough for Muon to take it for a matrix
    optimizer = build_optimizer(model, experiment)
    for rate in (0.5, 1.0):  # rising, as in a warmup: some weigh their average by the rate
        for group in optimizer.param_groups:
            group["lr"] = rate * experiment.optimizer.lr
        model(torch.randn(5, 6)).square().mean().backward()
        optimizer.step()
    return fingerprint(list(model.parameters()))


def seen_of_model(experiment: Experiment) -> Any:
    model = new_state(experiment, CPU).model.train()
    masked = experiment.data.target.endswith("Composites")
    torch.manual_seed(1)
    if experiment.data.target.endswith("CompositeBoxes"):
        target = {"boxes": torch.tensor([[8.0, 8.0, 24.0, 24.0]]), "labels": torch.tensor([1])}
        return fingerprint([*model.parameters(), model([torch.randn(1, 64, 64)], [target])])
    if experiment.data.tokens is not None:
        batch = torch.arange(16 * 8).view(16, 8) % 50
    else:
        batch = torch.randn(2, 1, 48, 48) if masked else torch.randn(16, 1, 8, 8)
    return fingerprint([*model.parameters(), model(batch)])


def seen_of_data(experiment: Experiment) -> Any:
    """The stream of augmented batches: of a few made-up images, to be quick."""
    data = experiment.data
    images = torch.arange(40 * 64, dtype=torch.int64).remainder(251).to(torch.uint8).view(40, 1, 8, 8)
    few = Images(images, torch.zeros(40, dtype=torch.int64), torch.zeros(1), torch.ones(1), 1)
    return fingerprint(few.stream(Reading(8, 0, data.augment)).batch(0))


def seen_of_splits(experiment: Experiment) -> Any:
    return splits(experiment.data.target, repr(dict(experiment.data.args)))


@cache
def splits(target: str, args: str) -> Any:
    if target.endswith(("FashionMNIST", "Composites", "CompositeBoxes")) and fashion_mnist._find() is None:
        pytest.skip("Fashion-MNIST is not here (apt-get install dataset-fashion-mnist)")
    data = resolve(target, "data")(**ast.literal_eval(args))
    if "CIFAR" in target and data._find() is None:
        pytest.skip("CIFAR is not here (set LRBENCH_DATA)")
    loaded = data.load(0)
    if isinstance(loaded.train, ImageFiles):  # read from disk: how the first image comes
        train, val, test = (split.source for split in loaded)
        drawn = torch.rand(train.draws, generator=torch.Generator().manual_seed(0))
        return fingerprint([train.read(0, drawn), val.read(0), [s.y for s in (train, val, test)]])
    if not isinstance(loaded.train, Images):
        streams = [split.stream(Reading(8, 0)) for split in loaded]
        return fingerprint([(s.per_epoch, s.batch(0), [*s.in_order()]) for s in streams])
    return [(tuple(s.x.shape), int(s.x[-1].sum()), s.y.tolist()) for s in loaded]


def seen_of_task(experiment: Experiment) -> Any:
    torch.manual_seed(0)
    task = resolve(experiment.task.target, "task")(**experiment.task.args)
    if experiment.data.tokens is not None:
        batch = {"tokens": torch.arange(8 * 21).view(8, 21) % 10, "key": torch.arange(8), "characters": torch.ones(10)}
        return fingerprint(task.loss(lambda x: torch.randn(*x.shape, 11), batch))
    return fingerprint(task.loss(lambda x: x, (torch.randn(8, 10), torch.arange(8))))


def seen_groups(experiment: Experiment) -> Any:
    optimizer = build_optimizer(new_state(experiment, CPU).model, experiment)
    return [(sum(p.numel() for p in g["params"]), g["lr"], g["weight_decay"]) for g in optimizer.param_groups]


SEEN: dict[str, Callable[[Experiment], Any]] = {
    "scheduler": seen_of_schedule,
    "warmup": seen_of_schedule,
    "weight_decay": seen_of_schedule,
    "optimizer": seen_of_optimizer,
    "model": seen_of_model,
    "data": seen_of_data,
    "task": seen_of_task,
    "param_groups": seen_groups,
}

# ---- the levels' own scalars -------------------------------------------------------------------------------------


# Knobs that no table shows, and where they act instead: what is observed once they are set to the value given.
def refused_beside_a_warmup(config: Any) -> bool:
    config = config.copy()
    config.warmup = composed("warmup=linear5").warmup
    why = refusal(config)
    assert why is None or "warms up by itself" in why
    return why is not None


def peak_is_given(config: Any) -> bool:
    """Without `peak_arg`, the argument that it names is missing."""
    why = refusal(config)
    assert why is None or " needs " in why
    return why is None


def builds_from_a_bare_name(config: Any) -> bool:
    """Pretrained weights must be named: they are refused without their tag, before anything is downloaded."""
    if not config.model.args.pretrained:
        return bool(new_state(made(config), CPU))
    with pytest.raises(ConfigError, match="say which weights"):
        new_state(made(config), CPU)
    return False


def parameters(config: Any) -> int:
    return sum(p.numel() for p in new_state(made(config), CPU).model.parameters())


def builds_from_known_weights(config: Any) -> bool:
    try:
        return bool(new_state(made(config), CPU))
    except ConfigError:
        return False


def losses(config: Any) -> Any:
    return seen_of_model(made(config))


def groups(config: Any) -> Any:
    return seen_groups(made(config))


def loss_of_two_heads(config: Any) -> float:
    torch.manual_seed(0)
    task = resolve(config.task._target_, "task")(**config.task.args)
    batch = torch.randn(2, 3, 4, 4), torch.zeros(2, 4, 4, dtype=torch.int64)
    return float(task.loss(lambda x: {"out": x, "aux": -x}, batch))


def says_something_of_a_rise(config: Any) -> bool:
    """Half way down and up again; of a level that rises, the refusal of its own curve says it."""
    if why := refusal(config):
        return "rises from" in why
    plan = replace(made(config).schedule, warmup=None)
    lr = np.array([[peak, peak / 2, peak] for peak in plan.peaks.values()]).T
    return any(beyond_its_kind(plan, replace(lr_table(plan), lr=lr)))


def refuses_a_high_floor(config: Any) -> bool:
    for name in config.scheduler.args:
        if name in ("eta_min", "min_lr", "final_lr", "base_lr"):
            config = changed(config, ("scheduler", "args", name), 1e6)
    return "this floor" in (refusal(config) or "")


def may_stand_still(config: Any) -> bool:
    return bool(made(config).scheduler.still)


def is_legal(config: Any) -> bool:
    return refusal(config) is None


def covers(config: Any) -> list[str]:
    """Of files that leave something open, or are damaged in their middle, those that a look has nothing against."""
    asked = resolve(config.data._target_, "data")(**OmegaConf.to_container(config.data.args))
    return [name for name, path in odd_files().items() if passes(path, asked)]


def passes(path: Path, folder: ImageFolder | Coco) -> bool:
    with path.open("rb") as file:
        try:
            look(path, file, folder.convention, getattr(folder, "verify", False))
        except ConfigError:
            return False
    return True


def takes_flat_boxes(config: Any) -> bool:
    content = json.loads((BOXES / "instances.json").read_text())
    content["annotations"][0]["bbox"][2] = 0
    (BOXES / "flat.json").write_text(json.dumps(content))
    return is_legal(changed(config, ("data", "args", "annotations"), "flat.json"))


@cache
def odd_files() -> dict[str, Path]:
    noise = np.random.default_rng(0).integers(0, 255, (32, 32, 4)).astype(np.uint8)
    turned = Image.Exif()
    turned[0x0112] = 6
    made = {"deep": (noise[..., 0].astype(np.uint16), {}), "veiled": (noise, {}), "damaged": (noise[..., :3], {}),
            "turned": (noise[..., :3], {"exif": turned})}  # fmt: skip
    for name, (pixels, how) in made.items():
        Image.fromarray(pixels).save(IMAGES / f"{name}.png", **how)
    raw = bytearray((IMAGES / "damaged.png").read_bytes())
    raw[len(raw) // 2] ^= 255
    (IMAGES / "damaged.png").write_bytes(raw)
    return {name: IMAGES / f"{name}.png" for name in made}


def images_and_labels(config: Any) -> Any:
    return seen_of_splits(made(config))


RENAMED = [1, 0, *range(2, 10)]  # all ten classes, whatever the sizes: two change their names

ELSEWHERE = {
    ("data", "classes"): (images_and_labels, [RENAMED]),
    ("fashion_mnist_14px_pretraining", 0): (images_and_labels, [9]),  # what is near them is in the list already
    ("fashion_mnist_14px_pretraining", 1): (images_and_labels, [9]),
    ("image_folder", "white"): (covers, [65535]),
    ("image_folder", "background"): (covers, [[255, 255, 255]]),
    ("image_folder", "upright"): (covers, [True, False]),
    ("image_folder", "verify"): (covers, [True]),
    ("coco", "white"): (covers, [65535]),
    ("coco", "background"): (covers, [[255, 255, 255]]),
    ("coco", "upright"): (covers, [True, False]),
    ("coco", "drop_flat"): (takes_flat_boxes, [True]),
    **{("coco", name): (is_legal, ["elsewhere"]) for name in ("images", "annotations", "test_images")},
    ("coco", "test_annotations"): (is_legal, ["elsewhere.json"]),
    ("scheduler", "own_warmup"): (refused_beside_a_warmup, [False]),
    ("scheduler", "only_falls"): (says_something_of_a_rise, None),
    ("scheduler", "still"): (may_stand_still, None),
    ("scheduler", "floor_arg"): (refuses_a_high_floor, [None]),
    ("scheduler", "peak_arg"): (peak_is_given, [None]),
    ("scheduler", "mode_arg"): (is_legal, [None]),  # torch refuses mode=None
    ("plateau", "mode"): (is_legal, ["max"]),  # refused beside the loss
    ("model", "pretrained"): (builds_from_a_bare_name, [True]),
    ("torchvision_segmentation", "name"): (parameters, ["lraspp_mobilenet_v3_large"]),
    ("torchvision_detection", "name"): (parameters, ["fasterrcnn_resnet50_fpn"]),
    ("detr_tiny", "backbone"): (parameters, ["resnet18"]),
    ("detr", "backbone"): (parameters, ["resnet18"]),
    ("detr_tiny", "weights_backbone"): (builds_from_known_weights, ["unknown"]),
    ("detr", "weights_backbone"): (builds_from_known_weights, ["unknown"]),
    ("detr_tiny", "min_size"): (losses, [96]),
    ("backbone_transformer", "head_names"): (groups, ["transformer.classes"]),
    ("torchvision_detection", "weights_backbone"): (builds_from_known_weights, ["unknown"]),
    ("torchvision_segmentation", "weights_backbone"): (builds_from_known_weights, ["unknown"]),
    ("torchvision_segmentation", "aux"): (parameters, [True]),
    ("task", "aux_weight"): (loss_of_two_heads, [0.25]),
    ("voc", "pixel_classes"): (parameters, [30]),
}  # None: the contrary


# What must be set for a knob to count at all.
BESIDE = {
    ("scheduler", "cyclic", "gamma"): ("scheduler.args.mode=exp_range",),
    ("param_groups", "layer_decay", "decay"): ("model=vit_micro",),
}


# Seen last, of a class of models.
LARGE = ("bert_base", "bert_mini", "detr", "gpt_d512_postln", "gpt_mini", "gpt_small")
SMALL_DATA = (
    "coco",
    "digits",
    "image_folder",
    "noisy_quadratic",
    "text_file",
    "wikitext",
)  # the others are slow to load


def knobs() -> list[Any]:
    """Every scalar of every level; of each target and kind of value one (models and large data: slow); all under
    `full`."""
    found, seen = [], set()
    for group in FACTORS:
        for level in sorted(levels(group), key=lambda name: name in LARGE):
            for path, old in scalars(content(group, level)):
                if path[-1] == "_target_":  # not a knob: what the knobs belong to. (`null`: the group does nothing)
                    continue
                if group == "tracker":  # trains nothing: see test_every_knob_of_a_tracker_reaches_it
                    continue
                if old == "???":
                    continue
                large = group == "model" or ((group, path[0]) == ("data", "args") and level not in SMALL_DATA)
                unit = old[-2:] if isinstance(old, str) else ""
                kind = (content(group, level)["_target_"], path, type(old), unit)
                if path[0] != "args":  # lrbench's own, whatever the target
                    kind = (group, path, type(old), str(old) if isinstance(old, str) else "")
                marks = [pytest.mark.full] if kind in seen else [pytest.mark.slow] if large else []
                if level == "kjv":
                    marks.append(pytest.mark.skipif(not which("bible"), reason="apt-get install bible-kjv"))
                seen.add(kind)
                name = f"{group}={level}:{'.'.join(map(str, path))}"
                found.append(pytest.param(group, level, path, old, id=name, marks=marks))
    return found


def legal(config: Any, group: str, path: tuple[str | int, ...], old: Any) -> Iterator[Experiment]:
    """The Experiments that other values of a knob make, those that are refused left out."""
    node = config[group]
    if path == ("interval",):
        values = [i for i in ("epoch", "batch", "metric") if i != old]
    else:
        values = others(old, node._target_, str(path[1]) if len(path) > 1 else "")
    for value in values:
        try:
            trial = changed(config, (group, *path), value)
            if path == ("interval",) and config.monitor and old == "metric":
                trial.monitor = "train/loss"  # the metric that exists at every update
            yield made(trial)
        except (ConfigError, ValidationError):  # not allowed, or not of the schema's type
            continue


def in_bare_numbers(config: Any, group: str) -> Any:
    """Times with units mean the same under either interval, so a curve of steps does not show it; what it
    moves is what a bare number counts. (And a factor of 1 shows nothing for however long.)"""
    times = count(3, 3)
    for path, old in scalars(OmegaConf.to_container(config[group].args)):
        if isinstance(old, str) and is_time(old):
            config = changed(config, (group, "args", *path), next(times))
        elif old == 1.0:
            config = changed(config, (group, "args", *path), 0.5)
    return config


def fingerprint_of_schedule(config: Any) -> bytes:
    return lr_table(made(config)).columns.tobytes()


@pytest.mark.parametrize(("group", "level", "path", "old"), knobs())
def test_every_scalar_of_every_level_moves_something(
    group: str, level: str, path: tuple[str | int, ...], old: Any
) -> None:
    config = of_level(group, level)
    if beside := BESIDE.get((group, level, path[-1])):
        config = composed(*ROOMY, *chosen(group, level), *beside)
    if elsewhere := ELSEWHERE.get((group, path[-1])) or ELSEWHERE.get((level, path[-1])):
        seen_by, values = elsewhere
        assert all(seen_by(config) != seen_by(changed(config, (group, *path), v)) for v in values or [not old])
        return
    before = made(config)
    look = seen_of_splits if (group, path[0]) == ("data", "args") else SEEN[group]
    seen, tried = look(before), 0
    for experiment in legal(config, group, path, old):
        tried += 1
        one_meaning = run_id(experiment) == run_id(before)  # as `end` and a bare number may have
        try:
            if look(experiment) != seen:
                assert not one_meaning
                return
        except ConfigError:  # a value that only the model refuses, for these images
            continue
    if path == ("interval",) and config[group].interval != "metric":
        config = in_bare_numbers(config, group)
        if len({fingerprint_of_schedule(changed(config, (group, *path), i)) for i in ("epoch", "batch")}) == 2:
            return
    raise AssertionError(f"{group}={level}: {'.'.join(map(str, path))} moves nothing ({tried} legal values tried)")


@pytest.mark.parametrize("level", [lv for lv in levels("tracker") if content("tracker", lv)["_target_"]])
def test_every_knob_of_a_tracker_reaches_it(level: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """A tracker changes no number; what it is told to do must reach the service's own calls."""
    from lrbench.trackers import Mirrored

    told: list[Any] = []

    class Run:
        def define_metric(self, *args: Any, **kwargs: Any) -> None: ...

    import wandb

    def init(**given: Any) -> Run:
        told.append({k: v for k, v in given.items() if k != "settings"})
        return Run()

    monkeypatch.setattr(wandb, "init", init)
    monkeypatch.setattr(wandb, "setup", lambda **given: None)
    monkeypatch.setattr(wandb, "login", lambda **given: True)
    tracker = content("tracker", level)
    about = Mirrored("id", "group", "name", {}, tmp_path)
    choices: dict[str, list[Any]] = {"mode": ["online"], "entity": ["somebody"], "project": ["other"], "tags": [["x"]]}
    for (_, name, *_rest), _old in [s for s in scalars(tracker) if s[0][0] == "args" and len(s[0]) > 1]:
        told.clear()
        for args in (tracker["args"], {**tracker["args"], name: choices[name][0]}):
            resolve(tracker["_target_"], "tracker")(**args).open(about, told.append)
        assert told[0] != told[1], f"tracker={level}: {name} moves nothing"


# ---- the options of config.yaml ----------------------------------------------------------------------------------

SMALL = ("model=mlp", "model.args.hidden=[8]", "horizon=2ep", "tracker=none", "batch_size=256")  # 4 updates an epoch


def trained(experiment: Experiment, updates: int = 3) -> Any:
    setup = set_up(experiment, CPU)
    state = wrap(new_state(experiment, CPU), setup)
    while state.update < updates:
        advance(setup, state, updates)
    return fingerprint(state.model.state_dict())


def seen_forked(experiment: Experiment, folder: Any) -> Any:
    record = train(experiment, Settings(results=folder), say=lambda text: None)
    return record.series()["train/loss"].tobytes()


def seen_heard(experiment: Experiment) -> Any:
    """What a feedback schedule has heard after an evaluation."""
    setup = set_up(experiment, CPU)
    state = new_state(experiment, CPU)
    while state.update < experiment.clock.per_eval:
        advance(setup, state, experiment.clock.per_eval)
    validate(setup, state)
    return state.feedback.metrics if state.feedback else None


def seen_micro_batches(experiment: Experiment) -> Any:
    setup, state, sizes = set_up(experiment, CPU), new_state(experiment, CPU), []
    hook = state.model.register_forward_pre_hook(lambda module, given: sizes.append(len(given[0])))
    advance(setup, wrap(state, setup), 1)
    hook.remove()
    return sizes


def seen_format(experiment: Experiment) -> Any:
    setup, state = set_up(experiment, CPU), new_state(experiment, CPU)
    x, _ = setup.splits.train.batch(0)
    weights = [p.is_contiguous(memory_format=torch.channels_last) for p in state.model.parameters() if p.ndim == 4]
    return x.stride(), weights


def seen_threads(experiment: Experiment) -> int:
    before = torch.get_num_threads()
    try:
        set_up(experiment, CPU)
        return torch.get_num_threads()
    finally:
        torch.set_num_threads(before)


def seen_compiled(experiment: Experiment) -> bool:
    setup: Setup = set_up(experiment, CPU)
    state = wrap(new_state(experiment, CPU), setup)
    return state.forward is state.model


def seen_end(experiment: Experiment) -> int:
    """The update at which a run ends whose validation loss falls by 0.01 at each evaluation, three times."""
    losses = {u: {"val/loss": 1.0 - 0.01 * min(i, 3)} for i, u in enumerate(evaluation_updates(experiment))}
    return last_update(experiment, losses)


class Own:
    """A metric of one's own."""

    def metrics(self, spec: Any) -> tuple[Metric, ...]:
        return (Metric("own"),)

    def meter(self) -> Any:
        raise AssertionError("nothing is measured here")


# option: the overrides it is looked at with, another value, what is observed
FORK = ("start.of=['model=mlp','model.args.hidden=[8]','horizon=2ep','batch_size=256']", *SMALL)
OPTIONS: dict[str, tuple[tuple[str, ...], str, Callable[..., Any]]] = {
    "horizon": (SMALL, "horizon=3ep", seen_of_schedule),
    "batch_size": (SMALL, "batch_size=128", trained),
    "seed": (SMALL, "seed=1", trained),
    "eval_every": (SMALL, "eval_every=2ba", evaluation_updates),
    "monitor": (
        (*SMALL, "scheduler=plateau", "scheduler.args.patience=2", "monitor=val/loss"), "monitor=val/accuracy",
        seen_heard,
    ),
    "clip": (SMALL, "clip=0.1", trained),
    "lr_scaling.rule": (SMALL, "lr_scaling.rule=sqrt", None),  # filled below: a batch of 256 is the base itself
    "lr_scaling.base_batch": ((*SMALL, "lr_scaling.rule=linear"), "lr_scaling.base_batch=128", seen_of_schedule),
    "threads": (SMALL, "threads=2", seen_threads),
    "accumulate": (SMALL, "accumulate=4", seen_micro_batches),
    "amp": (SMALL, "amp=bf16", trained),
    "channels_last": (("model=resnet8_w8", "horizon=2ep"), "channels_last=false", seen_format),
    "compile": (SMALL, "compile=true", seen_compiled),
    "own_metrics": (SMALL, f"own_metrics=[{__name__}.Own]", measured_by),
    "early_stop.patience": ((*SMALL, "horizon=9ep"), "early_stop.patience=2ep", seen_end),
    "early_stop.min_delta": (
        (*SMALL, "horizon=9ep", "early_stop.patience=2ep"), "early_stop.min_delta=0.02", seen_end,
    ),
    "start.of": (SMALL, FORK[0], seen_forked),
    "start.at": (FORK, "start.at=1ep", seen_forked),
    "start.carry": (FORK, "start.carry=[model]", seen_forked),
    "start.new_head": ((*FORK, "start.carry=[model]"), "start.new_head=true", seen_forked),
    "start.head_names": (
        (*FORK, "start.carry=[model]", "start.new_head=true"), "start.head_names='1'", seen_forked,
    ),
}  # fmt: skip
OPTIONS["lr_scaling.rule"] = ((*SMALL, "lr_scaling.base_batch=64"), "lr_scaling.rule=sqrt", seen_of_schedule)


def hashed() -> list[str]:
    """The options of config.yaml that are part of an Experiment, those of `lr_scaling` and `start` one by one."""
    names = {f.name for f in fields(Experiment)} - {*FACTORS, "numerics", "ranks", "monitor_mode"}
    below = {"lr_scaling": ("rule", "base_batch"), "start": ("of", "at", "carry", "new_head", "head_names"),
             "early_stop": ("patience", "min_delta")}  # fmt: skip
    return sorted(f"{n}.{k}" if k else n for n in names for k in below.get(n, ("",)))


def test_the_hashed_options_are_those_of_the_configuration() -> None:
    """Every one stands in config.yaml, and everything else that stands there is a setting, or of `plot`."""
    config = composed()
    assert {n.partition(".")[0] for n in hashed()} <= set(config)
    rest = set(config) - {n.partition(".")[0] for n in hashed()} - {*FACTORS, "recipe"}
    settings = {f.name for f in fields(Settings)} - {"tracker", "hydra", "best_by"}  # best_by is `monitor`
    assert rest - {"out", "plot", "find_lr"} == settings


@pytest.mark.slow
@pytest.mark.parametrize("option", hashed())
def test_every_hashed_option_moves_something(option: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    from lrbench.plots import run as pictures

    monkeypatch.setattr(pictures, "picture_of", lambda record: None)
    monkeypatch.setattr(torch, "compile", lambda model: lambda x: model(x))
    monkeypatch.setattr(engine_state, "_require_compiler", lambda device: None)
    base, other, look = OPTIONS[option]  # a new option needs an entry: where can it be observed?
    folders = count()
    before, after = made(composed(*base)), made(composed(*base, other))
    seen = [look(e, tmp_path / str(next(folders))) if look is seen_forked else look(e) for e in (before, after)]
    assert run_id(before) != run_id(after)
    assert seen[0] != seen[1], f"{option} moves nothing"


@pytest.mark.slow
@pytest.mark.parametrize(
    "override",
    ["device=cpu", "results=elsewhere", "log_every=10%", "checkpoint_every=null", "keep=[1ep]", "force=true",
     "retry=true", "audit=false", "strict=true", "workers=0", "out=x.png", "tracker=wandb"],
)  # fmt: skip
def test_a_setting_is_not_part_of_the_identity(override: str) -> None:
    assert run_id(made(composed(*SMALL, override))) == run_id(made(composed(*SMALL)))


def test_a_monitor_that_nobody_hears_is_not_part_of_the_identity() -> None:
    heard = [run_id(made(composed(*SMALL, f"monitor={m}"))) for m in ("null", "val/loss", "val/accuracy")]
    assert len(set(heard)) == 1


def test_ranks_come_from_the_environment_and_are_hashed(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = made(composed(*SMALL))
    for name, value in (("RANK", "0"), ("WORLD_SIZE", "2"), ("LOCAL_RANK", "0")):
        monkeypatch.setenv(name, value)
    two = made(composed(*SMALL))
    assert two == replace(alone, ranks=2)
    assert run_id(two) != run_id(alone)
