"""The ledger: every claim in our own words, and what settles it. Data, a file for each part of the guide."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from lrbench.config.files import made, read
from lrbench.errors import ConfigError, did_you_mean

LEDGER = Path(__file__).parent / "ledger"
AS_WRITTEN = getattr(yaml, "CBaseLoader", yaml.BaseLoader)  # every value a text: 0.10 is not 0.1
HEADLINES = Path(__file__).parent / "headlines.yaml"
KINDS = ("trace", "api", "behaviour", "effect", "literature", "advice")
OWN = "Your own"  # the section of claims that are none of the guide's
TIERS = ("instant", "tiny", "small", "paper")
SETTLED_BY = {  # the keys of which a claim of this kind has at least one, once it can be settled
    "trace": ("rates", "code"),
    "api": ("rates", "code"),
    "behaviour": ("rates", "code"),
    "literature": ("citations",),
    "advice": ("rule",),
    "effect": (),
}


@dataclass(frozen=True)
class ClaimedRates:
    """What is said of a schedule's rates: overrides that compose it, and values at positions.

    at: position -> what is said there. A position is a time as in `horizon` (`30ep`, `400ba`, from 0), or `last`,
    `highest`, `lowest`. group: of which parameter group.
    """

    set: tuple[str, ...]
    at: Mapping[str, str]
    what: str = ""
    group: str = ""


@dataclass(frozen=True)
class Citation:
    """What a publication says. found: its finding, in our words. supports: yes, no or partly. where: the section,
    table or page in it; seen: the address where it was looked up, or `general knowledge`."""

    who: str
    year: str
    where: str
    found: str
    supports: str
    seen: str
    title: str = ""


@dataclass(frozen=True)
class Claim:
    """A claim. says: in our words. advice: what a practitioner should do about it, once it is settled.

    Settled by `rates`, or by `code` (`module.function` of `lrbench.claims.code`) whose findings are held against
    `said`; by `citations`, with `confidence` and what was `missing`; by the studies of `conf/claim/ID.yaml`. Advice
    names the `rule` of check, diagnose or advise that embodies it, and the claims that support or contradict it.
    needs: parts of lrbench that are not there yet.
    """

    id: str
    section: str
    kind: str
    tier: str
    domain: str
    says: str
    advice: str = ""
    rates: tuple[ClaimedRates, ...] = ()
    code: str = ""
    said: Mapping[str, str] = field(default_factory=dict)
    note: str = ""
    citations: tuple[Citation, ...] = ()
    confidence: str = ""
    missing: str = ""
    rule: str = ""
    supported_by: tuple[str, ...] = ()
    contradicted_by: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()


def claims(folder: Path = LEDGER) -> dict[str, Claim]:
    """All claims by id, in the order of the guide. Raises ConfigError for a file that is none, or an id given twice."""
    found: dict[str, Claim] = {}
    for path in sorted(folder.glob("*.yaml")):
        for claim in _read(path):
            if claim.id in found:
                raise ConfigError(path.name, claim.id, "this id is given twice")
            found[claim.id] = claim
    return found


def own_claim(name: str, says: str) -> Claim:
    """A claim that is no claim of the guide: studies settle it."""
    return Claim(name, OWN, "effect", "small", "any", says)


def headlines(known: Mapping[str, Claim]) -> list[str]:
    """The ids of what a practitioner should know first."""
    return [claim_of(known, name).id for name in read(HEADLINES)]


def claim_of(known: Mapping[str, Claim], name: str) -> Claim:
    """Raises ConfigError for an id that there is not, with the nearest."""
    if name not in known:
        near = [k for k in known if name and name in k]
        raise ConfigError("claim", name, "there is no such claim", did_you_mean(name, near or known))
    return known[name]


def _read(path: Path) -> Iterator[Claim]:
    content = read(path, AS_WRITTEN)
    if not isinstance(content, list):
        raise ConfigError(path.name, "", "this is no list of claims")
    for place, plain in enumerate(content):
        where = f"{path.name}, {plain.get('id', f'claim {place}') if isinstance(plain, dict) else f'claim {place}'}"
        yield _claim(plain, where)


def _claim(plain: Any, where: str) -> Claim:
    given = {
        **plain,
        "rates": tuple(
            made(ClaimedRates, {**r, "set": tuple(r.get("set", ()))}, where) for r in plain.get("rates", ())
        ),
        "citations": tuple(made(Citation, c, where) for c in plain.get("citations", ())),
        **{k: tuple(plain.get(k, ())) for k in ("supported_by", "contradicted_by", "needs")},
    }
    claim: Claim = made(Claim, given, where)
    for key, known in (("kind", KINDS), ("tier", TIERS)):
        if getattr(claim, key) not in known:
            raise ConfigError(f"{where}: {key}", getattr(claim, key), "there is none such", did_you_mean("", known))
    if bool(claim.code) != bool(claim.said):
        raise ConfigError(where, "", "code finds what is held against said: give both, or neither")
    by = SETTLED_BY[claim.kind]
    if by and not claim.needs and not any(getattr(claim, key) for key in by):
        raise ConfigError(where, "", f"nothing settles it: a claim of kind {claim.kind} has {' or '.join(by)}")
    return claim
