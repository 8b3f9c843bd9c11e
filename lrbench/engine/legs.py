"""A run as legs: the updates up to the next stop, and what was measured there.

Training, assisting on another rank, replaying and whatever else moves a state iterate this one generator, so that they
evaluate at the same updates and, with several ranks, come to the same meetings.
"""

import math
from collections.abc import Callable, Container, Iterator, Sequence
from typing import NamedTuple, Protocol

from lrbench.engine.evaluation import validate
from lrbench.engine.loop import UpdateBlock, advance
from lrbench.engine.state import Setup, State


class Leg(NamedTuple):
    """What happened up to a stop, or to a moment between two of them."""

    block: UpdateBlock
    metrics: dict[str, float] | None  # measured at its end, where an evaluation was due
    bad: int | None  # the first update that was not finite: the run has diverged, and this leg is its last
    asked: bool  # whether the run is to stop here


class LegObserver(Protocol):
    """Told of every leg, on rank 0, with the state at its end: the log, checkpoints, a mirror, a display."""

    def __call__(self, state: State, leg: Leg) -> None: ...


def never() -> bool:
    """Nobody asks the run to stop."""
    return False


def legs(
    setup: Setup, state: State, stops: Sequence[int], evaluations: Container[int], asked: Callable[[], bool] = never
) -> Iterator[Leg]:
    """Train from where the state stands to the last of `stops`, which ascend; measure at `evaluations`.

    It ends early where the run diverges or has no more patience, and where rank 0 is `asked` to stop.
    """
    while state.update < stops[-1] and not state.ended:
        block = advance(setup, state, next(s for s in stops if s > state.update))
        bad, metrics = block.first_bad(), None
        if bad is not None:  # where a block ends depends on the clock: what came after the bad update is forgotten
            block = block.cut(bad + 1)
            state.update, state.seconds = bad + 1, block.seconds[-1]
        elif state.update in evaluations:
            metrics = validate(setup, state)
            bad = None if all(map(math.isfinite, metrics.values())) else state.update - 1
        stop = bad is None and setup.ranks.broadcast(asked())
        yield Leg(block, metrics, bad, stop)
        if bad is not None or stop:
            return
