"""The order, the silence, the verdicts and the memory of the linter, and the ids that the ledger names."""

import re
from pathlib import Path

import pytest
from check_support import Found

from lrbench.check import linter
from lrbench.check.linter import ELSEWHERE, IDS, RULES, SAID_BY, Linter, checked, grave
from lrbench.check.proposed import id_of, summary_of
from lrbench.check.traits import traits_of
from lrbench.claims.ledger import claims
from lrbench.config.experiments import experiment

ROOM = Path(linter.__file__).parent
VIT = ("model=vit_micro", "optimizer=adamw")


def test_every_rule_of_the_ledger_is_here_or_is_said_to_be_elsewhere() -> None:
    named = {c.rule for c in claims().values() if c.rule.startswith("check.")}
    assert len(named) == 21
    assert named - {*ELSEWHERE} <= {*IDS}
    assert not {*ELSEWHERE} & {*IDS}


def test_what_a_rule_rests_on_is_a_claim_of_the_ledger() -> None:
    named = {c for p in ROOM.glob("*.py") for c in re.findall(r'claim = "([\w-]+)"|claim="([\w-]+)"', p.read_text())}
    cited = {one or other for one, other in named}
    assert len(cited) > 12
    assert cited <= {*claims()}


def test_every_rule_says_in_a_sentence_what_it_finds() -> None:
    assert len({id_of(rule) for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert re.fullmatch(r"[A-Z][^\n]{20,200}[.]", summary_of(rule)), rule.__name__
    assert {name for told in SAID_BY.items() for name in (told[0], *told[1])} <= {*IDS}


def test_the_gravest_first_then_in_the_order_of_the_rules(found: Found) -> None:
    said = found("model=mlp", "scheduler=onecycle", "scheduler.interval=epoch", "horizon=60ep", "optimizer=sgd_plain")
    assert [(f.severity, f.rule) for f in said] == [
        ("warning", "check.onecycle-stepped-by-epoch"),
        ("warning", "check.onecycle-brings-momentum"),
        ("note", "check.onecycle-for-long"),
    ]


def test_one_thing_is_said_once(found: Found) -> None:
    said = [f.rule for f in found(*VIT, "optimizer.lr=0.01", "horizon=1ep")]
    assert "check.transformer-without-warmup" in said  # and not that the rate is high, or the optimizer AdamW
    assert "check.never-moves" in said  # and not that the last rate is high
    assert len(said) == 2


@pytest.mark.parametrize("verdict", ["false", "contradicted", "practically null"])
def test_a_rule_whose_claim_did_not_hold_gives_a_note_that_says_so(verdict: str) -> None:
    (said,) = checked(experiment(*VIT), lambda claim: verdict)
    assert said.severity == "note"
    assert said.says.endswith(f"(A note only: the claim transformer-without-warmup-diverges was found {verdict}.)")


@pytest.mark.parametrize("verdict", ["true", "partly", "supported", "inconclusive", None])
def test_with_any_other_verdict_it_stays(verdict: str | None) -> None:
    (said,) = checked(experiment(*VIT), lambda claim: verdict)
    assert said.severity == "warning"
    assert "note only" not in said.says


def test_what_is_grave_and_not_accepted(found: Found) -> None:
    said = found(*VIT)
    assert [f.rule for f in grave(said, {})] == ["check.transformer-without-warmup"]
    assert grave(said, {"check.transformer-without-warmup": "as in the paper"}) == []


@pytest.mark.slow
def test_equal_runs_are_checked_once_and_equal_models_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looked, asked = [], []
    monkeypatch.setattr(linter, "traits_of", lambda e: looked.append(e) or traits_of(e))
    lint = Linter(lambda claim: asked.append(claim))
    for seed in range(3):
        lint(experiment(*VIT, f"seed={seed}"))
    assert len(asked) == 1
    lint(experiment(*VIT, "optimizer.lr=0.002"))
    assert len(asked) == 2
    assert len(looked) == 1
