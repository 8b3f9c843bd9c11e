"""A small sample of the random overrides, on every change; all of them under the mark `fuzz`."""

from itertools import islice
from pathlib import Path

import overrides
import pytest


@pytest.mark.parametrize("many", [pytest.param(40, id="few"), pytest.param(10_000, marks=pytest.mark.fuzz, id="all")])
def test_no_override_ends_in_a_traceback_or_leaves_a_file(
    many: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    found = list(overrides.tried(islice(overrides.cases(0), many), tmp_path))
    assert len(found) == many
    assert [f for f in found if f.wrong] == []


def test_the_same_seed_tries_the_same() -> None:
    assert [*islice(overrides.cases(3), 50)] == [*islice(overrides.cases(3), 50)]
    assert {case.kind for case in islice(overrides.cases(3), 50)} == {"values", "mutated", "odd", "right"}
