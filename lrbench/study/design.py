"""A design as it is frozen: the rules, and the Experiments of its arms. Nothing is composed again after that."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, asdict, dataclass, field, fields, replace
from functools import cached_property
from typing import Any

from lrbench.experiment import Experiment
from lrbench.experiment.hashing import canonical, digest
from lrbench.experiment.identity import from_plain, to_plain
from lrbench.stats.verdict import ClaimedEffect
from lrbench.store.arms import with_seed, without_seed
from lrbench.study.cells import Cell
from lrbench.study.rules import Rules
from lrbench.study.tuning_rules import TuningRules

RATE = "optimizer.lr"  # the keys that end so are set in the Experiment; others are composed at every value

Arms = Mapping[str, Mapping[str, Mapping[str, Any]]]  # task -> arm -> value ("": any) -> Experiment without seed
Existed = Mapping[str, Mapping[str, Mapping[str, int]]]  # task -> arm -> value ("": as given) -> runs


@dataclass(frozen=True)
class Design:
    """keys: what is tuned in each arm. asked: the design as a person gave it, which the rest was compiled from.
    fresh: whether its confirmation runs were still to be made when it was frozen; existed: those that were not (of the
    first seeds; empty in designs that were frozen before this was kept)."""

    name: str
    question: str
    rules: Rules
    arms: Arms
    keys: Mapping[str, str]
    asked: Mapping[str, Any] = field(default_factory=dict)
    fresh: bool = True
    existed: Existed = field(default_factory=dict)

    @cached_property
    def hash(self) -> str:
        """16 hex digits of what decides the answer: the Experiments and the rules but for `replicate`, no words. What
        stands at its default is left out, so that a rule which is added later changes no hash."""
        rules = _set_in(replace(self.rules, replicate=0))
        rules |= {"tuning": _set_in(self.rules.tuning)} if self.rules.tuning else {}
        return digest(canonical({"rules": rules, "arms": self.arms, "keys": self.keys}))

    @property
    def seen(self) -> Mapping[str, tuple[str, ...]]:
        """By task, the arms whose gain over the baseline could be seen when the design was frozen; such tasks alone."""
        rules = self.rules
        found = {t: tuple(a for a in rules.contrasts if self.was_seen(a, rules.baseline, t)) for t in rules.tasks}
        return {task: arms for task, arms in found.items() if arms}

    def was_seen(self, arm: str, against: str, task: str) -> bool:
        """Whether a gain could be seen when the design was frozen: both had run on the task. One of the two alone, that
        another study had as well, shows none."""
        if not self.fresh and not self.existed:
            return True  # which runs there were is not known
        return {arm, against} <= self.existed.get(task, {}).keys()

    def each_arm(self) -> Iterator[Experiment]:
        """An Experiment of every arm on every task: as it is given, or at the first of its values."""
        for arms in self.arms.values():
            for values in arms.values():
                yield from_plain(with_seed(next(iter(values.values())), 0))

    def experiment(self, cell: Cell) -> Experiment:
        """The run of a cell."""
        made = self.arms[cell.task][cell.arm]
        plain = made[""] if "" in made else made[key_of(cell.value)]
        if cell.value is not None and "" in made:
            plain = _with(plain, self.keys[cell.arm].split("."), cell.value)
        experiment: Experiment = from_plain(with_seed(plain, cell.seed))
        return experiment

    def to_plain(self) -> dict[str, Any]:
        """As its file holds it."""
        plain = {**asdict(self), "rules": _rules_to_plain(self.rules), "hash": self.hash}
        found: dict[str, Any] = json.loads(json.dumps(plain))
        return found


def from_plain_design(plain: Mapping[str, Any]) -> Design:
    """The inverse. Raises KeyError, TypeError or ValueError for what is no design, and one that was changed by hand."""
    made = Design(
        name=plain["name"], question=plain["question"], rules=_rules_from(plain["rules"]), arms=plain["arms"],
        keys=plain["keys"], asked=plain["asked"], fresh=plain["fresh"],
        existed=plain.get("existed", {}),
    )  # fmt: skip
    if made.hash != plain["hash"]:
        raise ValueError(f"its content hashes to {made.hash}, not to the {plain['hash']} it was frozen with")
    return made


def plain_arm(experiment: Experiment) -> dict[str, Any]:
    """An Experiment as an arm holds it: without its seed."""
    plain: dict[str, Any] = json.loads(json.dumps(without_seed(to_plain(experiment))))
    return plain


def key_of(value: float | None) -> str:
    """A value as a key, and as an override has it: 64, not 64.0."""
    return "" if value is None else str(int(value)) if float(value).is_integer() else repr(value)


def _set_in(value: Rules | TuningRules) -> dict[str, Any]:
    """The fields that differ from their defaults."""
    return {f.name: v for f in fields(value) if (v := getattr(value, f.name)) != _default(f)}


def _default(known: Field[Any]) -> Any:
    return known.default_factory() if known.default_factory is not MISSING else known.default


def _with(plain: Mapping[str, Any], path: list[str], value: float) -> dict[str, Any]:
    first, *rest = path
    return {**plain, first: _with(plain[first], rest, value) if rest else value}


def _rules_to_plain(rules: Rules) -> dict[str, Any]:
    return {k: v for k, v in asdict(rules).items() if v is not None}


def _rules_from(plain: Mapping[str, Any]) -> Rules:
    lists = {k: tuple(plain[k]) for k in ("arms", "tasks", "primary")}
    tuning = {"tuning": TuningRules(**plain["tuning"])} if "tuning" in plain else {}
    claims = {arm: ClaimedEffect(**claim) for arm, claim in plain["claims"].items()}
    return Rules(**{**plain, **lists, **tuning, "claims": claims})
