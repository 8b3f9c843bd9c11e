"""What a reader must know beside a study's verdicts, and what would sharpen them."""

from collections.abc import Iterator, Sequence

from lrbench.plural import plural
from lrbench.report.study.gains import amount, judged, measured, percent, points, spoken, subject
from lrbench.report.study.words import freshness, listed, reasons, sentence, what_is_tuned
from lrbench.report.tables import p_value
from lrbench.stats.paired import POWER
from lrbench.stats.power import Agreement
from lrbench.study.analysis import away_from_null
from lrbench.study.cells import Cell
from lrbench.study.design import Design
from lrbench.study.result import Contrast, Effect, Result, TaskResult
from lrbench.study.size import MOST, pairs_that_decide

AT_MOST = 0.05  # false verdicts of a direction that a family is expected to hold, over both looks


def sentences(design: Design, result: Result) -> list[str]:
    """Of every contrast."""
    return [sentence(design, t, c) for t in result.tasks for c in t.contrasts]


def remarks(design: Design, result: Result) -> list[str]:
    """Of the whole study, then of each contrast."""
    told = [*_standing(design), *_estimand(design), *_budget(design), *_false(design)]
    for task in result.tasks:
        each = ((c.arm, list(_about(design, task, c))) for c in task.contrasts)
        told += [f"{f'{task.task}, ' if task.task else ''}{arm}: {_joined(said)}" for arm, said in each if said]
    return told


def _joined(said: Sequence[str]) -> str:
    first, *rest = said
    return " ".join([f"{first}.", *(f"{s[0].upper()}{s[1:]}." for s in rest)])


def _standing(design: Design) -> Iterator[str]:
    if not design.fresh:
        which = f": {'; '.join(_existed(design))}" if design.existed else ""
        known = (
            f"the gain of {_seen(design)} could be seen, and the design may have been written to fit it"
            if design.seen
            else "no gain could be seen, for none is of an arm and of its baseline, though whoever chose the arms may "
            "have known how these came out"
        )
        yield (
            f"{freshness(design)}runs that confirm it existed before this design was frozen{which}. So {known}. "
            "--replicate 1 asks the same on seeds that nobody has seen."
        )
    if design.rules.replicate:
        yield f"Replicate {design.rules.replicate}: the same design on seeds of its own."


def _seen(design: Design) -> str:
    """`b and c`, or `b and c on digits` where it was not so on every task."""
    every = len(set(design.seen.values())) == 1 and design.seen.keys() == set(design.rules.tasks)
    each = {listed(arms) if every else f"{listed(arms)} on {task}": None for task, arms in design.seen.items()}
    return "; ".join(each)


def _existed(design: Design) -> Iterator[str]:
    """Which runs there were: `a at 0.4 (10 seeds) and at 0.8 (3 seeds)`."""
    for task, arms in design.existed.items():
        for arm, values in arms.items():
            each = [f"{f'at {value} ' if value else ''}({plural(n, 'seed')})" for value, n in values.items()]
            yield f"{f'{task}, ' if task else ''}{arm} {listed(each)}"


def _estimand(design: Design) -> Iterator[str]:
    rules, what = design.rules, what_is_tuned(design)
    if rules.kind == "spread":
        yield "The spread is by how much two seeds of an arm differ, in the mean; gains are in doublings of it."
    if rules.reads:
        m, within = judged(rules), rules.within
        good = f"; a good one is no more than {amount(m, within)}{points(m)} below the best" if within else ""
        yield f"Read off one grid for all arms, seed by seed, on validation: {subject(rules)}, in doublings{good}."
    elif rules.estimand == "swap" and rules.rate == "as given":
        yield f"A swap: each arm has the {what} it was given. What tuning would make of either is not asked."
    elif rules.estimand == "swap":
        yield f"A swap: all arms have the {what} tuned for {rules.baseline}, whatever would suit them better."
    else:
        yield f"Tuned against tuned: the {what} of each arm was chosen on validation, on seeds that confirm nothing."


def _budget(design: Design) -> Iterator[str]:
    """How much each arm sees, where that differs."""
    t = design.rules.tuning
    value = t.value(0) if t is not None and design.rules.varies else None
    for task, arms in design.arms.items():
        runs = {arm: design.experiment(Cell(task, arm, value, 0, False)) for arm in arms}
        seen = {arm: run.clock.updates * run.batch_size for arm, run in runs.items()}
        if len(set(seen.values())) > 1:
            each = ", ".join(f"{arm} {samples:,}" for arm, samples in seen.items())
            yield f"{f'On {task}, b' if task else 'B'}udgets differ, as the design declares: samples a run, {each}."


def _false(design: Design) -> Iterator[str]:
    """How many verdicts are expected to be wrong."""
    rules = design.rules
    second = set(rules.contrasts) - set(rules.family)
    families = len(rules.tasks) * (2 if second else 1)
    expected = f"about {AT_MOST * families:.2g} where no arm differs from {rules.baseline}"
    what = "False verdicts of a direction that are expected"
    if rules.kind == "fraction":
        what, expected = (
            "False verdicts that are expected",
            f"at most {AT_MOST * families:.2g}, wherever the truth lies",
        )
    yield (
        f"{what}: {expected} ({families} famil"
        f"{'ies' if families > 1 else 'y'}, Holm's correction within each, {rules.looks} "
        f"look{'s' * (rules.looks > 1)}). Nothing is corrected across studies: of 20 such families, about one has one."
    )
    if second:
        yield f"Secondary, and corrected among themselves: {', '.join(a for a in rules.contrasts if a in second)}."


def _about(design: Design, task: TaskResult, c: Contrast) -> Iterator[str]:
    if c.verdict is None:
        yield from _failures(c)
        return
    yield from (said for said in c.remarks if said not in reasons(c))
    if c.paths is not None:
        yield from _paths(design, c)
    if c.tested is not None and c.tested.sd == 0 and design.rules.kind != "success":  # Newcombe's has a width
        yield "all differences are equal: an interval without width, which says nothing of other seeds"
    if reasons(c):  # neither is about what spoke against the interval
        return
    if c.agreement is not None:
        yield f"a rerun on fresh seeds would come to this verdict {_again(design, c.agreement)}"
    if c.verdict == "inconclusive":
        yield _sharper(design, task, c)
        yield from _too_few(design, c)


def _again(design: Design, agreement: Agreement) -> str:
    same, tuned = _share(agreement.same_values), _share(agreement.tuned_again)
    if not design.rules.tunes or same == tuned:
        return f"in {same} of cases"
    return f"in {same} of cases at the same {what_is_tuned(design)}s, and in {tuned} if it tunes again"


def _share(value: float) -> str:
    return "over 99%" if value > 0.99 else "under 1%" if value < 0.01 else f"{value:.0%}"


def _failures(c: Contrast) -> Iterator[str]:
    """A verdict about failures, where there is none on the metric."""
    s = c.success
    if s is not None and s.mcnemar_p is not None and s.only_first + s.only_second:
        n = s.both + s.only_first + s.only_second + s.neither
        yield (
            f"in tuning, at the best value of each, {s.only_first + s.neither} of {n} runs of the arm were "
            f"unsuccessful and {s.only_second + s.neither} of the baseline's (McNemar p = {p_value(s.mcnemar_p)})"
        )


def _paths(design: Design, c: Contrast) -> Iterator[str]:
    p, m, what = c.paths, measured(design.rules), what_is_tuned(design)
    assert p is not None
    if c.values[0] == c.values[1]:
        yield f"its {what} is the baseline's, so that the swap is all of the gain"
        return
    if p.total.mean is None:
        yield "the gain cannot be taken apart: on no seed did all four runs succeed"
        return

    def said(e: Effect) -> str:
        return amount(m, e.mean or 0.0, sign=True)

    out = f"; {plural(len(p.excluded), 'seed')} left out, with an unsuccessful run" if p.excluded else ""
    yield (
        f"of {said(p.total)}{points(m)} of {spoken(design.rules.metric)}, {said(p.swap_first[0])} come from the swap "
        f"at the baseline's {what} and {said(p.swap_first[1])} from its own {what} after that; in the other order "
        f"{said(p.retune_first[0])} from that {what} alone and {said(p.retune_first[1])} from the swap at it "
        f"({plural(p.total.n, 'seed')}{out})"
    )


def _too_few(design: Design, c: Contrast) -> Iterator[str]:
    """That the pairs of arms as they are given, whose noise nobody knew before, could not decide what is claimed."""
    rules, t, m = design.rules, c.tested, measured(design.rules)
    if rules.tunes or t is None or not t.sd:
        return
    enough = pairs_that_decide(rules, c.arm, t.sd, t.n)
    if enough != t.n:
        many = f"about {enough:,} would" if enough else f"nor would {MOST:,}"
        yield f"{plural(t.n, 'pair')} cannot decide what is claimed (sd {amount(m, t.sd)}{points(m)}): {many}"


def _sharper(design: Design, task: TaskResult, c: Contrast) -> str:
    t, what, m = c.tested, what_is_tuned(design), measured(design.rules)
    settled = "settle it" if design.rules.within_margin or design.rules.kind == "fraction" else "find it"
    if t is None or t.mean is None or not away_from_null(design.rules, c.arm, t.mean)[0] or not t.sd or t.se is None:
        return "nothing can be said of how many pairs would do"
    if c.reach and 2 * t.sd**2 / t.n < t.se**2:
        below = away_from_null(design.rules, c.arm, t.mean)[1]
        reach = c.reach[not below]
        shown = design.rules.told(reach) if design.rules.kind == "fraction" else f"{amount(m, reach)}{points(m)}"
        return (
            f"to sharpen it: most of what is not known is which {what}s are best (others may gain {shown}), which "
            "more seeds in tuning settle (tuning.seeds, tuning.more) and more pairs do not"
        )
    if c.pairs_needed is None:
        if settled == "settle it":
            return f"no number of pairs up to {MOST:,} would settle it, were the gain that was seen the true one"
        return f"no number of pairs up to {MOST:,} would find a gain as small as the one that was seen"
    looks = f" in {task.looks} looks" if task.looks > 1 else ""
    return (
        f"to sharpen it: were the gain that was seen the true one, {plural(c.pairs_needed, 'pair')} would {settled} "
        f"with {POWER:.0%} power at {percent(t.level)}; {t.n} were made{looks}"
    )
