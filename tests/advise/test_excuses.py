"""Excuses: fourteen of the guide's and ours, each answered by what the ledger says."""

import shlex

import pytest
from advised import KNOWN, world

from lrbench.advise.excuses import Excuse, answer, excuse_of, excuses, like
from lrbench.cli.flags import COMMANDS, PLAIN
from lrbench.errors import ConfigError

ALL = excuses()


def test_the_fourteen_are_there_in_order_and_ours_are_marked() -> None:
    assert [e.n for e in ALL] == [*range(1, len(ALL) + 1)]
    assert [e.n for e in ALL if not e.ours] == [*range(1, 15)]


@pytest.mark.parametrize("e", ALL, ids=lambda e: e.excuse)
def test_each_rests_on_claims_of_the_ledger_and_shows_a_command(e: Excuse) -> None:
    assert e.rests_on
    assert {*e.rests_on} <= KNOWN.keys()
    program, command, *_ = shlex.split(e.see)
    assert program == "lrbench"
    assert command in COMMANDS


@pytest.mark.parametrize("e", ALL, ids=lambda e: e.excuse)
def test_each_is_found_by_number_and_by_its_words(e: Excuse) -> None:
    assert excuse_of(str(e.n)) == e
    assert excuse_of(e.excuse.upper()) == e
    assert like(f"But {e.excuse}!") == e


@pytest.mark.parametrize(
    ("text", "n"),
    [
        ("cosine is always fine", 15),
        ("OneCycle is always best", 9),
        ("one cycle always best", 9),
        ("warmup is optional", 2),
        ("just use Adam", None),
        ("warmup just seems optional", 2),
        ("I'll have a banana", None),
    ],
)
def test_sentences_that_are_like_one(text: str, n: int | None) -> None:
    found = like(text)
    assert (found.n if found else None) == n


def test_an_unknown_one_is_refused_with_the_way_to_the_list() -> None:
    for given in ("banana", "99"):
        with pytest.raises(ConfigError, match="no excuse here is like this; give a number from 1 to"):
            excuse_of(given)


@pytest.mark.parametrize("e", ALL, ids=lambda e: e.excuse)
def test_where_its_claim_was_found_wrong_it_is_conceded(e: Excuse) -> None:
    first = e.rests_on[0]
    plain = answer(e, world())
    assert (plain.text, plain.conceded) == (e.answer, False)
    refuted = answer(e, world(**{first.replace("-", "_"): "false"}))
    assert refuted.conceded
    assert refuted.text.startswith(e.concede)
    assert refuted.evidence[0].standing == "false"


def test_commands_without_overrides_are_plain() -> None:
    assert "advise" in PLAIN
