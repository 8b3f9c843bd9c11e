"""The transcripts beside the README say what the tools say today; `python tests/test_transcripts.py` writes them anew.

A command below which nothing stands is run for what comes after it, and shows nothing.
"""

import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from test_readme import ROOT, SAME_ANYWHERE, environment

TRANSCRIPTS = ROOT / "results" / "readme" / "transcripts.md"
BLOCK = re.compile(r"(?<=```console\n)(.*?)(?=```)", re.DOTALL)
COMMAND = re.compile(r"^\$ (.*)$", re.MULTILINE)
COMPUTED = [b for b in BLOCK.findall(TRANSCRIPTS.read_text())
            if all(c.startswith(SAME_ANYWHERE) for c in COMMAND.findall(b))]  # fmt: skip


def said(block: str, folder: Path) -> str:
    """A block with what its commands say now, at 80 columns."""
    lines = []
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, _, shown = part.partition("\n")
        env = {**environment(), "COLUMNS": "80"}
        run = subprocess.run(shlex.split(command), cwd=folder, env=env, capture_output=True, text=True, timeout=600)
        lines += [f"$ {command}\n", run.stdout if shown.strip() else ""]
    return "".join(lines)


@pytest.mark.slow
@pytest.mark.parametrize("block", COMPUTED, ids=[COMMAND.findall(b)[0] for b in COMPUTED])
def test_they_are_what_is_said(block: str, tmp_path: Path) -> None:
    assert said(block, tmp_path) == block


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        anew = BLOCK.sub(lambda found: said(found[0], Path(folder)), TRANSCRIPTS.read_text())
    TRANSCRIPTS.write_text(anew)


if __name__ == "__main__":
    sys.exit(main())
