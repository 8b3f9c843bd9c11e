"""The example profiles: each sets every field that the launcher has for a site, and nothing else."""

import shutil
from dataclasses import fields
from pathlib import Path

import pytest
import yaml
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from lrbench import CONF
from lrbench.config import schema
from lrbench.sweep.slurm.options import Slurm, check

PROFILES = sorted((Path(__file__).parents[2] / "slurm" / "profiles").glob("*.yaml"))
FIELDS = ["partition", "account", "qos", "gres", "constraint", "time", "cpus", "mem"]
FIELDS += ["setup", "srun_args", "runs_per_job", "max_parallel"]
OF_A_SWEEP = ["tasks", "nodes", "signal_delay_s", "detach"]  # not of a site


@pytest.mark.parametrize("path", PROFILES, ids=lambda p: p.stem)
def test_fields_of_a_profile(path: Path) -> None:
    text = path.read_text()
    content = yaml.safe_load(text)
    assert text.startswith("# A")
    assert content.pop("defaults") == ["slurm", "_self_"]
    assert list(content) == FIELDS
    assert isinstance(content["time"], str), "unquoted, YAML reads 4:00:00 as 14400"
    assert all(isinstance(content[name], list) for name in ("setup", "srun_args"))
    assert all(isinstance(content[name], int) for name in ("cpus", "runs_per_job", "max_parallel"))


def test_these_are_the_launchers_fields() -> None:
    assert [f.name for f in fields(Slurm)] == [*FIELDS, *OF_A_SWEEP]


@pytest.mark.parametrize("path", PROFILES, ids=lambda p: p.stem)
def test_a_profile_is_a_level_over_the_launchers_own(path: Path, tmp_path: Path) -> None:
    """Copied as its first lines say, it composes, and the launcher takes what comes out."""
    assert schema.Config  # importing it tells Hydra of it
    folder = tmp_path / "hydra" / "launcher"
    folder.mkdir(parents=True)
    shutil.copy(path, folder / "my_site.yaml")
    search = f"hydra.searchpath=[file://{tmp_path}]"
    with initialize_config_dir(str(CONF), version_base="1.3"):
        node = compose("config", [search, "hydra/launcher=my_site"], return_hydra_config=True).hydra.launcher
    launcher = OmegaConf.to_container(node)
    assert isinstance(launcher, dict)
    assert launcher.pop("_target_") == "hydra_plugins.lrbench_slurm.SlurmLauncher"
    options = Slurm(**launcher)  # type: ignore[arg-type]
    check(options)
    assert {name: launcher[name] for name in FIELDS} == {n: yaml.safe_load(path.read_text())[n] for n in FIELDS}


def test_there_are_some() -> None:
    assert len(PROFILES) >= 4
