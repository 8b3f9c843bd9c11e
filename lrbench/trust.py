"""Whose code may run: what only a file of somebody's names is run where it is a part of experiments alone."""

import pkgutil
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from lrbench.errors import ConfigError

# Where the parts of experiments lie. Elsewhere in the same libraries are functions that run or load anything.
KNOWN = (
    "lrbench.data.", "lrbench.models.", "lrbench.tasks.", "lrbench.param_groups.", "lrbench.schedules.",
    "lrbench.trackers.", "lrbench.study.bench.", "torch.nn.", "torch.optim.", "torchvision.models.",
    "timm.optim.", "timm.scheduler.", "schedulefree.",
)  # fmt: skip


def targets_in(plain: Any) -> Iterator[str]:
    """Every target that plain data name: a configuration's (`_target_`), an Experiment's or a design's (`target`)."""
    if isinstance(plain, Mapping):
        for key, value in plain.items():
            if key in ("target", "_target_") and isinstance(value, str):
                yield value
            else:
                yield from targets_in(value)
    elif isinstance(plain, list | tuple):
        for value in plain:
            yield from targets_in(value)


def named_in(texts: Iterable[str]) -> list[str]:
    """The targets that a person's own words name: overrides, levels and designs, as text."""
    return [path for text in texts for path in re.findall(r"_target_[\"']?\s*[=:]\s*[\"']?([\w.]+)", text)]


def require_known(
    plain: Any,
    named: Iterable[str],
    option: str,
    value: object,
    cure: str = "if you trust it, name its module in this command too, as model._target_=... does",
) -> None:
    """Refuse to run what a file of somebody's names. plain: data of a record, a sweep, a design or evidence, whose
    targets must lie where the parts of experiments do (KNOWN), or in a module of `named`, the targets that the person's
    own words name. Nothing else is imported to find out. Raises ConfigError for `option`, which was given as `value`.
    """
    modules = {path.rpartition(".")[0] for path in named}
    for path in targets_in(plain):
        if path.rpartition(".")[0] not in modules and not _is_known(path):
            why = (
                f"what lies there names {path} as its code, and nothing is run that only a file names, but for the "
                "parts of lrbench, torch, torchvision and timm"
            )
            raise ConfigError(option, value, why, cure)


def _is_known(path: str) -> bool:
    """Whether it is a part of experiments, by its path and by where it was defined: `torch.nn.os.system` is none."""
    if not path.startswith(KNOWN):
        return False
    try:
        target = pkgutil.resolve_name(path)
    except Exception:  # one that is not there is refused in other words, where it is needed
        return True
    return f"{getattr(target, '__module__', '')}.".startswith(KNOWN)
