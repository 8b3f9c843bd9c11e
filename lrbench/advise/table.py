"""The options of advice as data: options with the facts they are for, and the claims that bear on them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lrbench.advise.facts import FOLDER, number_of
from lrbench.config.files import made, read
from lrbench.errors import ConfigError

QUESTIONS = ("scope", "length", "optimizer", "rate", "schedule", "warmup", "after")  # as they are printed
ASKED = ("scope", "length", "optimizer", "schedule", "warmup", "rate", "after")  # each after those it depends on


@dataclass(frozen=True)
class Option:
    """One answer to a question. Of those whose facts are met the first is taken that no verdict speaks against.

    rule, advice: the rule, and the entries of the ledger that it answers. when: facts, each a value, one of a list, or
    a range as `<10`, `>=30`, `10..29`; `schedule` is the level chosen before. take, set: in words, and as overrides.
    rests_on: claims without which it is not taken; one of them found wrong, and the next option counts. against: claims
    that speak against it; one of them borne out, and the next counts. about: claims that are shown, and decide nothing.
    yields: what it gives way to, where it is told though another is taken. rate: a peak `lr` for `at` samples, and its
    `scaling` with the batch. In words and overrides, {epochs} and the like are facts.
    """

    id: str
    rule: str
    take: str
    because: str
    source: str
    advice: tuple[str, ...] = ()
    when: Mapping[str, Any] = field(default_factory=dict)
    set: tuple[str, ...] = ()
    rests_on: tuple[str, ...] = ()
    against: tuple[str, ...] = ()
    about: tuple[str, ...] = ()
    yields: str = ""
    rate: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class GuideContradiction:
    """Two things that the guide says of one case, and the side that is taken, by the options `taken`."""

    id: str
    question: str
    one: str
    other: str
    side: str
    because: str
    taken: tuple[str, ...]
    when: Mapping[str, Any] = field(default_factory=dict)
    about: tuple[str, ...] = ()


@dataclass(frozen=True)
class AdviceTable:
    """All that can be advised. options: by question, in order."""

    options: Mapping[str, Sequence[Option]]
    contradictions: Sequence[GuideContradiction]

    def of(self, rule: str) -> list[tuple[str, Option]]:
        """A rule's options, each with its question; none for a rule of another tool."""
        return [(question, o) for question, options in self.options.items() for o in options if o.rule == rule]

    @property
    def rules(self) -> list[str]:
        return sorted({o.rule for options in self.options.values() for o in options})


def read_table() -> AdviceTable:
    """From a file for each question. Raises ConfigError for one that is no list of options."""
    found = {q: read(FOLDER / "options" / f"{q}.yaml") for q in QUESTIONS}
    options = {q: [_made(Option, o, f"{q}.yaml") for o in of_one] for q, of_one in found.items()}
    twice = read(FOLDER / "contradictions.yaml")
    return AdviceTable(options, [_made(GuideContradiction, c, "contradictions.yaml") for c in twice])


def _made(kind: Any, plain: Mapping[str, Any], where: str) -> Any:
    lists = {key: tuple(value) for key, value in plain.items() if isinstance(value, list)}
    return made(kind, {**plain, **lists}, where)


def meets(when: Mapping[str, Any], case: Mapping[str, Any]) -> bool:
    """Whether the facts are those that an option is for. Of a number that is not known nothing is met."""
    return all(_met(wanted, case[name]) for name, wanted in when.items())


def _met(wanted: Any, given: Any) -> bool:
    if isinstance(wanted, list):
        return given in wanted
    if not isinstance(wanted, str) or isinstance(given, str):
        return bool(given == wanted)
    if given is None:
        return False
    low, dots, high = wanted.partition("..")
    if dots:
        return float(low) <= given <= float(high)
    sign, bound = re.match(r"[<>]=?", wanted), number_of(wanted.lstrip("<>="))
    if sign is None or bound is None:
        raise ConfigError("when", wanted, "this is no range of numbers")
    return bool({"<": given < bound, "<=": given <= bound, ">": given > bound, ">=": given >= bound}[sign[0]])
