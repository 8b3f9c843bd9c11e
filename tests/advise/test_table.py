"""The table of advice and the ledger are one: every rule, every claim, every option that can be reached."""

from functools import cache
from itertools import product
from string import Formatter

import pytest
from advised import FACTORS, KNOWN, TABLE, many, world

from lrbench.advise.choose import Advice, advice
from lrbench.advise.facts import CHOICES, DOMAINS, MODELS, Facts, completed, number_of
from lrbench.advise.table import ASKED, QUESTIONS, Option, meets
from lrbench.claims.ledger import Claim
from lrbench.errors import ConfigError

OPTIONS = [(q, o) for q, options in TABLE.options.items() for o in options]
LEDGER = {c.id: c for c in KNOWN.values() if c.rule.startswith("advise.")}
CASE = completed(Facts(domain="cnn", samples=50_000)).of
NOTHING, NO_EFFECT = (
    world(),
    world(**{c.id.replace("-", "_"): "contradicted" for c in KNOWN.values() if c.kind == "effect"}),
)


@cache
def cases() -> list[Facts]:
    """Whatever can meet; and every domain at every length, batch and goal, without what goes before all else."""
    plain = product(DOMAINS, (False, True), (None, 5, 20, 100), (None, 1024, 8192), FACTORS["goal"])
    some = [Facts(domain=d, pretrained=p, epochs=e, batch=b, goal=g) for d, p, e, b, g in plain]
    more = [Facts(domain=d, recipe=r, epochs=e) for d, r, e in product(DOMAINS, CHOICES["recipe"], (None, 20, 100))]
    known = [Facts(model=m, samples=10**8) for m in MODELS if "domain" in MODELS[m]]
    return [*many(FACTORS), *some, *more, *known]


@cache
def advised() -> list[Advice]:
    return [advice(f, settled, TABLE) for settled in (NOTHING, NO_EFFECT) for f in cases()]


def test_every_rule_of_the_ledger_is_here_and_every_rule_here_is_the_ledgers() -> None:
    assert {c.rule for c in LEDGER.values()} == {*TABLE.rules}


def test_every_entry_of_the_ledger_is_answered_by_an_option_of_its_rule() -> None:
    answered = {(name, o.rule) for _, o in OPTIONS for name in o.advice}
    assert answered == {(c.id, c.rule) for c in LEDGER.values()}


@pytest.mark.parametrize(("question", "option"), OPTIONS, ids=[f"{q}-{o.id}" for q, o in OPTIONS])
def test_an_option_names_claims_and_facts_that_there_are(question: str, option: Option) -> None:
    claims = (*option.rests_on, *option.against, *option.about)
    assert {*claims} <= KNOWN.keys()
    assert len({*claims}) == len(claims)
    assert claims or option.advice, "nothing to be held against"
    assert option.when.keys() <= CASE.keys() | {"schedule"}
    for name, wanted in option.when.items():
        meets({name: wanted}, {**CASE, "schedule": ""})  # a range that is none would be refused
        for word in wanted if isinstance(wanted, list) else [wanted]:
            assert name not in CHOICES or word in CHOICES[name]
    for text in (option.take, option.because, option.source, *option.set):
        assert {name for _, name, _, _ in Formatter().parse(text) if name} <= CASE.keys()


def test_ids_are_of_one_option_each() -> None:
    for options in TABLE.options.values():
        assert len({o.id for o in options}) == len(options)
    assert len({c.id for c in TABLE.contradictions}) == len(TABLE.contradictions)


def test_every_question_but_the_first_and_last_has_always_an_answer() -> None:
    assert {*ASKED} == {*QUESTIONS} == {*TABLE.options}
    for question in ("length", "optimizer", "rate", "schedule", "warmup"):
        assert not TABLE.options[question][-1].when
        assert not TABLE.options[question][-1].rests_on


@pytest.mark.slow
def test_every_option_is_taken_or_told_in_some_case() -> None:
    """Those that nothing reaches are no advice."""
    told = {(c.question, c.id) for a in advised() for c in a.choices}
    told |= {(c.question, o.id) for a in advised() for c in a.choices for o in c.others}
    assert {(q, o.id) for q, o in OPTIONS} == told


def test_every_contradiction_of_the_guide_is_told_in_some_case() -> None:
    told = {d.id for a in advised() for c in a.choices for d in c.disagreements}
    assert {c.id for c in TABLE.contradictions} == told


def test_a_contradiction_names_options_and_claims_that_there_are() -> None:
    for c in TABLE.contradictions:
        assert {*c.taken} <= {o.id for o in TABLE.options[c.question]}, c.id
        assert {*c.about} <= KNOWN.keys(), c.id
        assert c.about, c.id


def test_no_key_is_given_twice() -> None:
    for a in advised():
        keys = [o.partition("=")[0] for o in a.overrides]
        assert len({*keys}) == len(keys), a.overrides


def test_nothing_that_was_found_wrong_is_followed() -> None:
    for a in advised()[len(cases()) :]:
        for choice in a.choices:
            effects = [e for e in choice.evidence if e.bears == "for" and KNOWN[e.claim].kind == "effect"]
            assert not effects, (choice.id, effects)


@pytest.mark.parametrize(
    ("wanted", "given", "met"),
    [
        ("<10", 9, True),
        ("<10", 10, False),
        ("<=50", 50, True),
        (">512", 512, False),
        (">512", 513, True),
        (">=100k", 100_000, True),
        ("<1M", 1e6, False),
        ("10..29", 29, True),
        ("10..29", 30, False),
        ("<10", None, False),
        (100, 100, True),
        (True, True, True),
        (True, False, False),
        (["cnn", "vit"], "vit", True),
        ("cnn", "vit", False),
    ],
)
def test_conditions(wanted: object, given: object, met: bool) -> None:
    assert meets({"fact": wanted}, {"fact": given}) is met


def test_a_condition_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match="no range"):
        meets({"fact": "about 10"}, {"fact": 10})


def test_models_are_of_domains_that_there_are() -> None:
    for name, model in MODELS.items():
        assert model["domain"] in DOMAINS, name
        assert "size" not in model or number_of(model["size"])


def test_the_ledger_is_what_it_was_when_this_was_written() -> None:
    """Were an entry of another rule added, the table would have to answer it."""
    claims: list[Claim] = [*LEDGER.values()]
    assert len(claims) == 26
