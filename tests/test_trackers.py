"""Mirrors of a run's record: what they hold, and that a run never feels them fail."""

import gc
import math
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from wandb_files import columns, segment

from lrbench import trackers
from lrbench.errors import ConfigError
from lrbench.trackers import Mirror, Mirrored, TensorBoard, WandB

Row = dict[str, float]
ROWS: list[Row] = [
    {"update": u, "epoch": u / 28, "lr/all": 0.1 / (u + 1), "train/loss": 2.5 - u / 50, "seconds": u / 10}
    for u in range(0, 29, 4)
]
EVALUATION: Row = {"update": 28, "epoch": 1.0, "val/loss": 0.75, "val/accuracy": 0.5, "seconds": 2.9}
SUMMARY = {"status": "finished", "val/accuracy": 0.625, "best": {"val/accuracy": 0.625, "update": 12}}
CONFIG = {"optimizer": {"name": "sgd", "lr": 0.1}, "seed": 3, "layers": [64, 64]}


@pytest.fixture
def run(tmp_path: Path) -> Mirrored:
    return Mirrored("a1b2c3d4", "e5f6", "digits sgd cosine", CONFIG, tmp_path / "record")


@pytest.fixture(autouse=True)
def _no_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No key, no home, no server: whatever the machine holds, nothing here can reach one. And no pauses."""
    monkeypatch.setattr(trackers, "PAUSE", 0.01)
    for name in [name for name in os.environ if name.startswith("WANDB_") and name != "WANDB_SERVICE"]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NETRC", str(tmp_path / "home" / "netrc"))
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")


def mirrored(tracker: trackers.Tracker, run: Mirrored, rows: list[Row], history: list[Row]) -> list[str]:
    """Mirror a whole run; what was said."""
    run.folder.mkdir(exist_ok=True)
    said: list[str] = []
    mirror = Mirror(tracker, run, history, said.append)
    for row in rows:
        mirror.row(row)
    mirror.close(SUMMARY, timeout=300)
    return said


# ---- Weights & Biases ------------------------------------------------------------------------------------


@pytest.mark.slow
def test_wandb_holds_the_record(run: Mirrored) -> None:
    said = mirrored(WandB(project="speed", tags=["one", "two"]), run, [*ROWS, EVALUATION], [])
    back = segment(run.folder)
    assert said == []
    assert back["path"].parent.name.startswith("offline-run-")
    about = back["run"]
    assert (about["run_id"], about["run_group"], about["display_name"]) == (run.run_id, run.group, run.name)
    assert (about["project"], about["job_type"], about["tags"]) == ("speed", "train", ["one", "two"])
    config = about["config"]["update"]
    assert {key: config[key] for key in config if key != "_wandb"} == CONFIG
    assert back["metrics"] == [
        {"glob_name": "*", "options": {"defined": True, "step_sync": True}, "step_metric": "update"}
    ]
    # The last row and the evaluation share their update: one row with the columns of both.
    expected = [*ROWS[:-1], ROWS[-1] | EVALUATION]
    assert [columns(item) for item in back["history"]] == expected
    assert [item["_step"] for item in back["history"]] == [row["update"] for row in expected]
    assert {key: back["summary"][key] for key in SUMMARY} == SUMMARY
    files = {path.name for path in run.folder.rglob("*") if not path.is_dir()}  # no code, git, console, links
    assert files == {back["path"].name, "debug.log", "debug-internal.log", "debug-core.log"}


@pytest.mark.slow
def test_wandb_passes_on_what_is_not_a_number(run: Mirrored) -> None:
    rows: list[Row] = [{"update": 1, "train/loss": math.inf}, {"update": 2, "train/loss": math.nan}]
    assert mirrored(WandB(), run, rows, []) == []
    first, second = (columns(item) for item in segment(run.folder)["history"])
    assert first == rows[0]
    assert math.isnan(second["train/loss"])


@pytest.mark.slow
def test_a_resumed_run_has_one_segment_with_all_rows(run: Mirrored) -> None:
    mirrored(WandB(), run, ROWS[:4], [])
    (first,) = (run.folder / "wandb").glob("*run-*")
    other = run.folder / "wandb" / "offline-run-20250101_000000-another"
    first.rename(first.with_name(f"offline-run-20250101_000000-{run.run_id}"))  # not of this same second
    other.mkdir()
    assert mirrored(WandB(), run, ROWS[4:], ROWS[:4]) == []
    assert [columns(item) for item in segment(run.folder)["history"]] == ROWS
    assert other.exists()


@pytest.mark.slow
def test_runs_that_overlap_in_a_process_do_not_mix(run: Mirrored, tmp_path: Path) -> None:
    second = Mirrored("z9", "e5f6", "another", CONFIG, tmp_path / "second")
    runs = [run, second]
    said: list[str] = []
    for one in runs:
        one.folder.mkdir()
    mirrors = [Mirror(WandB(), one, say=said.append) for one in runs]
    for mirror, rows in zip(mirrors, (ROWS[:3], ROWS[3:]), strict=True):
        for row in rows:
            mirror.row(row)
    for mirror in mirrors:
        mirror.close(SUMMARY)
    assert said == []
    assert [columns(item) for one in runs for item in segment(one.folder)["history"]] == ROWS


@pytest.mark.slow
def test_online_without_a_key_is_offline(run: Mirrored) -> None:
    (said,) = mirrored(WandB(mode="online"), run, ROWS, [])
    assert "offline instead of online" in said
    assert "WANDB_API_KEY" in said
    assert segment(run.folder)["path"].parent.name.startswith("offline-run-")


@pytest.mark.slow
def test_online_without_a_server_is_offline(run: Mirrored, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    monkeypatch.setattr(trackers, "INIT_TIMEOUT", 1.0)
    (said,) = mirrored(WandB(mode="online"), run, ROWS, [])
    assert "offline instead of online" in said
    assert [columns(item) for item in segment(run.folder)["history"]] == ROWS


def test_an_unknown_mode_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"tracker\.args\.mode=onlin.*'online'.*offline, online"):
        WandB(mode="onlin")


def core() -> psutil.Process:
    """W&B's service process: a child of this one."""
    (process,) = (child for child in psutil.Process().children() if "wandb-core" in child.name())
    return process


def wait_for(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


@pytest.mark.slow
def test_the_death_of_its_service_is_said_once_and_the_next_run_is_whole(run: Mirrored, tmp_path: Path) -> None:
    run.folder.mkdir()
    said: list[str] = []
    mirror = Mirror(WandB(), run, ROWS[:2], said.append)
    wait_for(lambda: not mirror._rows)
    service = core()
    service.kill()
    for process in gc.get_objects():  # wandb itself never reaps it, which is a warning in some later test
        if issubclass(type(process), subprocess.Popen) and process.pid == service.pid:
            process.wait()
    for row in ROWS[2:]:
        mirror.row(row)
        time.sleep(0.05)
    mirror.row(EVALUATION)
    mirror.close(SUMMARY)
    assert len(said) == 1
    assert said[0].startswith("WandB tracker given up: ")
    after = Mirrored("after", "e5f6", "after", CONFIG, tmp_path / "after")
    assert mirrored(WandB(), after, ROWS, []) == []
    assert [columns(item) for item in segment(after.folder)["history"]] == ROWS


SCRIPT = """
import pathlib, signal, sys, time
import psutil
from lrbench import trackers
from lrbench.trackers import Mirror, Mirrored, WandB
trackers.PAUSE = 0.01
handlers = {s: signal.getsignal(s) for s in signal.valid_signals()}
streams = sys.stdout, sys.stderr
run = Mirrored("r", "g", "n", {}, pathlib.Path(sys.argv[1]))
logged = []
class Counting(WandB):
    def log(self, row):
        super().log(row)
        logged.append(row)
mirror = Mirror(Counting(), run, [{"update": 1, "loss": 1.0}])
while not logged:
    time.sleep(0.01)
assert handlers == {s: signal.getsignal(s) for s in signal.valid_signals()}
assert streams == (sys.stdout, sys.stderr)
if sys.argv[2] == "hang":
    psutil.Process().children()[0].suspend()
    mirror.row({"update": 2, "loss": 1.0})
    mirror.close({}, timeout=0.5)
elif sys.argv[2] == "close":
    mirror.close({})
print("pid", *[c.pid for c in psutil.Process().children()])
if sys.argv[3] == "raise":
    raise ValueError("of the run")
sys.exit(int(sys.argv[3]))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ending", "code", "said"),
    [("close", "3", 0), ("close", "raise", 0), ("leave", "4", 0), ("hang", "5", 1)],
)
def test_the_process_ends_as_it_would_without(ending: str, code: str, said: int, tmp_path: Path) -> None:
    out, err = tmp_path / "out", tmp_path / "err"  # files: the suspended service would keep a pipe open
    with out.open("w") as stdout, err.open("w") as stderr:
        command = [sys.executable, "-c", SCRIPT, str(tmp_path), ending, code]
        done = subprocess.run(command, stdout=stdout, stderr=stderr, timeout=300)  # else it waits for the service
    *lines, pids = out.read_text().splitlines()
    for pid in pids.split()[1:]:
        if psutil.pid_exists(int(pid)):
            psutil.Process(int(pid)).resume()  # it then ends by itself, its parent being gone
    assert done.returncode == (1 if code == "raise" else int(code))
    assert err.read_text().count("ValueError: of the run") == (code == "raise")
    assert code == "raise" or err.read_text() == ""
    assert len(lines) == said


# ---- TensorBoard -----------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::DeprecationWarning:tensorboard")
@pytest.mark.filterwarnings("ignore::DeprecationWarning:google")
def test_tensorboard_holds_the_record_in_one_file(run: Mirrored) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    assert mirrored(TensorBoard(), run, ROWS[:4], []) == []
    assert mirrored(TensorBoard(), run, [*ROWS[4:], EVALUATION], ROWS[:4]) == []
    folder = run.folder / "tensorboard"
    assert len(list(folder.iterdir())) == 1
    events = EventAccumulator(str(folder)).Reload()
    expected: dict[str, list[tuple[float, float]]] = {}
    for row in [*ROWS, EVALUATION]:
        for name in row.keys() - {"update"}:
            expected.setdefault(name, []).append((row["update"], pytest.approx(row[name])))
    assert set(events.Tags()["scalars"]) == set(expected)
    for name, points in expected.items():
        assert [(event.step, event.value) for event in events.Scalars(name)] == points


def test_tensorboard_missing_is_said_with_its_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r'tracker=tensorboard: .*pip install "lr-schedule-bench\[tensor'):
        TensorBoard()


# ---- the mirror ------------------------------------------------------------------------------------------


class Fake:
    """A tracker that keeps what it is told, fails in one method and may block in `log`."""

    def __init__(self, fails_in: str = "", gate: threading.Event | None = None) -> None:
        self.fails_in, self.gate = fails_in, gate
        self.rows: list[Mapping[str, float]] = []
        self.summary: Mapping[str, Any] | None = None
        self.abandoned = 0

    def _maybe_fail(self, method: str) -> None:
        if method == self.fails_in:
            raise OSError(f"{method} broke\nat length")

    def open(self, run: Mirrored, say: Callable[[str], None]) -> None:
        self._maybe_fail("open")

    def log(self, row: Mapping[str, float]) -> None:
        self.rows.append(row)
        if self.gate is not None:
            self.gate.wait()
        if len(self.rows) == 2:
            self._maybe_fail("log")

    def finish(self, summary: Mapping[str, Any]) -> None:
        self.summary = summary
        self._maybe_fail("finish")

    def abandon(self) -> None:
        self.abandoned += 1
        raise OSError("cannot even let go")


def test_rows_arrive_in_order_as_they_were_when_given(run: Mirrored) -> None:
    fake, row = Fake(), {"update": 1.0}
    mirror = Mirror(fake, run, iter(ROWS))
    mirror.row(row)
    row["update"] = 9.0  # the caller may use its dict again
    mirror.close(SUMMARY)
    assert fake.rows == [*ROWS, {"update": 1.0}]
    assert (fake.summary, fake.abandoned) == (SUMMARY, 0)


@pytest.mark.parametrize(("method", "rows"), [("open", 0), ("log", 2), ("finish", len(ROWS) + 1)])
def test_a_failure_is_said_once_and_ends_the_mirror(method: str, rows: int, run: Mirrored) -> None:
    fake = Fake(method)
    said: list[str] = []
    mirror = Mirror(fake, run, ROWS, said.append)
    if method != "finish":
        wait_for(lambda: bool(said))
    mirror.row(EVALUATION)
    mirror.close(SUMMARY)
    mirror.row(EVALUATION)
    why = f"OSError: {method} broke"
    assert said == [f"Fake tracker given up: {why}. The run's own record is whole."]
    assert (len(fake.rows), fake.abandoned) == (rows, 1)


def test_a_tracker_that_hangs_costs_no_more_than_the_timeout(run: Mirrored, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row waits for nobody, and the end once, for so long."""
    gate = threading.Event()
    fake = Fake("log", gate)
    said: list[str] = []
    mirror = Mirror(fake, run, say=said.append)
    mirror.row(EVALUATION)
    wait_for(lambda: bool(fake.rows))  # it hangs from here on
    for _ in range(1000):
        mirror.row(EVALUATION)
    assert (len(mirror._rows), len(fake.rows)) == (1000, 1)
    waits: list[float] = []
    with monkeypatch.context() as patch:
        patch.setattr(mirror._thread, "join", waits.append)
        mirror.close(SUMMARY, timeout=0.2)
    assert waits == [0.2]
    gate.set()  # even now, failing at last, it is not heard of again
    mirror._thread.join(60)
    assert said == ["Fake tracker given up: not done 0.2 s after the run. The run's own record is whole."]
    assert fake.abandoned == 1


@pytest.mark.parametrize("name", ["wandb", "tensorboard", "none"])
def test_the_conf_names_what_there_is(name: str) -> None:
    text = (Path(__file__).parents[1] / "conf" / "tracker" / f"{name}.yaml").read_text()
    conf = yaml.safe_load(text)
    assert text.startswith("# ")
    if conf["_target_"] is None:
        assert conf == {"_target_": None, "args": {}}
    else:
        module, _, attribute = conf["_target_"].rpartition(".")
        assert module == "lrbench.trackers"
        getattr(trackers, attribute)(**conf["args"])


def test_importing_the_trackers_imports_neither_package() -> None:
    code = "import sys, lrbench.trackers; print({'wandb', 'torch', 'tensorboard'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "set()\n"
