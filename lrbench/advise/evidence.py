"""What the ledger says of the claims that advice rests on: their verdicts decide, nothing is written down twice."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lrbench.claims.ledger import Claim
from lrbench.claims.settled import PUBLISHED, MeasuredContrast, Settled, published
from lrbench.claims.words import standing
from lrbench.metrics import metric_of

REFUTED = ("false", "contradicted", "practically null")
UPHELD = ("true", "supported", "larger than claimed", "smaller than claimed", "direction supported, size unresolved")

IN_THE_METRIC = ("difference", "no worse", "equal")  # kinds of contrasts that are differences of the metric itself

Bears = Literal["for", "against", "beside"]


@dataclass(frozen=True)
class ClaimEvidence:
    """One claim beside a choice. standing: its verdict, or `not yet run`. says, advice: as the ledger has them.
    measured: what studies found, a line a contrast."""

    claim: str
    bears: Bears
    standing: str
    says: str
    advice: str
    measured: tuple[str, ...] = ()


@dataclass(frozen=True)
class Verdicts:
    """The ledger, and what became of its claims."""

    known: Mapping[str, Claim]
    settled: Mapping[str, Settled]

    def standing(self, claim: str) -> str:
        return standing(self.known[claim], self.settled)

    def refuted(self, claims: Iterable[str]) -> list[str]:
        return [c for c in claims if self.standing(c) in REFUTED]

    def upheld(self, claims: Iterable[str]) -> list[str]:
        return [c for c in claims if self.standing(c) in UPHELD]

    def of(self, bears: Bears, claims: Iterable[str]) -> list[ClaimEvidence]:
        return [self._one(bears, self.known[c]) for c in dict.fromkeys(claims)]

    def _one(self, bears: Bears, claim: Claim) -> ClaimEvidence:
        settled = self.settled.get(claim.id)
        lines = tuple(line for m in settled.studies if (line := measured(m))) if settled else ()
        return ClaimEvidence(claim.id, bears, self.standing(claim.id), claim.says, claim.advice, lines)


def measured(m: MeasuredContrast) -> str:
    """cosine against multistep +2.3 points of test/accuracy (1.2 to 3.0), decay_fashion; "" where there is no interval,
    or it is one of something else than the metric."""
    if m.kind not in IN_THE_METRIC or m.effect is None or m.low is None or m.high is None:
        return ""
    share = metric_of(m.metric, {}).unit == "%"
    size, low, high = (f"{100 * x:+.1f}" if share else f"{x:+.3g}" for x in (m.effect, m.low, m.high))
    on = f", {m.task}" if m.task else ""
    return f"{m.arm} against {m.baseline}{on}: {size} {'points of ' * share}{m.metric} ({low} to {high}), {m.study}"


def verdicts(known: Mapping[str, Claim], own: Path, folder: Path = PUBLISHED) -> Verdicts:
    """Those of a results folder, else those that are published with lrbench. Raises ConfigError for a file that holds
    none."""
    return Verdicts(known, published(own, known, folder))
