"""The cases of Hydra's own test suite for launchers that concern overrides, job numbers, return values and failures.

(hydra.test_utils.launcher_common_tests; the rest of it asks a launcher to run any function in a folder of its own, and
ours runs lrbench's runs, which keep records.)
"""

import sys
from pathlib import Path

import pytest
import yaml
from cli_support import TINY
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path
from hydra.core.global_hydra import GlobalHydra
from hydra.core.utils import JobStatus
from hydra.errors import HydraException
from omegaconf import OmegaConf

from lrbench import CONF
from lrbench.cli import main as cli
from lrbench.cli.flags import Flags
from lrbench.cli.main import _shared_out
from lrbench.cli.task import HydraTask
from lrbench.config.experiments import experiment
from lrbench.errors import ConfigError
from lrbench.experiment.identity import run_id
from lrbench.store.record import Record

sys.path.append(str(Path(cli.__file__).parent / "plugins"))
BASE = (*TINY, "horizon=1ep", "hydra.launcher.workers=1")


@pytest.fixture
def sweep(tmp_path, monkeypatch):
    """Run a sweep through Hydra as `-m` does; what it returned, and the task."""
    from lrbench.plots import run

    monkeypatch.setattr(run, "picture_of", lambda record: None)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LRBENCH_RESULTS", raising=False)
    GlobalHydra.instance().clear()

    def swept(*overrides, base=BASE):
        hydra = Hydra.create_main_hydra2("lrbench", create_config_search_path(str(CONF)))
        to_hydra, to_sweeper = _shared_out([*base, *overrides], ["-m"])
        task = HydraTask("train", Flags(), to_sweeper)
        try:
            returns = hydra.multirun("config", task, to_hydra, with_log_configuration=False)
        finally:
            GlobalHydra.instance().clear()
        return returns, task

    yield swept
    GlobalHydra.instance().clear()


def jobs(returns):
    """Of the one batch: each job's own overrides, and its value."""
    (batch,) = returns
    assert all(job.status is JobStatus.COMPLETED for job in batch)
    shared = {o.partition("=")[0] for o in BASE}
    own = [[o for o in job.overrides if o.partition("=")[0] not in shared] for job in batch]
    return own, [job.return_value for job in batch]


def kept(name, *overrides):
    record = Record(Path("results/runs") / run_id(experiment(*[*TINY, "horizon=1ep", *overrides])))
    return yaml.safe_load((record.folder / ".hydra" / name).read_text())


def test_sweep_1_job(sweep):
    returns, task = sweep()
    assert jobs(returns) == ([[]], ["finished"])
    assert task.code == 0
    assert task.error is None


@pytest.mark.parametrize("workers", [1, 2])
def test_sweep_2_jobs(sweep, workers):
    returns, _ = sweep("seed=0,1", base=(*BASE[:-1], f"hydra.launcher.workers={workers}"))
    assert jobs(returns) == ([["seed=0"], ["seed=1"]], ["finished", "finished"])
    for number in (0, 1):
        node = kept("hydra.yaml", f"seed={number}")["hydra"]
        assert (node["job"]["num"], node["job"]["id"], node["job"]["name"]) == (number, str(number), "lrbench")
        assert f"seed={number}" in node["overrides"]["task"]
        assert f"seed={number}" in kept("overrides.yaml", f"seed={number}")
        assert kept("config.yaml", f"seed={number}")["seed"] == number


@pytest.mark.slow
def test_sweep_2_jobs_2_batches(sweep):
    """By Hydra's own sweeper, which hands them out in batches: jobs are numbered through all of them."""
    returns, task = sweep("hydra/sweeper=basic", "hydra.sweeper.max_batch_size=2", "seed=range(5)")
    assert task.error is None
    assert [[job.return_value for job in batch] for batch in returns] == [["finished"] * n for n in (2, 2, 1)]
    assert [job.overrides[-1] for batch in returns for job in batch] == [f"seed={i}" for i in range(5)]
    for seed in range(5):
        assert kept("hydra.yaml", f"seed={seed}")["hydra"]["job"]["num"] == seed


def test_ours_takes_no_batches(sweep):
    with pytest.raises(ConfigError, match=r"hydra.sweeper.max_batch_size=2: .* leave it null"):
        sweep("hydra.sweeper.max_batch_size=2", "seed=0,1")
    assert not Path("results").exists()


@pytest.mark.slow
def test_sweep_two_config_groups(sweep):
    returns, _ = sweep("scheduler=cosine,step", "scheduler.interval=batch")
    own, values = jobs(returns)
    assert [o[-2:] for o in own] == [
        ["scheduler=cosine", "scheduler.interval=batch"],
        ["scheduler=step", "scheduler.interval=batch"],
    ]
    assert values == ["finished"] * 2


@pytest.mark.slow
def test_sweep_and_override(sweep):
    """An option that the default configuration does not have, but every swept level has."""
    returns, task = sweep("scheduler=step,multistep", "scheduler.args.gamma=0.5", "scheduler.interval=batch")
    assert task.error is None
    assert jobs(returns)[1] == ["finished"] * 2


def test_sweep_over_unspecified_mandatory_default(sweep):
    """A value that is missing in the base configuration, and given in each job."""
    returns, task = sweep(
        "scheduler=custom", "scheduler.interval=batch", "+scheduler.args.gamma=0.9",
        "scheduler._target_=torch.optim.lr_scheduler.ExponentialLR,lrbench.schedules.shapes.stable_decay",
    )  # fmt: skip
    assert isinstance(task.error, ConfigError)  # the second has no gamma: nothing was trained
    assert jobs(returns)[1] == [None, None]
    returns, task = sweep(
        "scheduler=custom", "scheduler.interval=batch", "+scheduler.args.gamma=0.9,0.8",
        "scheduler._target_=torch.optim.lr_scheduler.ExponentialLR",
    )  # fmt: skip
    assert jobs(returns)[1] == ["finished", "finished"]


def test_not_sweeping_hydra_overrides(sweep):
    with pytest.raises(HydraException, match="Sweeping over Hydra's configuration is not supported"):
        sweep("seed=0,1", "hydra.verbose=true,false")


def test_sweep_1_job_strict_and_bad_key(sweep):
    _, task = sweep("boo=bar")
    assert isinstance(task.error, ConfigError)
    assert "boo=bar: there is no option 'boo'" in str(task.error)


def test_sweep_with_custom_resolver(sweep):
    OmegaConf.register_new_resolver("seven", lambda: 7, replace=True)
    try:
        returns, task = sweep("seed=${seven:}")
        assert task.error is None
        assert jobs(returns)[1] == ["finished"]
    finally:
        OmegaConf.clear_resolver("seven")
    assert kept("config.yaml", "seed=7")["seed"] == "${seven:}"


def test_failures_have_their_value_and_the_rest_goes_on(sweep):
    returns, task = sweep("optimizer.lr=1e30,0.1", "scheduler=constant")
    assert jobs(returns)[1] == ["diverged", "finished"]
    assert task.code == 1


def test_equal_jobs_have_one_run_and_each_a_value(sweep):
    returns, _ = sweep("seed=1,0,1")
    assert jobs(returns)[1] == ["finished"] * 3
    assert len(list(Path("results/runs").iterdir())) == 2
