"""Whole studies on worlds whose truth is known: false verdicts, coverage, power, and how often a rerun agrees."""

import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from harness import keep

from lrbench.config.experiments import experiment
from lrbench.config.study import compile_study
from lrbench.engine.train import train
from lrbench.experiment import Settings
from lrbench.stats.intervals import ConfidenceInterval, wilson
from lrbench.stats.verdict import ClaimedEffect
from lrbench.study.bench import TARGET
from lrbench.study.cells import Cell, CellOutcome, Look
from lrbench.study.result import Contrast
from lrbench.study.rules import Rules
from lrbench.study.seeds import SEEDS_A_ROLE
from lrbench.study.tuning import GIVEN_UP
from lrbench.study.tuning_rules import TuningRules
from lrbench.sweep.stages import Staged

sys.path.append(str(Path(__file__).parents[1] / "study"))
from simulated import (
    FAILED,
    ROLE_OF,
    TUNING,
    Runs,
    Scene,
    judged,
    result,
    simulate,
    without_telling,
    wrong,
)

Case = tuple[Scene, dict[str, Any]]
NULL: Mapping[str, Scene] = {
    "flat": Scene(curvature=0.0),
    **{f"neighbours {c:g} sd below the best": Scene(curvature=c) for c in (0.3, 0.5, 0.7, 1)},
    "0.5 sd, one arm's best between two values": Scene(curvature=0.5, off=(0.0, 0.5)),
    "a cliff above the best, 0.5 sd a step below": Scene(curvature=0.5, shape="cliff"),
}  # fmt: skip
STUDIES = 4800  # of each case where nothing else is said; four times as many halve the intervals
HARD = {"curvature": 0.5}  # where the choice matters most
OTHERS: Mapping[str, Case] = {
    "lognormal seeds": (Scene(**HARD, noise=("lognormal",)), {}),
    "exponential seeds": (Scene(**HARD, noise=("exponential",)), {}),
    "normal seeds against exponential ones": (Scene(**HARD, noise=("normal", "exponential")), {}),
    "normal seeds against lognormal ones": (Scene(**HARD, noise=("normal", "lognormal")), {}),
    "5 % of all runs diverge": (Scene(**HARD, fails=(0.05,)), {}),
    "15 % of one arm's runs diverge": (Scene(**HARD, fails=(0.0, 0.15)), {"pairs": 20}),
    "4 contrasts": (Scene(**HARD, gains=(0.0,) * 4), {}),
    "2 looks": (Scene(**HARD), {"looks": 2}),
    "2 looks, 4 contrasts": (Scene(**HARD, gains=(0.0,) * 4), {"looks": 2, "pairs": 12}),
    "10 pairs, a true gain of 1 sd": (Scene(**HARD, gains=(1.0,)), {}),
}


def study_null() -> None:
    """One contrast of two equal arms, each tuned, with 10 pairs."""
    _keep_errors("study_null", "two equal arms, 10 pairs", {k: (s, {}) for k, s in NULL.items()})


def study_null_30() -> None:
    """With 30 pairs the choice of values weighs more than the seeds of the confirmation."""
    _keep_errors("study_null_30", "two equal arms, 30 pairs", {k: (s, {"pairs": 30}) for k, s in NULL.items()})


def study_cases() -> None:
    """Skewed seeds, failures, families and looks, with 10 pairs where no more are said."""
    _keep_errors("study_cases", "skewed seeds, failures, families, looks", OTHERS, STUDIES // 2)


def study_fraction() -> None:
    """Where the truth is all of the claimed range, so that every verdict but `inconclusive` is false; and at its lower
    end, in no case of which `smaller than claimed` is true."""
    cases: dict[str, Case] = {}
    for name, scene, given in (
        ("10 pairs", Scene(**HARD, gains=(-2.0,), relative=0.05), {}),
        ("30 pairs", Scene(**HARD, gains=(-2.0,), relative=0.05), {"pairs": 30}),
        ("a loss, better lower", Scene(**HARD, gains=(-2.0,), relative=-0.05), {"higher": False}),
        ("a spread of 30 %", Scene(**HARD, gains=(-2.0,), relative=0.3), {}),
        ("lognormal seeds", Scene(**HARD, gains=(-2.0,), relative=0.05, noise=("lognormal",)), {}),
        ("4 contrasts", Scene(**HARD, gains=(-2.0,) * 4, relative=0.05), {"pairs": 12}),
        ("2 looks", Scene(**HARD, gains=(-2.0,), relative=0.05), {"looks": 2}),
    ):
        for where, open_above in (("all of the range", False), ("its lower end", True)):
            claims = {a: _from(scene.fraction(a), open_above) for a in scene.arms[1:]}
            cases[f"{name}, {where}"] = scene, {"kind": "fraction", "claims": claims, **given}
    _keep_errors("study_fraction", "fractions of the baseline, 10 pairs where no more are said", cases, STUDIES // 2)


def _from(low: float, open_above: bool) -> ClaimedEffect:
    return ClaimedEffect(low=low, high=None if open_above else low)


def _keep_errors(name: str, what: str, cases: Mapping[str, Case], studies: int = STUDIES) -> None:
    figures = {label: _errors(scene, scene.rules(**given), studies) for label, (scene, given) in cases.items()}
    target = "a false direction, or place, in at most 6 % of the studies that have a verdict"
    keep(name, f"whole studies, simulated: {what}", target, {"studies": studies, **figures})


def _errors(scene: Scene, rules: Rules, studies: int) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    found = [simulate(scene, rules, rng) for _ in range(studies)]
    whole = [study for study in found if any(map(judged, study))]
    contrasts = [c for study in whole for c in study if judged(c)]
    false = sum(any(wrong(scene, c) for c in study) for study in whole)
    return {
        "false": _percent(false, len(whole)),
        "false_95": [round(100 * x, 1) for x in wilson(false, len(whole)) or ()],
        "supported": _percent(sum(study[0].verdict == "supported" for study in whole), len(whole)),
        "without_verdict": _percent(studies - len(whole), studies),
        "covered": _share(_holds(c.tested.interval, scene.unit * scene.gain(c.arm)) for c in contrasts if c.tested),
        "covered_at_values": _share(_holds(c.at_values, _at_values(scene, c)) for c in contrasts),
        "level": round(100 * float(np.mean([c.tested.level for c in contrasts if c.tested])), 1),
        "half_width_sd": round(float(np.mean([_half_width(c) for c in contrasts])) / abs(scene.unit), 2),
    }


def _at_values(scene: Scene, contrast: Contrast) -> float:
    """The true gain at the chosen values."""
    ours, theirs = contrast.values
    assert ours is not None
    assert theirs is not None
    return scene.unit * (scene.mean(contrast.arm, ours) - scene.mean("a", theirs))


def _half_width(contrast: Contrast) -> float:
    assert contrast.tested is not None
    assert contrast.tested.interval is not None
    return (contrast.tested.interval.high - contrast.tested.interval.low) / 2


def _holds(interval: ConfidenceInterval | None, truth: float) -> bool:
    return interval is not None and interval.low <= truth <= interval.high


def _share(answers: Iterable[bool]) -> float:
    given = list(answers)
    return _percent(sum(given), len(given))


def _percent(some: int, of: int) -> float:
    return round(100 * some / of, 1)


def study_power() -> None:
    """How often a true gain is supported that the study was to detect, in standard deviations of a difference."""
    figures = {}
    for more, gains in ((6, (1.0, 1.5, 2.0)), (24, (0.75, 1.0))):
        tuning = TuningRules(first=TUNING.first, more=more)
        for curvature in (0.0, 0.5):
            for times in gains:
                gain = times * Scene().difference_sd
                scene = Scene(curvature=curvature, gains=(gain,))
                rules = scene.rules(pairs=None, detect=gain, tuning=tuning)
                figures[f"{times:g} sd, curvature {curvature:g}, {3 + more} seeds"] = _power(
                    scene, rules, STUDIES // 10
                )
    keep("study_power", "whole studies, simulated: a gain that was to be detected", "supported >= 80 %", figures)


def _power(scene: Scene, rules: Rules, studies: int) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    found = [simulate(scene, rules, rng)[0] for _ in range(studies)]
    begun = [c for c in found if judged(c)]
    supported = sum(c.verdict == "supported" for c in begun)
    return {
        "supported": _percent(supported, studies),
        "refused": _percent(studies - len(begun), studies),
        "supported_of_begun": _percent(supported, len(begun)) if begun else None,
        "pairs": float(np.median([len(c.pairs) for c in begun])) if begun else None,
    }


def study_agreement() -> None:
    """How often a rerun comes to the same verdict, beside how often it was said to."""
    figures: dict[str, Any] = {}
    for looks in (1, 2):
        same, again = _reruns(STUDIES // 5, looks)
        figures[f"{looks} look{'s' * (looks > 1)}"] = {"same_values": _bins(same), "tuned_again": _bins(again)}
    keep("study_agreement", "said and found agreement of a rerun, by thirds of what was said", "close", figures)


def _reruns(studies: int, looks: int) -> tuple[list[tuple[float, bool]], list[tuple[float, bool]]]:
    """For gains spread evenly over 0 to 3 sd of a seed."""
    same, again = [], []
    for i in range(studies):
        scene = Scene(curvature=(0.0, 0.3, 0.7)[i % 3], gains=(3 * (i + 0.5) / studies,))
        rules = scene.rules(looks=looks)

        def verdict_of(
            tuning: int, confirmation: int, scene: Scene = scene, rules: Rules = rules, i: int = i
        ) -> Contrast:
            states = (np.random.default_rng((i, part)) for part in (tuning, confirmation))
            return result(rules, Runs(scene, *states).look).tasks[0].contrasts[0]

        first, at_values, anew = verdict_of(0, 1), verdict_of(0, 2), verdict_of(3, 4)
        if first.agreement is None:
            continue
        same.append((first.agreement.same_values, at_values.verdict == first.verdict))
        again.append((first.agreement.tuned_again, anew.verdict == first.verdict))
    return same, again


def _bins(pairs: list[tuple[float, bool]]) -> list[dict[str, float]]:
    """In three bins of as many studies each."""
    ordered = sorted(pairs)
    thirds = np.array_split(np.array(ordered, float), 3)
    return [
        {"said": round(100 * float(t[:, 0].mean()), 1), "found": round(100 * float(t[:, 1].mean()), 1)} for t in thirds
    ]


AA = ("model=mlp", "horizon=5ep", "scheduler=cosine", "tracker=none")  # a run of it takes half a second
AA_SEEDS, AA_PAIRS, AA_TUNING = 60, 20, TuningRules(first=0.05, at_most=7)
Measured = dict[tuple[float, int], CellOutcome]


def study_aa() -> None:
    """Two arms that are one: real runs of it at every rate that a grid may come to, on 60 seeds. In each study the arms
    take other seeds of them, and none twice, through tuning, pairs and verdict: every direction that is found is false.

    The runs lie under results/ and are not made twice."""
    values = [AA_TUNING.value(k) for k in range(AA_TUNING.points - AA_TUNING.at_most, AA_TUNING.at_most)]
    runs = {(value, seed): _ran(value, seed) for value in values for seed in range(AA_SEEDS)}
    rules = Scene().rules(metric="test/accuracy", judge="val/accuracy", pairs=AA_PAIRS, tuning=AA_TUNING)
    rng = np.random.default_rng(0)
    found = [without_telling(rules, _shared_out(runs, rules, rng))[0] for _ in range(STUDIES)]
    begun = [c for c in found if judged(c)]
    false = sum(c.verdict in ("supported", "contradicted") for c in begun)
    best = max(values, key=lambda v: np.mean([runs[v, s].judge or 0.0 for s in range(AA_SEEDS)]))
    at_best = [100 * (runs[best, s].metric or 0.0) for s in range(AA_SEEDS)]
    figures = {
        "studies": STUDIES,
        "false": _percent(false, len(begun)),
        "false_95": [round(100 * x, 1) for x in wilson(false, len(begun)) or ()],
        "without_verdict": _percent(STUDIES - len(begun), STUDIES),
        "covered": _share(_holds(c.tested.interval, 0.0) for c in begun if c.tested),
        "best": {"lr": best, "mean": round(float(np.mean(at_best)), 2), "sd": round(float(np.std(at_best, ddof=1)), 2)},
        "test_accuracy": {f"{v:g}": [runs[v, s].metric for s in range(AA_SEEDS)] for v in values},
    }
    what = f"an arm against itself: {' '.join(AA)}, {len(values)} rates on {AA_SEEDS} seeds, {AA_PAIRS} pairs"
    keep("study_aa", what, "a false direction in at most 6 % of the studies that have a verdict", figures)


def _ran(value: float, seed: int) -> CellOutcome:
    record = train(experiment(*AA, f"optimizer.lr={value:g}", f"seed={seed}"))
    if record.standing() != "finished":
        return FAILED
    summary = record.summary()
    return CellOutcome(record.run_id, summary["val/accuracy"], summary["test/accuracy"])


def _shared_out(runs: Measured, rules: Rules, rng: np.random.Generator) -> Look:
    """Seeds for each role of each arm, drawn without putting back."""
    assert rules.tuning is not None
    many = {"tuning": rules.tuning.seeds + rules.tuning.more, "confirmation": AA_PAIRS}
    drawn = iter(rng.permutation(AA_SEEDS).tolist())
    seeds = {(arm, role): [next(drawn) for _ in range(n)] for arm in rules.arms for role, n in many.items()}

    def look(cell: Cell) -> CellOutcome:
        role, place = divmod(cell.seed, SEEDS_A_ROLE)
        assert cell.value is not None
        return runs[cell.value, seeds[cell.arm, ROLE_OF[role]][place]]

    return look


def study_plan() -> None:
    """The first stage of a study, 1,008 runs (the first two seeds of every rate: where both fail, no third is tried),
    from what is typed: its design, and its plan beside no record."""
    arms = ("constant", "cosine", "linear", "step", "multistep", "exponential", "polynomial", "wsd")
    grid = {"first": 0.01, "factor": 1.08, "points": 63, "at_most": 63, "seeds": 5}
    asked = {"set": ["model=mlp", "data=digits", "horizon=10ep"], "tuning": grid,
             "arms": {name: [f"scheduler={name}"] for name in arms}}  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        design = compile_study(asked, "plan")
        compiled = time.perf_counter()
        found = Staged("plan", TARGET, design.to_plain(), Settings(results=Path(folder))).plan()
        planned = time.perf_counter()
    assert found is not None
    assert len(found.entries) == len(arms) * grid["points"] * GIVEN_UP
    figures = {"runs": len(found.entries), "design_s": compiled - began, "plan_s": planned - compiled}
    keep("study_plan", "the first 1,008 runs of a study of 8 arms x 63 rates, planned", "both together <= 5 s", figures)


EVERY: tuple[Callable[[], None], ...] = (
    study_null,
    study_null_30,
    study_cases,
    study_fraction,
    study_power,
    study_agreement,
    study_aa,
    study_plan,
)
