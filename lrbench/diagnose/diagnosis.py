"""What a diagnosis says: a finding with the evidence for it, its likely cause, and what to try."""

from dataclasses import dataclass

from lrbench.check.finding import Finding, Severity


@dataclass(frozen=True, kw_only=True)
class Try:
    """Something to try. says: in words, for any training loop. changes: overrides of the run's command. at: the update
    of the run that the try is forked from, None for a run from the beginning; horizon: of the fork."""

    says: str
    changes: tuple[str, ...] = ()
    at: int | None = None
    horizon: str = ""


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """finding: the rule, how grave, and what is the matter, with numbers. evidence: what else of the run shows it, a
    line each. cause: a word for the likely cause; because: it in a sentence. tries: the most promising first. weight:
    what puts one before another that is as grave."""

    finding: Finding
    cause: str
    because: str
    evidence: tuple[str, ...] = ()
    tries: tuple[Try, ...] = ()
    weight: float = 0.0


def made(
    rule: str,
    severity: Severity,
    says: str,
    *,
    cause: str,
    because: str,
    claim: str,
    evidence: tuple[str, ...] = (),
    tries: tuple[Try, ...] = (),
    weight: float = 0.0,
) -> Diagnosis:
    """A diagnosis whose finding has the first try for its cure, if overrides from the beginning do it."""
    whole = next((t for t in tries if t.changes and t.at is None), None)
    otherwise = "" if whole else "; ".join(t.says for t in tries)
    finding = Finding(
        rule=rule,
        severity=severity,
        says=says,
        cure=whole.changes if whole else (),
        otherwise=otherwise,
        claim=claim,
    )
    return Diagnosis(finding=finding, cause=cause, because=because, evidence=evidence, tries=tries, weight=weight)
