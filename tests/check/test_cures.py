"""Every cure that is shown was tried: with it the finding is gone, and nothing grave is new."""

from collections.abc import Sequence

import pytest
from check_support import Found
from test_rules import PAIRS

from lrbench.check.cures import cured
from lrbench.check.finding import Finding
from lrbench.check.proposed import Cure, Proposed
from lrbench.errors import ConfigError

# What no override of lrbench's own levels mends: a peak that only a range test gives, a class of one's own.
WITHOUT = {"onecycle-peak-untuned", "onecycle-one-peak-for-groups", "warmup-above-peak"}


@pytest.mark.slow
@pytest.mark.parametrize("name", PAIRS)
def test_of_every_rule(name: str, found: Found) -> None:
    mistaken, rule = PAIRS[name][0], f"check.{name}"
    before = found(*mistaken)
    shown = next(f for f in cured(before, lambda cure: found(*mistaken, *cure)) if f.rule == rule)
    assert type(shown) is Finding
    assert (not shown.cure) == (name in WITHOUT)
    if shown.cure:
        after = found(*mistaken, *shown.cure)
        assert rule not in [f.rule for f in after]
        graves = [{f.rule for f in said if f.severity != "note"} for said in (before, after)]
        assert graves[1] <= graves[0]


def test_a_factor_an_epoch_stays_one(found: Found) -> None:
    """Stepped for each update it would bring the last rate down too, and be another schedule."""
    decay = ("model=mlp", "scheduler=exponential", "scheduler.args.gamma=0.99")
    told = cured(found(*decay), lambda cure: found(*decay, *cure))
    assert [f.cure for f in told if f.rule == "check.final-rate-high"] == [("scheduler.args.gamma=0.01/end",)]


def proposed(rule: str, *cures: Cure, severity: str = "warning") -> Proposed:
    return Proposed(rule=rule, severity=severity, says=f"{rule}.", cures=cures)  # type: ignore[arg-type]


def test_the_first_that_mends_is_shown() -> None:
    mistake, note = proposed("a", ("refused",), ("useless",), ("worse",), ("good",), ("better",)), proposed("n")

    def again(cure: Cure) -> Sequence[Finding]:
        if cure == ("refused",):
            raise ConfigError("", "", "no")
        return {"useless": [mistake], "worse": [proposed("b")], "good": [proposed("c", severity="note")]}.get(
            cure[0], []
        )

    shown, left = cured([mistake, note], again)
    assert shown.cure == ("good",)
    assert left.cure == ()


def test_a_note_may_not_become_a_warning() -> None:
    before = [proposed("a", ("x",)), proposed("b", severity="note")]
    assert cured(before, lambda cure: [proposed("b")])[0].cure == ()


def test_one_of_two_findings_of_a_rule_is_mended_alone() -> None:
    before = [proposed("a", ("x",)), proposed("a", ("y",))]
    assert [f.cure for f in cured(before, lambda cure: before[1:])] == [("x",), ("y",)]


@pytest.mark.parametrize(("decay", "cure"), [("gamma=0.5", ()), ("gamma=0.1/ep", ("scheduler.interval=batch",))])
def test_one_epoch_of_a_factor_an_epoch(decay: str, cure: Cure, found: Found) -> None:
    """Stepped for each update, a bare factor would be another schedule; one with its unit only has smaller stairs."""
    one = ("model=mlp", "horizon=1ep", "scheduler=exponential", f"scheduler.args.{decay}")
    told = cured(found(*one), lambda added: found(*one, *added))
    assert [f.cure for f in told if f.rule == "check.never-moves"] == [cure]
