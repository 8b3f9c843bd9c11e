"""Processes of their own that begin warm: forked from one that has imported what `lrbench` needs.

A test is then its own work and not the seconds that imports take; where the start itself is tested, a real one is used.
As a script, this is the server: a job a line, `start` (answered by a pid), `poll` or `wait` (by an exit code or None).
"""

import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any


@dataclass
class Process:
    """A started process: what `subprocess.Popen` has of one, and what it said so far."""

    pid: int
    warm: "Warm"
    said: tuple[Path, Path]
    returncode: int | None = None

    def poll(self) -> int | None:
        if self.returncode is None:
            self.returncode = self.warm.ask("poll", pid=self.pid)
        return self.returncode

    def wait(self) -> int:
        if self.returncode is None:
            self.returncode = self.warm.ask("wait", pid=self.pid)
        assert self.returncode is not None
        return self.returncode

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        self.wait()

    @property
    def out(self) -> str:
        return self.said[0].read_text()

    @property
    def err(self) -> str:
        return self.said[1].read_text()


@dataclass
class Warm:
    """Starts them. The files with what they said lie in `folder`."""

    folder: Path
    _count: int = 0
    _server: "subprocess.Popen[str]" = field(init=False)

    def __enter__(self) -> "Warm":
        self._server = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.communicate(timeout=300)

    def ask(self, what: str, **more: Any) -> Any:
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write(json.dumps({"what": what, **more}) + "\n")
        self._server.stdin.flush()
        return json.loads(self._server.stdout.readline())

    def start(
        self, *arguments: str, folder: Path, env: dict[str, str] | None = None, code: str = "", terminal: str = ""
    ) -> Process:
        """`lrbench ARGUMENTS` in a folder and a session of its own, or Python code with these arguments.

        terminal: the name of one, in the place of files for what it says.
        """
        self._count += 1
        said = self.folder / f"{self._count}.out", self.folder / f"{self._count}.err"
        where = [terminal] * 3 if terminal else [os.devnull, *map(str, said)]
        pid = self.ask("start", folder=str(folder), env=env or dict(os.environ), arguments=arguments, code=code,
                       where=where)  # fmt: skip
        return Process(pid, self, said)

    def run(self, *arguments: str, **more: Any) -> Process:
        process = self.start(*arguments, **more)
        process.wait()
        return process

    def ranks(self, *arguments: str, number: int = 2, folder: Path, env: dict[str, str] | None = None) -> list[Process]:
        """Processes that train together, with the environment that torchrun gives each; all have ended."""
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        shared = {
            **(env or os.environ),
            "WORLD_SIZE": f"{number}",
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": f"{port}",
        }
        began = [
            self.start(*arguments, folder=folder, env={**shared, "RANK": f"{rank}", "LOCAL_RANK": f"{rank}"})
            for rank in range(number)
        ]
        for process in began:
            process.wait()
        return began


def _serve() -> None:
    import lrbench.sweep.warm  # noqa: F401, I001  (first: it says so)
    import matplotlib.pyplot  # noqa: F401
    import rich.console  # noqa: F401
    import wandb  # noqa: F401
    from hydra.core.global_hydra import GlobalHydra

    from lrbench.config.compose import compose

    compose([])
    GlobalHydra.instance().clear()
    for line in sys.stdin:
        job = json.loads(line)
        if job["what"] == "start":
            answer = _started(job)
        else:
            pid, status = os.waitpid(job["pid"], os.WNOHANG if job["what"] == "poll" else 0)
            answer = os.waitstatus_to_exitcode(status) if pid else None
        print(json.dumps(answer), flush=True)


def _started(job: dict[str, Any]) -> int:
    """The process's number; in the process itself it does not return."""
    if (pid := os.fork()) != 0:
        return pid
    from lrbench.cli.main import main

    signal.signal(signal.SIGINT, signal.default_int_handler)  # `lrbench.sweep.warm` ignores it
    os.setsid()
    os.chdir(job["folder"])
    os.environ.clear()
    os.environ.update(job["env"])
    for name, its in zip(job["where"], (0, 1, 2), strict=True):
        os.dup2(os.open(name, os.O_RDWR | os.O_CREAT), its)
    sys.path[1:1] = job["env"].get("PYTHONPATH", "").split(":")
    if job["code"]:
        sys.argv = ["-c", *job["arguments"]]
        exec(job["code"], {"__name__": "__main__"})
        sys.exit()
    sys.argv = ["lrbench"]
    main(job["arguments"])


if __name__ == "__main__":
    _serve()
