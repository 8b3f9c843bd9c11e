"""How a loop is listened to: hooks on its optimizer's step, and a class of its own for its scheduler."""

import weakref
from array import array
from collections.abc import Callable
from functools import wraps
from typing import Any

from torch.optim import Optimizer

from lrbench.errors import ConfigError
from lrbench.interop.seen import lengths_of


def record(optimizer: Optimizer, rates: array, groups: int) -> list[Any]:
    """Append every group's rate after each update; the hooks that do it.

    A class whose step() calls its parent's has the hooks called twice: what counts is the first end after a beginning.
    The groups are looked up each time, since loading a checkpoint puts others in their place.
    """
    begun, append = [False], rates.append

    def begin(*_: Any) -> None:
        begun[0] = True

    def one(optimizer: Optimizer, *_: Any) -> None:
        if begun[0]:
            begun[0] = False
            append(optimizer.param_groups[0]["lr"])

    def several(optimizer: Optimizer, *_: Any) -> None:
        if begun[0]:
            begun[0] = False
            for group in optimizer.param_groups[:groups]:
                append(group["lr"])

    after = one if groups == 1 else several
    return [optimizer.register_step_pre_hook(begin), optimizer.register_step_post_hook(after)]


def tap(
    scheduler: Any,
    counting: Callable[[Callable[..., Any]], Callable[..., Any]],
    loaded: Callable[[Any, dict[str, Any]], None],
) -> Callable[[], None]:
    """Hear of every step() and load_state_dict() of this one scheduler; what undoes it. counting: of its class's step()
    the one that takes its place.

    Its class becomes one derived from its own, under the same name: isinstance holds, nothing is added to the object's
    attributes (they are its state_dict), and a pickle of it is one of its own class.
    """
    own = type(scheduler)

    def load_state_dict(self: Any, *args: Any, **kwargs: Any) -> Any:
        lengths = lengths_of(self)
        result = own.load_state_dict(self, *args, **kwargs)
        loaded(self, lengths)
        return result

    def reduce(self: Any, protocol: Any) -> Any:
        self.__class__ = own
        try:
            return self.__reduce_ex__(protocol)
        finally:
            self.__class__ = tapped

    members = {
        "step": counting(own.step),
        "__reduce_ex__": reduce,
        "__module__": own.__module__,
        "__doc__": own.__doc__,
    }
    if hasattr(own, "load_state_dict"):
        members["load_state_dict"] = wraps(own.load_state_dict)(load_state_dict)
    tapped = type(own.__name__, (own,), members)
    try:
        scheduler.__class__ = tapped
    except TypeError as error:
        raise ConfigError(
            "scheduler", own.__name__, f"its steps cannot be counted ({error})", "leave it out"
        ) from error
    watched = weakref.ref(scheduler)

    def undo() -> None:
        if (still := watched()) is not None and type(still) is tapped:
            still.__class__ = own

    return undo
