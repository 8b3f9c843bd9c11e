"""`_target_`: from a dotted path to the thing it names, its arguments checked before anything is built."""

import hashlib
import inspect
import os
import pkgutil
import sys
from collections.abc import Callable, Collection, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from lrbench.errors import ConfigError, did_you_mean

# Versions of these stand in the record, so that their source need not be hashed.
_VERSIONED = ("torch", "torchvision", "timm", "lrbench", "builtins")


def resolve(path: str, option: str) -> Callable[..., Any]:
    """The class or function at a dotted path, for the group `option` (for the error message)."""
    try:
        target = pkgutil.resolve_name(path)
    except (ImportError, AttributeError, ValueError) as error:
        package, dot, _ = path.partition(".")
        absent = dot and isinstance(error, ModuleNotFoundError) and error.name == package
        cure = _neighbours(path)
        if absent:
            cure = (
                f"If {package} is a package, pip install {package}; if it is a file of yours, start lrbench in its "
                "folder or put that on PYTHONPATH."
            )
        raise ConfigError(f"{option}._target_", path, f"cannot be imported ({error})", cure) from error
    if not callable(target):
        raise ConfigError(f"{option}._target_", path, f"this is a {type(target).__name__}, not a class or function")
    return target


def _neighbours(path: str) -> str:
    module, _, name = path.rpartition(".")
    known = [n for n in vars(sys.modules[module]) if n[:1].isupper()] if module in sys.modules else []
    return did_you_mean(name, known).split(" Known:")[0].strip() or "Give the full path, such as package.module.Class."


def check_arguments(path: str, args: Mapping[str, Any], given: Collection[str], option: str) -> None:
    """Bind `args` to the target's signature, `given` being the parameters lrbench passes itself.

    Raises ConfigError naming an argument the target does not have (with the nearest one), that lrbench gives
    already, or that is missing. A target that takes **kwargs cannot be checked for unknown names.
    """
    parameters = _parameters(path, option)
    named = named_parameters(path, option).keys()
    open_ended = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    offered = named - set(given)
    name = path.rpartition(".")[2]
    for key in args:
        if key in given:
            raise ConfigError(f"{option}.args.{key}", "", f"lrbench gives this argument of {name} itself", "remove it")
        if key not in named and not open_ended:
            why = f"{name} has no argument '{key}'"
            raise ConfigError(f"{option}.args.{key}", "", why, did_you_mean(key, offered))
    required = [n for n in parameters if n in offered and parameters[n].default is inspect.Parameter.empty]
    missing = [n for n in required if n not in args]
    if missing:
        cure = f"add '+{option}.args.{missing[0]}=...' or write it in the level's file"
        raise ConfigError(f"{option}.args", "", f"{name} needs {', '.join(missing)}", cure)


def named_parameters(path: str, option: str) -> Mapping[str, inspect.Parameter]:
    """The parameters of a target that can be given by name. Raises ConfigError where it has no signature."""
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return {n: p for n, p in _parameters(path, option).items() if p.kind in named}


def _parameters(path: str, option: str) -> Mapping[str, inspect.Parameter]:
    try:
        return _signature(resolve(path, option))
    except ValueError as error:
        why = f"has no signature to check its arguments against ({error})"
        raise ConfigError(f"{option}._target_", path, why, "wrap it in a function of Python's") from error


@cache
def _signature(target: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(target).parameters


def with_defaults(path: str, args: Mapping[str, Any], option: str) -> dict[str, Any]:
    """`args` and, for what they leave out, the target's own defaults."""
    parameters = _parameters(path, option)
    defaults = {n: p.default for n, p in parameters.items() if p.default is not inspect.Parameter.empty}
    return {**defaults, **args}


def numerics(path: str, option: str) -> int | str | None:
    """What identifies the numbers a target computes: the NUMERICS of its module in lrbench, None for a versioned
    library, the hash of the source for anything else (a user's own class changes when its file does)."""
    target = resolve(path, option)
    module = inspect.getmodule(target)
    root = (module.__name__ if module else path).split(".")[0]
    if root in _VERSIONED:
        return getattr(module, "NUMERICS", None)
    try:
        file = inspect.getsourcefile(target) if module else None
    except TypeError:  # compiled: there is no source
        return None
    if not file:
        return None
    status = os.stat(file)
    return _source_hash(file, status.st_mtime_ns, status.st_size)


@cache
def _source_hash(file: str, _changed: int, _size: int) -> str:
    """Read once, until the file changes."""
    return hashlib.sha256(Path(file).read_bytes()).hexdigest()[:16]
