"""The ledger is whole, and what it says is held against what is found."""

from pathlib import Path

import pytest
import torch

from lrbench.claims.code import plateau
from lrbench.claims.exact import of_code, of_rates
from lrbench.claims.ledger import Claim, ClaimedRates, claims
from lrbench.claims.said import Found, Statement, agrees, half_a_unit, verdict_of
from lrbench.claims.settled import Settled, changes, keep, stored
from lrbench.errors import ConfigError


@pytest.mark.parametrize(
    ("said", "found", "right"),
    [
        ("0.0599", 0.05987, True),
        ("0.0599", 0.05996, False),  # half a unit of the last digit
        ("0.001", 0.00104, False),  # half a unit would be half of it, so 1 %
        ("0.1", 0.1004, True),
        ("30", 30, True),
        ("10", 11, False),
        ("1e-05", 1.001e-5, True),
        ("0", 0.0, True),
        ("0", 1e-9, False),
        ("~0.05", 0.0524, True),
        ("~0.05", 0.053, False),
        ("5..10", 10, True),
        ("5..10", 10.1, False),
        (">= 2", 2, True),
        ("<2", 2, False),
        ("> 0.1", float("nan"), False),
        ("yes", True, True),
        ("yes", False, False),
        ("no", False, True),
        ("min", "min", True),
        ("min", "max", False),
    ],
)
def test_what_is_said_is_held_against_what_is_found(said: str, found: Found, right: bool) -> None:
    assert agrees(said, found) is right


@pytest.mark.parametrize(("said", "found"), [("yes", 1), ("1", True), ("about 3", 3.0), ("3 to 4", 3)])
def test_another_kind_of_value_is_refused(said: str, found: Found) -> None:
    with pytest.raises(ConfigError, match="another kind"):
        agrees(said, found)


@pytest.mark.parametrize(("number", "half"), [("0.0599", 5e-5), ("30", 0.5), ("1e-05", 5e-6), ("1.50e3", 5.0)])
def test_half_a_unit(number: str, half: float) -> None:
    assert half_a_unit(number) == pytest.approx(half)


def test_a_verdict_follows_from_the_parts() -> None:
    right, wrong = Statement("a", "1", "1", True), Statement("b", "1", "2", False)
    assert [verdict_of(p) for p in ((right,), (right, wrong), (wrong,))] == ["true", "partly", "false"]


def test_rates_are_read_at_positions() -> None:
    rates = ClaimedRates(
        ("optimizer.lr=0.1", "warmup=linear5", "horizon=10ep"), {"0ep": "0.001", "last": "0.1", "3ep": "9"}
    )
    found = [(p.what, p.found, p.agrees) for p in of_rates(rates)]
    assert found == [("0ep", "0.001", True), ("last", "0.1", True), ("3ep", "0.0604", False)]


@pytest.mark.parametrize("position", ["10ep", "0.3ba", "soon"])
def test_a_position_that_is_none_is_refused(position: str) -> None:
    with pytest.raises(ConfigError, match=position):
        list(of_rates(ClaimedRates(("horizon=10ep",), {position: "1"})))


def test_code_runs_in_one_thread_and_leaves_their_number_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plateau, "threads", lambda: {"threads": torch.get_num_threads()}, raising=False)
    claim = Claim("x", "s", "behaviour", "tiny", "any", "says", code="plateau.threads", said={"threads": "1"})
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert list(of_code(claim)) == [Statement("threads", "1", "1", True)]
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_another_verdict_is_told_with_the_version_that_gave_it(tmp_path: Path) -> None:
    was = Settled("x", "true", (Statement("a", "1", "1", True),), torch="2.6.0")
    now = Settled("x", "false", (Statement("a", "1", "2", False),), torch="2.14.1")
    keep(tmp_path, was)
    before = stored(tmp_path, ["x", "y"])
    assert before == {"x": was}
    assert changes(before, was) == []
    assert changes(before, now) == [
        "x: true, now false (torch 2.6.0, now 2.14.1)",
        "x, a: said 1, found 1; now said 1, found 2 (torch 2.6.0, now 2.14.1)",
    ]


def test_a_verdict_that_was_changed_by_hand_is_refused(tmp_path: Path) -> None:
    keep(tmp_path, Settled("x", "true", (Statement("a", "1", "1", True),), torch="2.6.0"))
    whole = (tmp_path / "x" / "verdict.json").read_text()
    for was, now in (
        ('"id": "x"', '"id": "y"'), ('"verdict": "true"', '"verdict": true'), ('"found": "1"', '"found": 1'),
        ('"agrees": true', '"agrees": "yes"'), ("}", ""), ('"studies": []', '"studies": null'),
        ('"studies": []', '"studies": [{}]'), (whole, "[]"), (whole, "null"), (whole, ""), ('"torch"', '"torsh"'),
    ):  # fmt: skip
        assert was in whole
        (tmp_path / "x" / "verdict.json").write_text(whole.replace(was, now))
        with pytest.raises(ConfigError, match=r"this is no verdict|it is that of y"):
            stored(tmp_path, ["x"])


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("- {id: a, says: b}", "missing"),
        ("- {id: a, section: s, kind: traced, tier: instant, domain: any, says: b}", "traced"),
        ("- {id: a, section: s, kind: trace, tier: instant, domain: any, says: b}", "rates or code"),
        ("- {id: a, section: s, kind: effect, tier: small, domain: any, says: b, sayd: c}", "sayd"),
        ("- {id: a, section: s, kind: trace, tier: instant, domain: any, says: b, code: m.f}", "give both"),
        ("{id: a}", "no list"),
        ("- [", "no YAML"),
    ],
)
def test_a_ledger_that_is_wrong_is_refused(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "01.yaml").write_text(text)
    with pytest.raises(ConfigError, match=why):
        claims(tmp_path)


def test_an_id_is_given_once(tmp_path: Path) -> None:
    text = "- {id: a, section: s, kind: effect, tier: small, domain: any, says: b}\n"
    (tmp_path / "01.yaml").write_text(text * 2)
    with pytest.raises(ConfigError, match="twice"):
        claims(tmp_path)
