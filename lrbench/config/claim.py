"""How a claim about an effect is settled: `conf/claim/ID.yaml`, with the studies that bear on it and what is claimed.

A study says which runs are made and what is compared; several claims share one, each with a range of its own. A claim's
file has `parts`, each a list of `contrasts` (`cosine against constant`) of `studies` (one for each kind of task, say),
with the claimed range, and what of lrbench it still `needs`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, get_args

from lrbench import CONF
from lrbench.config.files import made, own_folder, read_mapping, shown
from lrbench.config.plain import claim_of, texts
from lrbench.errors import ConfigError, did_you_mean
from lrbench.metrics import Metric
from lrbench.stats.verdict import ClaimedEffect, Kind
from lrbench.study.design import Design
from lrbench.study.rules import Read

FOLDER = CONF / "claim"
# Kinds of a contrast; those of OWN_RUNS ask for runs of their own, so that the study has to be of that kind. (What a
# study of success ran may be asked about what it reached too.)
KINDS = (*get_args(Kind), "success", "spread", *get_args(Read))
OWN_RUNS = ("success", *get_args(Read))
HOLDS = ("all", "any")
EXAMPLES = {"studies": "decay_fashion", "contrasts": "cosine against constant", "tasks": "ep5"}


@dataclass(frozen=True)
class ClaimContrast:
    """The first arm's gain over the second's is what the claimed range is of."""

    arm: str
    against: str


@dataclass(frozen=True)
class ClaimPart:
    """What is claimed of some contrasts. claim: low, high and margin as in `claims` of a study; under every task of the
    studies, or of `tasks`. kind: that of the studies where it is left out. what: in words."""

    studies: tuple[str, ...]
    contrasts: tuple[ClaimContrast, ...]
    claim: Mapping[str, Any] = field(default_factory=dict)
    kind: str = ""
    tasks: tuple[str, ...] = ()
    what: str = ""


@dataclass(frozen=True)
class ClaimDesign:
    """The design of one claim. holds: whether all contrasts of all parts have to be as claimed, or any. settles: in
    words, what makes the claim true or false; why: where its numbers come from, and what the proxy leaves out. paper:
    overrides that put the paper's scale in the place of the studies' `set`. needs: parts of lrbench that do not exist
    yet, and then `design` says in words what there is to be. says: the claim itself, where it is none of the ledger's.
    """

    id: str
    settles: str
    says: str = ""
    why: str = ""
    parts: tuple[ClaimPart, ...] = ()
    holds: str = "all"
    paper: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    design: str = ""


def claim_designs(folder: Path = FOLDER) -> dict[str, ClaimDesign]:
    """All of them by the id of their claim. Raises ConfigError for a file that is none."""
    return {path.stem: read_claim(path) for path in sorted(folder.glob("*.yaml"))}


def own_designs(config_dir: str) -> dict[str, ClaimDesign]:
    """Those of a person's own, in `claim/` under --config-dir. Raises ConfigError for a folder that is not there, and
    for a file that does not say its claim."""
    found = claim_designs(own_folder(config_dir) / "claim")
    for name, design in found.items():
        if not design.says:
            raise ConfigError(f"claim/{name}.yaml", "", "it does not say what is claimed", "add says: a sentence")
    return found


def read_claim(path: Path) -> ClaimDesign:
    """What a claim's file says. Raises ConfigError for one that is none, or whose claim nothing could settle."""
    where, plain = shown(path), read_mapping(path, [f.name for f in fields(ClaimDesign) if f.name != "id"])
    lists = {key: tuple(texts(f"{where}: {key}", plain.get(key, []), "text")) for key in ("paper", "needs")}
    parts = plain.get("parts", [])
    if not isinstance(parts, list):
        raise ConfigError(f"{where}: parts", parts, "this is no list of parts")
    each = tuple(_part(part, f"{where}: part {place}") for place, part in enumerate(parts))
    found: ClaimDesign = made(ClaimDesign, {**plain, **lists, "parts": each}, where, id=path.stem)
    if found.holds not in HOLDS:
        raise ConfigError(f"{where}: holds", found.holds, "there is none such", did_you_mean("", HOLDS))
    if not found.parts and not (found.needs and found.design):
        cure = "give parts, or needs and a design in words"
        raise ConfigError(where, "", "nothing would settle this claim", cure)
    return found


def claimed(part: ClaimPart, design: Design) -> dict[ClaimContrast, ClaimedEffect]:
    """What a part claims of the contrasts of one of its studies. Raises ConfigError for arms, tasks and a kind that the
    study does not have, and for a range that no interval could be held against."""
    rules, where = design.rules, f"study {design.name}"
    kind = part.kind or rules.kind
    if kind != rules.kind and (kind in OWN_RUNS or rules.reads):
        raise ConfigError("kind", kind, f"the runs of {where} are for {rules.kind}", "name a study of this kind")
    for option, given, known in (
        ("arm", [a for c in part.contrasts for a in (c.arm, c.against)], rules.arms),
        ("tasks", part.tasks, rules.tasks),
    ):
        for name in given:
            if name not in known:
                raise ConfigError(option, name, f"{where} has none such", did_you_mean(name, known))
    metric = Metric(rules.metric, rules.unit)
    shares = "success" if kind == "fraction" else kind  # of the other arm's result: 0.9 is no gain of 90 points
    found = {c: claim_of(c.arm, part.claim, metric, shares) for c in part.contrasts}
    if kind in ("no worse", "equal") and any(claim.margin is None for claim in found.values()):
        raise ConfigError("margin", None, f"'{kind}' means within a margin", "give one, with its reason")
    return found


def _part(plain: Any, where: str) -> ClaimPart:
    part: ClaimPart = made(ClaimPart, plain, where)
    lists = {key: tuple(texts(f"{where}: {key}", plain.get(key, []), EXAMPLES[key])) for key in EXAMPLES}
    for key in ("studies", "contrasts"):
        if not lists[key]:
            raise ConfigError(f"{where}: {key}", "", "there is none", f"as in {key}: [{EXAMPLES[key]}]")
    if part.kind and part.kind not in KINDS:
        raise ConfigError(f"{where}: kind", part.kind, "there is none such", did_you_mean(part.kind, KINDS))
    if not isinstance(part.claim, dict):
        raise ConfigError(f"{where}: claim", part.claim, "this is no mapping", "as in claim: {low: 1%, margin: 0.5%}")
    contrasts = tuple(_contrast(text, where) for text in lists["contrasts"])
    return replace(part, studies=lists["studies"], tasks=lists["tasks"], contrasts=contrasts)


def _contrast(text: str, where: str) -> ClaimContrast:
    arm, word, against = text.partition(" against ")
    if not (arm and word and against):
        raise ConfigError(f"{where}: contrasts", text, "this is no contrast", "as in 'cosine against constant'")
    return ClaimContrast(arm, against)
