"""No error and no warning of what lrbench ships: recipes, sweeps, levels, defaults, and every example of the README."""

import re
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from check_support import Found, grave, made

from lrbench import CONF
from lrbench.check.linter import Linter
from lrbench.config.compose import compose
from lrbench.config.experiments import settings_from
from lrbench.config.grid import expanded
from lrbench.config.named import named_sweep
from lrbench.errors import ConfigError

README = (Path(__file__).parents[2] / "README.md").read_text()
RECIPES = sorted(p.stem for p in (CONF / "recipe").glob("*.yaml"))
SWEEPS = sorted(p.stem for p in (CONF / "sweep").glob("*.yaml"))
SCHEDULERS = sorted({p.stem for p in (CONF / "scheduler").glob("*.yaml")} - {"custom"})
ON_PURPOSE = r"\b(check|pitfall=|optimizer\.lr=auto)"  # examples of mistakes; a rate that is found first
OTHERS = ("runs", "show", "claims", "report", "wandb", "status", "wait", "cancel", "find-lr", "advise", "diagnose")


def examples() -> Iterator[tuple[str, ...]]:
    """The overrides of every command of the README that composes something; an arm's stand for themselves."""
    for line in re.findall(r"^\$ (?:python -m )?lrbench (.*)$", README, re.MULTILINE):
        words = shlex.split(line)
        if words[0] in OTHERS or f"{line}\nlrbench: " in README or re.search(ON_PURPOSE, line):  # or refused
            continue
        arms = [words[i + 1].partition(":")[2].split() for i, word in enumerate(words) if word == "--arm"]
        plain = [w for w in words if "=" in w and not w.startswith("-") and ": " not in w]
        yield from ((*plain, *arm) for arm in arms or [[]])


def of_one_seed(overrides: Sequence[str]) -> list[list[str]]:
    """The jobs of a grid; a seed is no part of a schedule."""
    return expanded([o for o in overrides if not o.startswith("seed=")])


def test_the_defaults(found: Found) -> None:
    assert found() == ()


# Those of a paper build its model: with the slow tests, where a proxy is tried on every change.
@pytest.mark.parametrize(
    "recipe", [pytest.param(r, marks=[pytest.mark.slow] if f"{r}_tiny" in RECIPES else []) for r in RECIPES]
)
def test_a_recipe(recipe: str, found: Found) -> None:
    """What it accepts is found, and all that is found is accepted: notes too."""
    accepts = settings_from(compose([f"recipe={recipe}"])).accepts
    assert {f.rule for f in found(f"recipe={recipe}")} == {*accepts}


@pytest.mark.slow
@pytest.mark.parametrize("name", SWEEPS)
def test_a_sweep(name: str, found: Found) -> None:
    for job in of_one_seed(named_sweep(name, None).overrides):
        assert grave(found(*job)) == []


@pytest.mark.parametrize("name", SCHEDULERS)
@pytest.mark.parametrize("warmup", ["none", "linear5"])
def test_a_level_with_room(name: str, warmup: str) -> None:
    try:
        said = grave(Linter()(made(name, warmup, horizon="300ep")))
    except ConfigError:  # two warmups
        assert warmup != "none"
        return
    known = {  # what decays in epochs, whatever the horizon, is down to nothing long before
        "constant": ["check.long-training-at-constant-rate"],
        "exponential": ["check.schedule-ends-elsewhere"],
        "step_30": ["check.schedule-ends-elsewhere"],
    }
    if (name, warmup) == ("cyclic", "linear5"):  # up to the peak, and then from a tenth of it
        known["cyclic"] = ["check.jump-at-seam"]
    assert said == known.get(name, [])


@pytest.mark.parametrize("overrides", [*examples()], ids=" ".join)
def test_an_example_of_the_readme(overrides: tuple[str, ...], found: Found) -> None:
    for job in of_one_seed(overrides):
        assert grave(found(*job)) == [], job
