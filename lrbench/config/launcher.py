"""Who trains: what `hydra/launcher` and `hydra.launcher.*` say, for commands that need no more of Hydra's node."""

from collections.abc import Sequence

from hydra.utils import instantiate

from lrbench.config.compose import compose
from lrbench.config.hydra_errors import explain
from lrbench.errors import ConfigError
from lrbench.sweep.slurm.options import Slurm

OURS = "hydra_plugins.lrbench_"


def workers_of(hydra: Sequence[str]) -> int | Slurm | None:
    """So many processes here (None: as many as fit), or what is asked of SLURM. Raises ConfigError for a launcher that
    is not lrbench's."""
    try:
        launcher = compose(hydra, with_hydra=True).hydra.launcher
    except Exception as error:
        raise explain(error, list(hydra)) from error
    if not launcher["_target_"].startswith(OURS):
        raise ConfigError("hydra/launcher", launcher["_target_"], "a study is trained by hydra/launcher=local or slurm")
    workers: int | Slurm | None = instantiate(launcher).workers
    return workers
