"""How a study was made, and how to make it again: the rules in words."""

from lrbench.report.study.gains import claimed, gained, margin, spoken, subject
from lrbench.report.study.words import at, what_is_tuned
from lrbench.report.words import MEANING
from lrbench.stats.intervals import LEVEL
from lrbench.study.design import Design
from lrbench.study.result import Result
from lrbench.study.rules import Rules


def rules_in_words(design: Design, result: Result) -> list[str]:
    """What was fixed before any run, and what each number is."""
    rules = design.rules
    seen = rules.judge if rules.reads else rules.metric
    meaning = MEANING.get(seen.partition("/")[0], "as the run's summary has it")
    told = [
        f"Design {design.hash}, {_frozen(design)}: "
        f"{', '.join(a for a in rules.contrasts)} against {rules.baseline}, {at(design)}.",
        f"{spoken(seen)} is {meaning}; {'higher' if rules.higher else 'lower'} is better. {_gain(rules)} on "
        "the same seed.",
        *_claims(rules),
    ]
    if rules.tunes:
        told += _tuning(design)
    if rules.reads:
        told += _reading(design)
    pairs = {t.size.pairs for t in result.tasks}
    whys = {t.task: t.size.why for t in result.tasks}
    why = "; ".join(f"{t}: {why}" for t, why in whys.items()) if len(set(whys.values())) > 1 else whys.popitem()[1]
    many = " or ".join(str(p) for p in sorted(p for p in pairs if p)) or "no"
    if rules.looks == 1:
        told.append(f"{many} pairs ({why}), one look, alpha {rules.alpha:g}.")
    else:
        told.append(
            f"{many} pairs a look ({why}), {rules.looks} looks at most, alpha {rules.alpha:g} each; the second doubles "
            "the pairs of every arm if a primary verdict of the first is inconclusive."
        )
    return [*told, _seeds(rules), *_method(rules)]


def _frozen(design: Design) -> str:
    if design.fresh:
        return "frozen before the runs that confirm it"
    return "frozen after runs that confirm it" if design.seen else "frozen after runs of one side of what it compares"


def _gain(rules: Rules) -> str:
    if rules.kind == "fraction":
        return "A fraction is the arm's value over the baseline's"
    if rules.in_doublings:
        return f"A gain is above 0 where {subject(rules)} is more of the arm than of the baseline"
    better = "alone succeeds" if rules.kind == "success" else "is better than the baseline"
    return f"A gain is above 0 where the arm {better}"


def _claims(rules: Rules) -> list[str]:
    m, said = gained(rules), []
    for arm in rules.contrasts:
        claim = rules.claim(arm)
        what = "fraction" if rules.kind == "fraction" else "gain"
        size = [f"a {what} of {claimed(m, claim)}"] if claim.sized or rules.kind == "fraction" else []
        same = [f"a margin of {margin(m, claim)}"] if claim.margin is not None else []
        if size or same:
            said.append(f"Of {arm}, {' with '.join(size + same)} was declared; the question is '{rules.kind}'.")
    return said


def _tuning(design: Design) -> list[str]:
    t, what, rules = design.rules.tuning, what_is_tuned(design), design.rules
    assert t is not None
    return [
        f"{what.capitalize()}s {t.first:g} x {t.factor:g}^k, {t.points} at first and {t.at_most} at most, the same for "
        f"{', '.join(rules.tuned_arms)}: {t.seeds} seeds at each, {t.more} more at the best {t.best}, chosen by the "
        f"mean {spoken(rules.judge)}; values with unsuccessful runs come last, ties go to the lower. The grid grows "
        "until each best value has a worse one on both sides.",
        "Sensitivity is how much worse a value of the grid is than the best one, in the mean over the grid (after "
        "Wortsman et al. 2023, Small-scale proxies, section 2); best of k is the best of k values of the grid drawn "
        "without replacement, in expectation (Dodge et al. 2019, EMNLP; Tang et al. 2020, ACL). In both an "
        "unsuccessful run counts as guessing. Stable is the unbroken range around the best value that loses no more "
        "than the margin, or two standard errors of the best where there is no margin.",
    ]


def _reading(design: Design) -> list[str]:
    t, what, rules = design.rules.tuning, what_is_tuned(design), design.rules
    assert t is not None
    how = {
        "threshold": "the highest that succeeds",
        "optimum": f"the peak of the parabola through the best by {spoken(rules.judge)} and its neighbours",
        "width": f"from the lowest to the highest of those around the best by {spoken(rules.judge)} that are good",
    }
    return [
        f"{what.capitalize()}s {t.first:g} x {t.factor:g}^k, {t.points} at first and {t.at_most} at most, the same for "
        f"all arms and seeds; of each seed {how[rules.kind]}, as a logarithm to base 2. The grid grows until no seed's "
        "lies at its end; seeds of which it still does are left out, with their pairs."
    ]


def _seeds(rules: Rules) -> str:
    first = {role: rules.seeds(role, 1)[0] for role in ("tuning", "confirmation", "second look")}
    told = ", ".join(f"{role} from {seed}" for role, seed in first.items() if rules.tunes or role != "tuning")
    return f"Seeds, the same in every study and for every arm: {told}."


def _method(rules: Rules) -> list[str]:
    chosen = rules.of_metric and rules.tunes and rules.estimand != "swap"
    choice = (
        ", reaching as far as other values of the grid may be better than the chosen ones (Hsu 1984, Annals of "
        "Statistics 12, 1136-1144; combined as by Zou and Donner 2008, Statistics in Medicine 27)"
    ) * chosen
    if rules.kind == "success":
        return [
            "A gain is the difference of two rates of success, with Newcombe's interval for pairs (1998, Statistics in "
            "Medicine 17, 2635-2650), at 1 - alpha / (m - k + 1) for the k-th step of Holm (1979, Scandinavian Journal "
            "of Statistics 6, 65-70). Where McNemar's exact test at the same alpha disagrees, the verdict is "
            "inconclusive. A run succeeds that ends with finite numbers and, where that is known, better than chance.",
            "Means are over the runs that succeeded.",
        ]
    of = "paired differences"
    if rules.kind == "fraction":
        of = (
            "differences of logarithms, so that the fraction is the geometric mean of the pairs' (Keene 1995, "
            "Statistics in Medicine 14, 811-819), held against each end of the claimed range"
        )
    if rules.kind == "spread":
        of = (
            "jackknife's pseudo-values of the logarithm to base 2 of the ratio of Gini's mean differences (Arvesen "
            "1969, Annals of Mathematical Statistics 40, 2076-2100)"
        )
    return [
        f"The interval is Student's t of the {of}{choice}, at 1 - alpha / (m - k + 1) for the k-th step "
        "of Holm (1979, Scandinavian Journal of Statistics 6, 65-70). Where the exact sign-flip test at the same alpha "
        "disagrees, or McNemar's exact test finds that unsuccessful runs differ, the verdict is inconclusive. "
        "Equivalence is by two one-sided tests (Schuirmann 1987), a family of its own.",
        f"Means are over the runs that succeeded, gains over pairs where both did; a path's intervals are {LEVEL:.0%} "
        "and uncorrected, and so are Newcombe's of the difference of two rates of success.",
        "Where the data set redraws its test split with the seed, the spread includes that; where the test set is "
        "fixed, everything here is conditional on that test set.",
    ]


def again(design: Design) -> list[str]:
    """Commands: the same study, and the same question on other seeds."""
    r = design.rules.replicate
    name = design.name.removesuffix(f"-replicate-{r}") if r else design.name
    more = f" --replicate {r}" if r else ""
    return [
        f"lrbench compare {name}{more}  # goes on from what is there, or reads the answer again",
        f"lrbench compare {name} --replicate {r + 1}  # the same question on other seeds",
    ]
