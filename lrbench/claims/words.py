"""What became of a claim, in the words that the terminal, the summary and the page share."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from lrbench.claims.ledger import OWN, Citation, Claim
from lrbench.claims.settled import MeasuredContrast, Planned, Settled
from lrbench.metrics import metric_of
from lrbench.plural import plural

NOT_YET, ADVICE = "not yet run", "advice"
PROXIES = ("tiny", "small")  # tiers whose studies are of small models on small data
MOST = 2  # differing parts that are told in a line
MOST_CONTRASTS = 4


def standing(claim: Claim, verdicts: Mapping[str, Settled]) -> str:
    """The stored verdict; else that it is advice, which has none, or not yet run."""
    if claim.id in verdicts:
        return verdicts[claim.id].verdict
    return ADVICE if claim.kind == "advice" else NOT_YET


def counted(some: Iterable[Claim], verdicts: Mapping[str, Settled]) -> str:
    return counts(Counter(standing(c, verdicts) for c in some))


def counts(found: Mapping[str, int]) -> str:
    """323 claims: 120 true, 30 partly, ..."""
    parts = [f"{many} {verdict}" for verdict, many in sorted(found.items(), key=lambda item: -item[1])]
    return f"{plural(sum(found.values()), 'claim')}: {', '.join(parts) or 'none'}"


def finding(claim: Claim, settled: Settled | None, planned: Mapping[str, Planned] | None = None) -> str:
    """What was found, in a line; of an effect that is not yet run what it would take, where that is planned."""
    if settled is None:
        if claim.needs:
            return f"needs {', '.join(claim.needs)}"
        studies = [_cost(name, p) for name, p in (planned or {}).items() if claim.id in p.claims and not p.done]
        return "; ".join(studies) or (f"rule {claim.rule}" if claim.rule else "")
    if settled.studies:
        told = telling(settled.studies)
        more = f"; and {len(settled.studies) - len(told)} more" * (len(told) < len(settled.studies))
        return "; ".join(map(gained, told)) + more + "; a proxy" * (claim.tier in PROXIES and claim.section != OWN)
    if settled.parts:
        return _of_parts(settled)
    return "; ".join(f"{c.who} {c.year}: {c.found}" for c in claim.citations)


def telling(found: Sequence[MeasuredContrast]) -> list[MeasuredContrast]:
    """As many as a line holds, in their order: the largest effect of each verdict, then the first ones."""
    by_size = sorted(range(len(found)), key=lambda i: abs(found[i].effect or 0.0))
    largest = {found[i].verdict: i for i in by_size}.values()
    chosen = list(dict.fromkeys((*largest, *range(len(found)))))[:MOST_CONTRASTS]
    return [found[i] for i in sorted(chosen)]


def _cost(study: str, p: Planned) -> str:
    """lrbench compare bugs_fashion (432 runs, about 5.4 hours)."""
    hours = "" if p.hours is None else f", about {p.hours:.1f} hours"
    return f"lrbench compare {study} ({plural(p.runs, 'run')}{hours})"


def _of_parts(settled: Settled) -> str:
    differing = [p for p in settled.parts if not p.agrees]
    if not differing:
        only = settled.parts[0]
        many = f"all {len(settled.parts)} values agree"
        return f"{only.what}: {only.found}" if len(settled.parts) == 1 else many
    told = [f"{p.what}: said {p.said}, found {p.found}" for p in differing[:MOST]]
    more = f" and {len(differing) - MOST} more" if len(differing) > MOST else ""
    of = f" ({len(differing)} of {len(settled.parts)} differ)" if len(settled.parts) > len(differing) else ""
    return "; ".join(told) + more + of


def gained(m: MeasuredContrast) -> str:
    """cosine against constant: test accuracy +1.20 points (95% interval 0.75 to 1.64), 24 of 25 pairs, study
    decay_fashion: supported."""
    from lrbench.report.study.gains import (
        between,
        of_kind,
        percent,
        sized,
        subject_of,
    )  # with torch: a listing has none
    from lrbench.stats.intervals import ConfidenceInterval

    metric = of_kind(m.kind, metric_of(m.metric, {}))
    who = f"{m.arm} against {m.baseline}{f' on {m.task}' if m.task else ''}"
    pairs = f"{m.n} of {plural(m.n + m.left_out, 'pair')}" if m.left_out else plural(m.n, "pair")
    if m.effect is None:
        return f"{who}: {f'{pairs}, ' if m.left_out else ''}study {m.study}: {m.verdict}"
    size = sized(metric, m.effect, sign=m.kind != "fraction")
    if m.low is not None and m.high is not None:
        level = f"{percent(m.level)} interval " if m.level else ""
        size += f" ({level}{between(metric, ConfidenceInterval(m.low, m.high))})"
    seen = "" if m.fresh else " (exploratory, not fresh)"
    what = "fraction of " * (m.kind == "fraction") + subject_of(m.kind, m.metric)
    return f"{who}: {what} {size}, {pairs}, study {m.study}: {m.verdict}{seen}"


def rerun(m: MeasuredContrast) -> str:
    """How often two such studies agree, and how to ask a second time."""
    return (
        f"a rerun on other seeds comes to this verdict in about {m.agreement:.0%} of cases: "
        f"lrbench compare {m.study} --replicate 1"
    )


def bearing(claim: Claim, known: Mapping[str, Claim], verdicts: Mapping[str, Settled]) -> list[str]:
    """The claims that advice rests on, and those that speak against it, each with what became of it."""
    return [
        f"{words} {name}: {standing(known[name], verdicts)}"
        for words, names in (("rests on", claim.supported_by), ("against it", claim.contradicted_by))
        for name in names
    ]


def cited(c: Citation) -> str:
    """A citation in full."""
    title = f", {c.title}" if c.title else ""
    return f"{c.who} {c.year}{title}, {c.where}: {c.found} (supports it: {c.supports}; {c.seen})"


def again(claim: Claim) -> str:
    """The command that runs it again."""
    return f"lrbench claims run {claim.id}"
