"""lrbench: compose, check, train with and fairly compare learning-rate schedules."""

from pathlib import Path

__version__ = "0.1.0"

_PACKAGED = Path(__file__).parent / "conf"
CONF = _PACKAGED if _PACKAGED.is_dir() else Path(__file__).parent.parent / "conf"  # in a wheel, or in a checkout
PLUGINS = Path(__file__).parent / "plugins"  # Hydra's: it finds them in a folder on sys.path
