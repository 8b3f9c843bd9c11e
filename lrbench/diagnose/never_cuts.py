"""A plateau scheduler that never lowered the rate: the metric, the mode, the threshold, whether the plateau is real,
the cooldown, the lowest rate, and the patience."""

from lrbench.diagnose.diagnosis import Diagnosis, Try, made
from lrbench.diagnose.hearing import Hearing, hearing_of
from lrbench.diagnose.remedies import fork
from lrbench.diagnose.symptoms import Symptoms


def of_never_cuts(seen: Symptoms) -> Diagnosis | None:
    """None where it did cut, and where the metric still improved, so that there was nothing to cut at."""
    heard = hearing_of(seen.series)
    if heard is None or seen.bad is not None or heard.cuts:
        return None
    if not heard.metrics:
        return _heard_nothing(heard)
    real = heard.stalls()
    cure = heard.cure() if real else None
    if cure is None:
        return None
    cause, because, changes = cure
    rate = seen.rates.last if seen.rates else 0.0
    says = f"the rate was never cut: {rate:.3g} to the end, after {len(heard.metrics)} values of {heard.monitor}"
    return made(
        "diagnose.plateau-never-cuts",
        "warning",
        says,
        cause=cause,
        because=because,
        claim="diagnosis-plateau-never-reduces",
        evidence=checks(heard),
        tries=(
            Try(
                says="let it hear this plateau (torch's own class, replayed on these metrics, then cuts)",
                changes=changes,
            ),
            *_cut_now(seen),
        ),
        weight=4.0,
    )


def checks(heard: Hearing) -> tuple[str, ...]:
    """The six things to look at, with their values, and the patience."""
    s, metrics = heard.settings, heard.metrics
    better = min if heard.plan.mode != "max" else max
    finite = [m for m in metrics if m == m]
    best = better(finite) if finite else float("nan")
    at = metrics.index(best) + 1 if finite else 0
    mode, right = s.get("mode"), heard.plan.mode
    plateau = f"best {best:.4g} at evaluation {at} of {len(metrics)}, last {metrics[-1]:.4g}"
    first = heard.cuts_with(**heard.right)[0]
    return (
        f"metric: {heard.monitor}, {len(finite)} finite values of {len(metrics)} heard",
        f"mode: {mode}, {'right' if right in (None, mode) else f'not {right}'}",
        f"threshold: {s.get('threshold'):g} ({s.get('threshold_mode')})",
        f"plateau: {plateau}; with the right settings the first cut comes at evaluation {first}",
        f"cooldown: {s.get('cooldown')} (it begins at a cut, and there was none)",
        f"lowest rate: {s.get('min_lr'):g}, smallest change {s.get('eps'):g}",
        f"patience: {s.get('patience')} of {len(metrics)} evaluations",
    )


def _heard_nothing(heard: Hearing) -> Diagnosis:
    return made(
        "diagnose.plateau-never-cuts",
        "warning",
        f"the rate was never cut: its scheduler never heard {heard.monitor}",
        cause="no-metric",
        because="No evaluation lies between the end of the warmup and that of the run.",
        claim="diagnosis-plateau-never-reduces",
        tries=(Try(says="evaluate more often", changes=("eval_every=1ep",)),),
        weight=4.0,
    )


def _cut_now(seen: Symptoms) -> tuple[Try, ...]:
    if seen.rates is None:
        return ()
    says = "or cut by hand at the end: a tenth of the rate for a while more"
    cut = fork(seen.series, seen.series.end, 0.1 * seen.rates.last, says, "constant")
    return () if cut is None else (cut,)
