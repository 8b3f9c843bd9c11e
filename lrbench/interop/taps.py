"""How a loop is listened to: hooks on its optimizer's step, and methods in place of its scheduler's."""

import weakref
from array import array
from collections.abc import Callable
from functools import wraps
from typing import Any

from torch.optim import Optimizer

from lrbench.errors import ConfigError

Method = Callable[..., Any]
Way = Callable[[Method, Callable[[], Any]], Method]  # of a method and a reference: what takes its place


def record(optimizer: Optimizer, rates: array, groups: int) -> list[Any]:
    """Append every group's rate after each update; the hooks that do it.

    The groups are looked up each time, since loading a checkpoint puts others in their place.
    """
    append = rates.append

    def one(optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        append(optimizer.param_groups[0]["lr"])

    def several(optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        for group in optimizer.param_groups[:groups]:
            append(group["lr"])

    after = one if groups == 1 else several
    if sum("step" in vars(cls) for cls in type(optimizer).__mro__ if cls is not Optimizer) > 1:
        return _once(optimizer, after)
    return [optimizer.register_step_post_hook(after)]


def _once(optimizer: Optimizer, after: Callable[[Optimizer, Any, Any], None]) -> list[Any]:
    """A class whose step() calls its parent's has the hooks called twice: what counts is the first end after a
    beginning."""
    begun = [False]

    def begin(*_: Any) -> None:
        begun[0] = True

    def first(optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        if begun[0]:
            begun[0] = False
            after(optimizer, args, kwargs)

    return [optimizer.register_step_pre_hook(begin), optimizer.register_step_post_hook(first)]


def tap(scheduler: Any, counting: Way, loading: Way) -> Callable[[], None]:
    """Hear of every step() and load_state_dict() of this one scheduler; what undoes it. counting, loading: of the
    method of its class the one that takes its place meanwhile, and hands on what is another scheduler's.

    The class has them, and not the object: what is added to that is part of its state_dict, and an object that is given
    another class is slower at every look at its attributes.
    """
    cls, taps = type(scheduler), dict[str, Any]()

    def undo(_: Any = None) -> None:
        for name, tap in taps.items():
            tap.over = True
            _uncover(cls, name)

    watched = weakref.ref(scheduler, undo)
    for name, way in {"step": counting, "load_state_dict": loading}.items():
        if (own := getattr(cls, name, None)) is not None:
            taps[name] = wraps(own)(way(own, watched))
    try:
        for name, tap in taps.items():
            setattr(cls, name, tap)
    except TypeError as error:
        raise ConfigError(
            "scheduler", cls.__name__, f"its steps cannot be counted ({error})", "leave it out"
        ) from error
    return undo


def _uncover(cls: Any, name: str) -> None:
    """Take the taps away that are over and have none above them that is not: whoever comes last may end first."""
    method = vars(cls).get(name)
    if not hasattr(method, "over"):
        return
    while hasattr(method, "over"):
        method = method.__wrapped__
    delattr(cls, name)
    if getattr(cls, name) is not method:  # the class has its own
        setattr(cls, name, method)
