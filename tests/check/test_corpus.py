"""The labelled schedules: that they are what they say, and that the scorer counts right. No linter runs here."""

import re
import sys
from collections import Counter
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent / "corpus"))
from labelled import Entry, drawn, entries
from score import Outcome, linted, report, summary

from lrbench import CONF
from lrbench.blame import blame
from lrbench.check.finding import Finding
from lrbench.claims.ledger import claims
from lrbench.config.composer import composer
from lrbench.config.experiments import experiment_from
from lrbench.errors import ConfigError

CORPUS = entries()
LEFT_OUT = {"check.too-few-seeds", "check.no-dry-run", "check.rate-not-logged", "check.paper-recipe-as-is"}
LEFT_OUT |= {"check.scratch-without-warmup", "check.manual-edit-overwritten"}
BEYOND = {  # the guide's own rules, and those of the issue
    f"check.{rule}"
    for rule in (
        "final-rate-high", "past-t-max", "jump-at-seam", "floor-above-peak", "drops-beyond-horizon",
        "mode-against-monitor", "patience-too-long", "restart-cut-short", "rate-for-another-batch",
        "warmup-shorter-than-adam-memory", "onecycle-brings-momentum", "never-moves", "inverse-sqrt-base-rate",
        "milestones-shifted-by-warmup", "lambda-past-horizon", "onecycle-one-peak-for-groups", "onecycle-steps-differ",
        "rel-threshold-negative-metric", "ghost-batch",
    )
}  # fmt: skip


def ledgers() -> set[str]:
    """The rules of the linter that advice in the ledger names."""
    return {claim.rule for claim in claims().values() if claim.rule and claim.rule.startswith("check.")}


@pytest.fixture(scope="module")
def composed():
    with composer() as made:
        yield made


def some_on_every_change() -> list:
    """One in sixteen, and all of them among the slow tests: Hydra composes each choice of levels anew."""
    marks = [[] if i % 16 == 0 else [pytest.mark.slow] for i in range(len(CORPUS))]
    return [pytest.param(e, id=e.id, marks=m) for e, m in zip(CORPUS, marks, strict=True)]


@pytest.mark.slow
@pytest.mark.parametrize("entry", some_on_every_change())
def test_every_entry_composes_or_is_refused_as_it_says(entry: Entry, composed) -> None:
    try:
        experiment_from(composed(entry.set).plain)
        why = None
    except ConfigError as error:
        why = str(error)
    except TypeError as error:  # in the schedule that a person wrote by hand
        why = blame(error)
    assert (why is not None) == entry.refused, why


def test_there_are_enough_of_every_kind() -> None:
    bad = [e for e in CORPUS if e.bad]
    assert len(CORPUS) >= 120
    assert 0.4 <= len(bad) / len(CORPUS) <= 0.6
    assert sum(e.public for e in bad) >= max(30, len(bad) / 2)
    assert max(Counter(e.id for e in CORPUS).values()) == 1


def test_the_third_is_drawn_by_the_hash() -> None:
    assert {e.id: e.held_out for e in CORPUS} == {e.id: drawn(e.id) for e in CORPUS}
    assert 0.25 <= sum(e.held_out for e in CORPUS) / len(CORPUS) <= 0.42


def test_every_rule_has_its_schedules() -> None:
    """Each of the guide's and of those beyond it, and no misspelt one."""
    expected = {rule for e in CORPUS for rule in e.expects}
    assert expected == (ledgers() | BEYOND) - LEFT_OUT
    assert {rule for e in CORPUS for rule in e.also} <= ledgers() | BEYOND


@pytest.mark.parametrize("entry", CORPUS, ids=lambda e: e.id)
def test_an_entry_says_why_and_where(entry: Entry) -> None:
    assert re.fullmatch(r"[a-z0-9-]+", entry.id)
    assert entry.source == "ours" or re.fullmatch(r"https://\S+", entry.source)
    assert re.fullmatch(r"\S.{20,}\.", entry.why)
    assert not entry.expects & entry.also


@pytest.mark.parametrize("group", ["scheduler", "warmup", "optimizer"])
def test_the_levels_are_used(group: str) -> None:
    """Most kinds of schedule are right in some entry."""
    named = {o.partition("=")[2] for e in CORPUS if not e.bad for o in e.set if o.startswith(f"{group}=")}
    assert len(named) >= 0.4 * len([*(CONF / group).glob("*.yaml")])


# ---- the scorer --------------------------------------------------------------------------------------------------


def entry(expects=(), also=(), held_out=False, **fields) -> Entry:
    made = {"id": "a", "source": "ours", "why": "", "set": (), "held_out": held_out, **fields}
    return Entry(**made, expects=frozenset(expects), also=frozenset(also))


def finds(*found: str, severity="warning"):
    return lambda _: [Finding(rule=rule, severity=severity, says="") for rule in found]


def refuses(_):
    raise ConfigError("horizon", "0ep", "this is zero")


def test_what_is_expected_and_found() -> None:
    outcome = linted(finds("x", "y"), entry(["x", "z"], also=["y"]))
    assert (outcome.right, outcome.missed, outcome.false) == ({"x"}, {"z"}, frozenset())
    assert outcome.caught


def test_a_note_finds_and_does_not_alarm() -> None:
    assert linted(finds("x", severity="note"), entry(["x"])).right == {"x"}
    assert not linted(finds("x", severity="note"), entry()).false
    assert linted(finds("x", severity="error"), entry()).false == {"x"}


def test_a_refusal_catches_what_is_bad_and_is_an_alarm_where_it_is_not() -> None:
    outcome = linted(refuses, entry(["x"]))
    assert outcome.caught
    assert not outcome.missed
    assert linted(refuses, entry(refused=True)).caught
    found = summary([linted(refuses, entry())])
    assert found["refused_though_good"] == {"a": "horizon=0ep: this is zero."}
    assert found["good_without_alarm"]["of"] == [0, 1]


def test_the_shares() -> None:
    """Three expected findings, one made, one by refusal, one missed; and one false beside the one that is right."""
    outcomes = [
        Outcome(entry(["x"]), frozenset({"x"}), frozenset({"x", "w"})),
        Outcome(entry(["x"]), frozenset(), frozenset(), "refused"),
        Outcome(entry(["y"]), frozenset(), frozenset()),
        Outcome(entry(), frozenset(), frozenset()),
    ]
    found = summary(outcomes)
    assert found["recall"]["of"] == [2, 3]
    assert found["recall_of_the_linter"]["of"] == [1, 2]
    assert found["precision"]["of"] == [1, 2]
    assert found["bad_caught"]["of"] == [2, 3]
    assert found["good_without_alarm"]["of"] == [1, 1]
    assert found["rules"]["x"] == {
        "expected": 2, "found": 1, "refused": 1, "false": 0, "recall": 1.0, "precision": 1.0,
    }  # fmt: skip
    assert found["rules"]["w"]["precision"] == 0.0
    assert found["rules"]["y"]["recall"] == 0.0


def test_a_linter_that_knows_everything_and_one_that_knows_nothing() -> None:
    known = {e.set: e for e in CORPUS}

    def knows(overrides):
        found = known[tuple(overrides)]
        return refuses(overrides) if found.refused else finds(*found.expects)(overrides)

    for part in report(knows, CORPUS).values():
        for share in ("recall", "precision", "bad_caught", "good_without_alarm"):
            assert part[share]["share"] == 1.0, share
    silent = report(finds(), CORPUS)
    assert silent["all"]["recall"]["share"] == 0.0
    assert silent["all"]["precision"]["share"] is None
    assert silent["all"]["good_without_alarm"]["share"] == 1.0
    assert silent["dev"]["entries"] + silent["held_out"]["entries"] == len(CORPUS)
