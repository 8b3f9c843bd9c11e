"""The exact truth of a study on the noisy quadratic: `python tests/study/truth.py control_null`."""

import sys
from collections.abc import Mapping

from lrbench.config.study import compile_study
from lrbench.config.study_files import read_study, study_files
from lrbench.data.noisy_quadratic import NoisyQuadratic, expected_excess
from lrbench.schedules import lr_table
from lrbench.study.cells import Cell
from lrbench.study.design import Design


def control(name: str) -> Design:
    return compile_study(read_study(study_files()[name]), name)


def excess(design: Design, arm: str, value: float) -> float:
    """The expected excess at the end of an arm's run."""
    run = design.experiment(Cell("", arm, value, 0, False))
    rates = lr_table(run).lr[:, 0]
    return float(expected_excess(NoisyQuadratic(**run.data.args), rates, run.batch_size)[-1])


def curves(design: Design) -> Mapping[str, Mapping[float, float]]:
    """Of every arm, over every value that the grid may grow to upwards: the first one lies below all that is good."""
    t = design.rules.tuning
    assert t is not None
    return {arm: {t.value(k): excess(design, arm, t.value(k)) for k in range(t.at_most)} for arm in design.rules.arms}


def best(curve: Mapping[float, float]) -> float:
    return min(curve, key=lambda value: curve[value])


if __name__ == "__main__":
    for arm, curve in curves(control(sys.argv[1])).items():
        found = [f"{value:g}: {x:#.6g}{' (best)' if value == best(curve) else ''}" for value, x in curve.items()]
        print(f"{arm:>12}", *found, sep="  ")
