"""Whole studies without a run, thousands of them: what `next_step` concludes where the truth is known.

The truth of a tuned contrast is the difference of the arms at the best value of the grid for each: the best that this
tuning can reach. A finer grid might hold a better value, of which the study says nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import numpy as np
from numpy.typing import NDArray

from lrbench.study.cells import Cell, CellOutcome, Look
from lrbench.study.result import Contrast, Result
from lrbench.study.rules import Rules
from lrbench.study.seeds import ROLES, SEEDS_A_ROLE
from lrbench.study.step import next_step
from lrbench.study.tuning_rules import TuningRules

Values = NDArray[np.float64]
TUNING = TuningRules(first=0.1)
MIDDLE = 2  # of the five values of the first grid
STEPS = {TUNING.value(k): k for k in range(-TUNING.at_most, TUNING.at_most + TUNING.points)}
MOST_TUNING, MOST_PAIRS = 40, 200  # seeds that are asked for
FAILED = CellOutcome("", None, None, "diverged")
ROLE_OF = {i: role for role, i in ROLES.items()}

# Each of mean 0 and standard deviation 1; accuracies have their long tail below.
NOISE: Mapping[str, Callable[[np.random.Generator, int], Values]] = {
    "normal": lambda rng, n: rng.standard_normal(n),
    "exponential": lambda rng, n: 1 - rng.standard_exponential(n),
    "lognormal": lambda rng, n: (np.e**0.5 - rng.lognormal(0, 1, n)) / np.sqrt(np.e * (np.e - 1)),
}


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A truth, in standard deviations of a seed. gains: of each arm at its best value over the baseline at its own.

    shape: of a curve over the steps from the best value: `square` falls by curvature x steps^2 on both sides, `cliff`
    by curvature x steps below, and every run above diverges. off: how far each arm's best lies above the middle of the
    grid, in steps; between two values both are the best. noise: of each arm, the last one of all that follow. fails:
    of each arm, the chance that a run diverges wherever it stands.
    """

    gains: tuple[float, ...] = (0.0,)
    curvature: float = 0.3
    shape: str = "square"
    off: tuple[float, ...] = (0.0,)
    noise: tuple[str, ...] = ("normal",)
    fails: tuple[float, ...] = (0.0,)
    correlation: float = 0.3
    relative: float | None = None  # values are exp(relative x what is drawn): positive, and lower is better if below 0

    @property
    def arms(self) -> tuple[str, ...]:
        return tuple("abcdefgh"[: len(self.gains) + 1])

    @property
    def difference_sd(self) -> float:
        return float(np.sqrt(2 * (1 - self.correlation)))

    def gain(self, arm: str) -> float:
        return (0.0, *self.gains)[self.arms.index(arm)]

    @property
    def unit(self) -> float:
        """What a gain of 1 is in the study's own: of fractions they are logarithms."""
        return 1.0 if self.relative is None else self.relative

    def fraction(self, arm: str) -> float:
        """Of the baseline's value, geometric mean over geometric mean."""
        return float(np.exp(self.unit * self.gain(arm)))

    def of(self, what: tuple[Any, ...], arm: str) -> Any:
        return what[min(self.arms.index(arm), len(what) - 1)]

    def mean(self, arm: str, value: float) -> float:
        """Of the runs there; -inf where all diverge."""
        steps = STEPS[value] - MIDDLE - self.of(self.off, arm)
        if self.shape == "cliff":
            return self.gain(arm) + self.curvature * steps if steps <= 0 else -np.inf
        between = self.of(self.off, arm) % 1  # of the two values beside it the nearer one is the best
        return float(self.gain(arm) - self.curvature * (steps**2 - min(between, 1 - between) ** 2))

    def rules(self, **given: Any) -> Rules:
        plain = {"arms": self.arms, "baseline": "a", "tasks": ("",), "metric": "val/x", "judge": "val/x",
                 "higher": True, "pairs": 10, "tuning": TUNING, "looks": 1}  # fmt: skip
        return Rules(**{**plain, **given})


@dataclass
class Runs:
    """Every run that could be asked for, drawn when it is. anew: another random state for all but the tuning."""

    scene: Scene
    rng: np.random.Generator
    anew: np.random.Generator | None = None
    _rows: dict[tuple[str, float, int], Values] = field(default_factory=dict)
    _shared: dict[tuple[str, int], Values] = field(default_factory=dict)

    def look(self, cell: Cell) -> CellOutcome:
        assert cell.value is not None
        role, place = divmod(cell.seed, SEEDS_A_ROLE)
        key = (cell.arm, cell.value, role)
        if key not in self._rows:
            self._rows[key] = self._row(*key)
        x = float(self._rows[key][place])
        if self.scene.relative is not None:
            x = float(np.exp(self.scene.relative * x)) if np.isfinite(x) else np.nan
        return CellOutcome("", x, x) if np.isfinite(x) else FAILED

    def _row(self, arm: str, value: float, role: int) -> Values:
        """A run for every seed of the role that may be asked for; -inf where it diverges."""
        tuning, scene = ROLE_OF[role] == "tuning", self.scene
        rng = self.rng if tuning or self.anew is None else self.anew
        many, name = MOST_TUNING if tuning else MOST_PAIRS, scene.of(scene.noise, arm)
        if (name, role) not in self._shared:
            self._shared[name, role] = NOISE[name](rng, many)
        shared, own = self._shared[name, role], NOISE[name](rng, many)
        found = scene.mean(arm, value) + np.sqrt(scene.correlation) * shared + np.sqrt(1 - scene.correlation) * own
        found[rng.random(many) < scene.of(scene.fails, arm)] = -np.inf
        return np.asarray(found)


def simulate(scene: Scene, rules: Rules, rng: np.random.Generator) -> tuple[Contrast, ...]:
    """A study's contrasts, of runs that are drawn from the scene."""
    return without_telling(rules, Runs(scene, rng).look)


def without_telling(rules: Rules, look: Look) -> tuple[Contrast, ...]:
    """A study's contrasts. What is told beside the verdict takes longer than the verdict, and is left out: what tuning
    cost, how often a rerun agrees, how much another tuning would move the gain, how many pairs it would have taken."""
    with (
        mock.patch("lrbench.study.step.tuning_results", return_value=()),
        mock.patch("lrbench.study.analysis.choice_variance_of", return_value=0.0),
        mock.patch("lrbench.study.analysis._agreement", return_value=None),
        mock.patch("lrbench.study.analysis._pairs_needed", return_value=None),
    ):
        return result(rules, look).tasks[0].contrasts


def result(rules: Rules, look: Look) -> Result:
    found = next_step(rules, look)
    assert isinstance(found, Result)
    return found


def judged(contrast: Contrast) -> bool:
    """Whether it has an interval, and so may have a verdict."""
    return contrast.tested is not None and contrast.tested.interval is not None


def wrong(scene: Scene, contrast: Contrast) -> bool:
    """Whether the verdict says a direction that is not the true one; of a fraction, another place than the true one."""
    if scene.relative is not None:
        return _misplaced(scene.fraction(contrast.arm), contrast)
    truth, verdict = scene.gain(contrast.arm), contrast.verdict
    if verdict in ("supported", "larger than claimed", "smaller than claimed", "direction supported, size unresolved"):
        return truth <= 0
    return verdict == "contradicted" and truth >= 0


def _misplaced(truth: float, contrast: Contrast) -> bool:
    low, high = contrast.claim.low, np.inf if contrast.claim.high is None else contrast.claim.high
    return {
        "supported": not low <= truth <= high,
        "larger than claimed": truth <= high,
        "smaller than claimed": truth >= low,
    }.get(str(contrast.verdict), False)
