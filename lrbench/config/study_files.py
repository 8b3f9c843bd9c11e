"""Studies as people write them: files with a name, in `conf/study/` and under `--config-dir`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lrbench.config.entries import key_of
from lrbench.config.files import files_of, listed, read_mapping, shown
from lrbench.config.plain import texts
from lrbench.errors import ConfigError, did_you_mean

RULES = (
    "baseline", "kind", "within", "estimand", "rate", "primary", "pairs", "detect", "most_pairs", "looks", "replicate",
)  # fmt: skip
KEYS = ("question", "reasons", "set", "tasks", "arms", "metric", "higher", "tuning", "claims", "budget", *RULES)
WORDS = ("question", "reasons")  # of a study: they decide nothing


def study_files(config_dir: str | None = None) -> dict[str, Path]:
    """The studies that have a name. Raises ConfigError for a folder that is not there."""
    return files_of("study", config_dir)


def studies(config_dir: str | None = None) -> str:
    """Every study that has a name in a line."""
    return listed("studies (lrbench compare NAME)", study_files(config_dir))


def read_study(path: Path) -> dict[str, Any]:
    """What a study's file says; with `like: NAME`, what that study beside it says where it says nothing itself, and of
    `set` and `reasons` entry by entry. Raises ConfigError for a file that is none, and for a key that there is not."""
    own = read_mapping(path, (*KEYS, "like"))
    if "like" not in own:
        return own
    name, known = str(own.pop("like")), sorted(p.stem for p in path.parent.glob("*.yaml"))
    if name not in known:
        raise ConfigError(f"{shown(path)}: like", name, "no study beside it is called so", did_you_mean(name, known))
    first = read_mapping(path.with_name(f"{name}.yaml"), (*KEYS, "like"))
    if "like" in first:
        why = "that study is like another one itself"
        raise ConfigError(f"{shown(path)}: like", name, why, "name one that says all of its own")
    given = {key_of(o): o for o in texts("set", own.get("set", []), "model=mlp")}
    shared = [given.pop(key_of(o), o) for o in texts("set", first.get("set", []), "model=mlp")]
    reasons = {**_reasons(name, first), **_reasons(path.stem, own)}
    return {**first, **own, "set": [*shared, *given.values()], "reasons": reasons}


def _reasons(name: str, plain: Mapping[str, Any]) -> dict[str, Any]:
    reasons = plain.get("reasons", {})
    if not isinstance(reasons, dict):
        raise ConfigError(f"study {name}: reasons", reasons, "this is no mapping", "as in reasons: {set: A proxy.}")
    return reasons


def same_design(first: Mapping[str, Any], second: Mapping[str, Any]) -> bool:
    """Whether two studies say the same but for their words."""
    ours, theirs = ({k: v for k, v in s.items() if k not in WORDS} for s in (first, second))
    return ours == theirs
