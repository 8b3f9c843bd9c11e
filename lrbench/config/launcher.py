"""Who trains: what `hydra/launcher` and `hydra.launcher.*` say, for commands that need no more of Hydra's node."""

from collections.abc import Sequence

from hydra.utils import instantiate

from lrbench.config.compose import compose
from lrbench.config.hydra_errors import explain
from lrbench.errors import ConfigError
from lrbench.sweep.slurm.options import Slurm


def workers_of(hydra: Sequence[str]) -> int | Slurm | None:
    """So many processes here (None: as many as fit), or what is asked of SLURM. Raises ConfigError for a launcher that
    is not lrbench's."""
    try:
        launcher = instantiate(compose(hydra, with_hydra=True).hydra.launcher)
    except Exception as error:
        raise explain(error, list(hydra)) from error
    if not hasattr(launcher, "workers"):
        raise ConfigError("hydra/launcher", type(launcher).__name__, "a study is trained by local or slurm")
    workers: int | Slurm | None = launcher.workers
    return workers
