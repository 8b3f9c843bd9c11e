"""The development cluster is a real SLURM: what the launcher and its tests rely on, and how it starts and ends."""

import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from cluster_support import DEV_CLUSTER, NOT_INSTALLED, Cluster, dev_cluster, free_ports

pytestmark = pytest.mark.slurm


def test_srun_runs_and_gives_gpus(cluster: Cluster) -> None:
    def visible(*request: str) -> str:
        return cluster.run("srun", *request, "sh", "-c", 'echo "${CUDA_VISIBLE_DEVICES-none}"').strip()

    assert cluster.run("srun", "-n2", "sh", "-c", "echo $SLURM_PROCID").split() in (["0", "1"], ["1", "0"])
    assert [visible(), visible("--gres=gpu:1"), visible("--gres=gpu:2")] == ["none", "0", "0,1"]


def test_a_gpu_is_shared_by_shards(cluster: Cluster, tmp_path: Path) -> None:
    """Eight jobs of a shard each fit on two GPUs of four shards, at once; with a whole GPU each, two would."""
    jobs = [
        cluster.submit(
            f"echo $CUDA_VISIBLE_DEVICES > {tmp_path}/{i}; until [ -e {tmp_path}/go ]; do sleep 0.1; done",
            "--gres=shard:1",
            "--mem=10",
        )
        for i in range(8)
    ]
    for job in jobs:
        cluster.wait_for_state(job, "RUNNING")
    cluster.wait_until(lambda: all((tmp_path / f"{i}").exists() for i in range(8)), "eight devices")
    (tmp_path / "go").touch()
    for job in jobs:
        cluster.wait_for_state(job, "COMPLETED")
    assert sorted((tmp_path / f"{i}").read_text() for i in range(8)) == ["0\n"] * 4 + ["1\n"] * 4


def test_an_array_with_a_throttle(cluster: Cluster, tmp_path: Path) -> None:
    """Six tasks, two at a time: a task ends when the test says so, having seen at most one other."""
    script = f"cd {tmp_path}; touch run.$SLURM_ARRAY_TASK_ID; ls run.* | wc -l > seen.$SLURM_ARRAY_TASK_ID; sleep 0.2; "
    job = cluster.submit(script + "rm run.$SLURM_ARRAY_TASK_ID", "--array=0-5%2", "--mem=10")
    for task in range(6):
        cluster.wait_for_state(f"{job}_{task}", "COMPLETED")
    assert {(tmp_path / f"seen.{task}").read_text().strip() for task in range(6)} <= {"1", "2"}


def test_a_preempted_job_gets_its_signal_and_runs_again(cluster: Cluster, tmp_path: Path) -> None:
    log = tmp_path / "log"
    step = tmp_path / "step.sh"
    step.write_text(
        f'trap "echo USR2 >> {log}" USR2; trap "" TERM; echo "start ${{SLURM_RESTART_COUNT:-0}}" >> {log}\n'
        "[ ${SLURM_RESTART_COUNT:-0} = 1 ] || while :; do sleep 0.1; done\n"
    )
    low = cluster.submit(f"srun sh {step}", "-p", "preempt", "-c", "8", "--requeue", "--signal=USR2@60")
    cluster.wait_until(log.exists, "the start")
    high = cluster.submit("true", "-p", "high", "-c", "8")
    cluster.wait_for_state(high, "COMPLETED")
    cluster.wait_for_state(low, "COMPLETED")
    assert log.read_text().splitlines() == ["start 0", "USR2", "start 1"]
    assert cluster.job(low)["Restarts"] == "1"


def test_a_job_of_main_is_not_preempted(cluster: Cluster) -> None:
    job = cluster.submit("sleep 600", "-c", "8")
    cluster.wait_for_state(job, "RUNNING")
    waiting = cluster.submit("true", "-p", "high", "-c", "8")
    cluster.wait_until(lambda: cluster.job(waiting)["Reason"] == "Resources", "the scheduler to have tried")
    assert cluster.state(job) == "RUNNING"
    cluster.run("scancel", job)
    cluster.wait_for_state(waiting, "COMPLETED")


def test_sacct_answers(cluster: Cluster) -> None:
    jobs = {state: cluster.submit(script) for state, script in {"COMPLETED": "true", "FAILED": "kill -9 $$"}.items()}
    jobs["CANCELLED"] = cluster.submit("sleep 600")
    cluster.run("scancel", jobs["CANCELLED"])

    def answer(job: str) -> str:
        return cluster.run("sacct", "-X", "-n", "-P", "-o", "State", "-j", job).strip()

    for state, job in jobs.items():
        cluster.wait_until(lambda j=job, s=state: answer(j).startswith(s), f"sacct to say {state}")


def test_submitit_checkpoints_at_usr2(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    submitit = pytest.importorskip("submitit")
    cluster.enter(monkeypatch)

    class Worker:  # in the function, so that it is pickled by value: the job cannot import this file
        def __call__(self, folder: Path, resumed: bool = False) -> str:
            import time

            (folder / "started").touch()
            while not resumed:
                time.sleep(0.05)
            return "resumed"

        def checkpoint(self, folder: Path, resumed: bool = False) -> object:
            import submitit

            return submitit.helpers.DelayedSubmission(self, folder, resumed=True)

    executor = submitit.AutoExecutor(folder=tmp_path / "jobs", cluster="slurm")
    executor.update_parameters(timeout_min=60, mem_gb=1, slurm_partition="main")
    quick, long = executor.submit(divmod, 17, 5), executor.submit(Worker(), tmp_path)
    assert quick.result() == (3, 2)
    cluster.wait_until((tmp_path / "started").exists, "the start")
    cluster.run("scancel", "--signal=USR2", long.job_id)
    cluster.wait_until(lambda: cluster.job(long.job_id)["Restarts"] == "1", "the requeue")
    assert long.result() == "resumed"


def test_a_restarted_controller_still_has_its_jobs(cluster: Cluster, tmp_path: Path) -> None:
    job = cluster.submit(f"until [ -e {tmp_path}/go ]; do sleep 0.1; done")
    cluster.wait_for_state(job, "RUNNING")
    cluster.restart_controller()
    assert cluster.state(job) == "RUNNING"
    (tmp_path / "go").touch()
    cluster.wait_for_state(job, "COMPLETED")


def test_two_nodes(cluster_two_nodes: Cluster) -> None:
    answers = cluster_two_nodes.run("srun", "-N2", "sh", "-c", "echo $SLURMD_NODENAME $SLURM_NODEID")
    assert sorted(answers.splitlines()) == ["n0 0", "n1 1"]


def test_a_job_of_a_failed_node_runs_again_on_the_other(cluster_two_nodes: Cluster, tmp_path: Path) -> None:
    cluster, log = cluster_two_nodes, tmp_path / "log"
    script = f"echo $SLURMD_NODENAME >> {log}; [ $SLURMD_NODENAME = n1 ] || sleep 600"
    job = cluster.submit(script, "--requeue", "--nodelist=n0")
    cluster.wait_until(log.exists, "the start")
    cluster.fail_node("n0")
    cluster.scontrol("update", f"JobId={job}", "ReqNodeList=")
    cluster.wait_for_state(job, "COMPLETED")
    assert log.read_text().split() == ["n0", "n1"]
    cluster.recover_node("n0")
    assert cluster.run("srun", "-w", "n0", "echo", "back") == "back\n"


def test_without_accounting(cluster_without_accounting: Cluster) -> None:
    cluster = cluster_without_accounting
    job = cluster.submit("kill -9 $$")
    assert cluster.wait_for_state(job, "COMPLETED", "FAILED") == "FAILED"
    asked = subprocess.run(["sacct", "-j", job], env=cluster.environment, capture_output=True, text=True)
    assert asked.returncode != 0
    assert "accounting storage is disabled" in asked.stderr
    refused = subprocess.run(
        ["sbatch", "--array=0-20", "--wrap=true"], env=cluster.environment, capture_output=True, text=True
    )
    assert "Invalid job array specification" in refused.stderr


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short name for a cluster's folder, which is not there yet."""
    parent = Path(tempfile.mkdtemp(prefix="lrb-", dir="/tmp"))
    yield parent / "c"
    dev_cluster("down", "--dir", str(parent / "c"))
    shutil.rmtree(parent)


def _processes_of(folder: Path) -> list[str]:
    """Every process with a trace of the folder, in its command, its environment or its open files."""
    found = []
    for process in psutil.process_iter():
        try:
            files = [f.path for f in process.open_files()]
            if any(str(folder) in text for text in (*process.cmdline(), *process.environ().values(), *files)):
                found.append(f"{process.pid} {process.cmdline()}")
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            pass
    return found


def test_up_twice_then_a_crash_then_down(cluster: Cluster, folder: Path, tmp_path: Path) -> None:
    """Beside another cluster, which does not notice."""
    ports = ["--port0", str(free_ports())]
    first = dev_cluster("up", "--dir", str(folder), *ports)
    assert first.returncode == 0, first.stderr
    again, other = (dev_cluster("up", "--dir", str(folder), *ports, n) for n in ("--nodes=1", "--nodes=2"))
    assert again.returncode == 0
    assert "already up" in again.stderr
    assert other.returncode == 1
    assert "with nodes=1, not nodes=2" in other.stderr

    own = Cluster(folder)
    stubborn = f'trap "" TERM; setsid sleep 600 & touch {tmp_path}/started; while :; do sleep 0.1; done'
    (tmp_path / "step.sh").write_text(stubborn)
    own.submit(f"srun sh {tmp_path}/step.sh")
    own.wait_until((tmp_path / "started").exists, "the start")
    for name in ("slurmctld", "n0", "munged"):
        own.kill(name)

    assert dev_cluster("status", "--dir", str(folder)).returncode == 1
    afresh = dev_cluster("up", "--dir", str(folder), *ports)
    assert afresh.returncode == 0, afresh.stderr
    assert "removing what an earlier cluster left" in afresh.stderr
    assert own.squeue() == []
    assert [len(own.daemons(n)) for n in ("munged", "mariadbd", "slurmdbd", "slurmctld", "n0")] == [1] * 5
    status = dev_cluster("status", "--dir", str(folder))
    assert (status.returncode, "n0 idle" in status.stdout) == (0, True)

    down = dev_cluster("down", "--dir", str(folder), "--keep-logs")
    assert down.returncode == 0, down.stderr
    assert _processes_of(folder) == []
    assert (folder / "log" / "slurmctld.log").exists()
    assert dev_cluster("down", "--dir", str(folder)).returncode == 0
    assert not folder.exists()
    assert cluster.answers()


def test_an_interrupted_up_leaves_nothing_running(cluster: Cluster, folder: Path) -> None:
    up = subprocess.Popen(
        [str(DEV_CLUSTER), "up", "--dir", str(folder), "--port0", str(free_ports())], stderr=subprocess.PIPE, text=True
    )
    cluster.wait_until(lambda: Cluster(folder).daemons("mariadbd"), "the database")
    up.terminate()
    _, said = up.communicate(timeout=300)
    assert up.returncode != 0
    assert "nothing is left running" in said
    assert _processes_of(folder) == []


def test_the_settings_for_a_shell(cluster: Cluster) -> None:
    script = f'eval "$({DEV_CLUSTER} env --dir {cluster.folder})"; command -v slurmctld && scontrol ping'
    done = subprocess.run(["bash", "-c", script], env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True)
    assert "is UP" in done.stdout, done.stderr


def test_a_taken_port(cluster: Cluster, folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        up = dev_cluster("up", "--dir", str(folder), "--port0", str(port))
    assert up.returncode == 1
    assert f"port {port} is taken" in up.stderr
    assert not folder.exists()


@pytest.mark.parametrize("wrong", ["--nodes=3", "--gpus=x", "--dir=/tmp/a b", f"--dir=/tmp/{'a' * 70}", "--nonsense"])
def test_a_wrong_option_is_refused(wrong: str) -> None:
    done = dev_cluster("up", wrong)
    assert done.returncode == 2
    assert wrong.split("=")[0] in done.stderr


def test_a_folder_of_others_is_left_alone(cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    for command in ("up", "down"):
        done = dev_cluster(command, "--dir", str(tmp_path))
        assert done.returncode in (1, 2), done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


def test_what_is_said_where_slurm_is_not_installed(tmp_path: Path) -> None:
    """A PATH with the plain tools alone. (The script itself adds /usr/sbin, so it may find the daemons.)"""
    for tool in ("bash", "env", "id", "dirname", "realpath"):
        (tmp_path / tool).symlink_to(Path(shutil.which(tool) or tool))
    done = subprocess.run([str(DEV_CLUSTER), "up"], env={"PATH": str(tmp_path)}, capture_output=True, text=True)
    assert done.returncode == NOT_INSTALLED, done.stderr
    assert "apt-get install -y --no-install-recommends slurmd" in done.stderr
