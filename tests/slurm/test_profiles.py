"""The example profiles: each sets every field that the launcher has for a site, and nothing else."""

from pathlib import Path

import pytest
import yaml

PROFILES = sorted((Path(__file__).parents[2] / "slurm" / "profiles").glob("*.yaml"))
FIELDS = ["partition", "account", "qos", "gres", "constraint", "time", "cpus", "mem"]
FIELDS += ["setup", "srun_args", "runs_per_job", "max_parallel"]


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


def test_there_are_some() -> None:
    assert len(PROFILES) >= 4
