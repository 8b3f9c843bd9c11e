"""A question in plain words: the facts that are understood in it, and the words that are not."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lrbench.advise.facts import FOLDER, MODELS, Facts, model_named, number_of
from lrbench.config.files import read
from lrbench.errors import ConfigError

AMOUNT = r"([\d,]*\.?\d+ ?(?:k|m|b|million|billion|thousand)?)"
NUMBERS = (  # what stands around a number, and which fact it is
    ("epochs", rf"{AMOUNT} ?(?:epochs?|ep)\b"),
    ("batch", rf"\bbatch(?:es)?(?: size)?(?: of)? ?{AMOUNT}\b"),
    ("batch", rf"{AMOUNT} (?:samples an update|batch(?:es)?(?: size)?)\b"),
    ("samples", rf"{AMOUNT} ?(?:training )?(?:images|samples|examples|sentences|pictures)\b"),
    ("size", rf"{AMOUNT} ?(?:parameters|params|weights)\b"),
    ("size", r"\b(\d[\d,]*\.?\d*(?:m|b))\b(?! ?(?:tokens|steps|updates|iterations|words|pixels))"),  # `llama 70B`
)


@dataclass(frozen=True)
class Understood:
    """facts: what a sentence says. by: each fact by the words it was understood from. not_understood: other words."""

    facts: Facts
    by: Mapping[str, str]
    not_understood: tuple[str, ...]


def understood(text: str) -> Understood:
    """Keywords only: numbers with their units, models, and the words of words.yaml. Raises ConfigError where two words
    say two things of one fact."""
    words = read(FOLDER / "words.yaml")
    rest, found, by = f" {_plain(text)} ", dict[str, Any](), dict[str, str]()
    for name, pattern in NUMBERS:
        for match in re.finditer(pattern, rest):
            _take(found, by, name, _whole(name, match[1]), match[0].strip())
        rest = re.sub(pattern, " . ", rest)
    for phrase in sorted(_names() | words["facts"].keys(), key=len, reverse=True):
        if f" {phrase} " not in rest:
            continue
        rest = rest.replace(f" {phrase} ", " . ")
        said = words["facts"].get(phrase) or {"model": model_named(phrase)}
        for name, value in said.items():
            if not (name == "domain" and "model" in found):  # `a ResNet-50 CNN`: the model says it already
                _take(found, by, name, value, phrase)
    left = [w for w in rest.split() if w != "." and w not in words["ignored"].split()]
    return Understood(Facts(**found), by, tuple(dict.fromkeys(left)))


def _plain(text: str) -> str:
    """Lower case, no punctuation but in numbers, a hyphen as a space."""
    bare = re.sub(r"(?<!\d)[.,]|[.,](?!\d)|[?!;:'\"()]", " ", text.lower())
    return " ".join(re.sub(r"[-_/]", " ", bare).split())


def _names() -> set[str]:
    """The models as people write them: `resnet 50`, `resnet50`, `vit s`, `vits`."""
    plain = {name.replace("_", " ") for name in MODELS}
    return plain | {re.sub(r"([a-z])(\d+)$", r"\1 \2", name) for name in plain} | {n.replace(" ", "") for n in plain}


def _whole(name: str, text: str) -> int | float:
    value = number_of(text)
    assert value is not None  # the pattern is one of numbers
    return value if name == "size" else int(value)


def _take(found: dict[str, Any], by: dict[str, str], name: str, value: Any, words: str) -> None:
    if name in found and found[name] != value:
        why = f"it says {name} twice: {by[name]}, and {words}"
        raise ConfigError("the sentence", words, why, "ask for one at a time")
    found[name], by[name] = value, words
