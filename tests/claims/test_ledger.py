"""The ledger holds every claim of the guide, and what is published is what its evidence says."""

import re
from collections import Counter
from pathlib import Path

import pytest
import torch

from lrbench.claims import page, summary
from lrbench.claims.ledger import Claim, claims, headlines
from lrbench.claims.published import published
from lrbench.claims.settle import EXACT, settle
from lrbench.claims.settled import stored
from lrbench.claims.studies import Studies
from lrbench.report.study import write
from lrbench.store.store import Store

RESULTS = Path(__file__).parents[2] / "results"
STORE = Store(RESULTS)  # its evidence is read once
ANSWERS = Studies(STORE)
KNOWN = claims()
PUBLISHED = stored(RESULTS / "claims", KNOWN)
NUMBER = re.compile(r"(?<![\w\"])-?\d+\.\d+(?:e[-+]?\d+)?")
STUDIES = sorted(p.parent for p in (RESULTS / "studies").glob("*/verdict.json"))


def numbers_in(path: Path) -> list[float]:
    return [float(number) for number in NUMBER.findall(path.read_text())]


def test_every_claim_of_the_guide_is_there() -> None:
    found = Counter(c.kind for c in KNOWN.values())
    assert found == {"effect": 93, "trace": 87, "advice": 65, "literature": 38, "api": 26, "behaviour": 14}


def test_what_bears_on_advice_is_in_the_ledger() -> None:
    for claim in KNOWN.values():
        assert {*claim.supported_by, *claim.contradicted_by} <= KNOWN.keys(), claim.id


def test_what_is_told_first_is_settled_and_says_what_to_do() -> None:
    for name in headlines(KNOWN):
        assert name in PUBLISHED
        assert KNOWN[name].advice, name


def test_whatever_can_be_settled_is_published() -> None:
    exact = [c.id for c in KNOWN.values() if c.kind in EXACT and not c.needs]
    read = [c.id for c in KNOWN.values() if c.citations]
    assert {*exact, *read} <= PUBLISHED.keys()
    assert not {p.parent.name for p in (RESULTS / "claims").glob("*/*")} - KNOWN.keys()


def test_what_was_measured_says_what_to_do() -> None:
    assert [name for name, settled in PUBLISHED.items() if settled.studies and not KNOWN[name].advice] == []


@pytest.mark.slow
@pytest.mark.parametrize("claim", [c for c in KNOWN.values() if c.id in PUBLISHED], ids=lambda c: c.id)
def test_what_is_published_is_what_the_evidence_says(claim: Claim) -> None:
    """With another torch a verdict may be another, which `lrbench claims run` tells."""
    before = PUBLISHED[claim.id]
    if before.torch not in ("", torch.__version__.partition("+")[0]):
        pytest.skip(f"settled with torch {before.torch}")
    now = settle(claim, ANSWERS)
    assert now is not None
    assert now.verdict == before.verdict
    for found, was in zip(now.parts, before.parts, strict=True):
        assert (found.what, found.said, found.agrees) == (was.what, was.said, was.agrees)
        assert same(found.found, was.found), found.what
    assert [m.verdict for m in now.studies] == [m.verdict for m in before.studies]


def same(found: str, was: str) -> bool:
    """Whether two values are one, but for what another kind of processor makes of a training of some updates."""
    try:
        return float(found) == pytest.approx(float(was), rel=0.02, abs=1e-12)
    except ValueError:
        return found == was


@pytest.mark.slow
@pytest.mark.parametrize("folder", STUDIES, ids=lambda p: p.name)
def test_a_stored_study_is_analysed_to_the_same_answer(folder: Path, tmp_path: Path) -> None:
    answer = ANSWERS.answer(folder.name)
    assert answer is not None
    write(answer.design, answer.result, tmp_path, ANSWERS.repeated(answer.design))
    for made in tmp_path.iterdir():
        published = folder / made.name
        if made.suffix == ".json":  # another kind of processor may add in another order: the last bits differ
            assert numbers_in(made) == pytest.approx(numbers_in(published), rel=1e-9)
            assert NUMBER.sub("", made.read_text()) == NUMBER.sub("", published.read_text())
        else:
            assert made.read_bytes() == published.read_bytes(), made.name


def test_the_summary_and_the_page_are_what_the_verdicts_say() -> None:
    told = published(STORE)
    assert (RESULTS / "README.md").read_text() == summary.render(told)
    html = (RESULTS / "claims.html").read_text()
    assert html == page.render(told)
    assert len(html.encode()) < 5_000_000
