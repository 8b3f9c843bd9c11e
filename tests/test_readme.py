"""Every command of the README is run, in order, in one folder, and does what the README says it does."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from warm import Warm

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
CONSOLE = re.findall(r"```console\n(.*?)```", README, re.DOTALL)
SAME_ANYWHERE = ("lrbench check ", "lrbench plot ", "lrbench claims show ", "lrbench advise ")  # no processor's numbers
COMMANDS = [line.removeprefix("$ ") for block in CONSOLE for line in block.splitlines() if line.startswith("$ ")]


def environment() -> dict[str, str]:
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "WANDB_MODE": "offline"}
    env.pop("LRBENCH_RESULTS", None)
    return env


def shown(command: str) -> list[str]:
    """The lines below a command, up to the next one or to where the README leaves the rest out."""
    lines: list[str] = []
    for line in README.partition(f"$ {command}\n")[2].splitlines():
        if line.startswith(("$ ", "...", "```")):
            break
        lines.append(line)
    return lines


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        shlex.split(command), cwd=folder, env=environment(), capture_output=True, text=True, timeout=600
    )


def test_the_readme_has_commands_and_its_files_exist() -> None:
    assert len(COMMANDS) >= 8
    for link in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / link).exists(), link


def require_as_shown(command: str, code: int | None, out: str, err: str) -> None:
    refused = f"$ {command}\nlrbench: " in README
    assert code == (2 if refused else 0), f"{command}\n{out}\n{err}"
    if refused:
        said = README.partition(f"$ {command}\n")[2].partition("\n")[0]
        assert err.strip() == said
    if command == "python -m lrbench scheduler=cosine warmup=linear5":
        shown = re.findall(r"^\w{16} finished.*?(?=```)", README, re.DOTALL | re.MULTILINE)[0]
        said, here = (float(re.search(r"test/accuracy (\S+)%", text)[1]) for text in (shown, out))
        assert abs(said - here) < 1.5  # to the bit on one kind of processor; another adds in another order


@pytest.mark.slow
def test_every_command_runs(tmp_path: Path, warm: Warm) -> None:
    """The first of each spelling as a person starts it; the others from a process that has imported already."""
    first = {command.partition(" ")[0]: command for command in reversed(COMMANDS)}
    for command in COMMANDS:
        program, *arguments = shlex.split(command)
        if program != "lrbench" or command == first["lrbench"]:
            done = run(command, tmp_path)
            require_as_shown(command, done.returncode, done.stdout, done.stderr)
        else:
            forked = warm.run(*arguments, folder=tmp_path, env=environment())
            require_as_shown(command, forked.returncode, forked.out, forked.err)


def test_set_up_commands_name_what_pyproject_has() -> None:
    bash = "\n".join(re.findall(r"```bash\n(.*?)```", README, re.DOTALL))
    project = (ROOT / "pyproject.toml").read_text()
    (test,) = re.findall(r"pip install -e '\.\[test\]' && (pytest.*)$", bash, re.MULTILINE)
    assert re.search(r"^test = \[", project, re.MULTILINE)
    ci = (ROOT / ".ci" / "run").read_text()
    assert re.search(rf"^{re.escape(test)}( +#.*)?$", ci, re.MULTILINE), "CI runs exactly the README's test command"
