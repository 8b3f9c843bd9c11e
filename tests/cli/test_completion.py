"""Tab completion, by a real bash: its hook is installed as the README says, and asked for many lines."""

import os
import pty
import re
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cli_support import Lrbench, in_process

from lrbench import CONF
from lrbench.cli.completion import PLAIN_FLAGS, STATES
from lrbench.cli.flags import COMMANDS, FLAGS, OWN, PLAIN

BIN = Path(sys.executable).parent
HOOK = 'eval "$(lrbench -sc install=bash)"'
ASK = (
    f"{HOOK}; complete -p lrbench > /dev/null || exit 1\n"
    "while IFS= read -r COMP_LINE; do\n"
    '  COMP_POINT=${#COMP_LINE}; read -ra COMP_WORDS <<< "${COMP_LINE}x"; COMP_CWORD=$((${#COMP_WORDS[@]} - 1))\n'
    '  COMPREPLY=(); hydra_bash_completion; echo "${COMPREPLY[*]}"\n'
    "done\n"
)  # the x makes a word of what is still empty
RUN, SWEEP = "abcd1234abcd1234", "tour-of-mine"


def environment(**more: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if k not in ("LRBENCH_RESULTS", "COMP_LINE", "HYDRA_FULL_ERROR")}
    return {**kept, "PATH": f"{BIN}:{kept['PATH']}", **more}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run, one set aside, a sweep; and levels of the user's own."""
    (tmp_path / "results" / "runs" / RUN).mkdir(parents=True)
    (tmp_path / "results" / "runs" / f"{RUN}.force-20260101").mkdir()
    (tmp_path / "results" / "sweeps" / SWEEP).mkdir(parents=True)
    (tmp_path / "results" / "sweeps" / SWEEP / "sweep.json").touch()
    (tmp_path / "own" / "scheduler").mkdir(parents=True)
    (tmp_path / "own" / "scheduler" / "costep.yaml").write_text((CONF / "scheduler" / "step.yaml").read_text())
    (tmp_path / "own" / "sweep").mkdir()
    (tmp_path / "own" / "sweep" / "total.yaml").write_text("set: [seed=1]\n")
    return tmp_path


def offered(lines: list[str], folder: Path, **more: str) -> list[set[str]]:
    """What bash offers at the end of each line; nothing may be written over what is being typed."""
    done = subprocess.run(
        ["bash", "-c", ASK], input="".join(f"{line}\n" for line in lines), cwd=folder, env=environment(**more),
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    answers = done.stdout.splitlines()
    assert len(answers) == len(lines)
    return [set(answer.split()) for answer in answers]


def levels(prefix: str) -> set[str]:
    return {f"scheduler={p.stem}" for p in (CONF / "scheduler").glob("*.yaml") if p.stem.startswith(prefix)}


EXACTLY: dict[str, set[str]] = {
    "lrbench pl": {"plot", "plot."},  # the command, and the option plot.scale
    "lrbench -m plo": {"plot", "plot."},
    "lrbench scheduler=co": levels("co"),
    "lrbench plot warmup=none scheduler=co": levels("co"),
    "lrbench -m scheduler=step,one": {"scheduler=step,onecycle"},
    "lrbench --config-dir own scheduler=co": {*levels("co"), "scheduler=costep"},
    "lrbench -m --dr": {"--dry-run"},
    "lrbench --dry-run -m scheduler=onec": {"scheduler=onecycle"},
    "lrbench plot --dr": set(),
    "lrbench plot --js": {"--json"},
    "lrbench plot plot.s": {"plot.scale="},
    "lrbench find-lr find_lr.rule=steepest": {
        "find_lr.rule=steepest",
        "find_lr.rule=steepest_tenth",
        "find_lr.rule=steepest_x5",
        "find_lr.rule=steepest_x10",
    },
    "lrbench plot plot.scale=l": {"plot.scale=linear", "plot.scale=log"},
    "lrbench -m scheduler.interval=epoch,b": {"scheduler.interval=epoch,batch"},
    "lrbench import ti": {"timm"},
    "lrbench --cfg jo": {"job"},
    'lrbench \'start.of=["scheduler=constant", "seed=1"]\' horiz': {"horizon="},
    "lrbench sweep tou": {"tour"},
    "lrbench sweep --config-dir own to": {"tour", "total"},
    "lrbench sweep name=to": {"name=tour"},
    "lrbench sweep tour --yes scheduler=onec": {"scheduler=onecycle"},
    "lrbench sweep tour --sk": {"--skip-invalid"},
    "lrbench -m --ar": {"--arm"},
    "lrbench -m --arm 'a: seed=1' scheduler=onec": {"scheduler=onecycle"},
    "lrbench show abc": {RUN},
    "lrbench show --ro": {"--rows"},
    "lrbench status ": {SWEEP},
    "lrbench status --results elsewhere ": {"results", "own"},  # bash offers files where nothing else is
    "lrbench wait tou": {SWEEP},
    "lrbench cancel ": {SWEEP},
    "lrbench report ": {SWEEP, RUN},
    "lrbench report --where scheduler=onec": {"scheduler=onecycle"},
    "lrbench wandb ": {"export", "sync"},
    "lrbench wandb export ": {SWEEP, RUN},
    "lrbench runs seed=0 optimizer.l": {"optimizer.lr="},
    "lrbench runs --sort test/a": {"test/accuracy"},
    "lrbench runs state=fi": {"state=finished"},
}


@pytest.mark.slow
def test_what_a_real_bash_offers(folder: Path) -> None:
    assert dict(zip(EXACTLY, offered(list(EXACTLY), folder), strict=True)) == EXACTLY


@pytest.mark.slow
def test_commands_groups_and_options_at_the_beginning(folder: Path) -> None:
    first, group = offered(["lrbench ", "lrbench plot sched"], folder)
    assert {*COMMANDS, "scheduler=", "horizon="} <= first
    assert {"scheduler=", "scheduler."} >= group >= {"scheduler="}


@pytest.mark.slow
def test_records_are_looked_for_where_they_are(folder: Path) -> None:
    (folder / "results").rename(folder / "elsewhere")
    lines = ["lrbench show ", "lrbench show --results nowhere ", "lrbench show --results=nowhere "]
    assert offered(lines, folder, LRBENCH_RESULTS="elsewhere") == [{RUN}, {"elsewhere", "own"}, {"elsewhere", "own"}]


def test_in_a_terminal_a_flag_is_completed_on_its_line(folder: Path) -> None:
    """Readline itself, on a terminal: the tab key ends in the flag, and nothing else is written."""
    pid, terminal = pty.fork()
    if not pid:
        os.chdir(folder)
        os.execvpe("bash", ["bash", "--norc", "--noprofile", "-i"], environment(PS1="$ ", TERM="dumb"))
    try:
        os.write(terminal, f"{HOOK}; echo read''y\n".encode())
        read_until(terminal, "\nready")
        os.write(terminal, b"lrbench -m --dr\t")
        assert "usage" not in read_until(terminal, "--dry-run")
    finally:
        os.close(terminal)  # bash hangs up
        os.waitpid(pid, 0)


def read_until(terminal: int, words: str, timeout: float = 60.0) -> str:
    text, until = "", time.monotonic() + timeout
    while words not in text.replace("\r", ""):
        assert select.select([terminal], [], [], max(0.0, until - time.monotonic()))[0], text
        text += os.read(terminal, 4096).decode()
    return text


def test_every_flag_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The list of flags is what the parsers take."""
    lrbench: Lrbench = in_process(tmp_path, monkeypatch, capsys)
    assert {*PLAIN_FLAGS} == {*PLAIN}
    for command, listed in PLAIN_FLAGS.items():
        shown = re.findall(r"^  (--[a-z-]+)( [A-Z])?", lrbench(command, "--help").out, re.MULTILINE)
        assert sorted(f"{flag}{'=' * bool(value)}" for flag, value in shown) == sorted(listed.split()), command


def test_every_state_is_known() -> None:
    from typing import get_args

    from lrbench.store.record import Standing

    assert {*STATES} == {*get_args(Standing)} - {"new"}  # which has no record


SLOW = [pytest.param(line, marks=pytest.mark.slow) for line in ("lrbench --", "lrbench runs ", "lrbench sw")]


@pytest.mark.parametrize("line", ["lrbench scheduler=co", "lrbench report ", *SLOW])
def test_no_torch_for_a_tab(line: str, folder: Path) -> None:
    probe = (
        "import sys; from lrbench.cli.main import run; code = run(sys.argv[1:]); print('TORCH', 'torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", probe, "-sc", "query=bash"], cwd=folder, capture_output=True, text=True, check=True,
        env=environment(COMP_LINE=line, COMP_POINT=str(len(line))),
    )  # fmt: skip
    *found, last = done.stdout.splitlines()
    assert found
    assert last == "TORCH False"


@pytest.mark.slow
def test_flags_of_sweeps_are_offered(folder: Path) -> None:
    train, sweep, plot = offered(["lrbench --", "lrbench sweep --", "lrbench plot --"], folder)
    assert {*FLAGS, "--multirun", "--cfg", "--help"} <= train == sweep
    assert train - plot == {*FLAGS}
    assert plot - train == {*OWN["plot"]}
