"""What is advised runs as printed: every combination of facts in an array of pairs composes to an Experiment."""

import shlex

import pytest
from advised import FACTORS, TABLE, many, world

from lrbench.advise.choose import advice
from lrbench.advise.facts import CHOICES, DOMAINS, Facts
from lrbench.config.composer import composer
from lrbench.config.experiments import experiment_from
from lrbench.errors import ConfigError
from lrbench.experiment import Experiment

LIKELY = many({**FACTORS, "scheduler": ("",), "recipe": ("", "steps")})
DOMAINS_ALONE = [Facts(domain=d, pretrained=p) for d in DOMAINS for p in (False, True)]


def composed(overrides: list[tuple[str, ...]]) -> list[Experiment]:
    made = []
    with composer(()) as composed:
        for some in overrides:
            try:
                made.append(experiment_from(composed(some).plain))
            except ConfigError as error:
                raise AssertionError(f"lrbench plot {shlex.join(some)}: {error}") from error
    return made


def of(some: list[Facts]) -> list[tuple[str, ...]]:
    return [*dict.fromkeys(advice(f, world(), TABLE).overrides for f in some)]


def test_every_domain_composes() -> None:
    for overrides, made in zip(of(DOMAINS_ALONE), composed(of(DOMAINS_ALONE)), strict=True):
        assert f"horizon={made.horizon}" in overrides


@pytest.mark.slow
@pytest.mark.parametrize("array", [pytest.param(many(FACTORS), marks=pytest.mark.full), LIKELY], ids=["all", "likely"])
def test_whatever_is_advised_composes(array: list[Facts]) -> None:
    composed(of(array))


def test_optimizers_and_schedules_that_can_be_asked_for_are_levels() -> None:
    from lrbench import CONF

    assert {*CHOICES["optimizer"]} <= {p.stem for p in (CONF / "optimizer").glob("*.yaml")}
