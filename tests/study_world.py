"""A world whose truth is known: what the cells of a study come to, without training anything."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from lrbench.study.cells import Cell, CellOutcome, Needed
from lrbench.study.result import Result
from lrbench.study.rules import Rules
from lrbench.study.step import next_step
from lrbench.study.tuning_rules import TuningRules


@dataclass
class World:
    """An arm's mean at a rate is top - curvature x (log2 rate - log2 best)^2; runs of a seed share a part of their
    noise. wider: by how much each arm's noise is more than sd, 1 where none is given. fails: cells that diverge. What
    was asked for is kept in `made`."""

    tops: Mapping[str, float]
    bests: Mapping[str, float] = field(default_factory=dict)  # 0.4 where none is given
    curvature: float = 0.01
    sd: float = 0.0
    wider: Mapping[str, float] = field(default_factory=dict)
    correlation: float = 0.3
    fails: Callable[[Cell], bool] = lambda cell: False
    made: dict[Cell, CellOutcome] = field(default_factory=dict)

    def mean(self, arm: str, value: float | None) -> float:
        off = 0.0 if value is None else math.log2(value / self.bests.get(arm, 0.4))
        return self.tops[arm] - self.curvature * off**2

    def make(self, cell: Cell) -> None:
        if self.fails(cell):
            self.made[cell] = CellOutcome(str(cell), None, None, "diverged")
            return
        shared = self._noise((cell.task, cell.seed))
        own = self._noise((cell.task, cell.arm, cell.value, cell.seed))
        value = self.mean(cell.arm, cell.value)
        sd = self.sd * self.wider.get(cell.arm, 1.0)
        value += sd * (math.sqrt(self.correlation) * shared + math.sqrt(1 - self.correlation) * own)
        self.made[cell] = CellOutcome(str(cell), value, value)

    def run(self, rules: Rules, order: Callable[[Needed], list[Cell]] = lambda n: list(n.cells)) -> Result:
        """The whole study, stage by stage; `stages` has each one's name and the number of its runs."""
        self.stages: list[tuple[str, int]] = []
        while isinstance(step := next_step(rules, self.made.get), Needed):
            assert step.cells
            assert not set(step.cells) & self.made.keys()
            self.stages.append((step.stage, len(step.cells)))
            for cell in order(step):
                self.make(cell)
        return step

    @staticmethod
    def _noise(key: tuple[object, ...]) -> float:
        words = np.frombuffer(repr(key).encode().ljust(4 * -(-len(repr(key)) // 4)), dtype=np.uint32)
        return float(np.random.default_rng(words).standard_normal())


def rules(**given: object) -> Rules:
    plain = {"arms": ("a", "b"), "baseline": "a", "tasks": ("",), "metric": "test/accuracy", "judge": "val/accuracy",
             "higher": True, "chance": 0.1, "pairs": 10, "tuning": TuningRules(first=0.1)}  # fmt: skip
    return Rules(**{**plain, **given})
