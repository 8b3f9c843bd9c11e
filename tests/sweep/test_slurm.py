"""The parts of the SLURM launcher that need no cluster: options, packing, states, what is written down, signals."""

import os
import signal
import subprocess
import sys
from dataclasses import asdict, fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrbench.config.composer import composer
from lrbench.config.experiments import experiment_from, settings_from
from lrbench.config.schema import SlurmLauncherConfig
from lrbench.engine import attempt, legs
from lrbench.engine.loop import advance
from lrbench.engine.signals import until_signalled
from lrbench.engine.state import save
from lrbench.errors import ConfigError
from lrbench.store.files import write_json
from lrbench.sweep.entry import Entry, run_entry
from lrbench.sweep.origin import Origin
from lrbench.sweep.plan import make_plan
from lrbench.sweep.slurm import job as in_job
from lrbench.sweep.slurm import states
from lrbench.sweep.slurm.jobs import Array, add_array, job_of_each_run, load_arrays
from lrbench.sweep.slurm.options import Slurm, check, cure_of, minutes, parameters
from lrbench.sweep.slurm.states import DOUBT, SETTLED, Judge, read_sacct, read_scontrol
from lrbench.sweep.slurm.submit import chunks
from lrbench.sweep.slurm.watch import ending, last_lines

TINY = ("tracker=none", "model=mlp", "model.args.hidden=[8]", "horizon=2ep", "batch_size=256", "scheduler=constant")


@pytest.fixture(scope="module")
def composed():
    with composer() as made:
        yield made


@pytest.fixture
def entry(composed, tmp_path):
    """An entry for overrides beyond TINY, its records under tmp_path."""

    def made(*overrides, **settings):
        job = composed([*TINY, f"results={tmp_path}", *overrides])
        how = replace(settings_from(job.plain), **settings)
        return Entry(
            " ".join(overrides), experiment_from(job.plain), how, Origin(job.overrides, job.typed, job.hydra), 0
        )

    return made


# ---- Options.


@pytest.mark.parametrize(
    ("time", "expected"),
    [("30", 30), ("0:30", 1), ("90:00", 90), ("1:30:00", 90), ("1:00:01", 61), ("2-12", 3600), ("1-0:5", 1445),
     ("1-2:3:4", 1564)],
)  # fmt: skip
def test_slurms_times(time, expected):
    assert minutes(time) == expected


@pytest.mark.parametrize("time", ["", "0", "0:00", "4h", "1:2:3:4", "-5", "1-", "1.5", "a-1", "1-2:3:4:5", "soon"])
def test_what_is_no_time(time):
    with pytest.raises(ConfigError, match=f"^hydra.launcher.time={time or chr(39) * 2}: "):
        minutes(time)


@given(st.integers(0, 20), st.integers(0, 23), st.integers(0, 59), st.integers(0, 59))
def test_every_way_to_write_a_time_means_the_same(days, hours, mins, secs):
    seconds = ((days * 24 + hours) * 60 + mins) * 60 + secs
    if seconds:
        assert minutes(f"{days}-{hours}:{mins}:{secs}") == minutes(f"{days * 24 + hours}:{mins:02}:{secs:02}")
        assert minutes(f"{seconds // 60}:{secs}") == -(-seconds // 60)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"cpus": 0}, "hydra.launcher.cpus=0"),
        ({"max_parallel": 0}, "hydra.launcher.max_parallel=0"),
        ({"signal_delay_s": -1}, "hydra.launcher.signal_delay_s=-1"),
        ({"tasks": 3, "nodes": 2}, "hydra.launcher.tasks=3"),
        ({"tasks": 2, "runs_per_job": 2}, "hydra.launcher.runs_per_job=2"),
    ],
)
def test_options_that_cannot_be_meant(options, words):
    check(Slurm())
    with pytest.raises(ConfigError, match=f"^{words}: "):
        check(Slurm(**options))


def test_the_schema_has_the_options_and_nothing_else():
    assert {f.name for f in fields(SlurmLauncherConfig)} - {f.name for f in fields(Slurm)} == {"_target_"}


def test_what_sbatch_is_given():
    """submitit's own text, so that a parameter it drops or renames is seen."""
    from submitit.slurm.slurm import _make_sbatch_string

    options = Slurm(
        "gpu", "me", "fast", "gpu:2", "a100", "1:30:00", 4, "16G", ["module load cuda"], ["--cpu-bind=none"]
    )
    text = _make_sbatch_string("run", "jobs", **parameters(replace(options, tasks=4, nodes=2)))
    lines = text.splitlines()
    for line in ("partition=gpu", "account=me", "qos=fast", "gres=gpu:2", "constraint=a100", "time=90", "mem=16G",
                 "cpus-per-task=4", "nodes=2", "ntasks-per-node=2", "signal=USR2@120", "requeue"):  # fmt: skip
        assert f"#SBATCH --{line}" in lines
    assert "module load cuda" in lines
    assert "--cpus-per-task=4 --kill-on-bad-exit=1 --cpu-bind=none run" in text
    assert "wckey" not in text
    bare = _make_sbatch_string("run", "jobs", **parameters(Slurm()))
    assert not any(f"--{name}=" in bare for name in ("partition", "account", "qos", "gres", "constraint", "mem"))


@pytest.mark.parametrize(
    ("said", "option"),
    [
        ("sbatch: error: invalid partition specified: nope", "partition"),
        ("Invalid account or account/partition combination specified", "account or hydra.launcher.partition"),
        ("Invalid qos specification", "qos"),
        ("Invalid generic resource (gres) specification", "gres"),
        ("Invalid feature specification", "constraint"),
        ("Requested time limit is invalid (missing or exceeds some limit)", "time"),
        ("Memory specification can not be satisfied", "mem"),
        ("Job submit limit (user's size and/or time limits) QOSMaxSubmitJobPerUserLimit", "runs_per_job"),
    ],
)
def test_which_option_a_refusal_means(said, option):
    assert cure_of(f"Batch job submission failed: {said}") == f"change hydra.launcher.{option}"


def test_refusals_that_no_option_cures():
    assert (
        cure_of("Unable to contact slurm controller (connect failure)") == "SLURM does not answer; try again in a while"
    )
    assert "--cfg hydra" in cure_of("something new")


# ---- Packing.


@given(runs=st.integers(0, 60), per_job=st.integers(1, 7), largest=st.integers(1, 9))
def test_runs_are_packed_once_and_in_order(runs, per_job, largest):
    class Fake:
        class experiment:
            start = None

    entries = [Fake() for _ in range(runs)]
    made = list(chunks(entries, per_job, largest))
    assert [e for chunk in made for group in chunk.groups for e in group] == entries
    assert all(1 <= len(chunk.groups) <= largest for chunk in made)
    sizes = [len(group) for chunk in made for group in chunk.groups]
    assert all(size == per_job for size in sizes[:-1])
    assert len(sizes) == -(-runs // per_job)


def test_parents_are_in_arrays_before_their_children(entry):
    fork = 'start.of=["model=mlp","model.args.hidden=[8]","horizon=2ep","batch_size=256","scheduler=constant"]'
    plan = make_plan([entry("seed=5"), entry(fork, "optimizer.lr=0.01"), entry(fork, "optimizer.lr=0.02")])
    made = list(chunks(plan.to_do, 2, 10))
    assert [(c.generation, [len(g) for g in c.groups]) for c in made] == [(0, [2]), (1, [2])]


# ---- What is written down.


def test_which_job_has_which_run(tmp_path):
    assert load_arrays(tmp_path) == []
    add_array(tmp_path, Array("12", [["a", "b"], ["c"]], options=asdict(Slurm())))
    add_array(tmp_path, Array("15", [["b"]], again=["b"]))
    first, second = load_arrays(tmp_path)
    assert first.jobs() == {"12_0": ["a", "b"], "12_1": ["c"]}
    assert second.jobs() == {"15": ["b"]}
    assert job_of_each_run([first, second]) == {"a": "12_0", "b": "15", "c": "12_1"}
    assert first.options["time"] == "1:00:00"
    assert second.submitted >= first.submitted > ""


@pytest.mark.parametrize("text", ["{", "[]", '{"format": 2, "arrays": []}', '{"format": 1, "arrays": [{"no": 1}]}'])
def test_jobs_of_another_version_are_refused(tmp_path, text):
    (tmp_path / "jobs.json").write_text(text)
    with pytest.raises(ConfigError, match="the jobs of this sweep cannot be read"):
        load_arrays(tmp_path)


# ---- States.


def test_sacct_and_scontrol_are_read():
    text = "12_0|COMPLETED\n12_1|CANCELLED by 1000\n12_[2-4,7%2]|PENDING\n13|OUT_OF_MEMORY\n"
    waiting = {f"12_{i}": "PENDING" for i in (2, 3, 4, 7)}
    assert read_sacct(text) == {"12_0": "COMPLETED", "12_1": "CANCELLED", **waiting, "13": "OUT_OF_MEMORY"}
    text = (
        "JobId=12 ArrayJobId=12 ArrayTaskId=2-4,7%2 JobName=x y=z JobState=PENDING Reason=Resources\n"
        "JobId=14 ArrayJobId=12 ArrayTaskId=0 JobState=RUNNING Reason=None\nJobId=13 JobState=NODE_FAIL\n"
    )
    assert read_scontrol(text) == {**waiting, "12_0": "RUNNING", "13": "NODE_FAIL"}
    assert read_sacct("12_[0-6:3]|PENDING\n") == {f"12_{i}": "PENDING" for i in (0, 3, 6)}


def answers(monkeypatch, **by_command):
    """SLURM's commands, answering (exit code, stdout, stderr)."""

    def run(command):
        code, out, err = by_command[command[0]]
        return subprocess.CompletedProcess(command, code, out, err)

    monkeypatch.setattr(states, "_run", run)


def test_who_is_asked(monkeypatch):
    forgotten = (1, "", "slurm_load_jobs error: Invalid job id specified")
    answers(monkeypatch, sacct=(0, "12_0|FAILED\n", ""), scontrol=forgotten)
    assert states.ask(["12_0"]) == {"12_0": "FAILED"}
    assert states.ask(["12_0", "13"]) == {"12_0": "FAILED", "13": "GONE"}
    answers(
        monkeypatch,
        sacct=(1, "", "Slurm accounting storage is disabled"),
        scontrol=(0, "JobId=13 JobState=RUNNING", ""),
    )
    assert states.ask(["13"]) == {"13": "RUNNING"}
    answers(monkeypatch, sacct=(1, "", ""), scontrol=(1, "", "Unable to contact slurm controller (connect failure)"))
    assert states.ask(["13"]) is None
    assert states.ask([]) == {}


def test_only_final_states_count_and_only_if_they_last():
    judge = Judge()
    assert judge.ended({"1": "FAILED", "2": "SUSPENDED", "3": "NODE_FAIL"}, 0.0) == {}
    assert judge.ended({"1": "FAILED", "2": "SUSPENDED", "3": "NODE_FAIL"}, SETTLED) == {"1": "FAILED"}
    assert judge.ended({"3": "PENDING"}, DOUBT) == {}
    assert judge.ended({"3": "PREEMPTED"}, DOUBT + 1) == {}
    assert judge.ended({"2": "SUSPENDED", "3": "PREEMPTED"}, 2 * DOUBT + 1) == {"3": "PREEMPTED"}
    assert judge.ended({"1": "PENDING"}, 500.0) == {}  # queued again by somebody
    assert judge.ended({"1": "FAILED"}, 501.0) == {}


@given(
    st.lists(st.tuples(st.floats(0.1, 30), st.sampled_from(["RUNNING", "PENDING", "SUSPENDED", "FAILED", "NODE_FAIL"])))
)
def test_a_job_is_over_only_after_the_same_final_state_was_seen_twice(looks):
    judge, now, seen = Judge(), 0.0, []
    for pause, state in looks:
        now += pause
        seen.append((state, now))
        over = judge.ended({"1": state}, now)
        if over:
            since = next(t for i, (_, t) in enumerate(seen) if all(s == state for s, _ in seen[i:]))
            assert state in ("FAILED", "NODE_FAIL")
            assert now - since >= (SETTLED if state == "FAILED" else DOUBT)


def test_how_a_job_ended(tmp_path):
    log = tmp_path / "jobs" / "12_3_0_log.out"
    assert ending(tmp_path, "12_3", "CANCELLED") == "job 12_3 ended CANCELLED"
    log.parent.mkdir()
    log.write_text("slurmstepd: error: StepId=1 exceeded memory limit (2 > 1), being killed\n\nsrun: error: Killed\n")
    assert "memory limit (2 > 1), being killed (hydra.launcher.mem gives more)" in ending(tmp_path, "12_3", "FAILED")
    start = "submitit INFO - Starting with JobEnvironment(...)"
    log.write_text(f"{start}\nOSError: before\n{start}\nlrbench: it is so\nsrun: error: Exited with exit code 1\n")
    assert ending(tmp_path, "12_3", "FAILED") == "job 12_3 ended FAILED: lrbench: it is so"
    log.write_text(f"OSError: before\n{start}\nsrun: error: n0: task 0: Killed\n")
    assert ending(tmp_path, "12_3", "FAILED") == "job 12_3 ended FAILED: srun: error: n0: task 0: Killed"
    log.write_text("a\nb\n\n")
    assert ending(tmp_path, "12_3", "FAILED") == "job 12_3 ended FAILED: b"
    assert last_lines(log, 5) == ["a", "b"]


# ---- Locks.


# ---- Inside a job.


@pytest.fixture
def job_7(monkeypatch):
    """As in a job of submitit; signals are as they were afterwards."""
    monkeypatch.setenv("SUBMITIT_EXECUTOR", "slurm")
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("SLURM_PROCID", "0")
    before = {s: signal.getsignal(s) for s in (signal.SIGTERM, signal.SIGUSR2, signal.SIGINT)}
    yield
    for s, handler in before.items():
        signal.signal(s, handler)


def test_usr2_stops_and_is_passed_on_at_the_end(job_7):
    heard = []
    signal.signal(signal.SIGUSR2, lambda *_: heard.append("USR2"))
    with until_signalled() as outer:
        with until_signalled() as inner:
            os.kill(os.getpid(), signal.SIGUSR2)
            os.kill(os.getpid(), signal.SIGUSR2)  # the handler behind may not be entered twice
            assert (outer.asked, inner.asked, inner.save) == (True, True, False)
        assert heard == []
    assert heard == ["USR2"]
    signal.signal(signal.SIGTERM, lambda *_: heard.append("TERM"))  # as submitit has it
    with until_signalled() as stop:
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGTERM)
            assert (stop.asked, stop.save) == (False, True)
    assert heard == ["USR2"]


def test_outside_a_job_usr2_is_nobodys_business(monkeypatch):
    monkeypatch.delenv("SUBMITIT_EXECUTOR", raising=False)
    before = signal.getsignal(signal.SIGUSR2)
    with until_signalled() as stop:
        assert signal.getsignal(signal.SIGUSR2) is before
        os.kill(os.getpid(), signal.SIGTERM)
        assert (stop.asked, stop.save) == (True, False)


def in_blocks_of(updates, monkeypatch):
    """However fast this machine is: so many updates between two looks at signals."""

    def some(setup, state, end):
        return advance(setup, state, min(end, state.update + updates))

    monkeypatch.setattr(legs, "advance", some)


def test_a_run_stops_where_it_was_told_and_goes_on_there(entry, tmp_path, job_7, require_same_run, monkeypatch):
    """USR2 in the middle: saved at that update, the job queued again; started again, the numbers are the same."""
    made = entry("seed=3", "checkpoint_every=null")
    shots = []

    def requeue(*_):
        shots.append(made.record.status())
        raise SystemExit(1)

    signal.signal(signal.SIGUSR2, requeue)
    in_blocks_of(3, monkeypatch)

    def show(view):
        if view.update == 3:
            os.kill(os.getpid(), signal.SIGUSR2)

    with pytest.raises(SystemExit):
        run_entry(made.payload(), show)
    assert shots == [{"state": "interrupted", "update": 4, "updates": 8, "error": None}]
    assert run_entry(made.payload()) == "finished"
    whole = replace(made, settings=replace(made.settings, results=tmp_path / "whole"))
    run_entry(whole.payload())
    require_same_run(made.record, whole.record)


def test_sigterm_in_a_job_saves_and_goes_on(entry, job_7, monkeypatch):
    made = entry("seed=4", "checkpoint_every=null")
    in_blocks_of(2, monkeypatch)
    saved = []

    def noted(state, path, log=None):
        saved.append((state.update, path.stem))
        save(state, path, log)

    monkeypatch.setattr(attempt, "save", noted)

    def show(view):
        if view.update == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    assert run_entry(made.payload(), show) == "finished"
    assert [update for update, name in saved if name == "last"] == [4, 6, 8]


def test_a_job_that_gets_nowhere_ends(entry, tmp_path, job_7, monkeypatch, capsys):
    made = entry("seed=1")
    made.record.create(made.experiment, {})
    made.record.set_status("interrupted", 3, 8)
    assert [in_job._gets_on(made, tmp_path / "starts") for _ in range(3)] == [True] * 3
    assert not in_job._gets_on(made, tmp_path / "starts")
    status = made.record.status()
    assert (status["state"], status["update"]) == ("failed", 3)
    assert "started 4 times at update 3 and never saved a later one" in status["error"]
    assert status["error"] in capsys.readouterr().out
    made.record.set_status("interrupted", 3, 8)
    monkeypatch.setenv("SLURM_JOB_ID", "8")  # another job has its own tries
    assert in_job._gets_on(made, tmp_path / "starts")


def test_progress_starts_the_count_anew(entry, tmp_path, job_7):
    made = entry("seed=1")
    made.record.create(made.experiment, {})
    for update in (0, 0, 0, 2, 2, 2, 4):
        made.record.set_status("interrupted", update, 8)
        assert in_job._gets_on(made, tmp_path / "starts")


def test_force_holds_until_the_job_has_begun_the_record(entry, job_7):
    made = entry("seed=1", "force=true", "retry=true")
    assert in_job._as_begun(made).settings.force
    made.record.create(made.experiment, {})
    write_json(made.record.folder / "provenance.json", [{"slurm_job": "6"}])
    assert in_job._as_begun(made).settings.force  # another job's
    write_json(made.record.folder / "provenance.json", [{"slurm_job": "6"}, {"slurm_job": "7"}])
    begun = in_job._as_begun(made)
    assert not begun.settings.force
    assert not begun.settings.retry


def test_what_submitit_loads_is_light():
    """A signal that comes before `run_job` ends the job: nothing may be imported on the way there but this."""
    heavy = "import lrbench.sweep.slurm.job, sys; print([m for m in ('torch', 'hydra', 'numpy') if m in sys.modules])"
    told = subprocess.run([sys.executable, "-c", heavy], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
