"""From facts to choices: for each question the first option of the table that the facts meet and no verdict refutes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import sqrt
from typing import Any

from lrbench.advise.evidence import ClaimEvidence, Verdicts
from lrbench.advise.facts import AdviceCase, Facts, completed
from lrbench.advise.table import ASKED, QUESTIONS, AdviceTable, GuideContradiction, Option, meets

GROUP = {"schedule": "scheduler", "warmup": "warmup"}  # in which a question chooses a level
SCALING_CLAIM = "linear-lr-scaling-rule"


@dataclass(frozen=True)
class Passed:
    """An option that meets the facts and is not taken, and why."""

    id: str
    rule: str
    take: str
    why: str


@dataclass(frozen=True)
class Disagreement:
    """Two things that the guide says of this case, the side taken and why."""

    id: str
    one: str
    other: str
    side: str
    because: str
    evidence: tuple[ClaimEvidence, ...]


@dataclass(frozen=True)
class Choice:
    """What is taken for one question. set: as overrides. not_followed: options that a verdict speaks against. others:
    what other rules say of the case. disagreements: where the guide contradicts itself on it."""

    question: str
    id: str
    rule: str
    take: str
    set: tuple[str, ...]
    because: str
    source: str
    evidence: tuple[ClaimEvidence, ...]
    not_followed: tuple[Passed, ...]
    others: tuple[Passed, ...]
    disagreements: tuple[Disagreement, ...]


@dataclass(frozen=True)
class Advice:
    """case: the facts. choices: in the order they are printed."""

    case: AdviceCase
    choices: tuple[Choice, ...]

    @property
    def overrides(self) -> tuple[str, ...]:
        """All that is chosen, as it can be given to `lrbench plot`: the batch, the model and the data are another's."""
        return tuple(o for c in self.choices for o in c.set)

    def of(self, question: str) -> Choice | None:
        return next((c for c in self.choices if c.question == question), None)


def advice(facts: Facts, verdicts: Verdicts, table: AdviceTable) -> Advice:
    """What to take, from a few facts. Raises ConfigError for facts that do not go together."""
    case = completed(facts)
    known, made = dict(case.of), dict[str, Choice]()
    for question in ASKED:
        choice = _choice(question, table, known, verdicts)
        if choice is None:
            continue
        made[question] = choice
        if question in GROUP:  # a later question may ask for it
            known[question] = _level(GROUP[question], choice.set)
    return Advice(case, tuple(made[q] for q in QUESTIONS if q in made))


def _level(group: str, overrides: Sequence[str]) -> str:
    return next((o.partition("=")[2] for o in overrides if o.startswith(f"{group}=")), "")


def _choice(question: str, table: AdviceTable, case: Mapping[str, Any], verdicts: Verdicts) -> Choice | None:
    """None where no option meets the facts."""
    fitting = [_filled(_scaled(o, case, verdicts), case) for o in table.options[question] if meets(o.when, case)]
    refused = {o.id: why for o in fitting if (why := _refused(o, verdicts))}
    taken = next((o for o in fitting if o.id not in refused), None)
    if taken is None:
        return None
    before = fitting[: fitting.index(taken)]
    after = [o for o in fitting[fitting.index(taken) + 1 :] if o.yields and _kind(o) != _kind(taken)]
    shown = (c for c in table.contradictions if c.question == question and taken.id in c.taken and meets(c.when, case))
    return Choice(
        question, taken.id, taken.rule, taken.take, taken.set, taken.because, taken.source, _evidence(taken, verdicts),
        tuple(Passed(o.id, o.rule, o.take, refused[o.id]) for o in before),
        tuple(Passed(o.id, o.rule, o.take, refused.get(o.id, o.yields)) for o in after),
        tuple(_disagreement(c, case, verdicts) for c in shown),
    )  # fmt: skip


def _kind(option: Option) -> str:
    """Of the level that an option chooses: a cosine to 1e-5 says what a cosine to zero says."""
    return option.set[0].partition("_")[0] if option.set else ""


def _refused(option: Option, verdicts: Verdicts) -> str:
    """Why the ledger's verdicts speak against an option; "" where none does."""
    wrong, right = verdicts.refuted(option.rests_on), verdicts.upheld(option.against)
    told = [f"it rests on {c}: {verdicts.standing(c)}" for c in wrong]
    return "; ".join([*told, *(f"{c} speaks against it: {verdicts.standing(c)}" for c in right)])


def _evidence(option: Option, verdicts: Verdicts) -> tuple[ClaimEvidence, ...]:
    """The claims that an option names, and those that the ledger says bear on the advice that it gives."""
    entries = [verdicts.known[name] for name in option.advice]
    beside = [*(c for e in entries for c in (*e.supported_by, *e.contradicted_by)), *option.about]
    named = {*option.rests_on, *option.against}
    return (
        *verdicts.of("for", option.rests_on),
        *verdicts.of("against", option.against),
        *verdicts.of("beside", (c for c in beside if c not in named)),
    )


def _disagreement(c: GuideContradiction, case: Mapping[str, Any], verdicts: Verdicts) -> Disagreement:
    words = _words(case)
    side, because = c.side.format_map(words), c.because.format_map(words)
    return Disagreement(c.id, c.one, c.other, side, because, tuple(verdicts.of("beside", c.about)))


def _scaled(option: Option, case: Mapping[str, Any], verdicts: Verdicts) -> Option:
    """The peak rate for the batch, by the option's rule, which is not applied where the ledger refutes it."""
    if not option.rate:
        return option
    lr, at, scaling = float(option.rate["lr"]), int(option.rate["at"]), option.rate["scaling"]
    share = case["batch"] / at
    if scaling == "linear" and verdicts.refuted([SCALING_CLAIM]):
        why = f"{option.because} The rate is not scaled: {SCALING_CLAIM} is {verdicts.standing(SCALING_CLAIM)}."
        return replace(option, set=(*option.set, f"optimizer.lr={lr:g}"), because=why)
    rate = f"{lr * (sqrt(share) if scaling == 'sqrt' else share):.4g}"
    take = option.take if share == 1 else f"{option.take}: {rate} for {case['batch']}"
    named = option.about if scaling != "linear" or SCALING_CLAIM in option.about else (*option.about, SCALING_CLAIM)
    return replace(option, set=(*option.set, f"optimizer.lr={rate}"), take=take, about=named)


def _filled(option: Option, case: Mapping[str, Any]) -> Option:
    """With the facts in its words and overrides."""
    words = _words(case)
    return replace(
        option,
        take=option.take.format_map(words),
        because=option.because.format_map(words),
        source=option.source.format_map(words),
        set=tuple(o.format_map(words) for o in option.set),
    )


def _words(case: Mapping[str, Any]) -> dict[str, str]:
    return {name: f"{value:,}" if name == "updates" and value else str(value) for name, value in case.items()}
