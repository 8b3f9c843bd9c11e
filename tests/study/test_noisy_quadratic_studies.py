"""The controls that ship: whole studies by the command line, on a problem whose truth is exact."""

import json
from pathlib import Path

import pytest
from cli_support import in_process
from truth import best, control, curves, excess

SWAP_TUNED, NULL = "control_swap_tuned", "control_null"


def gains(name):
    """The exact gain at the baseline's best value, and each at its own; and these values."""
    design = control(name)
    (arm,), baseline = design.rules.contrasts, design.rules.baseline
    truth = curves(design)
    base, own = best(truth[baseline]), best(truth[arm])
    return truth[baseline][base] - truth[arm][base], truth[baseline][base] - truth[arm][own], base, own


def test_the_truths_are_what_the_files_say():
    assert gains(SWAP_TUNED) == pytest.approx((-0.02302, 0.06386, 0.50625, 1.70859), abs=2e-5)
    assert gains(NULL) == pytest.approx((-0.01004, 0.0, 1.6875, 2.53125), abs=1e-5)
    assert abs(gains(NULL)[1]) < 1e-7


def test_every_best_value_has_a_worse_one_on_both_sides():
    for name in (SWAP_TUNED, NULL):
        for curve in curves(control(name)).values():
            values = list(curve)
            place = values.index(best(curve))
            assert 0 < place < len(values) - 1


@pytest.mark.slow
@pytest.mark.parametrize(("name", "verdict"), [(SWAP_TUNED, "supported"), (NULL, "inconclusive")])
def test_a_study_finds_the_truth(name, verdict, tmp_path: Path, monkeypatch, capsys):
    """Its intervals hold the exact gain: of both arms at their best values, at the chosen ones, and of the swap."""
    said = in_process(tmp_path, monkeypatch, capsys)("compare", name)
    assert said.code == 0, said.err
    found = json.loads((tmp_path / "results" / "studies" / name / "verdict.json").read_text())
    (contrast,) = found["tasks"][0]["contrasts"]
    design, (own, base) = control(name), contrast["values"]
    _, tuned, *_ = gains(name)
    arm, baseline = contrast["arm"], design.rules.baseline
    at_base = excess(design, baseline, base)

    def holds(interval, truth):
        return interval[0] <= truth <= interval[1]

    assert contrast["verdict"] == verdict
    assert holds(contrast["tested"]["interval"], tuned)
    assert holds(contrast["at_values"], at_base - excess(design, arm, own))
    swap = contrast["paths"]["swap_first"][0]["interval"]
    assert holds(swap, at_base - excess(design, arm, base))
    assert swap[1] < 0  # in both the change loses at the baseline's value
