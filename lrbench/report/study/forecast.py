"""What a study will ask for before it has an answer, and what it can find: `lrbench compare ... --dry-run`."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from lrbench.errors import ConfigError
from lrbench.plural import plural
from lrbench.report.study.gains import shown
from lrbench.stats.power import success_probabilities, verdict_probabilities
from lrbench.stats.verdict import VERDICTS, ClaimedEffect, Verdict
from lrbench.study.design import Design
from lrbench.study.rules import Read, Rules
from lrbench.study.size import gains_of_claim, pairs_to_find
from lrbench.study.store import VERDICT
from lrbench.sweep.plan import Plan, duration

IN_SD = (0.0, 0.25, 0.5, 1.0, 2.0)  # true gains that are looked at where no noise is known
IN_RATES = (0.0, 0.1, 0.2, 0.3, 0.5)  # and true differences of rates of success
BETTER = 0.95  # the higher of two rates of success, where it is not known


@dataclass(frozen=True)
class Noise:
    """sd of the differences between two arms, in the metric's unit, and the study that it was seen in. reach: of the
    choice of values, below and above; None where none was made there."""

    sd: float
    source: str
    reach: tuple[float, float] | None = None


def noise_of(folder: Path, rules: Rules) -> Noise:
    """Of the study there, the largest of its contrasts. Raises ConfigError for one without a result, and for one whose
    differences are of something else: logarithms, readings of grids, rates of success."""
    try:
        plain = json.loads((folder / VERDICT).read_text())
        tested = [c for task in plain["tasks"] for c in task["contrasts"] if c["tested"] is not None]
        sd = max(c["tested"]["sd"] for c in tested if c["tested"]["sd"] is not None)
        reaches = [c["reach"] for c in tested if c.get("reach") is not None]
        reach = (max(r[0] for r in reaches), max(r[1] for r in reaches)) if reaches else None
        kind, found = plain["rules"]["kind"], Noise(sd, folder.name, reach)
    except (OSError, ValueError, KeyError, TypeError) as error:
        why = f"no study of this name has a result with a contrast in it ({type(error).__name__})"
        raise ConfigError("--noise", folder.name, why, f"give one of those under {folder.parent}") from error
    own = ("fraction", "success", "spread", *get_args(Read))  # what their differences are of
    if kind != rules.kind and (kind in own or rules.kind in own):
        why = f"its differences are those of a question about '{kind}', and this one is about '{rules.kind}'"
        raise ConfigError("--noise", folder.name, why, "give a study of the same kind")
    return found


def stages(rules: Rules) -> Iterator[tuple[str, int]]:
    """Each stage and its runs; those of a grid that has to grow come on top."""
    arms, t, tasks = len(rules.tuned_arms), rules.tuning, len(rules.tasks)
    if t is not None and rules.reads:
        pairs = rules.pairs or rules.least_pairs
        for name in (rules.kind, "as many again, if a verdict is inconclusive")[: rules.looks]:
            yield (
                f"{name}, {plural(t.points, 'value')} on {plural(pairs, 'seed')}",
                tasks * len(rules.arms) * t.points * pairs,
            )
        return
    if t is not None and rules.tunes:
        yield f"tuning, {plural(t.points, 'value')} on {plural(t.seeds, 'seed')}", tasks * arms * t.points * t.seeds
        yield f"tuning, the best {t.best} on {t.more} more", tasks * arms * min(t.best, t.points) * t.more
    cells = 1 + len(rules.contrasts) * (3 if rules.estimand == "both" else 1)
    pairs = rules.pairs or rules.least_pairs
    least, second = ("", "as many") if rules.pairs else (" or more", "as many or more")
    yield f"confirmation, {plural(pairs, 'pair')}{least}", tasks * cells * pairs
    if rules.looks == 2:
        yield f"{second} again, if a verdict is inconclusive", tasks * cells * pairs


def forecast(design: Design, plan: Plan | None, workers: int, noise: Noise | None) -> str:
    """In words. plan: what is to be trained next, of which the cost of a run is known; None where nothing is."""
    rules, told = design.rules, list(stages(design.rules))
    width = max(len(name) for name, _ in told)
    lines = [f"{design.name}: {' against '.join(rules.arms)}, on {rules.metric} (design {design.hash})", ""]
    lines += [f"  {name:{width}} {runs:6} runs" for name, runs in told]
    if rules.tunes and rules.tuning is not None:
        per_value = len(rules.tasks) * len(rules.tuned_arms) * rules.tuning.seeds
        lines.append(f"  each value that the grid grows by (to {rules.tuning.at_most}): {per_value} runs more")
    total = sum(runs for _, runs in told)
    lines += ["", *_cost(plan, total, workers), "", *_verdicts(rules, noise)]
    return "\n".join(lines)


def _cost(plan: Plan | None, total: int, workers: int) -> list[str]:
    if plan is None:
        return ["Every run that it needs is done; the same command without --dry-run tells its result."]
    lines = [f"next     {plan.headline()}"]
    seconds, known, unknown, _ = plan.cost
    if not known:
        return (
            [*lines, "cost     unknown: no record and no row has the same model, data and batch size"]
            if unknown
            else lines
        )
    each = seconds / known
    whole = f"{duration(each * total / workers)} with {plural(workers, 'worker')} for all {total} runs"
    return [*lines, f"cost     about {duration(each)} a run, {whole}"]


def _verdicts(rules: Rules, noise: Noise | None) -> Iterator[str]:
    """How often a contrast comes to each verdict, for a few true gains, at the first look and Holm's strictest step."""
    if rules.kind == "success":
        yield from _of_success(rules)
        return
    sized = any(c.ranged or c.margin is not None for c in rules.claims.values())
    if noise is None and (sized or rules.kind != "difference" or rules.detect is not None):
        yield "What can be found depends on the noise: --noise STUDY takes that of a study that is done."
        return
    sd, unit = (1.0, "sd") if noise is None else (noise.sd, "")
    chooses = rules.tunes and rules.estimand != "swap"
    reach = (noise and chooses and noise.reach) or (0.0, 0.0)
    try:
        pairs = rules.pairs or pairs_to_find(rules, sd, max(reach) if rules.kind == "fraction" else reach[0])
    except ValueError:
        yield f"No number of pairs finds {rules.told(rules.to_find or 0.0)} with the noise of {noise and noise.source}."
        return
    source = (
        "in multiples of the differences' sd" if noise is None else f"with the noise of {noise.source}, sd {sd:.3g}"
    )
    yield f"How often {plural(pairs, 'pair')} come to each verdict, {source}:"
    yield from _tables(
        rules,
        unit,
        lambda claim: gains_of_claim(rules, claim) or [g * sd for g in IN_SD],
        lambda claim, g: verdict_probabilities(rules.rule, claim, g, sd, pairs, rules.alpha, len(rules.family), reach),
    )
    if chooses and any(reach):
        most = rules.told(max(reach))
        yield f"\nThis counts what the choice of values adds to an interval, as it was in that study: up to {most}."
    elif chooses:
        yield (
            "\nThis does not count what the choice of values adds to an interval, which tuning tells; with it fewer "
            "studies come to a verdict."
        )


def _of_success(rules: Rules) -> Iterator[str]:
    """Of rates of success nothing has to be known but themselves."""
    pairs = rules.pairs or rules.least_pairs

    def probabilities(claim: ClaimedEffect, gain: float) -> Mapping[Verdict, float]:
        better = max(BETTER, gain)
        return success_probabilities(claim, better - gain, better, pairs, rules.alpha, len(rules.family))

    yield (
        f"How often {plural(pairs, 'pair')} come to each verdict, where the better arm succeeds in {BETTER:.0%} of its "
        "runs and the two runs of a pair succeed independently:"
    )
    yield from _tables(rules, "", lambda claim: gains_of_claim(rules, claim) or list(IN_RATES), probabilities)


def _tables(
    rules: Rules,
    unit: str,
    gains_of: Callable[[ClaimedEffect], Sequence[float]],
    probabilities: Callable[[ClaimedEffect, float], Mapping[Verdict, float]],
) -> Iterator[str]:
    """A table for the arms of which the same is claimed."""
    claimed: dict[ClaimedEffect, list[str]] = {}
    for arm in rules.contrasts:
        claimed.setdefault(rules.claim(arm), []).append(arm)
    for claim, arms in claimed.items():
        if len(claimed) > 1:
            yield f"\n{', '.join(arms)}:"
        gains = gains_of(claim)
        yield _table(rules, gains, unit, [probabilities(claim, gain) for gain in gains])


def _table(rules: Rules, gains: Sequence[float], unit: str, found: Sequence[Mapping[Verdict, float]]) -> str:
    names = [name for name in VERDICTS if any(f[name] >= 0.005 for f in found)]
    rows = [
        [f"{shown(rules, gain):.3g} {unit}".strip(), *(f"{f[n]:.0%}" for n in names)]
        for gain, f in zip(gains, found, strict=True)
    ]
    return aligned([[f"true {'fraction' if rules.kind == 'fraction' else 'gain'}", *names], *rows])


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Columns of one width, to the right, two spaces apart."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  " + "  ".join(c.rjust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows)
