"""Fixtures of the tests that train: small experiments, quiet training, and real processes that can be killed."""

import gc
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import yaml
from omegaconf import _utils as omegaconf_utils
from quick_hydra import quick_loader, remembered, remembering
from warm import Warm

# Two processes test at a time: a second thread in each, and in what they start, would only wait for a core.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# A script's background job (`pytest ... &`) ignores Ctrl-C, which tests send.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
os.environ.pop("LRBENCH_RESULTS", None)  # what the processes of a test train lies in its own folder

# The machine may be busy: no example fails, and no search is given up, for the time it took. On every change a few
# examples; `pytest -m full` runs every property with many.
PATIENT = hypothesis.settings(deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.register_profile("few", PATIENT, max_examples=12)
hypothesis.settings.register_profile("many", PATIENT, max_examples=500)


def _in_full(config: pytest.Config) -> bool:
    return "full" in config.option.markexpr.replace("not full", "")


def pytest_configure(config: pytest.Config) -> None:
    hypothesis.settings.load_profile("many" if _in_full(config) else "few")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if _in_full(config):
        for item in items:
            if getattr(getattr(item, "obj", None), "is_hypothesis_test", False):
                item.add_marker("full")


def pytest_collection_finish() -> None:
    """What is imported by now stays: the collector of cycles need not walk it in every test."""
    gc.collect()
    gc.freeze()


# Under `-n auto` the tests of a file go to one process, which makes what they share once. So do these files together,
# as they share what takes seconds: composed levels, the server that workers are forked from, the fixture `server`.
TOGETHER = {
    **{f"tests/{room}/": room for room in ("config", "sweep")},
    **{f"tests/{file}.py": "server" for file in ("engine/test_resume", "store/test_evidence", "store/test_lease",
                                                 "store/test_record")},
}  # fmt: skip


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    from xdist.scheduler import LoadScopeScheduling

    class Together(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            return next((shared for begins, shared in TOGETHER.items() if file.startswith(begins)), file)

    return Together(config, log) if config.option.dist == "load" else None


@pytest.fixture(scope="session", autouse=True)
def _hydra_is_quick() -> Iterator[None]:
    from hydra._internal.config_loader_impl import ConfigLoaderImpl

    from lrbench.config import compose

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compose, "hydra_compose", remembered(compose.hydra_compose))
        patch.setattr(ConfigLoaderImpl, "load_configuration", remembering(ConfigLoaderImpl.load_configuration))
        if yaml.__with_libyaml__:
            patch.setattr(omegaconf_utils, "get_yaml_loader", quick_loader)
        yield


@pytest.fixture(scope="session", autouse=True)
def _digits_are_read_once() -> Iterator[None]:
    """Every training begins with them: half of what a short one takes."""
    from lrbench.data import digits

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(digits, "_read", cache(digits._read))
        yield


SERVER = Path(__file__).parent / "engine" / "server.py"
SMALL = ("tracker=none", "horizon=4ep", "batch_size=64")
PERCEPTRON = ("model=mlp", "model.args.hidden=[16]")


@cache
def _composed(*overrides: str) -> Any:
    from lrbench.config.experiments import experiment

    model = () if any(o.startswith("model=") for o in overrides) else PERCEPTRON
    return experiment(*SMALL, *model, *overrides)


@pytest.fixture(scope="session")
def make() -> Callable[..., Any]:
    """An Experiment of a perceptron on digits (16 updates an epoch, 4 epochs), changed by overrides."""
    return _composed


@pytest.fixture
def without_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    """No lr_and_loss.png: it takes longer than training a perceptron."""
    from lrbench.plots import run

    monkeypatch.setattr(run, "picture_of", lambda record: None)


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Any]:
    """Train into tmp_path/results, with settings by name; `said` and `shown` of the returned function are kept."""
    from lrbench.engine.train import train
    from lrbench.experiment import Settings

    def trained(experiment: Any, **settings: Any) -> Any:
        settings = {"results": trained.results, "checkpoint_every": "1ep", **settings}
        return train(experiment, Settings(**settings), trained.shown.append, trained.said.append)

    trained.said, trained.shown, trained.results = [], [], tmp_path / "results"
    return trained


@pytest.fixture
def interrupted_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], AbstractContextManager[None]]:
    """`with interrupted_at(5): ...` trains until a signal that comes as update 5 begins, and ends by it."""
    from lrbench.engine import loop
    from lrbench.engine.attempt import Interrupted

    step = loop._step

    @contextmanager
    def interrupted(at: int) -> Iterator[None]:
        def signalled(setup: Any, state: Any, update: int, *given: Any) -> Any:
            if update == at:
                os.kill(os.getpid(), signal.SIGTERM)
            return step(setup, state, update, *given)

        with monkeypatch.context() as patch:
            patch.setattr(loop, "PATIENCE", 0.0)
            patch.setattr(loop, "_step", signalled)
            with pytest.raises(Interrupted):
                yield

    return interrupted


@pytest.fixture(scope="session")
def require_same_run() -> Callable[[Any, Any], None]:
    from same_run import require_same_run

    return require_same_run


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MB that can grow."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(folder)]
    try:
        mounted = os.geteuid() == 0 and subprocess.run(mount, capture_output=True).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("a file system can only be mounted by root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


class Process:
    """A process that trains, forked by the server; what it reports stands in a file, a line an event."""

    def __init__(self, pid: int, log: Path) -> None:
        self.pid, self._log = pid, log

    @property
    def events(self) -> list[str]:
        return self._log.read_text().splitlines() if self._log.exists() else []

    @property
    def alive(self) -> bool:
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        return True

    def wait_for(self, beginning: str, timeout: float = 60.0) -> str:
        """The first event that begins so."""
        until = time.monotonic() + timeout
        while time.monotonic() < until:
            if found := [e for e in self.events if e.startswith(beginning)]:
                return found[0]
            if not self.alive and not any(e.startswith(beginning) for e in self.events):
                break
            time.sleep(0.002)
        raise AssertionError(f"no event '{beginning}': {self.events}")

    def wait(self, timeout: float = 60.0) -> str:
        """The last event, once the process has ended."""
        until = time.monotonic() + timeout
        while self.alive and time.monotonic() < until:
            time.sleep(0.002)
        assert not self.alive
        return (self.events or [""])[-1]

    def go_on(self) -> None:
        """Let it past one more of the updates at which it stands still."""
        with self._log.with_suffix(".go").open("a") as gate:
            gate.write(".")

    def kill(self, how: int = signal.SIGKILL) -> None:
        """Returns when it is gone, for SIGKILL."""
        os.kill(self.pid, how)
        while how == signal.SIGKILL and self.alive:
            time.sleep(0.001)


class Server:
    """Forks processes from one that has imported everything: a real process in milliseconds instead of seconds."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._count = folder, 0
        self._process = subprocess.Popen(
            [sys.executable, str(SERVER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def start(self, experiment: Any, results: Path, **patches: Any) -> Process:
        """A process that trains; see server.py for the patches. Everything else goes into its Settings."""
        from lrbench.experiment.identity import to_plain

        self._count += 1
        path = self._folder / f"{self._count}.yaml"
        path.write_text(yaml.safe_dump(to_plain(experiment)))
        job = {"experiment": str(path), "log": str(path.with_suffix(".log")), "results": str(results), **patches}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        return Process(int(self._process.stdout.readline()), path.with_suffix(".log"))

    def close(self) -> None:
        self._process.communicate(timeout=300)


@pytest.fixture(scope="session")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warm]:
    with Warm(tmp_path_factory.mktemp("warm")) as starting:
        yield starting


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("server"))
    yield server
    server.close()
