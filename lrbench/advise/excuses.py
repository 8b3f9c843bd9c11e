"""Excuses for not scheduling, and short answers: what the ledger's verdicts leave of each."""

import re
from dataclasses import dataclass

from lrbench.advise.evidence import ClaimEvidence, Verdicts
from lrbench.advise.facts import FOLDER
from lrbench.config.files import made, read
from lrbench.errors import ConfigError

SAME = 0.6  # the share of an excuse's words from which a sentence is taken for it
FILLERS = "a an the is are be it its i my me do does not no to of for by will just seems need use"


@dataclass(frozen=True)
class Excuse:
    """One excuse. concede: what is said where the first claim it rests on was found wrong. see: a command that shows
    it. ours: no excuse of the guide's."""

    n: int
    excuse: str
    answer: str
    concede: str
    rests_on: tuple[str, ...]
    see: str
    ours: bool = False


@dataclass(frozen=True)
class Answer:
    """conceded: whether the first claim was refuted, so that `text` begins with the concession."""

    n: int
    excuse: str
    text: str
    conceded: bool
    evidence: tuple[ClaimEvidence, ...]
    see: str


def excuses() -> tuple[Excuse, ...]:
    found = read(FOLDER / "excuses.yaml")
    return tuple(made(Excuse, {**e, "rests_on": tuple(e["rests_on"])}, "excuses.yaml") for e in found)


def excuse_of(given: str) -> Excuse:
    """By its number or its words. Raises ConfigError where there is none such."""
    known = excuses()
    for e in known:
        if given == str(e.n):
            return e
    found = like(given)
    if found is None:
        cure = f"give a number from 1 to {len(known)}; `lrbench advise --excuse` lists them"
        raise ConfigError("--excuse", given, "no excuse here is like this", cure)
    return found


def like(text: str) -> Excuse | None:
    """The excuse that a sentence is most like, by the words they share; None where it is like none."""
    said = _words(text)
    shares = [(len(said & (own := _words(e.excuse))) / len(own), e) for e in excuses()]
    share, found = max(shares, key=lambda pair: pair[0])
    return found if share >= SAME else None


def _words(text: str) -> set[str]:
    return {w for w in re.findall(r"\w+", text.lower().replace("onecycle", "one cycle")) if w not in FILLERS.split()}


def answer(e: Excuse, verdicts: Verdicts) -> Answer:
    """What there is to say, which is a concession where the ledger has refuted what is said against the excuse."""
    conceded = bool(verdicts.refuted(e.rests_on[:1]))
    text = f"{e.concede} Before that was known: {e.answer}" if conceded else e.answer
    return Answer(e.n, e.excuse, text, conceded, tuple(verdicts.of("beside", e.rests_on)), e.see)
