"""lrbench: compose, check, train with and fairly compare learning-rate schedules."""

from importlib import import_module
from pathlib import Path
from typing import Any

__version__ = "0.1.0"

_PACKAGED = Path(__file__).parent / "conf"
CONF = _PACKAGED if _PACKAGED.is_dir() else Path(__file__).parent.parent / "conf"  # in a wheel, or in a checkout

# Looked up when they are asked for: `import lrbench` imports no torch. For a training loop of one's own; for weights.
_LATER = {
    "schedule": "lrbench.interop.schedule",
    "watch": "lrbench.interop.watch",
    "model_of": "lrbench.engine.weights",
}


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(import_module(_LATER[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})
