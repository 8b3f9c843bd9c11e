"""A study's verdict in a sentence that a person would say: one for each contrast, and one for the whole."""

from collections.abc import Iterable, Sequence

from lrbench.metrics import Metric
from lrbench.plural import plural
from lrbench.report.numbers import number, within
from lrbench.report.study.gains import (
    FRACTION,
    amount,
    between,
    claimed,
    gained,
    margin,
    percent,
    points,
    shown,
    shown_interval,
    sized,
    spoken,
    subject,
)
from lrbench.stats.intervals import ConfidenceInterval
from lrbench.study.design import Design
from lrbench.study.result import DEPENDS, Contrast, Result, TaskResult
from lrbench.study.rules import Rules

NO_VERDICT = "no verdict"
RATE = "optimizer.lr"
NOT_FRESH, NOT_WHOLLY = "Exploratory, not fresh", "Not wholly fresh"


def what_is_tuned(design: Design) -> str:
    """The tuned key in a word."""
    first = (design.rules.tuning.key,) if design.rules.tuning else ()
    keys = set(design.keys.values()) or set(first)
    return "rate" if keys <= {RATE} else next(iter(keys)) if len(keys) == 1 else "value"


def at(design: Design) -> str:
    """At which values the arms are compared: the estimand, named."""
    what, rules = what_is_tuned(design), design.rules
    if rules.reads:
        return "one grid for both"
    if rules.estimand != "swap":
        return f"each at its own tuned {what}"
    return f"both at the {what} tuned for {rules.baseline}" if rules.rate == "baseline tuned" else "both as given"


def title(design: Design) -> str:
    """The question; else what is compared."""
    return design.question or f"{listed(design.rules.contrasts)} against {design.rules.baseline}"


def freshness(design: Design) -> str:
    """What stands before a verdict on runs of which some were there before their design: a gain that could be seen is
    no confirmation; one that could on some of the tasks, or runs of one side alone, are less than that."""
    return "" if design.fresh else f"{NOT_FRESH if len(design.seen) == len(design.rules.tasks) else NOT_WHOLLY}: "


def headline(design: Design, result: Result) -> str:
    """The whole study's verdict in one sentence."""
    before = freshness(design)
    contrasts = [(t, c) for t in result.tasks for c in t.contrasts]
    if len(contrasts) == 1:
        return before + sentence(design, *contrasts[0])
    rules, by_verdict = design.rules, dict[str, list[str]]()
    for arm in rules.contrasts:
        by_verdict.setdefault(_in_common(result, arm), []).append(arm)
    found = "; ".join(f"{listed(arms)}: {verdict}" for verdict, arms in by_verdict.items())
    on = f" on {len(result.tasks)} tasks" if len(result.tasks) > 1 else ""
    return f"{before}In {subject(rules)} against {rules.baseline}, {at(design)}{on}: {found}."


def _in_common(result: Result, arm: str) -> str:
    """An arm's verdict, or those of its tasks where they have none in common."""
    common = result.headline(arm)
    if common != DEPENDS:
        return common
    each = ((c.verdict or NO_VERDICT, t.task) for t in result.tasks for c in t.contrasts if c.arm == arm)
    return f"{DEPENDS} ({', '.join(f'{verdict} on {task}' for verdict, task in each)})"


def sentence(design: Design, task: TaskResult, c: Contrast) -> str:
    """One contrast's verdict."""
    on = f"On {task.task}, " if task.task else ""
    if c.verdict is None:
        return f"{on}{_none(design.rules, task, c)}"
    said = _effect(design, c)
    if not (on or said.startswith((c.arm, design.rules.baseline))):  # an arm keeps its name
        said = said[0].upper() + said[1:]
    return f"{on}{said}: {_concluded(design.rules, c)}."


def unsuccessful(rules: Rules) -> str:
    """What a table of verdicts counts in its column of this name; nothing where it has none or counts others."""
    if rules.kind == "success" or rules.reads:
        return ""
    return "A run is unsuccessful that ends without finite numbers or, where that is known, no better than chance."


def _none(rules: Rules, task: TaskResult, c: Contrast) -> str:
    """Why there is no verdict."""
    said = f"{c.arm} has no verdict against {rules.baseline}"
    why = list(c.remarks)
    if not task.size.enough:
        pairs = task.size.pairs or 0
        many = f"it would take {plural(pairs, 'pair')}, and the design allows {rules.most_pairs} ({task.size.why})"
        why.append(many if pairs > rules.most_pairs else task.size.why)
    return f"{said}, for {'; '.join(why)}." if why else f"{said}."


def _effect(design: Design, c: Contrast) -> str:
    """What was seen, in the direction in which it went."""
    rules, t, m = design.rules, c.tested, gained(design.rules)
    arm, base, metric = c.arm, rules.baseline, spoken(rules.metric)
    assert t is not None
    if t.mean is None and rules.kind == "spread" and any(p.whole for p in c.pairs):
        return f"{arm}'s results or those of {base} hardly differ from seed to seed, so that no ratio tells of them"
    if t.mean is None:
        return f"{arm} and {base} both succeeded in none of {plural(len(c.pairs), 'pair')}"
    up = t.mean >= 0
    size = f"{amount(m, abs(t.mean))}{points(m)}"
    said = f"({_interval(rules, c, up)}, {plural(t.n, 'pair')}, {at(design)})"
    if rules.kind == "success":
        return _success(m, c, base, said)
    if rules.kind == "fraction":
        return f"{arm}'s {metric} is {number(m, shown(rules, t.mean))} of {base}'s {said}"
    if rules.in_doublings:
        return _doubled(rules, c, said)
    if rules.within_margin:
        return f"{_kind(rules, m, c)}, at a mean {'gain' if up else 'loss'} of {size} of {metric} {said}"
    if c.verdict == "inconclusive":
        side = "above" if up == rules.higher else "below"
        doubt = "" if reasons(c) else ", which may be chance"
        return f"{arm}'s {metric} came out {size} {side} {base}'s {said}{doubt}"
    if c.verdict == "practically null":
        return f"{arm} and {base} differ in {metric} by less than {margin(m, c.claim)} {said}"
    if rules.higher:
        return f"{arm} {'gains' if up else 'loses'} {size} of {metric} {'over' if up else 'to'} {base} {said}"
    return f"{arm} {'lowers' if up else 'raises'} {metric} by {size} against {base} {said}"


def _success(m: Metric, c: Contrast, base: str, said: str) -> str:
    """What the verdict says of two rates of success."""
    assert c.tested is not None
    gain = c.tested.mean or 0.0  # of pairs, of which none is left out
    if c.verdict == "practically null":
        return f"the rates of success of {c.arm} and {base} differ by less than {margin(m, c.claim)} {said}"
    size = f"{amount(m, abs(gain))}{points(m)}"
    doubt = ", which may be chance" if c.verdict == "inconclusive" and not reasons(c) else ""
    more = "more" if gain >= 0 else "less"
    return f"{c.arm} succeeded {size} {more} often than {base} {said}{doubt}"


def _doubled(rules: Rules, c: Contrast, said: str) -> str:
    """What the verdict says of a number that is told in doublings: read off each seed's grid, or a spread."""
    assert c.tested is not None
    mean, what, m = c.tested.mean or 0.0, subject(rules), gained(rules)
    if c.verdict == "practically null":
        return f"{what} differs between {c.arm} and {rules.baseline} by less than {margin(m, c.claim)} {said}"
    doubt = ", which may be chance" if c.verdict == "inconclusive" and not reasons(c) else ""
    size = f"{sized(m, abs(mean))} {'more' if mean >= 0 else 'less'}"
    return f"{what} is {size} for {c.arm} than for {rules.baseline} {said}{doubt}"


def _kind(rules: Rules, m: Metric, c: Contrast) -> str:
    """What the verdict says of a question about a margin."""
    arm, base, near, verdict = c.arm, rules.baseline, margin(m, c.claim), c.verdict
    if rules.kind == "no worse":
        if verdict == "inconclusive":
            return f"whether {arm} is worse than {base} by {near} or more stays open"
        return f"{arm} is {'not ' * (verdict == 'supported')}worse than {base} by {near} or more"
    if verdict == "inconclusive":
        return f"whether {arm} and {base} are equal within {near} stays open"
    return f"{arm} and {base} are equal within {near}" if verdict == "supported" else f"{arm} and {base} differ by " \
        f"more than {near}"  # fmt: skip


def read(rules: Rules, c: Contrast) -> tuple[float, ConfidenceInterval | None]:
    """The interval that the verdict was read from, and its level: the equivalence's for what is null or equal."""
    assert c.tested is not None
    t, equal = c.tested, c.verdict == "practically null" or (rules.kind == "equal" and c.verdict == "supported")
    return (t.equivalence_level, t.equivalence) if equal else (t.level, t.interval)


def _interval(rules: Rules, c: Contrast, up: bool) -> str:
    level, interval = read(rules, c)
    if interval is None:
        return "no interval"
    if rules.kind == "fraction":
        return f"{percent(level)} interval {within(FRACTION, shown_interval(rules, interval))}"
    seen = interval if up else ConfidenceInterval(-interval.high, -interval.low)
    return f"{percent(level)} interval {between(gained(rules), seen)}"


def _concluded(rules: Rules, c: Contrast) -> str:
    """The verdict, with what it is held against."""
    m, verdict = gained(rules), str(c.verdict)
    if verdict == "inconclusive" and (why := reasons(c)):
        return f"{verdict}, for {'; '.join(why)}"
    if rules.kind != "fraction" and (not c.claim.sized or verdict in ("inconclusive", "practically null")):
        return verdict
    size = claimed(m, c.claim)
    if verdict == "direction supported, size unresolved":
        return f"the direction is supported, the claimed size ({size}) is unresolved"
    if verdict in ("larger than claimed", "smaller than claimed"):
        return f"{verdict} ({size})"
    return f"{verdict} (claimed: {size})"


def reasons(c: Contrast) -> Sequence[str]:
    """Why a verdict is inconclusive in spite of its interval: the remarks beside that on excluded pairs."""
    excluded = c.tested is not None and len(c.pairs) > c.tested.n
    return c.remarks[int(excluded) :]


def listed(words: Iterable[str]) -> str:
    """a, b and c."""
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last
