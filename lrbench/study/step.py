"""What a study needs next: a pure function of its rules and of what its cells came to."""

from collections.abc import Mapping
from functools import partial

from lrbench.study.analysis import contrasts
from lrbench.study.cells import Look, Needed
from lrbench.study.confirmation import ContrastRuns, confirm, confirmable, seeds_of
from lrbench.study.readings import read_off, tried
from lrbench.study.result import Result, TaskResult, TuningResult
from lrbench.study.rules import Rules
from lrbench.study.size import size_of
from lrbench.study.tuned import tuning_results
from lrbench.study.tuning import ChosenValue, tune


def next_step(rules: Rules, look: Look) -> Needed | Result:
    """The runs that are needed before more can be said, of all tasks at once; the result when there are none.

    A further look is taken for the whole family if any primary verdict of the first is inconclusive.
    """
    found = [_task(rules, task, look) for task in rules.tasks]
    needed = [f for f in found if isinstance(f, Needed)]
    if needed:
        stages = dict.fromkeys(n.stage for n in needed)
        return Needed("; ".join(stages), tuple(cell for n in needed for cell in n.cells))
    return Result(rules, tuple(f for f in found if isinstance(f, TaskResult)))


def asked_again(rules: Rules, own: Result, look: Look, *, turned: bool = False) -> Result:
    """What the runs of a study that has its result say under other rules: of other claimed ranges, of another kind, or
    of another baseline (or `turned`, as in `contrasts`).

    As many pairs and looks as the study took, task by task, whatever they say now: each look is at its own alpha, so
    that the last one taken may be read whyever it was taken.
    """
    return Result(rules, tuple(_again(rules, task, look, turned) for task in own.tasks))


def _again(rules: Rules, own: TaskResult, look: Look, turned: bool) -> TaskResult:
    choices: Mapping[str, ChosenValue] = {}
    if rules.tunes:
        tuned = tune(rules, own.task, look)
        assert not isinstance(tuned, Needed)  # the study has chosen its values
        choices = tuned
    pairs = own.size.pairs or 0
    seen = _measured(rules, choices, own.task, pairs, own.looks, look) if own.looks else []
    assert not isinstance(seen, Needed)  # ... and has its pairs
    found = contrasts(rules, choices, seen, turned=turned)
    return TaskResult(own.task, _found(rules, choices, own.task, pairs, own.looks, look), own.size, own.looks,
                      rules.alpha, found)  # fmt: skip


def _measured(
    rules: Rules, choices: Mapping[str, ChosenValue], task: str, pairs: int, looks: int, look: Look
) -> Needed | list[ContrastRuns]:
    """What came of so many looks, or the runs that are still needed for it."""
    measure = read_off if rules.reads else partial(confirm, choices=choices)
    return measure(rules, task, seeds_of(rules, pairs, looks), look)


def _task(rules: Rules, task: str, look: Look) -> Needed | TaskResult:
    choices: Mapping[str, ChosenValue] = {}
    if rules.tunes:
        tuned = tune(rules, task, look)
        if isinstance(tuned, Needed):
            return tuned
        choices = tuned
    size = size_of(rules, choices)
    looks = range(1, rules.looks + 1) if size.enough and confirmable(rules, choices) else range(0)
    found, taken = contrasts(rules, choices, []), 0
    for taken in looks:
        assert size.pairs is not None
        seen = _measured(rules, choices, task, size.pairs, taken, look)
        if isinstance(seen, Needed):
            return seen
        found = contrasts(rules, choices, seen)
        if not any(c.primary and c.verdict == "inconclusive" for c in found):
            break
    told = _found(rules, choices, task, size.pairs or 0, taken, look)
    return TaskResult(task, told, size, taken, rules.alpha, found)


def _found(
    rules: Rules, choices: Mapping[str, ChosenValue], task: str, pairs: int, looks: int, look: Look
) -> tuple[TuningResult, ...]:
    """What was seen of an arm's values: while they were tuned, or on the grid that was read."""
    seen = tried(rules, task, seeds_of(rules, pairs, looks), look) if rules.reads and looks else choices
    return tuning_results(rules, seen)
