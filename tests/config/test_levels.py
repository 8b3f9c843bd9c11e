"""Every level of every group, found in conf/ itself: composes, says what it is, leaves nothing when replaced."""

import re
from collections.abc import Iterator
from dataclasses import MISSING, fields
from itertools import product
from pathlib import Path
from typing import Any, get_type_hints

import pytest
import yaml
from conf_files import FACTORS, GROUPS, OPEN, ROOMY, chosen, composed, content, levels, made, node, of_level, refusal
from made_records import put
from omegaconf import OmegaConf, open_dict
from quick_hydra import plain_loader, quick_loader

from lrbench import CONF
from lrbench.config.compose import compose
from lrbench.config.experiments import settings_from
from lrbench.config.levels import is_of, told_by
from lrbench.config.schema import Config
from lrbench.experiment import Experiment
from lrbench.schedules import lr_table
from lrbench.store.runs import choose
from lrbench.store.store import Store

LEVELS = [(g, level) for g in FACTORS for level in levels(g)]
RECIPES = levels("recipe")
ABLATED = ("scheduler", "warmup", "optimizer")


@pytest.mark.parametrize(("group", "level"), LEVELS)
def test_every_level_composes_to_an_experiment(group: str, level: str) -> None:
    config = of_level(group, level)
    experiment = made(config)
    assert isinstance(experiment, Experiment)
    assert lr_table(experiment).lr.shape == (experiment.clock.updates, len(experiment.peaks))
    tracker = settings_from(config).tracker
    assert (tracker is None) == (config.tracker._target_ is None)


# One of each group, and what goes with levels of other groups; the rest under `full`.
ALONE = {*((g, levels(g)[-1]) for g in FACTORS), *OPEN}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("group", "level"), [pytest.param(*a, marks=[] if a in ALONE else [pytest.mark.full]) for a in LEVELS]
)
def test_a_level_that_is_put_together_is_what_hydra_composes(group: str, level: str) -> None:
    assert of_level(group, level) == composed(*ROOMY, *chosen(group, level))


@pytest.mark.parametrize(("group", "level"), [(g, level) for g, level in LEVELS if g != "tracker"])
def test_a_run_is_of_the_level_that_made_it_and_of_no_other(group: str, level: str, tmp_path: Path) -> None:
    put(tmp_path, made(of_level(group, level)))
    (row,) = Store(tmp_path).index.rows()
    found = [name for name in levels(group) if is_of(row, group, name)]
    if level == "custom":  # which is here what its class and arguments are
        level = {"scheduler": "exponential", "data": "digits", "task": "classification"}.get(group, "")
    told = told_by(group)
    assert found == [
        name for name in levels(group) if level in told and told.get(name) == told[level]
    ]  # whatever the rate
    assert all(choose([row], [f"{group}={name}"]) == [row] for name in found)


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_composes_alone(recipe: str) -> None:
    assert made(composed(f"recipe={recipe}")).horizon == content("recipe", recipe)["horizon"]


@pytest.mark.parametrize("path", sorted(CONF.rglob("*.yaml")), ids=lambda p: str(p.relative_to(CONF)))
def test_the_first_line_says_what_it_is(path: Any) -> None:
    lines = path.read_text().splitlines()
    if path.parent.name == "pitfall":  # what it must say besides: tests/config/test_pitfalls.py
        lines = lines[1:]
    if path.parent.name == "recipe":
        assert lines[0] == "# @package _global_"
        header = [line for line in lines[1:] if line.startswith("#")]
        assert any(line.startswith("# Source: ") for line in header)
        assert f"# Command: python -m lrbench recipe={path.stem}" in header
        lines = header
    assert re.match(r"# \S.{15,}", lines[0]), lines[0]
    published = path.parent.parent == CONF and path.parent.name in FACTORS and content(path.parent.name, path.stem)
    if path.stem == "custom":
        assert "_file." in lines[0] or "my.module" in lines[0]  # how one's own is named
    elif published and published["_target_"] is not None:  # a source: a year, torch's own, documentation, or ours
        source = re.search(r"\b(19|20)\d\d\b|torch|\.(ai|org)\b|\(ours\)", lines[0])
        assert source, f"the first line names no source: a year, torch, an address, or (ours): {lines[0]}"


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_sets_top_level_keys_and_picks_levels_only(recipe: str) -> None:
    """A key inside a swappable group would survive the swap: `recipe=cnn_paper scheduler=cosine` with milestones."""
    set_ = content("recipe", recipe)
    for entry in set_.pop("defaults"):
        ((where, level),) = entry.items()
        word, _, group = where.partition(" /")
        assert word == "override"
        assert group in FACTORS
        assert level in levels(group)
    assert set_.keys() <= {f.name for f in fields(Config)} - set(GROUPS)


def expected(group: str, level: str) -> dict[str, Any]:
    """What a group's node must be: the level's own file over the schema's defaults."""
    kind = get_type_hints(Config)[group]
    bare = {f.name: f.default if f.default is not MISSING else f.default_factory() for f in fields(kind)}
    base = OmegaConf.to_container(OmegaConf.structured(kind), enum_to_str=True)
    given = {o.lstrip("+").partition("=")[0]: o.partition("=")[2] for o in OPEN.get((group, level), ())}
    node = {k: base[k] for k in bare} | content(group, level)
    for key, value in given.items():
        if not key.startswith(f"{group}."):  # of another group, which goes with this level
            continue
        *above, last = key.split(".")[1:]
        (node[above[0]] if above else node)[last] = yaml.safe_load(value)
    return node


def assert_nothing_survives(config: Any, **choice: str) -> None:
    for group, level in choice.items():
        assert OmegaConf.to_container(config[group], enum_to_str=True) == expected(group, level), (group, level)


LEGAL = (
    r"past the end of the horizon",
    r"inside the warmup",
    r"not a whole number",
    r"the warmup is \d+ updates and the horizon \d+",
    r"only \d+ are left in this phase",
)


def assert_composes_or_is_refused_for_a_reason(config: Any, scheduler: str, warmup: str) -> None:
    own = content("scheduler", scheduler).get("own_warmup", False)
    why = refusal(config)
    if own and warmup != "none":
        assert why is not None
        assert "warms up by itself" in why
    elif why is not None:
        assert any(re.search(reason, why) for reason in LEGAL), why
        named = why.partition("=")[0].split(".")
        assert named[0] in ("scheduler", "warmup")
        value = OmegaConf.select(config, ".".join(named))  # only a time of its own can fail to fit: `end` always fits
        words = value if OmegaConf.is_list(value) else [value]
        assert any(isinstance(w, str) and w != "end" for w in words), why


def real(recipe: str | None, scheduler: str, warmup: str, optimizer: str) -> Any:
    return compose((  # not kept: there are many
        *([f"recipe={recipe}"] if recipe else []),
        *chosen("scheduler", scheduler), *chosen("warmup", warmup), *chosen("optimizer", optimizer),
    ))  # fmt: skip


def merged(recipe: str | None, scheduler: str, warmup: str, optimizer: str) -> Any:
    """The same as `real`, put together from one composition a recipe and the levels' nodes."""
    config = composed(*([f"recipe={recipe}"] if recipe else [])).copy()
    with open_dict(config):
        for group, level in (("scheduler", scheduler), ("warmup", warmup), ("optimizer", optimizer)):
            config[group] = node(group, level)
    return config


CHOICES = [None, *RECIPES]


def rotating() -> list[Any]:
    """Every recipe with every scheduler, warmup and optimizer, which take turns: every level over no recipe, and every
    recipe under a few, on every change. (Every scheduler with every warmup: below, put together; through Hydra with
    `full`.)"""
    groups = [levels("scheduler"), levels("warmup"), levels("optimizer")]
    found = []
    for recipe in CHOICES:
        proxy = bool(recipe and recipe.endswith("_tiny"))  # it picks what its original picks, but smaller
        for i in range(max(map(len, groups))):
            case = (recipe, *(group[i % len(group)] for group in groups))
            every_change = recipe is None or (not proxy and i % 9 == 0)
            found.append(pytest.param(*case, marks=[] if every_change else [pytest.mark.full]))
    return found


@pytest.mark.slow
@pytest.mark.parametrize(("recipe", "scheduler", "warmup", "optimizer"), rotating())
def test_no_argument_of_a_replaced_level_survives(
    recipe: str | None, scheduler: str, warmup: str, optimizer: str
) -> None:
    config = real(recipe, scheduler, warmup, optimizer)
    assert_nothing_survives(config, scheduler=scheduler, warmup=warmup, optimizer=optimizer)
    assert config == merged(recipe, scheduler, warmup, optimizer)
    assert_composes_or_is_refused_for_a_reason(config, scheduler, warmup)
    if recipe:
        picked = {k.partition("/")[2]: v for d in content("recipe", recipe)["defaults"] for k, v in d.items()}
        assert_nothing_survives(config, **{g: v for g, v in picked.items() if g not in ABLATED})


def pairs() -> Iterator[tuple[str, str, str]]:
    """Every scheduler with every warmup; the optimizers, of which no schedule knows, take turns."""
    # Not custom, which is one without momentum here: cycles need it.
    optimizers = [name for name in levels("optimizer") if name != "custom"]
    for i, (scheduler, warmup) in enumerate(product(levels("scheduler"), levels("warmup"))):
        yield scheduler, warmup, optimizers[i % len(optimizers)]


def in_turns(third: int) -> list[tuple[str, str, str]]:
    """A third of the pairs, in which each scheduler meets a third of the warmups, and each warmup of the schedulers."""
    many = len(levels("warmup"))
    return [pair for n, pair in enumerate(pairs()) if (n // many + n % many) % 3 == third]


@pytest.mark.parametrize(
    ("recipe", "third"),
    [
        pytest.param(recipe, third, marks=[pytest.mark.full if recipe or third else pytest.mark.slow])
        for recipe in CHOICES
        for third in range(3)
    ],
)
def test_every_recipe_with_every_scheduler_and_warmup(recipe: str | None, third: int) -> None:
    """Put together from its parts, which the test above holds equal to Hydra's own."""
    for scheduler, warmup, optimizer in in_turns(third):
        assert_composes_or_is_refused_for_a_reason(merged(recipe, scheduler, warmup, optimizer), scheduler, warmup)


@pytest.mark.full
@pytest.mark.parametrize("recipe", CHOICES)
def test_every_pair_through_hydra(recipe: str | None) -> None:
    for scheduler, warmup, optimizer in pairs():
        config = real(recipe, scheduler, warmup, optimizer)
        assert_nothing_survives(config, scheduler=scheduler, warmup=warmup, optimizer=optimizer)
        assert config == merged(recipe, scheduler, warmup, optimizer)


def test_the_loader_of_the_tests_reads_what_omegaconfs_own_does() -> None:
    for path in CONF.rglob("*.yaml"):
        text = path.read_text()
        assert yaml.load(text, quick_loader()) == yaml.load(text, plain_loader()), path


@pytest.mark.slow
def test_hydra_groups_of_ours_compose() -> None:
    for path in sorted((CONF / "hydra").rglob("*.yaml")):
        composed(f"hydra/{path.parent.name}={path.stem}")
