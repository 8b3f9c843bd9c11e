"""Every command of the README is run, in order, in one folder, and does what the README says it does."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
CONSOLE = re.findall(r"```console\n(.*?)```", README, re.DOTALL)
COMMANDS = [line.removeprefix("$ ") for block in CONSOLE for line in block.splitlines() if line.startswith("$ ")]


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "WANDB_MODE": "offline"}
    env.pop("LRBENCH_RESULTS", None)
    return subprocess.run(shlex.split(command), cwd=folder, env=env, capture_output=True, text=True, timeout=600)


def test_the_readme_has_commands_and_its_files_exist() -> None:
    assert len(COMMANDS) >= 8
    for link in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / link).exists(), link


@pytest.mark.slow
def test_every_command_runs(tmp_path: Path) -> None:
    for command in COMMANDS:
        refused = f"$ {command}\nlrbench: " in README
        done = run(command, tmp_path)
        assert done.returncode == (2 if refused else 0), f"{command}\n{done.stdout}\n{done.stderr}"
        if refused:
            said = README.partition(f"$ {command}\n")[2].partition("\n")[0]
            assert done.stderr.strip() == said
        if command == "python -m lrbench scheduler=cosine warmup=linear5":
            shown = re.findall(r"^\w{16} finished.*?(?=```)", README, re.DOTALL | re.MULTILINE)[0]
            said, here = (float(re.search(r"test/accuracy (\S+)%", text)[1]) for text in (shown, done.stdout))
            assert abs(said - here) < 1.5  # to the bit on one kind of processor; another adds in another order


def test_set_up_commands_name_what_pyproject_has() -> None:
    bash = "\n".join(re.findall(r"```bash\n(.*?)```", README, re.DOTALL))
    project = (ROOT / "pyproject.toml").read_text()
    (test,) = re.findall(r"pip install -e '\.\[test\]' && (pytest.*)$", bash, re.MULTILINE)
    assert re.search(r"^test = \[", project, re.MULTILINE)
    ci = (ROOT / ".ci" / "run").read_text()
    assert re.search(rf"^{re.escape(test)}( +#.*)?$", ci, re.MULTILINE), "CI runs exactly the README's test command"
