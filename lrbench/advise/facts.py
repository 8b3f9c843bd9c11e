"""What a person tells: a few facts, checked, and completed by what is usual in the domain."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from lrbench.config.files import read
from lrbench.errors import ConfigError, did_you_mean

FOLDER = Path(__file__).parent
DOMAINS: Mapping[str, Any] = read(FOLDER / "domains.yaml")
MODELS: Mapping[str, Any] = read(FOLDER / "models.yaml")
SCHEDULERS = ("constant", "steps", "cosine", "linear", "polynomial", "exponential", "onecycle", "plateau",
              "inverse_sqrt", "wsd")  # fmt: skip
CHOICES: Mapping[str, Sequence[str]] = {  # the words that a fact may be
    "domain": tuple(DOMAINS),
    "optimizer": ("sgd", "sgd_nesterov", "adam", "adamw", "rmsprop", "lamb", "lion", "muon"),
    "scheduler": SCHEDULERS,
    "recipe": ("none", "steps", "cosine", "linear", "polynomial", "onecycle", "constant"),
    "budget": ("fixed", "open"),
    "goal": ("best", "fast", "reproduce", "search"),
    "training": ("new", "well", "stuck", "unstable"),
}
MOST = {"epochs": 10_000, "batch": 10**7, "samples": 1e13, "size": 1e13}
UNITS = {"": 1.0, "k": 1e3, "m": 1e6, "b": 1e9, "t": 1e12}
LARGE = 100e6  # parameters from which on the guide takes no one cycle
ANOTHER_NAME = re.compile(r"[\s_.-]+")


@dataclass(frozen=True)
class Facts:
    """What was said; "" or None for what was not.

    domain: one of DOMAINS. model: its name, of MODELS or any other. size: its parameters. epochs: how long it is
    trained. batch: samples in one update. samples: in the training set. pretrained: whether its weights are. recipe:
    the kind of schedule of a published recipe that is followed. budget: `open` where the length is not known.
    scheduler: one that the person has in mind. training: how a run that is there goes.
    """

    domain: str = ""
    model: str = ""
    size: float | None = None
    epochs: int | None = None
    batch: int | None = None
    samples: float | None = None
    pretrained: bool | None = None
    optimizer: str = ""
    scheduler: str = ""
    recipe: str = ""
    budget: str = ""
    goal: str = ""
    training: str = ""

    @property
    def told(self) -> dict[str, Any]:
        """Only what was said."""
        return {f.name: value for f in fields(self) if (value := getattr(self, f.name)) not in ("", None)}

    def with_(self, **others: Any) -> "Facts":
        return replace(self, **others)


@dataclass(frozen=True)
class AdviceCase:
    """The facts, completed. of: every fact by its name, with those that follow from others. assumed: the names of those
    that nobody said."""

    of: Mapping[str, Any]
    assumed: tuple[str, ...]


def fact(option: str, name: str, text: str) -> Any:
    """A fact from its text: a number with a unit (`22M`), yes or no, one of some words. Raises ConfigError."""
    if name == "pretrained":
        return _yes_or_no(option, text)
    if name == "model":
        return model_named(text) or text
    if name in MOST:
        return _number(option, name, text)
    if text not in CHOICES[name]:
        raise ConfigError(option, text, "there is none such", did_you_mean(text, CHOICES[name]))
    return text


def model_named(text: str) -> str:
    """The name in MODELS of what a person calls a model: `ResNet-50`, `vit s`. Empty where there is none."""
    plain = ANOTHER_NAME.sub("", text.lower())
    return next((name for name in MODELS if ANOTHER_NAME.sub("", name) == plain), "")


def number_of(text: str) -> float | None:
    """22M, 1.28 million and 256 as numbers; None for what is none."""
    found = re.fullmatch(r"([\d,]*\.?\d+)\s*(k|m|b|t|million|billion|trillion|thousand)?", text.strip().lower())
    if not found:
        return None
    unit = found[2] or ""
    return float(found[1].replace(",", "")) * UNITS[{"thousand": "k"}.get(unit, unit[:1])]


def _number(option: str, name: str, text: str) -> float | int:
    value = number_of(text)
    if value is None:
        raise ConfigError(option, text, "this is no number", "write 300, 22M or 1.28M")
    if name in ("epochs", "batch", "samples") and value != int(value):
        raise ConfigError(option, text, f"{name} are counted whole", "give a whole number, 1 or more")
    if not 1 <= value <= MOST[name]:
        raise ConfigError(option, text, "this is out of range", f"give a number from 1 to {MOST[name]:,.0f}")
    return value if name == "size" else int(value)


def _yes_or_no(option: str, text: str) -> bool:
    if text.lower() not in ("y", "yes", "n", "no", "true", "false"):
        raise ConfigError(option, text, "answer yes or no")
    return text.lower() in ("y", "yes", "true")


def completed(facts: Facts) -> AdviceCase:
    """The facts with what is usual for the domain where nothing is said, and with what follows from them.

    Raises ConfigError where no domain is given and none follows from the model, where the two disagree, and where there
    are fewer samples than a batch has.
    """
    domain = _domain(facts)
    own, told = DOMAINS[domain], facts.told
    model = MODELS.get(facts.model, {})
    pretrained = bool(facts.pretrained)
    usual = own["pretrained" if pretrained else "scratch"]
    goal = facts.goal or ("reproduce" if facts.recipe not in ("", "none") else "best")
    recipe = facts.recipe or (own["recipe"] if goal == "reproduce" else "none")
    most = own.get("fast", usual["epochs"]) if goal == "fast" else usual["epochs"]
    epochs = facts.epochs or min(most, usual["epochs"])
    batch = facts.batch or usual["batch"]
    size = facts.size or number_of(str(model.get("size", "")))
    if facts.samples is not None and facts.samples < batch:
        cure = "give a smaller batch, or the samples of the training set"
        raise ConfigError("--batch", batch, f"there are only {facts.samples:,.0f} samples to train on", cure)
    found = {
        "domain": domain, "words": own["words"], "transformer": bool(own.get("transformer")),
        "model": facts.model, "pretrained": pretrained, "epochs": epochs, "batch": batch,
        "goal": goal, "recipe": recipe,
        "budget": facts.budget or "fixed", "training": facts.training or "new", "scheduler": facts.scheduler,
        "optimizer": facts.optimizer or usual["optimizer"], "usual_optimizer": usual["optimizer"],
        "epochs_given": facts.epochs is not None, "optimizer_given": bool(facts.optimizer),
        "small_enough": size is None or size < LARGE, "patience": max(1, round(epochs / 10)),
        "updates": epochs * int(facts.samples // batch) if facts.samples else None, "size": size,
        "samples": facts.samples,
    }  # fmt: skip
    shown = ("domain", "pretrained", "epochs", "batch", "optimizer", "goal")
    return AdviceCase(found, tuple(name for name in shown if name not in told and not (name == "domain" and model)))


def _domain(facts: Facts) -> str:
    of_model = str(MODELS.get(facts.model, {}).get("domain", ""))
    if facts.domain and of_model and facts.domain not in (of_model, DOMAINS[of_model].get("kind")):
        why = f"{facts.model} is {DOMAINS[of_model]['words']}"
        raise ConfigError("--domain", facts.domain, why, f"leave one of the two out, or say --domain {of_model}")
    if not (facts.domain or of_model):
        if facts.model:
            why = "no model of this name is known here, and so not what kind it is"
            raise ConfigError("--model", facts.model, why, f"add --domain, one of {', '.join(DOMAINS)}")
        raise ConfigError("--domain", "", "it is not said what is trained", f"give one of {', '.join(DOMAINS)}")
    return of_model or facts.domain
