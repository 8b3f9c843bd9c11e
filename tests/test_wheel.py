"""A wheel, installed by itself in a fresh environment, works from another folder: conf/ and the plugins travel."""

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.slow
def test_a_wheel_works_elsewhere(tmp_path: Path) -> None:
    pytest.importorskip("build")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", str(tmp_path), str(ROOT)],
        check=True, capture_output=True,
    )  # fmt: skip
    (wheel,) = tmp_path.glob("*.whl")
    home = tmp_path / "env"
    venv.create(home, with_pip=True)
    python = home / "bin" / "python"
    # The libraries come from this environment (5 GB are not copied); lrbench itself only from the wheel.
    site = next((home / "lib").glob("python*/site-packages"))
    here = next(p for p in sys.path if p.endswith("site-packages"))
    subprocess.run([python, "-m", "pip", "install", "-q", "--no-deps", str(wheel)], check=True, capture_output=True)
    (site / "libraries.pth").write_text(here + "\n")
    work = tmp_path / "work"
    work.mkdir()
    env = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "LRBENCH_RESULTS")}
    where = subprocess.run(
        [python, "-c", "import lrbench; print(lrbench.__file__, lrbench.CONF)"],
        cwd=work, env=env, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert str(site) in where.split()[0]
    assert str(site) in where.split()[1]
    advice = [python, "-m", "lrbench", "advise", "--domain", "nlp"]  # with what is published of claims
    told = subprocess.run(advice, cwd=work, env=env, capture_output=True, text=True, check=True).stdout
    assert "partly: nlp-lr-range" in told
    command = [python, "-m", "lrbench", "-m", "tracker=none", "model=mlp", "horizon=2ep", "scheduler=constant,cosine"]
    done = subprocess.run(command, cwd=work, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(list((work / "results" / "runs").iterdir())) == 2
