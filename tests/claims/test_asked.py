"""What claims asked of a study before its data."""

from dataclasses import replace
from pathlib import Path

import pytest

from lrbench.claims.asked import keep_asked, was_asked
from lrbench.config.claim import ClaimContrast, ClaimDesign, ClaimPart
from lrbench.errors import ConfigError

PART = ClaimPart(("s", "t"), (ClaimContrast("b", "a"),), {"low": "1%"})
CLAIM = ClaimDesign("x", "The interval does.", parts=(PART, ClaimPart(("t",), (ClaimContrast("c", "a"),))))


def test_a_claim_that_was_moved_after_the_study_was_frozen_is_known(tmp_path: Path) -> None:
    keep_asked(tmp_path / "s", {"x": CLAIM, "y": ClaimDesign("y", "", parts=CLAIM.parts[1:])})
    assert was_asked(tmp_path / "s", CLAIM)
    assert was_asked(tmp_path / "s", replace(CLAIM, settles="other words", parts=(replace(PART, what="words"),)))
    for moved in (
        replace(CLAIM, holds="any"),
        replace(CLAIM, id="z"),
        *(replace(CLAIM, parts=(replace(PART, **change),)) for change in (
            {"claim": {"low": "2%"}}, {"kind": "equal"}, {"tasks": ("one",)}, {"contrasts": (ClaimContrast("a", "b"),)},
        )),
    ):  # fmt: skip
        assert not was_asked(tmp_path / "s", moved)
    assert not was_asked(tmp_path / "t", CLAIM)  # nothing was kept there


def test_a_study_that_no_claim_names_has_no_such_file(tmp_path: Path) -> None:
    keep_asked(tmp_path / "other", {"x": CLAIM})
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("text", ["", "[]", "{"])
def test_a_file_that_says_nothing_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "claims.json").write_text(text)
    with pytest.raises(ConfigError, match="take it from the commit"):
        was_asked(tmp_path, CLAIM)
