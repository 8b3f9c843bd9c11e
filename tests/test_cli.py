"""The command line: bad input is one clear paragraph, exit code 2, and no file; help teaches; a sweep is done once."""

import subprocess
import sys
from pathlib import Path

import pytest
from hydra.core.global_hydra import GlobalHydra

from lrbench import config
from lrbench.cli import help_text, run

SMALL = ["tracker=none", "model=mlp", "horizon=2ep"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LRBENCH_RESULTS", raising=False)
    GlobalHydra.instance().clear()
    return tmp_path


BAD = [
    ("sheduler=step", "sheduler", "'scheduler'"),
    ("scheduler=stepp", "scheduler=stepp", "'step'"),
    ("lr=0.1", "no option 'lr'", "'optimizer.lr'"),
    ("+horizn=3", "horizn=3", "'horizon'"),
    ("scheduler.args.T_mx=3", "scheduler.args.T_mx", "'scheduler.args.T_max'"),
    ("+scheduler.args.T_mx=3", "no argument 'T_mx'", "'T_max'"),
    ("scheduler.interval=bach", "bach", "epoch, batch, metric"),
    ("'horizon=5 epochs'", "horizon=5 epochs", "30ep"),
    ("horizon=30", "horizon=30", "30ep"),
    ("horizon=-3ep", "horizon=-3ep", "30ep"),
    ("horizon=120%", "horizon=120%", "30ep"),
    ("scheduler=step scheduler.args.step_size=120%", "step_size=120%", "at most 100%"),
    ("scheduler=step scheduler.args.step_size=-3ep", "step_size=-3ep", "30ep"),
    ("scheduler=step scheduler.args.step_size=40ep", "40 steps", "only 30 are left"),
    ("scheduler=multistep horizon=25ep", "7.5 epochs", "interval=batch"),
    ("scheduler=multistep scheduler.args.milestones=['@20ep','@10ep']", "must ascend", "later"),
    ("scheduler=multistep scheduler.args.milestones=['@40ep']", "past the end", "lengthen"),
    ("scheduler=multistep scheduler.args.milestones=['@3ep'] warmup=linear5", "inside the warmup", "behind"),
    ("warmup=linear5 horizon=4ep", "warmup.length=5ep", "shorten the warmup"),
    ("scheduler=onecycle warmup=linear5", "warms up by itself", "warmup=none"),
    ("scheduler=onecycle +scheduler.args.max_lr=1", "max_lr", "remove it"),
    ("scheduler=cosine scheduler.args.T_max=0", "T_max=0", "ZeroDivisionError"),
    ("scheduler=plateau monitor=null", "monitor=null", "val/loss"),
    ("scheduler=plateau monitor=val/f1", "never measured", "val/loss"),
    ("scheduler=plateau scheduler.interval=epoch", "interval=epoch", "interval=metric"),
    ("scheduler=cosine scheduler.interval=metric", "takes no metric", "epoch or batch"),
    ("scheduler=custom", "scheduler._target_", "="),
    ("scheduler=custom scheduler._target_=torch.optim.lr_scheduler.CosinLR scheduler.interval=epoch", "CosinLR", "LR"),
    ("optimizer.lr=0", "optimizer.lr=0", "above 0"),
    ("optimizer.lr=-1", "optimizer.lr=-1", "above 0"),
    ("optimizer.lr=nan", "optimizer.lr=nan", "above 0"),
    ("batch_size=100000", "batch_size=100000", "1077"),
    ("accumulate=3", "accumulate=3", "even"),
    ("eval_every=50ep", "eval_every=50ep", "lengthen"),
    ("keep=[99ep]", "keep=99ep", "past the end of the run"),
    ("device=tpu9", "device=tpu9", "cpu"),
    ("results=/dev/null/x", "results=/dev/null/x", "another folder"),
    ("recipe=foo", "recipe=foo", "cnn_paper"),
    ("tracker=wandb tracker.args.mode=onlin", "onlin", "online"),
]


@pytest.mark.parametrize(("words", "names", "cure"), BAD)
def test_bad_input(words: str, names: str, cure: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [words.strip("'")] if words.startswith("'") else words.split()
    tracker = [] if "tracker" in words else ["tracker=none"]
    assert run([*arguments, *tracker]) == 2
    error = capsys.readouterr().err
    assert error.startswith("lrbench: ")
    assert error.count("\n") == 1, error  # one paragraph
    assert names in error
    assert cure in error
    assert list(folder.iterdir()) == []


def test_fashion_mnist_that_is_not_there_names_three_ways(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from lrbench.errors import ConfigError

    def missing(self: object, seed: int) -> None:
        raise ConfigError("data=fashion_mnist: not found")

    monkeypatch.setattr("lrbench.data.fashion_mnist.FashionMNIST.load", missing)
    assert run(["tracker=none", "recipe=cnn_paper_tiny"]) == 2
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("group", ["scheduler", "recipe"])
def test_a_misspelt_key_in_a_file(group: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "mine" / group).mkdir(parents=True)
    text = {"scheduler": "_target_: x\nintervall: batch\n", "recipe": "# @package _global_\nhorizn: 3ep\n"}[group]
    (folder / "mine" / group / "bad.yaml").write_text(text)
    assert run(["--config-dir", str(folder / "mine"), f"{group}=bad", "tracker=none"]) == 2
    error = capsys.readouterr().err
    assert "intervall" in error or "horizn" in error
    assert "Did you mean" in error
    assert not (folder / "results").exists()


def test_every_recipe_composes_with_every_level_and_keeps_no_argument() -> None:
    import yaml

    from lrbench import CONF
    from lrbench.errors import ConfigError

    for recipe in config.levels("recipe"):
        for level in config.levels("scheduler"):
            if level == "custom":
                continue
            try:
                made = config.experiment(f"recipe={recipe}", f"scheduler={level}", "warmup=none", "tracker=none")
            except ConfigError as error:
                assert "past the end" in str(error)  # milestones of a longer recipe  # noqa: PT017
                continue
            assert dict(made.scheduler.args) == yaml.safe_load((CONF / f"scheduler/{level}.yaml").read_text())["args"]


def test_help_teaches_without_torch() -> None:
    text = help_text()
    for group in ("scheduler", "warmup", "optimizer", "recipe"):
        assert all(level in text for level in config.levels(group))
    probe = "import sys; from lrbench.cli import run; run(['--help']); assert 'torch' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", probe], capture_output=True).returncode == 0


@pytest.mark.parametrize(
    ("line", "expected"),
    [("lrbench scheduler=co", "scheduler=cosine"), ("lrbench plot sched", "scheduler="), ("lrbench sh", "show")],
)
def test_completion(
    line: str, expected: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COMP_LINE", line)
    monkeypatch.setenv("COMP_POINT", str(len(line)))
    run(["-sc", "query=bash"])
    assert expected in capsys.readouterr().out.split()


def test_a_sweep_is_trained_once_and_leaves_only_records(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["-m", *SMALL, "scheduler=constant,cosine", "seed=0,1"]
    assert run(asked) == 0
    assert "4 new" in capsys.readouterr().err
    assert [p.name for p in folder.iterdir()] == ["results"]
    assert run([*asked, "horizon=2ep"]) == 0
    assert "4 finished" in capsys.readouterr().err


def test_one_bad_job_of_a_sweep_trains_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["-m", *SMALL, "optimizer.lr=0.1,-1"]) == 2
    assert "in the run 'optimizer.lr=-1'" in capsys.readouterr().err
    assert list(folder.iterdir()) == []


def test_train_show_and_plot(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*SMALL, "warmup=linear_10pct"]) == 0
    said = capsys.readouterr().out
    (record,) = (p for p in (folder / "results" / "runs").iterdir() if p.is_dir())
    assert record.name in said
    assert "as planned" in said
    for name in (
        "experiment.yaml",
        "metrics.jsonl",
        "rates.npy",
        "summary.json",
        "provenance.json",
        ".hydra/hydra.yaml",
    ):
        assert (record / name).exists(), name
    assert (record / "lr_and_loss.png").read_bytes().startswith(b"\x89PNG")
    assert run(["show", record.name[:6]]) == 0
    assert "learning rate used" in capsys.readouterr().out
    assert run(["show", "zzzz"]) == 2
    assert run(["plot", "-m", *SMALL, "scheduler=cosine,onecycle", "out=both.png"]) == 0
    assert (folder / "both.png").read_bytes().startswith(b"\x89PNG")
    assert "b scheduler=onecycle" in capsys.readouterr().out
