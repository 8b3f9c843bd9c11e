"""`_target_`: from a dotted path to the thing it names, its arguments checked before anything is built."""

import hashlib
import importlib
import inspect
import os
import pkgutil
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import cache
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

from lrbench.blame import blame
from lrbench.errors import ConfigError, did_you_mean

# Versions of these stand in the record, so that their source need not be hashed.
_VERSIONED = ("torch", "torchvision", "timm", "lrbench", "builtins")
MARKS = ("_target_", "_partial_")  # Hydra's: what is built, or called later with what is missing
CUSTOM = ("model", "data", "task", "optimizer", "scheduler")  # groups with a level `custom`, which has no arguments


def resolve(path: str, option: str) -> Callable[..., Any]:
    """The class or function at a dotted path, for the group `option` (for the error message)."""
    try:
        target = _imported(path)
    except (ImportError, AttributeError, ValueError) as error:
        if blame(hidden := _met_on_the_way(path) or error):
            raise hidden from None
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


def _imported(path: str) -> Any:
    """What the path names. The current folder is looked in last, and only for what lies nowhere else; where it is found
    there the folder stays on the path, last, for what that imports in its turn."""
    try:
        return pkgutil.resolve_name(path)
    except ModuleNotFoundError as error:
        here, package = os.getcwd(), path.partition(".")[0]
        if error.name != package or here in sys.path or PathFinder.find_spec(package, [here]) is None:
            raise
    sys.path.append(here)
    return pkgutil.resolve_name(path)


def _met_on_the_way(path: str) -> Exception | None:
    """The error of a module below a package, which `pkgutil` takes for a sign that the rest names an attribute."""
    names = path.split(".")
    for until in range(2, len(names)):
        module = ".".join(names[:until])
        try:
            importlib.import_module(module)
        except ModuleNotFoundError as error:
            return None if error.name == module else error
        except Exception as error:
            return error
    return None


def _neighbours(path: str) -> str:
    module, _, name = path.rpartition(".")
    known = [n for n in vars(sys.modules[module]) if n[:1].isupper()] if module in sys.modules else []
    return did_you_mean(name, known).split(" Known:")[0].strip() or "Give the full path, such as package.module.Class."


def check_arguments(
    path: str, args: Mapping[str, Any], given: Collection[str], option: str, below: str = ".args", complete: bool = True
) -> None:
    """Bind `args` to the target's signature, `given` being the parameters lrbench passes itself. below: where its
    arguments stand under the option. complete: whether all have to be there.

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
            raise ConfigError(
                f"{option}{below}.{key}", "", f"lrbench gives this argument of {name} itself", "remove it"
            )
        if key not in named and not open_ended:
            why = f"{name} has no argument '{key}'"
            cure = did_you_mean(key, offered) + _of_the_level(path, option)
            raise ConfigError(f"{option}{below}.{key}", "", why, cure)
    unnamed = [n for n, p in parameters.items() if p.kind is p.POSITIONAL_ONLY and p.default is p.empty]
    if unnamed := [n for n in unnamed if n not in given or option == "model"]:  # a model is given nothing by place
        why = f"{name} takes {', '.join(unnamed)} by place only, and lrbench gives arguments by name"
        raise ConfigError(f"{option}._target_", path, why, "remove the / from its signature")
    required = [n for n in parameters if n in offered and parameters[n].default is inspect.Parameter.empty]
    missing = [n for n in required if n not in args]
    if missing and complete:
        cure = f"add '+{option}{below}.{missing[0]}=...' or write it in the level's file"
        raise ConfigError(f"{option}{below}", "", f"{name} needs {', '.join(missing)}", cure)


def _of_the_level(path: str, option: str) -> str:
    """Where an argument may come from that a class of somebody's own does not have: from the level that it replaces."""
    if option not in CUSTOM or path.split(".")[0] in _VERSIONED:
        return ""
    return f" (The arguments of a level stay when its _target_ is replaced: {option}=custom has none.)"


def first_parameter(path: str, option: str) -> str | None:
    """The name of what a target takes first, None where it takes nothing by place."""
    by_place = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return next((n for n, p in _parameters(path, option).items() if p.kind in by_place), None)


def takes(path: str, name: str, option: str) -> bool:
    """Whether a target takes an argument of this name, or of any."""
    parameters = _parameters(path, option)
    return name in named_parameters(path, option) or any(p.kind is p.VAR_KEYWORD for p in parameters.values())


def optimizer_parameter(path: str, option: str) -> str:
    """The parameter of a scheduler that takes the optimizer: the one of that name (torch's ChainedScheduler has it
    second), else the first."""
    named = named_parameters(path, option)
    return "optimizer" if "optimizer" in named else first_parameter(path, option) or "optimizer"


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


def is_target(raw: Any) -> bool:
    """Whether an argument is something to be built."""
    return isinstance(raw, Mapping) and "_target_" in raw


def nested(raw: Any, option: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Everything that is to be built for an argument, at any depth, with the option it is set by."""
    if is_target(raw):
        yield option, raw
    each: Any = raw.items() if isinstance(raw, Mapping) else enumerate(raw) if isinstance(raw, list | tuple) else ()
    for key, inner in each:
        yield from nested(inner, f"{option}[{key}]" if isinstance(key, int) else f"{option}.{key}")


def numerics_with(path: str, args: Mapping[str, Any], option: str) -> int | str | None:
    """`numerics`, and where things are built among its arguments by code of somebody's own, of these too."""
    own, built = numerics(path, option), [numerics(inner["_target_"], at) for at, inner in nested(args, option)]
    return hashlib.sha256(repr([own, *built]).encode()).hexdigest()[:16] if any(built) else own


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
