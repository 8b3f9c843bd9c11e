"""What a dry run says a study can find."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from study_world import World, rules

from lrbench.errors import ConfigError
from lrbench.report.study.forecast import Noise, forecast, noise_of
from lrbench.stats.power import success_probabilities
from lrbench.stats.verdict import ClaimedEffect
from lrbench.study.design import Design


def said(noise: Noise | None = None, **given: Any) -> str:
    return forecast(Design("mine", "", rules(**given), {}, {}), None, 2, noise)


def share(text: str, gain: str, verdict: str) -> int:
    """In percent, of the first table; 0 where it has no such column."""
    rows = [re.split(r"\s{2,}", line.strip()) for line in text.splitlines()]
    header = next(r for r in rows if r[0].startswith("true "))
    found = next(r for r in rows if r[0] == gain)
    return int(found[header.index(verdict)].rstrip("%")) if verdict in header else 0


def test_of_success_the_chances_are_told_without_any_noise() -> None:
    asks = {"kind": "success", "estimand": "swap", "tuning": None, "pairs": 20, "looks": 1}
    text = said(**asks)
    assert "How often 20 pairs come to each verdict, where the better arm succeeds in 95% of its runs" in text
    assert share(text, "0", "inconclusive") >= 95
    expected = success_probabilities(ClaimedEffect(), 0.45, 0.95, 20)["supported"]
    assert share(text, "0.5", "supported") == round(100 * expected)
    sized = said(**asks, claims={"b": ClaimedEffect(low=0.2, high=0.4)})
    assert [line.split()[0] for line in sized.splitlines()[-4:]] == ["0", "0.2", "0.3", "0.4"]


def test_of_a_fraction_true_fractions_are_told() -> None:
    asks = {"kind": "fraction", "claims": {"b": ClaimedEffect(low=0.9, high=0.95)}, "estimand": "swap", "tuning": None}
    assert "depends on the noise" in said(**asks)
    text = said(Noise(0.01, "other"), **asks)
    assert "true fraction" in text
    assert [line.split()[0] for line in text.splitlines()[-4:]] == ["0.9", "0.925", "0.95", "1"]
    assert share(text, "1", "larger than claimed") == 100


def test_the_reach_of_the_noises_study_is_in_the_chances() -> None:
    def supported(reach: tuple[float, float] | None) -> int:
        return share(said(Noise(0.01, "other", reach), pairs=20), "0.01", "supported")

    assert supported((0.01, 0.0)) < supported((0.0, 0.01)) == supported(None)
    told = said(Noise(0.01, "other", (0.005, 0.01)), pairs=20, unit="%")
    assert "counts what the choice of values adds to an interval, as it was in that study: up to 1 point." in told
    assert "does not count what the choice of values adds" in said(Noise(0.01, "other"), pairs=20)
    assert "choice of values" not in said(Noise(0.01, "other", (0.1, 0.1)), estimand="swap", tuning=None, pairs=20)
    asks = {"pairs": None, "detect": 0.005, "unit": "%"}
    assert "No number of pairs finds 0.5 points" in said(Noise(0.01, "other", (0.1, 0.1)), **asks)


def test_noise_is_of_one_kind(tmp_path: Path) -> None:
    result = World({"a": 0.9, "b": 0.8}, sd=0.01).run(rules())
    (tmp_path / "verdict.json").write_text(json.dumps(result.to_plain()))
    (contrast,) = result.tasks[0].contrasts
    assert contrast.tested is not None
    assert noise_of(tmp_path, rules()) == Noise(contrast.tested.sd or 0.0, tmp_path.name, contrast.reach)
    for kind in ("fraction", "success"):
        asked = rules(kind=kind, claims={"b": ClaimedEffect(low=0.5)})
        with pytest.raises(ConfigError, match=f"about 'difference', and this one is about '{kind}'"):
            noise_of(tmp_path, asked)
