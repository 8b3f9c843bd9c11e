"""A comparison's numbers in words: said here once, shown alike by every renderer."""

from typing import Any

from lrbench.experiment import class_name
from lrbench.plural import plural
from lrbench.report.numbers import PAST, bounds, gap, gap_within, number, overshoots, within
from lrbench.report.result import Arm, ArmDifference, Comparison, Estimate
from lrbench.stats.intervals import BCA_FROM
from lrbench.stats.paired import EXACT_UP_TO, POWER, pairs_needed

MEANING = {
    "test": "measured once, on the final weights: no run chose them by looking at it",
    "val": "that of the last evaluation on the way",
    "train": "the last one logged",
    "best": "the best evaluation of each run, and so flatters it",
}


def answer(c: Comparison) -> str | None:
    """In one line which arms are told apart from the baseline, corrected for their number; None of one arm alone. It is
    no verdict: those are a study's."""
    if len(c.arms) < 2:
        return None
    base, tested = c.arms[c.baseline].name, [p for p in c.pairs if p.holm_p is not None]
    if not tested:
        return f"Too few pairs of runs to tell any arm from {base} in {c.metric}."
    apart = [p for p in tested if p.holm_p is not None and p.holm_p <= 1 - c.level]
    pairs = sorted({p.difference.n for p in tested})
    many = f"{pairs[0]} pairs" if len(pairs) == 1 else f"{pairs[0]} to {pairs[-1]} pairs"
    look = f" A look, not evidence: {many}." * (pairs[0] < pairs_needed(c.tested))
    if not apart:
        return f"No arm is told apart from {base} in {c.metric}.{look}"
    better = [c.arms[p.arm].name for p in apart if ((p.difference.mean or 0.0) > 0) == c.higher_is_better]
    worse = [c.arms[p.arm].name for p in apart if c.arms[p.arm].name not in better]
    sides = [f"{how}: {_few(names)}" for how, names in (("better", better), ("worse", worse)) if names]
    rest = f"; {len(c.pairs) - len(apart)} not told apart" * (len(apart) < len(c.pairs))
    return f"Against {base} in {c.metric}, {'; '.join(sides)}{rest}.{look}"


def _trained(c: Comparison) -> str:
    """How many runs there are, and what became of the unsuccessful ones: they are finished, or diverged; `failed` is
    the word for a run that an error ended."""
    outcomes = [o for a in c.arms for o in a.outcomes]
    ends = [o.failure for o in outcomes if o.failure is not None]
    if not ends:
        return f"{plural(len(outcomes), 'run')}, none of them unsuccessful"
    diverged, chance = (sum(text in why for why in ends) for text in ("diverged", "no better than chance"))
    other = len(ends) - diverged - chance
    told = [(diverged, "diverged"), (chance, "no better than chance"), (other, f"without a finite {c.metric}")]
    why = ", ".join(f"{n} {word}" for n, word in told if n)
    return f"{plural(len(outcomes), 'run')}, {len(ends)} of them unsuccessful: {why}"


def finding(c: Comparison) -> str:
    """What was seen, in numbers and without a verdict."""
    runs, unsuccessful = sum(len(a.outcomes) for a in c.arms), sum(a.failures for a in c.arms)
    trained = _trained(c)
    measured = [a for a in c.arms if a.estimate.mean is not None]
    if not measured:
        arms = plural(len(c.arms), "arm")
        if unsuccessful == runs:
            return f"{arms}, {plural(runs, 'run')}, all unsuccessful: there is no {c.metric} to compare."
        return f"{arms}, {trained}: no run has a {c.metric} to compare."
    if len(measured) == 1:
        return f"{measured[0].name}: mean {c.metric} {_estimate(c, measured[0].estimate)}. {trained.capitalize()}."
    low, *_, high = sorted(measured, key=lambda a: a.estimate.mean or 0.0)
    said = (
        f"Mean {c.metric} of {plural(len(measured), 'arm')} goes from {_estimate(c, low.estimate)} for {low.name} to "
        f"{_estimate(c, high.estimate)} for {high.name} ({trained})."
    )
    base, paired = c.arms[c.baseline].name, [p for p in c.pairs if p.difference.interval is not None]
    if not paired:
        return (
            f"{said} No arm has two pairs with {base} in which both runs succeeded, so no difference has an interval."
        )
    if len(paired) == 1:
        d, arm = paired[0].difference, c.arms[paired[0].arm].name
        return (
            f"{said} On the same seeds, {arm} minus {base} is {gap(c.measured, d.mean)} ({c.level:.0%} interval "
            f"{gap_within(c.measured, d.interval)}, {d.n} pairs)."
        )
    apart = sum(
        not p.difference.interval.low <= 0 <= p.difference.interval.high
        for p in paired
        if p.difference.interval and p.difference.sd  # without a spread, the interval has no width and excludes all
    )
    stand = sum(p.holm_p is not None and p.holm_p <= 1 - c.level for p in c.pairs)
    corrected = f"; {stand or 'none'} of them {'stand' if stand > 1 else 'stands'} when corrected for all" * (apart > 0)
    return (
        f"{said} Of {plural(len(paired), 'paired difference')} from {base}, {apart or 'none'} "
        f"{'have' if apart > 1 else 'has'} a {c.level:.0%} interval without 0 ({c.expected_by_chance:.2g} expected by "
        f"chance alone){corrected}."
    )


def _estimate(c: Comparison, e: Estimate) -> str:
    if e.interval is None:
        return f"{number(c.measured, e.mean)} (one run, so no interval)"
    return f"{number(c.measured, e.mean)} ({c.level:.0%} interval {within(c.measured, e.interval)}, n = {e.n})"


def remarks(c: Comparison) -> list[str]:
    """What a reader must know before believing the tables."""
    base = c.arms[c.baseline].name
    said: dict[str, list[str]] = {}  # a remark, and the arms that it is about
    for p in c.pairs:
        for remark in _about_pair(p):
            said.setdefault(remark, []).append(c.arms[p.arm].name)
    told = [f"Against {base}, {remark}: {_few(arms)}." for remark, arms in said.items()]
    if early := [_stopped_early(a) for a in c.arms if a.stopped_early]:
        told.append(f"Stopped before their horizon (early_stop), so that budgets differ: {_few(early)}.")
    alone = [a.name for a in c.arms if a.estimate.n == 1]
    if alone:
        told.append(f"One run that succeeded, so no interval and no spread: {_few(alone)}.")
    edges = [s.name for s in c.sensitivity if s.at_edge]
    if edges:
        told.append(f"The best rate is at an end of the grid, so a better one may lie beyond: {_few(edges)}.")
    if c.sensitivity:
        told.append(
            f"The best rate is marked for {_few(s.name for s in c.sensitivity)}, chosen by {_judges(c)} among the runs "
            "that it is shown with: see below what its mean is worth."
        )
    if past := [a.name for a in c.arms if a.estimate.interval and overshoots(c.measured, a.estimate.interval)]:
        told.append(
            f"{PAST} The interval goes beyond what {c.metric} can be, {bounds(c.measured)}: Student's t is symmetric "
            "about the mean, and seeds so near to a limit are not (an overshoot: Newcombe 1998, Statistics in Medicine "
            f"17, 857-872). It is shown as computed, not cut; more seeds are the cure: {_few(past)}."
        )
    if c.uncommitted:
        told.append(
            f"{plural(len(c.uncommitted), 'run')} of evidence that is not committed yet: {_few(c.uncommitted)}."
        )
    left = sorted({x.why for x in c.left_out})
    return told + [f"Left out ({why}): {_few(x.run_id for x in c.left_out if x.why == why)}." for why in left]


def _stopped_early(arm: Arm) -> str:
    low, high = min(arm.stopped_early), max(arm.stopped_early)
    updates = f"{low}" if low == high else f"{low} to {high}"
    return f"{len(arm.stopped_early)} of {len(arm.outcomes)} runs of {arm.name}, after {updates} updates"


def _about_pair(p: ArmDifference) -> list[str]:
    """In what the pairs of an arm are not simply all its seeds."""
    said = []
    alone = [(p.only_arm, "the arm"), (p.only_baseline, "the baseline")]
    if lacking := [f"{_seeds(seeds)} of {whose} alone" for seeds, whose in alone if seeds]:
        common = sorted([*p.seeds, *(s for seeds in p.refused.values() for s in seeds)])
        said.append(f"pairs are formed from the seeds in common ({_seeds(common)}; {', '.join(lacking)})")
    said += [f"{_seeds(seeds)} not paired, for {why} differ" for why, seeds in p.refused.items()]
    if p.excluded:
        said.append(f"{p.difference.n} of {len(p.seeds)} pairs make the difference, a run of the others unsuccessful")
    if p.difference.sd == 0:
        said.append(
            f"all {p.difference.n} differences are equal: an interval without width, which says nothing of other seeds"
        )
    return said


def _seeds(seeds: list[int]) -> str:
    return f"seed{'' if len(seeds) == 1 else 's'} {_few(map(str, seeds))}" if seeds else "no seed"


def _few(words: Any, most: int = 6) -> str:
    words = list(words)
    rest = f" and {len(words) - most} more" if len(words) > most else ""
    return ", ".join(words[:most]) + rest


def marked(c: Comparison) -> str:
    """What to make of the best rates."""
    if _judges(c) == c.metric:
        return (
            f"The best rate is marked by {c.metric} itself, those with an unsuccessful run after the others; the mean "
            "and interval of a best rate are those of a winner, and so flatter it. A rate to be used is chosen on "
            "validation (--metric) and measured again on fresh seeds."
        )
    return (
        f"The best rate is marked by {_judges(c)}, not by {c.metric}, those with an unsuccessful run after the others. "
        "The runs are the same, though, and one that was lucky on validation may be so on test: the mean and interval "
        "of a best rate may still flatter it. A rate to be used is measured again on fresh seeds."
    )


def _judges(c: Comparison) -> str:
    return c.sensitivity[0].chosen_by


def family(c: Comparison) -> str:
    """What the number of paired differences does to what may be concluded from them."""
    alpha, tested = f"{1 - c.level:.0%}", plural(c.tested, "paired difference")
    return (
        f"{tested} tested: if no arm differs from the baseline, {c.expected_by_chance:.2g} are expected to have a "
        f"{c.level:.0%} interval without 0 by chance alone. The Holm p is the paired t test's, corrected for all of "
        f"them (Holm 1979, Scandinavian Journal of Statistics 6, 65-70): where those of at most {alpha} are taken for "
        f"real, the chance of even one that is not is at most {alpha}, also if an arm is picked for its mean. Baseline "
        "and metric must have been chosen beforehand. "
        f"Fewer than {pairs_needed(c.tested)} pairs are a look, not evidence."
    )


def reading(c: Comparison) -> list[str]:
    """How the numbers were made."""
    kind = MEANING.get(c.metric.partition("/")[0], "as the run's summary has it")
    return [
        f"{c.metric} is {kind}; {'higher' if c.higher_is_better else 'lower'} is better. A run is successful if "
        f"{c.criterion}, else unsuccessful. Means, spreads and differences are over the successful runs; the others "
        "are counted beside them.",
        f"Intervals are {c.level:.0%}: Student's t of a mean and of paired differences, Wilson's of a success rate, "
        f"Newcombe's (for pairs) of a difference of two rates; BCa bootstrap from {BCA_FROM} pairs.",
        "A pair is two runs of one seed: where both arms have the same model, data, batch size and start, the same "
        "initial weights, batches and noise. The sign-flip p is "
        f"two-sided and exact (drawn at random beyond {EXACT_UP_TO} pairs); with n pairs it cannot be below 2/2^n. "
        "McNemar's p is exact.",
        f"The detectable effect is the true difference that a test at this n and spread finds in {POWER:.0%} of cases.",
        "Each interval stands by itself, uncorrected. Student's t assumes normal values: of skewed differences "
        "(exponential, 3 to 10 pairs, simulated) its 95% intervals hold the truth in 88% to 90%. The lowest and the "
        "highest of many means lie further apart than the truth.",
        "Arms are compared as configured; a rate tuned for one may not suit another.",
        "Where the data set redraws its test split with the seed, the spread includes that; where the test set is "
        "fixed, everything here is conditional on that test set.",
    ]


def unsealed(c: Comparison) -> str:
    """Of how many records nobody can tell whether they are what they were; nothing of none."""
    if not c.unsealed:
        return ""
    runs = sum(len(a.outcomes) for a in c.arms)
    return (
        f"{c.unsealed} of {plural(runs, 'run')} not sealed: recorded before records were, so that nobody can tell "
        "whether their files are what they were."
    )


def commands(c: Comparison) -> list[str]:
    return [a.command or f"# arm {a.arm_id}: its command was not recorded" for a in c.arms]


def setting(c: Comparison) -> str:
    """What all arms share, in a few words."""
    parts = [f"{part}.target" for part in ("model", "data", "optimizer", "scheduler")]
    shown = [class_name(str(c.shared[key])) for key in parts if key in c.shared]
    numbers = {"lr": "optimizer.lr", "warmup": "warmup.length", "horizon": "horizon", "batch": "batch_size"}
    return ", ".join([*shown, *(f"{said} {c.shared[key]}" for said, key in numbers.items() if key in c.shared)])
