"""`slurm/array.sbatch`: lines of a file become runs; a job whose time is nearly up goes on in the next."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from cluster_support import Cluster

pytestmark = pytest.mark.slurm
SCRIPT = Path(__file__).parents[2] / "slurm" / "array.sbatch"
RUN = "tracker=none model=mlp device=cpu"


def submit(cluster: Cluster, folder: Path, *lines: str) -> str:
    (folder / "runs.txt").write_text("\n".join(lines) + "\n")
    options = (f"--chdir={folder}", f"--array=1-{len(lines)}", "--cpus-per-task=1", "--output=%a.log")
    python = f"--export=ALL,LRBENCH={sys.executable} -m lrbench"
    return cluster.run("sbatch", "--parsable", *options, python, str(SCRIPT), "runs.txt").strip()


def summaries(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(p.read_text()) for p in sorted(folder.glob("results/runs/*/summary.json"))]


def test_a_line_is_a_run_and_its_exit_code_is_the_jobs(cluster: Cluster, tmp_path: Path) -> None:
    job = submit(cluster, tmp_path, f"{RUN} horizon=2ep 'scheduler=cosine'", f"{RUN} scheduler=cosin", " ")
    assert cluster.wait_for_state(f"{job}_1", "COMPLETED", "FAILED") == "COMPLETED", (tmp_path / "1.log").read_text()
    for task, said in ((2, "scheduler=cosin: there is no such level"), (3, "line 3 of runs.txt is empty")):
        assert cluster.wait_for_state(f"{job}_{task}", "COMPLETED", "FAILED") == "FAILED"
        assert cluster.job(f"{job}_{task}")["ExitCode"] == "2:0"
        assert said in (tmp_path / f"{task}.log").read_text()
    (summary,) = summaries(tmp_path)
    assert summary["state"] == "finished"


def test_time_is_nearly_up(cluster: Cluster, tmp_path: Path) -> None:
    """SLURM's signal, sent by hand: it looks at time limits only about twice a minute."""
    job, log = submit(cluster, tmp_path, f"{RUN} horizon=250ep checkpoint_every=50ep") + "_1", tmp_path / "1.log"
    cluster.wait_until(lambda: list(tmp_path.glob("results/runs/*/checkpoints/*")), "a checkpoint")
    cluster.run("scancel", "--batch", "--signal=USR1", job)
    cluster.wait_until(lambda: cluster.job(job)["Restarts"] == "1", "the requeue")
    assert cluster.wait_for_state(job, "COMPLETED", "FAILED") == "COMPLETED", log.read_text()
    assert "attempt 2" in log.read_text()
    assert "resumed at update" in log.read_text()
    (summary,) = summaries(tmp_path)
    assert (summary["state"], summary["updates"]) == ("finished", 250 * 16)
