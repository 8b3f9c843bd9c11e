"""`lrbench advise`: from a few facts to overrides, each with its reason and the evidence for and against it."""

import argparse
import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from lrbench.advise.choose import advice
from lrbench.advise.evidence import Verdicts, verdicts
from lrbench.advise.excuses import answer, excuse_of, excuses, like
from lrbench.advise.facts import CHOICES, DOMAINS, FOLDER, Facts, completed, fact
from lrbench.advise.next_steps import code, steps
from lrbench.advise.sentence import Understood, understood
from lrbench.advise.table import read_table
from lrbench.advise.words import answered, excuse_list, rule_told, told
from lrbench.claims.ledger import claims
from lrbench.commands import Parser
from lrbench.config.files import read
from lrbench.errors import ConfigError, did_you_mean
from lrbench.store.folder import results_folder

FLAGS = ("domain", "model", "size", "epochs", "batch", "samples", "optimizer", "scheduler", "recipe", "budget", "goal",
         "training")  # fmt: skip

DEFAULT_DOMAIN = "cnn"

EPILOG = """examples
  lrbench advise                              in a terminal: a few questions
  lrbench advise "BERT fine-tuning, 3 epochs"         a sentence: keywords only
  lrbench advise --domain nlp --pretrained --epochs 3
  lrbench advise --model vit_s --epochs 300 --samples 1M --batch 1024
  lrbench advise --model resnet50 --epochs 20 --recipe steps
  lrbench advise --domain cnn --goal fast --json      for a program
  lrbench advise --excuse                     excuses for not scheduling
  lrbench advise --excuse 9                   the answer to one
  lrbench advise --rule is-warmup-worth-it    a rule, its options and evidence

Verdicts are those under RESULTS/claims, else those published with lrbench. A
choice that a verdict speaks against is not made, and it says so. `not yet run`
is no evidence either way.

Exit codes: 0 fine, 2 bad usage, 130 stopped by Ctrl-C or the end of input."""


def run(arguments: Sequence[str]) -> int:
    options = _parser().parse_args(arguments)
    ledger = verdicts(claims(), results_folder(options.results) / "claims")
    if options.excuse is not None:
        return _excuse(options.excuse, ledger, options.json)
    if options.rule is not None:
        return _rule(options.rule, ledger)
    sentence = understood(options.sentence) if options.sentence else None
    facts = _facts(options, sentence.facts if sentence else Facts())
    if sentence is not None and not (facts.domain or facts.model):
        return _without_domain(options.sentence, sentence, ledger, options.json)
    if not facts.told:
        facts = _asked(facts)
    found = advice(facts, ledger, read_table())
    if options.json:
        print(_json(found.case.of, found, sentence))
    else:
        print(told(found, sentence))
    return 0


def _facts(options: argparse.Namespace, of_sentence: Facts) -> Facts:
    """Flags count before what a sentence says."""
    given = {name: text for name in FLAGS if (text := getattr(options, name)) is not None}
    found: dict[str, Any] = {name: fact(f"--{name}", name, text) for name, text in given.items()}
    if options.pretrained is not None:
        found["pretrained"] = options.pretrained
    return of_sentence.with_(**found)


def _without_domain(text: str, sentence: Understood, ledger: Verdicts, as_json: bool) -> int:
    """A sentence that does not say what is trained: an excuse, or refused."""
    excuse = like(text)
    if excuse is None:
        heard = ", ".join(f"{name} ({words})" for name, words in sentence.by.items()) or "nothing"
        why = f"it does not say what is trained; understood: {heard}"
        if sentence.not_understood:
            why += f"; not understood: {', '.join(sentence.not_understood)}"
        raise ConfigError("advise", text, why, f"name a model, or add --domain, one of {', '.join(DOMAINS)}")
    found = answer(excuse, ledger)
    print(json.dumps(asdict(found), indent=2) if as_json else answered(found))
    return 0


def _excuse(given: str, ledger: Verdicts, as_json: bool) -> int:
    if not given:
        print(json.dumps([asdict(e) for e in excuses()], indent=2) if as_json else excuse_list(excuses()))
        return 0
    found = answer(excuse_of(given), ledger)
    print(json.dumps(asdict(found), indent=2) if as_json else answered(found))
    return 0


def _rule(given: str, ledger: Verdicts) -> int:
    table, name = read_table(), given if given.startswith("advise.") else f"advise.{given}"
    if name not in table.rules:
        raise ConfigError("--rule", given, "there is no such rule", did_you_mean(name, table.rules))
    print(rule_told(name, table.of(name), ledger))
    return 0


def _asked(facts: Facts) -> Facts:
    """Ask in the terminal, each with what is usual as its default. Raises ConfigError where nobody can answer."""
    if not sys.stdin.isatty():
        cure = f"give --domain, one of {', '.join(DOMAINS)}, or a sentence; `lrbench advise --help` has examples"
        raise ConfigError("advise", "", "it is not said what is trained", cure)
    print("Enter takes what stands in brackets; Ctrl-C leaves.\n", file=sys.stderr)
    for question in read(FOLDER / "questions.yaml"):
        facts = _ask(question, facts)
    print(f"\nthe same again: {_as_command(facts)}\n")
    return facts


def _ask(question: Mapping[str, str], facts: Facts) -> Facts:
    """One question, until its answer can be understood. What is left to its default stays unsaid."""
    name = question["fact"]
    usual = DEFAULT_DOMAIN if name == "domain" else completed(facts).of[name]
    shown = {True: "yes", False: "no"}[usual] if isinstance(usual, bool) else usual
    among = f"  one of {', '.join(CHOICES[name])}\n" if name in CHOICES else ""
    print(f"{question['ask']}\n{among}  decides {question['decides']}", file=sys.stderr)
    while True:
        try:
            text = input(f"  [{shown}] ").strip()
            if not text:
                return facts.with_(domain=usual) if name == "domain" else facts
            return facts.with_(**{name: fact(name, name, text)})
        except ConfigError as error:
            print(f"  {error}", file=sys.stderr)
        except (EOFError, KeyboardInterrupt):  # nobody is there to answer any more
            print(file=sys.stderr)
            raise KeyboardInterrupt from None


def _as_command(facts: Facts) -> str:
    words = [f"--{name} {value}" for name, value in facts.told.items() if name != "pretrained"]
    return " ".join(["lrbench advise", *words, *(["--pretrained"] if facts.pretrained else [])])


def _json(case: Mapping[str, Any], found: Any, sentence: Understood | None) -> str:
    own = code(found)
    plain = {
        "facts": case,
        "assumed": found.case.assumed,
        "understood": dict(sentence.by) if sentence else {},
        "not_understood": sentence.not_understood if sentence else (),
        "overrides": found.overrides,
        "look": shlex.join(("lrbench", "plot", *found.overrides)),
        "choices": [asdict(c) for c in found.choices],
        "next": [{"what": words, "command": shlex.join(command)} for words, command in steps(found)]
        + ([] if own is None else [{"what": own[0], "code": own[1]}]),
    }
    return json.dumps(plain, indent=2)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="lrbench advise",
        description="From a few facts to overrides that run as printed: optimizer, rate,\nschedule, warmup and length, "
        "each with its reason, its source, and what\nbecame of the claims it rests on.",
        epilog=EPILOG,
    )
    parser.add_argument("sentence", nargs="?", metavar="SENTENCE", help="what you do, in plain words; keywords only")
    parser.add_argument("--domain", metavar="NAME", help=f"of {', '.join(DOMAINS)}")
    parser.add_argument("--model", metavar="NAME", help="such as resnet50, vit_s, bert; it tells domain and size")
    parser.add_argument("--size", metavar="N", help="parameters: 22M, 1.3B")
    parser.add_argument("--epochs", metavar="N", help="how long it trains")
    parser.add_argument("--batch", metavar="N", help="samples in one update")
    parser.add_argument("--samples", metavar="N", help="in the training set: 50k, 1.28M; with them updates are counted")
    words = "pretrained weights, or none (the default)"
    parser.add_argument("--pretrained", action=argparse.BooleanOptionalAction, default=None, help=words)
    for name, words in (
        ("optimizer", "if it is settled"),
        ("scheduler", "one that you have in mind"),
        ("recipe", "the schedule of a published recipe that you follow"),
        ("budget", "open where the length is not known"),
        ("goal", "what for"),
        ("training", "how a run that is there goes"),
    ):
        parser.add_argument(f"--{name}", metavar="NAME", help=f"{words}: {', '.join(CHOICES[name])}")
    words = "answer an excuse for not scheduling, by number or words; without one, list them"
    parser.add_argument("--excuse", nargs="?", const="", metavar="EXCUSE", help=words)
    parser.add_argument("--rule", metavar="NAME", help="show a rule that the ledger names, its options and evidence")
    parser.add_argument("--json", action="store_true", help="for a program")
    parser.add_results("results")
    return parser
