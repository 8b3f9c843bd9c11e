"""`compare(runs) -> Comparison`: arms, paired differences, curves, sensitivity, provenance. Reads, never writes."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from lrbench.errors import ConfigError, did_you_mean
from lrbench.experiment.identity import arm_id
from lrbench.metrics import Metric, metric_of
from lrbench.report.commands import command_of
from lrbench.report.curves import metric_curve, rate_curves
from lrbench.report.naming import differing, flat, names, shared, without_rate
from lrbench.report.result import (
    Arm,
    ArmDifference,
    Comparison,
    Environment,
    Estimate,
    LeftOut,
    MetricCurve,
    SeedResult,
    Sensitivity,
)
from lrbench.stats.intervals import LEVEL, t_interval, wilson
from lrbench.stats.paired import difference, holm, success
from lrbench.store.run import Run, Unread
from lrbench.study.runs import MARGIN, declared_by, environments, failure, metrics_of, why_no_result, why_not_paired

DEFAULT_METRICS = ("test/accuracy", "test/loss")
DRAWN = ("train/loss", "val/")  # the curves that are shown, by the beginning of their names


def compare(
    found: Sequence[Run | Unread],
    name: str = "runs",
    metric: str | None = None,
    baseline: str | None = None,
    higher: bool | None = None,
) -> Comparison:
    """Compare the arms of some runs, in the order in which they are given; from records or from evidence is the same.

    metric: a name in the runs' summaries (default: test/accuracy, else test/loss). baseline: an arm's name, or words of
    it, or the beginning of its id or of one of its runs' (default: the first arm). higher: whether more of the metric
    is better (default: as the runs declare it, else as its name tells). Raises ConfigError for a metric that no run has
    or whose direction is not known, a baseline that is no arm, and for nothing to compare.
    """
    runs, left_out = _sorted_out(found)
    metric = _chosen_metric(runs, metric, left_out)
    declared = declared_by(runs)
    higher = _direction(metric, declared) if higher is None else higher
    left_out += [LeftOut(r.run_id, f"it has no {metric}") for r in runs if not _has(r, metric)]
    kept, grouped = [run for run in runs if _has(run, metric)], dict[str, list[Run]]()
    for run in kept:
        grouped.setdefault(run.arm, []).append(run)
    arms = [sorted(g, key=lambda r: r.seed) for g in grouped.values()]
    flats = [flat(a[0].experiment) for a in arms]
    called = names([a[0].experiment for a in arms])
    base = _chosen_baseline(arms, called, baseline)
    differ = differing(flats)
    good = [[r for r in a if failure(r, metric) is None] for a in arms]
    told = [_arm(a, n, d, metric) for a, n, d in zip(arms, called, differ, strict=True)]
    return Comparison(
        name=name,
        metric=metric,
        higher_is_better=higher,
        level=LEVEL,
        criterion=f"it finished with a finite {metric} and is, in every metric between two bounds whose chance level "
        f"is declared, above that by {MARGIN:.0%} of the way to the best",
        declared=declared,
        shared=shared(flats),
        arms=tuple(told),
        baseline=base,
        pairs=_pairs(arms, base, metric),
        curves=_curves(good),
        rates=tuple(c for i, a in enumerate(good) for c in rate_curves(i, a)),
        sensitivity=tuple(_sensitivity(arms, told, metric, higher)),
        environments=_environments([r for a in arms for r in a]),
        left_out=tuple(left_out),
        uncommitted=tuple(r.run_id for a in arms for r in a if r.row is not None and not r.row.committed),
        unsealed=sum(run.unsealed() for run in kept),
    )


def _sorted_out(found: Sequence[Run | Unread]) -> tuple[list[Run], list[LeftOut]]:
    """Each run once, and those that are no result."""
    once = {r.run_id: r for r in reversed(found)}
    ordered = [once[k] for k in dict.fromkeys(r.run_id for r in found)]
    left_out = [LeftOut(r.run_id, why) for r in ordered if (why := why_no_result(r)) is not None]
    return [r for r in ordered if isinstance(r, Run) and why_no_result(r) is None], left_out


def _has(run: Run, metric: str) -> bool:
    """A diverged run has no final metric, and counts all the same."""
    return run.standing == "diverged" or metric in run.summary


def _chosen_metric(runs: Sequence[Run], metric: str | None, left_out: Sequence[LeftOut]) -> str:
    known = list(dict.fromkeys(m for r in runs for m in metrics_of(r)))
    if not runs:
        standings = Counter(x.why.partition(":")[0] for x in left_out)
        told = ", ".join(f"{n} {why}" for why, n in sorted(standings.items())) or "no run is selected"
        why = f"none of the runs is finished or diverged ({told})"
        raise ConfigError("nothing to compare", "", why, "train them first")
    if metric is None:
        metric = next((m for m in DEFAULT_METRICS if m in known), None)
    if metric is None:
        why, cure = f"no run has {' or '.join(DEFAULT_METRICS)}", f"choose one of {_listed(known)}"
        if all(r.standing == "diverged" for r in runs):
            why = f"all of the runs diverged, so that {why}"
        raise ConfigError("--metric", "", why, cure)
    if metric not in known:
        raise ConfigError("--metric", metric, f"no run has it.{did_you_mean(metric, known)}")
    return metric


def _direction(metric: str, declared: Mapping[str, Metric]) -> bool:
    """Whether more of it is better."""
    higher = metric_of(metric, declared).higher_is_better
    if higher is None:
        why = "neither its task nor its name tells which way it is better"
        raise ConfigError("--metric", metric, why, "add --higher-is-better or --lower-is-better")
    return higher


def _listed(known: Sequence[str]) -> str:
    return ", ".join(known) or "none: their summaries hold no metric"


def _chosen_baseline(arms: Sequence[Sequence[Run]], called: Sequence[str], baseline: str | None) -> int:
    """By its name, by all words of the name that are given, or by an id's beginning."""
    if baseline is None:
        return 0
    words = set(baseline.lower().split())
    found = (
        [i for i, n in enumerate(called) if n == baseline]
        or [i for i, n in enumerate(called) if words <= set(n.lower().split())]
        or [i for i, a in enumerate(arms) if any(x.startswith(baseline) for x in _ids(a))]
    )
    if len(found) == 1:
        return found[0]
    listed = [called[i] for i in found] or list(called)
    more = f"; and {len(listed) - 12} more" if len(listed) > 12 else ""
    why = "several arms have these words" if found else "no arm is called so"
    raise ConfigError("--baseline", baseline, why, f"give the name of one: {'; '.join(listed[:12])}{more}")


def _ids(arm: Sequence[Run]) -> list[str]:
    return [arm[0].arm, *(r.run_id for r in arm)]


def _arm(runs: Sequence[Run], name: str, differs: dict[str, object], metric: str) -> Arm:
    outcomes = []
    for run in runs:
        why = failure(run, metric)
        outcomes.append(SeedResult(run.run_id, run.seed, None if why else float(run.summary[metric]), why))
    good = [r for r, o in zip(runs, outcomes, strict=True) if o.failure is None]
    others = dict.fromkeys(m for r in good for m in metrics_of(r) if m != metric)
    return Arm(
        arm_id=runs[0].arm,
        name=name,
        differs=differs,
        outcomes=tuple(outcomes),
        estimate=_estimate([o.value for o in outcomes if o.value is not None]),
        beside={m: _estimate([v for r in good if math.isfinite(v := r.summary.get(m, math.nan))]) for m in others},
        failures=len(runs) - len(good),
        success=wilson(len(good), len(runs)),
        command=command_of(runs),
        stopped_early=tuple(int(r.summary["updates"]) for r in runs if r.summary.get("stopped_early")),
    )


def _estimate(values: Sequence[float]) -> Estimate:
    n = len(values)
    mean = sum(values) / n if n else None
    sd = (sum((v - mean) ** 2 for v in values) / (n - 1)) ** 0.5 if mean is not None and n > 1 else None
    return Estimate(n, mean, t_interval(values), sd)


def _pairs(arms: Sequence[Sequence[Run]], base: int, metric: str) -> tuple[ArmDifference, ...]:
    """Every other arm against the baseline; their tests are one family."""
    found = [_pair(i, arms[i], arms[base], metric) for i in range(len(arms)) if i != base]
    tested = [i for i, p in enumerate(found) if p.difference.t_p is not None]
    adjusted = holm([found[i].difference.t_p or 0.0 for i in tested])
    for i, p in zip(tested, adjusted, strict=True):
        found[i] = replace(found[i], holm_p=p)
    return tuple(found)


def _pair(index: int, arm: Sequence[Run], base: Sequence[Run], metric: str) -> ArmDifference:
    ours, theirs = ({r.seed: r for r in a} for a in (arm, base))
    common = sorted(ours.keys() & theirs.keys())
    refused: dict[str, list[int]] = {}
    for seed in common:
        if why := why_not_paired(theirs[seed], ours[seed]):
            refused.setdefault("; ".join(why), []).append(seed)
    seeds = [s for s in common if not any(s in r for r in refused.values())]
    failed = {s: (failure(theirs[s], metric) is not None, failure(ours[s], metric) is not None) for s in seeds}
    both = [s for s in seeds if not any(failed[s])]
    return ArmDifference(
        arm=index,
        seeds=seeds,
        only_arm=sorted(ours.keys() - theirs.keys()),
        only_baseline=sorted(theirs.keys() - ours.keys()),
        refused=refused,
        excluded=[s for s in seeds if any(failed[s])],
        holm_p=None,
        difference=difference([theirs[s].summary[metric] for s in both], [ours[s].summary[metric] for s in both]),
        success=success([not failed[s][0] for s in seeds], [not failed[s][1] for s in seeds]),
    )


def _curves(good: Sequence[Sequence[Run]]) -> dict[str, tuple[MetricCurve, ...]]:
    metrics = sorted({m for a in good for r in a for m in r.curves if m.startswith(DRAWN)})
    found = {m: [metric_curve(i, a, m, LEVEL) for i, a in enumerate(good)] for m in metrics}
    return {m: tuple(c for c in curves if c is not None) for m, curves in found.items()}


def _sensitivity(arms: Sequence[Sequence[Run]], told: Sequence[Arm], metric: str, higher: bool) -> list[Sensitivity]:
    """A line for the arms that differ in optimizer.lr alone. The best rate is chosen on validation where all arms have
    that: chosen by the test metric, its own mean would be a winner's."""
    validation = metric.replace("test/", "val/", 1)
    judge = validation if all(validation in a.beside for a in told if a.estimate.n) else metric
    judged = [a.beside[judge].mean if judge in a.beside else a.estimate.mean for a in told]
    lines: dict[str, list[int]] = {}
    for i, a in enumerate(arms):
        lines.setdefault(arm_id(without_rate(a[0].experiment)), []).append(i)
    several = [sorted(line, key=lambda i: arms[i][0].experiment.optimizer.lr) for line in lines.values() if line[1:]]
    called = names([without_rate(arms[line[0]][0].experiment) for line in several]) if several else []
    if len(called) == 1:  # its title, in which every rate stands as 1
        called = [called[0].replace(" lr 1 ", " ", 1)]
    found = []
    for line, name in zip(several, called, strict=True):
        means = {i: m for i in line if (m := judged[i]) is not None}
        if not means:
            continue
        # Failures last: the mean of a few survivors is no rate's. Ties go to the lower rate, which stands first.
        clean = [i for i in means if not told[i].failures]
        best = (max if higher else min)(clean or means, key=lambda i: means[i])
        rates = [arms[i][0].experiment.optimizer.lr for i in line]
        found.append(Sensitivity(name, line, rates, best, judge, best in (line[0], line[-1])))
    return found


def _environments(runs: Sequence[Run]) -> tuple[Environment, ...]:
    counted = Counter(e for r in runs for e in environments(r))
    return tuple(replace(e, runs=n) for e, n in counted.most_common())
