"""All rules on one series: what is wrong first, most likely cause first."""

from dataclasses import dataclass

from lrbench.check.finding import SEVERITIES
from lrbench.diagnose.decay import of_decay
from lrbench.diagnose.diagnosis import Diagnosis
from lrbench.diagnose.ending import of_gap, of_last_rate, off_reported
from lrbench.diagnose.instability import instability, of_the_rate, of_warmup
from lrbench.diagnose.never_cuts import of_never_cuts
from lrbench.diagnose.onecycle import of_onecycle
from lrbench.diagnose.series import Series, with_real_rates
from lrbench.diagnose.stalled import of_plateau
from lrbench.diagnose.symptoms import Symptoms, symptoms_of

RULES = (
    "diagnose.unstable-training",
    "diagnose.plateau",
    "diagnose.poor-final-result",
    "diagnose.decay-too-fast",
    "diagnose.onecycle",
    "diagnose.warmup-without-effect",
    "diagnose.plateau-never-cuts",
    "diagnose.reproduction-off",
)


@dataclass(frozen=True, eq=False)
class Diagnosed:
    """A series, what it shows, and what was found: the gravest first, of those as grave the most likely."""

    series: Series
    symptoms: Symptoms
    found: tuple[Diagnosis, ...]

    @property
    def healthy(self) -> bool:
        """Whether nothing is wrong; notes may stand."""
        return all(d.finding.severity == "note" for d in self.found)


def diagnose(series: Series, reported: tuple[str, float] | None = None) -> Diagnosed:
    """Ask every rule. reported: a metric and what somebody reported of it. Raises ConfigError for one that is none."""
    series = with_real_rates(series)
    seen = symptoms_of(series)
    found = [*_during(seen), *(d for d in (of_gap(seen), of_last_rate(seen)) if d)]
    if reported is not None and (off := off_reported(series, *reported)):
        found.append(off)
    ordered = sorted(found, key=lambda d: (SEVERITIES.index(d.finding.severity), -d.weight))
    return Diagnosed(series, seen, tuple(_without_consequences(ordered)))


def _during(seen: Symptoms) -> list[Diagnosis]:
    """What went wrong on the way. Unrest is one rule's affair: that of the schedule's part which was under way."""
    unrest = instability(seen)
    shaken = of_onecycle(seen, unrest) or of_warmup(seen, unrest) or of_the_rate(seen, unrest)
    rules = (shaken, of_never_cuts(seen), of_decay(seen), of_plateau(seen))
    return [d for d in rules if d is not None]


def _without_consequences(found: list[Diagnosis]) -> list[Diagnosis]:
    """What another finding explains is left out: a stall and a poor end by training that broke, a stall by a plateau
    scheduler that never cuts; a stall and a fall of the rate by each other, the cuts of a schedule of steps being the
    stall's cause."""
    rules = {d.finding.rule: d for d in found}
    plateau, decay = rules.get("diagnose.plateau"), rules.get("diagnose.decay-too-fast")
    gone: set[str] = set()
    if any(d.finding.severity == "error" and d.finding.rule != "diagnose.plateau" for d in found):
        gone |= {"diagnose.plateau", "diagnose.poor-final-result"}
    if "diagnose.plateau-never-cuts" in rules:
        gone |= {"diagnose.plateau"}
    if plateau and decay:
        steps = plateau.cause == "cut-too-early" and decay.cause not in ("wrong-mode", "threshold-too-high")
        gone.add("diagnose.decay-too-fast" if steps else "diagnose.plateau")
    still = [d for d in found if d.finding.rule not in gone]
    wrong = any(d.finding.severity != "note" for d in still)
    return [d for d in still if not (wrong and d.finding.severity == "note" and d.cause == "rate-still-high")]
