"""The command line: exit codes, one paragraph for bad input and no file left, help, completion, multiruns."""

import json
import operator
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from cli_support import TINY, Lrbench, assert_refused, files, in_process

from lrbench import CONF, __version__
from lrbench.cli import main as cli
from lrbench.cli.flags import FLAGS
from lrbench.commands.sweep import SweepRequest
from lrbench.config import named
from lrbench.config.study_files import study_files
from lrbench.data import fashion_mnist
from lrbench.errors import ConfigError

BIN = Path(sys.executable).parent
PLOTTED = ("scheduler=multistep", "horizon=10ep")


@pytest.fixture
def lrbench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Lrbench:
    return in_process(tmp_path, monkeypatch, capsys)


def process(*command: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {k: v for k, v in os.environ.items() if k not in ("LRBENCH_RESULTS", "COMP_LINE", "HYDRA_FULL_ERROR")}
    return subprocess.run(
        command, cwd=folder, env={**env, **environment}, capture_output=True, text=True, timeout=300
    )  # fmt: skip


# ---- who may run code --------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("start", [[sys.executable, "-m", "lrbench"], [str(BIN / "lrbench")]])
def test_what_lies_in_the_current_folder_is_not_imported(tmp_path: Path, start: list[str]) -> None:
    """Nor plugins of Hydra's, which it imports wherever it finds them, nor what bears the name of a library."""
    (tmp_path / "hydra_plugins").mkdir()
    for name in ("hydra_plugins/evil.py", "hydra.py", "yaml.py", "torch.py"):
        (tmp_path / name).write_text("open('ran', 'w')\n")
    said = process(*start, "plot", "model=mlp", "scheduler=cosine", "--json", folder=tmp_path)
    assert said.returncode == 0, said.stderr
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "word",
    ["hydra.run.dir=???", "hydra.run.dir=null", "hydra.run.dir=elsewhere", "hydra.sweep.dir=???", "hydra.run={}"],
)
def test_hydra_makes_no_folder(lrbench: Lrbench, tmp_path: Path, word: str) -> None:
    assert_refused(lrbench(*TINY, word), word.partition("=")[0], "results=FOLDER")
    assert list(tmp_path.iterdir()) == []


def test_what_a_terminal_obeys_is_shown(lrbench: Lrbench, tmp_path: Path) -> None:
    said = lrbench("model=timm", "model.args.name=\x1b[31mred")
    assert said.code == 2
    assert "\x1b" not in said.err + said.out
    assert "\\x1b[31mred" in said.err


# ---- bad input ---------------------------------------------------------------------------------------------------

STEP = "scheduler.args.step_size"
REFUSED: list[tuple[tuple[str, ...], tuple[str, ...]]] = [
    (("scheduler=cosin",), ("scheduler=cosin", "Did you mean 'cosine'?")),
    (("batchsize=3",), ("batchsize=3", "Did you mean 'batch_size'?")),
    (("horizon=5 epochs",), ("horizon=5 epochs", "30ep")),
    (("'horizon=5 epochs'",), ("horizon=5 epochs", "quote")),
    (("horizon=-3ep",), ("horizon=-3ep", "without a space or sign")),
    (("horizon=0ep",), ("horizon=0ep", "zero")),
    (("horizon=2.3ep",), ("horizon=2.3ep", "not a whole number", "9ba and 10ba")),
    (("horizon=null",), ("horizon=null", "needs a value")),
    (("horizon=${nope}",), ("horizon", "nope")),
    (("scheduler=step", f"{STEP}=120%"), (f"{STEP}=120%", "at most 100%")),
    (("scheduler=step", f"{STEP}=30%"), (f"{STEP}=30%", "0.6 epochs", "1ep", "scheduler.interval=batch")),
    (("scheduler=step", f"{STEP}=5 ep"), (f"{STEP}=5 ep", "30ep")),
    (("warmup=linear5",), ("warmup.length=5ep", "the horizon 8", "shorten")),
    (("warmup.length=3ep",), ("warmup.length=3ep", "warmup=linear5")),
    (("scheduler=onecycle", "warmup=linear_10pct"), ("warms up by itself", "warmup=none")),
    (("scheduler=plateau", "scheduler.args.patience=1", "monitor=null"), ("monitor=null", "val/loss")),
    (("scheduler=plateau", "scheduler.args.patience=1", "monitor=val/f1"), ("monitor=val/f1", "val/accuracy")),
    ((*PLOTTED, "scheduler.args.milestones=['@6ep','@3ep']"), ("scheduler.args.milestones", "ascend")),
    ((*PLOTTED, "scheduler.args.milestones=['@6ep','@30ep']"), ("@30ep", "past the end")),
    ((*PLOTTED, "warmup=linear5", "scheduler.args.milestones=['@3ep']"), ("@3ep", "inside the warmup")),
    (("optimizer.lr=-1",), ("optimizer.lr=-1.0", "above 0")),
    (("optimizer.lr=0",), ("optimizer.lr=0.0", "above 0")),
    (("optimizer.lr=nan",), ("optimizer.lr=nan", "above 0")),
    (("optimizer.lr=abc",), ("optimizer.lr=abc: this is no number; give one, such as 0.1",)),
    (("'optimizer.lr=\"a b\"'",), ("a b", "quote")),
    (("optimizer.lr='a b'",), ("optimizer.lr='a b': this is no number",)),
    (("batch_size=abc",), ("batch_size=abc: this is no whole number; give one, such as 1",)),
    (("amp=maybe",), ("amp=maybe: there is no such choice; give one of none, bf16, fp16",)),
    (("channels_last=perhaps",), ("channels_last=perhaps: give true or false",)),
    (("keep=end",), ("keep=end: give a list, as in keep=[end]",)),
    (("model.args=3",), ("model.args=3: it holds several options", "model.args.NAME=VALUE")),
    (("scheduler.args.eta_min=-1",), ("eta_min=-1", "negative")),
    (("batch_size=100000",), ("batch_size=100000", "only 1077 samples")),
    (("device=cuda:77",), ("device=cuda:77", "auto or cpu")),
    (("log_every=often",), ("log_every=often",)),
    (("keep=[99ep]",), ("keep=99ep", "past the end")),
    (("model.args.hidden=3",), ("model.args.hidden=3", "[64, 64]")),
    (("task.args.label_smoothing=1",), ("task.args.label_smoothing=1",)),
    (("optimizer.args.momentum=-1",), ("optimizer", "Invalid momentum value: -1")),
    (("scheduler=step,cosine",), ("scheduler=step,cosine",)),
    (("--nope",), ("--nope", "there is no such flag")),
    (("--seed", "3"), ("--seed: there is no such flag", "without dashes: seed=VALUE")),
    (("--batch-size=32",), ("--batch-size=32", "without dashes: batch_size=VALUE")),
    (("--lr", "0.1"), ("--lr", "without dashes: optimizer.lr=VALUE")),
    (("--cfg", "everything"), ("--cfg", "job")),
]
REFUSED_TOO: list[tuple[tuple[str, ...], tuple[str, ...]]] = [  # more of the same, among the slow tests
    (("batch_size=64.5",), ("batch_size=64.5: this is no whole number",)),
    (("clip=big",), ("clip=big: this is no number; give one, such as 0.1",)),
    (("lr_scaling.rule=cubic",), ("lr_scaling.rule=cubic", "give one of none, linear, sqrt")),
    (("horizon=[1]",), ("horizon=[1]: give one plain value",)),
    (("hydra.launcher.workers=many",), ("hydra.launcher.workers=many: this is no whole number",)),
    (("hydra.launcher.time=5",), ("hydra.launcher.time=5", "add hydra/launcher=slurm")),
    (("horizon=120%",), ("horizon=120%", "30ep")),
    (("horizon=12",), ("horizon=12", "30ep")),
    (("horizon=1e3ba",), ("horizon=1e3ba",)),
    (("scheduler=step", f"{STEP}=-3ep"), (f"{STEP}=-3ep", "30ep")),
    (("scheduler=step", f"{STEP}=5ep"), (f"{STEP}=5ep", "only 2 are left")),
    (("warmup=linear_10pct", "warmup.length=end"), ("warmup.length=end", "10%")),
    (("scheduler.interval=metric",), ("scheduler.interval=metric", "epoch or batch")),
    (
        ("scheduler=plateau", "scheduler.interval=epoch", "scheduler.args.patience=1"),
        ("scheduler.interval=epoch", "interval=metric"),
    ),
    ((*PLOTTED, "scheduler.args.milestones=['@6ep',8]"), ("scheduler.args.milestones", "every position")),
    (("scheduler.args.eta_min=nan",), ("eta_min=nan", "finite")),
    (("batch_size=0",), ("batch_size=0",)),
    (("seed=-1",), ("seed=-1",)),
    (("accumulate=3",), ("accumulate=3", "batch_size=256")),
    (("device=nonsense",), ("device=nonsense", "auto or cpu")),
    (("start.of=abcdef12",), ("abcdef12", "no record")),
    (("scheduler=[cosine",), ("scheduler=[cosine", "quote")),
    (("model=null",), ("model=null",)),
]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        *(pytest.param(o, w, id=" ".join(o)) for o, w in REFUSED),
        *(pytest.param(o, w, id=" ".join(o), marks=pytest.mark.slow) for o, w in REFUSED_TOO),
    ],
)
def test_bad_input_is_one_paragraph_and_no_file(
    overrides: tuple[str, ...], words: tuple[str, ...], lrbench: Lrbench, tmp_path: Path
) -> None:
    assert_refused(lrbench(*TINY, *overrides), *words)
    assert list(tmp_path.iterdir()) == []


def test_a_value_of_the_wrong_type_in_a_file_of_the_users(lrbench: Lrbench, tmp_path: Path) -> None:
    (tmp_path / "own" / "optimizer").mkdir(parents=True)
    (tmp_path / "own" / "optimizer" / "mine.yaml").write_text("_target_: torch.optim.SGD\nlr: fast\n")
    said = lrbench("--config-dir", "own", "optimizer=mine", *TINY)
    assert_refused(said, "optimizer.lr=fast: this is no number; give one, such as 0.1")


def test_a_word_that_is_no_command(lrbench: Lrbench) -> None:
    assert_refused(lrbench("trian", "scheduler=cosine"), "trian", "Did you mean 'train'?")
    assert_refused(lrbench("polt"), "polt", "Did you mean 'plot'?")


@pytest.mark.slow
def test_data_that_is_not_there(lrbench: Lrbench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """All three ways to get it are named: a folder, Debian's package, the internet."""
    elsewhere = tmp_path.parent / f"{tmp_path.name}-data"
    monkeypatch.setattr(fashion_mnist, "DEBIAN", elsewhere / "debian")
    monkeypatch.setenv("LRBENCH_DATA", str(elsewhere))

    def unreachable(root: str) -> None:
        raise RuntimeError("no route to host")

    monkeypatch.setattr(fashion_mnist, "_fetch", unreachable)
    said = lrbench("recipe=cnn_paper_tiny", "tracker=none")
    assert_refused(said, "data=fashion_mnist", "LRBENCH_DATA", "apt-get install dataset-fashion-mnist", "no route")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_results_folder_that_cannot_be_written(lrbench: Lrbench, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    assert_refused(lrbench(*TINY, "results=taken"), "results=taken", "cannot be written", "LRBENCH_RESULTS")
    assert files(tmp_path) == ["taken"]
    assert_refused(lrbench("plot", *TINY, "out=taken/x.png"), "out=taken/x.png", "there is no folder taken")
    assert files(tmp_path) == ["taken"]


def test_show_of_an_unknown_or_ambiguous_id(lrbench: Lrbench, tmp_path: Path) -> None:
    assert_refused(lrbench("show", "abc"), "abc", "no record")
    assert_refused(lrbench("show"), "RUN")
    assert_refused(lrbench("show", "abc", "--rows", "x"), "--rows")
    assert list(tmp_path.iterdir()) == []
    for name in ("abc1234567890123", "abc9999999999999"):
        (tmp_path / "results" / "runs" / name).mkdir(parents=True)
    assert_refused(lrbench("show", "abc"), "several", "abc1234567890123", "abc9999999999999")


def test_stopping_is_exit_code_130(lrbench: Lrbench, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(jobs: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("lrbench.commands.plot.run", stop)
    said = lrbench("plot", *TINY)
    assert (said.code, said.err) == (130, "lrbench: stopped.\n")


def test_an_error_of_ours_is_no_bad_usage(lrbench: Lrbench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug keeps its traceback: it is not dressed up as the user's mistake. (It is raised by no Python code, as a
    function here would count for somebody's own.)"""
    monkeypatch.setattr("lrbench.commands.plot.run", operator.index)
    with pytest.raises(TypeError, match="cannot be interpreted as an integer"):
        lrbench("plot", *TINY)


# ---- help, information -------------------------------------------------------------------------------------------


def test_help_says_commands_groups_levels_and_options(lrbench: Lrbench) -> None:
    said = lrbench("--help")
    assert (said.code, said.err) == (0, "")
    for command in cli.COMMANDS:
        assert re.search(rf"^  {command} +\S", said.out, re.MULTILINE)
    groups = [p for p in CONF.iterdir() if p.is_dir() and p.name not in ("hydra", "sweep", "study", "claim")]
    assert f"\nSweeps (lrbench sweep NAME): {', '.join(named.sweep_files())}\n" in said.out
    assert f"\nStudies (lrbench compare NAME): {', '.join(study_files())}\n" in said.out
    for flag in FLAGS:
        assert re.search(rf"^{flag} +\S", said.out, re.MULTILINE)
    for group in groups:
        (line,) = re.findall(rf"^{group.name}: (.*)$", said.out, re.MULTILINE)
        assert line.split(", ") == sorted(p.stem for p in group.glob("*.yaml"))
    options = yaml.safe_load((CONF / "config.yaml").read_text()).keys() - {"defaults", "hydra"}
    for option in options:
        assert re.search(rf"^{option}:", said.out, re.MULTILINE), option
    assert lrbench("train", "--help").out == said.out
    assert lrbench("-h").out == said.out


@pytest.mark.slow
def test_the_examples_of_the_help_compose(lrbench: Lrbench, monkeypatch: pytest.MonkeyPatch) -> None:
    import shlex

    examples = []
    for page, count in ((("--help",), 7), (("plot", "--help"), 5), (("sweep", "--help"), 5)):
        listed = re.split("examples", lrbench(*page).out, flags=re.IGNORECASE)[1]
        found = re.findall(r"^ +lrbench (\S.*?)(?:    .*)?$", listed, re.MULTILINE)
        assert len(found) >= count
        examples += found
    for name in ("train", "plot"):
        monkeypatch.setattr(f"lrbench.commands.{name}.run", lambda jobs, **own: [_made(j) for j in jobs] and 0)
    monkeypatch.setattr("lrbench.commands.sweep.run", _composed)
    for name in ("runs", "compare"):  # their examples: test_runs_command.py, test_compare_command.py
        monkeypatch.setattr(f"lrbench.commands.{name}.run", lambda arguments: 0)
    for example in examples:
        said = lrbench(*shlex.split(example))
        assert (said.code, said.err) == (0, ""), (example, said)


def _composed(overrides: list[list[str]], asked: SweepRequest, dry_run: bool) -> tuple[int, list[None]]:
    from lrbench.config.composer import composer

    with composer(asked.hydra) as composed:
        for job in overrides[:: max(1, len(overrides) // 4)]:  # of hundreds
            _made(composed(job))
    return 0, [None] * len(overrides)


def _made(job: object) -> object:
    from lrbench.config.experiments import experiment_from

    return experiment_from(job.config)  # type: ignore[attr-defined]


@pytest.mark.parametrize("command", ["plot", "sweep"])
def test_plot_and_sweep_have_pages_of_their_own(command: str, lrbench: Lrbench) -> None:
    said = lrbench(command, "--help")
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith(f"usage: lrbench {command} ")
    assert "Exit codes: 0 " in said.out
    assert max(map(len, said.out.splitlines())) <= 120
    assert lrbench(command, "-h").out == said.out
    if command == "sweep":
        assert all(re.search(rf"^  {flag} +\S", said.out, re.MULTILINE) for flag in FLAGS)
        assert all(re.search(rf"^  {name} +\S", said.out, re.MULTILINE) for name in named.sweep_files())
        assert lrbench("sweep", "tour", "--help").out == said.out


@pytest.mark.slow
def test_help_takes_overrides(lrbench: Lrbench) -> None:
    for argv in (("scheduler=step", "--help"), ("--help", "scheduler=step"), ("plot", "scheduler=step", "--help")):
        said = lrbench(*argv)
        assert said.code == 0
        assert "step_size: 30%" in said.out
        assert "Commands" in said.out
    assert_refused(lrbench("scheduler=stepp", "--help"), "scheduler=stepp", "Did you mean 'step'?")


@pytest.mark.slow
def test_hydras_own_information(lrbench: Lrbench, tmp_path: Path) -> None:
    said = lrbench("scheduler=step", "--cfg", "job")
    assert said.code == 0
    assert yaml.safe_load(said.out)["scheduler"]["args"]["step_size"] == "30%"
    assert lrbench("--cfg", "job", "--package", "scheduler").out.startswith("# @package scheduler\n")
    assert "Hydra" in lrbench("--hydra-help").out
    assert list(tmp_path.iterdir()) == []


def test_version(lrbench: Lrbench) -> None:
    assert lrbench("--version").out == f"lrbench {__version__}\n"
    assert lrbench("plot", "--version").out == f"lrbench {__version__}\n"


@pytest.mark.slow
def test_flags_may_stand_anywhere(lrbench: Lrbench, tmp_path: Path) -> None:
    one, two = lrbench("plot", *TINY, "-m", "seed=0,1"), lrbench("plot", "-m", *TINY, "seed=0,1")
    assert (one.code, one.out) == (two.code, two.out)
    assert "a seed=0: first" in one.out


@pytest.mark.parametrize("words", [("--help",), ("plot", "--help"), ("sweep", "--help"), ("sweep",)])
def test_help_imports_nothing_heavy(words: tuple[str, ...], tmp_path: Path) -> None:
    done = process(sys.executable, "-X", "importtime", "-m", "lrbench", *words, folder=tmp_path)
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert done.returncode == 0
    assert "lrbench" in imported
    assert not imported & {"torch", "hydra", "omegaconf", "numpy", "matplotlib", "plotext", "rich", "wandb"}
    assert process(str(BIN / "lrbench"), *words, folder=tmp_path).stdout == done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("argv", [("scheduler=step", "--help"), ("--cfg", "job"), ("--info", "defaults")])
def test_information_imports_no_torch(argv: tuple[str, ...], tmp_path: Path) -> None:
    probe = (
        "import sys; from lrbench.cli.main import run; code = run(sys.argv[1:]); print('TORCH', 'torch' in sys.modules)"
    )
    done = process(sys.executable, "-c", probe, *argv, folder=tmp_path)
    assert done.stdout.splitlines()[-1] == "TORCH False", done
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_both_ways_to_start_agree(tmp_path: Path) -> None:
    for argv, code in ((("--info", "defaults"), 0), (("plot", "scheduler=stepp"), 2)):
        starts = ((str(BIN / "lrbench"),), (sys.executable, "-m", "lrbench"))
        ways = [process(*start, *argv, folder=tmp_path) for start in starts]
        assert ways[0].returncode == ways[1].returncode == code
        assert (ways[0].stdout, ways[0].stderr) == (ways[1].stdout, ways[1].stderr)
        assert list(tmp_path.iterdir()) == []


# ---- multiruns ---------------------------------------------------------------------------------------------------

QUICK = (*TINY, "horizon=1ep", "hydra.launcher.workers=1")  # (with workers: tests/sweep)


@pytest.fixture
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    from lrbench.plots import run

    monkeypatch.setattr(run, "picture_of", lambda record: None)


@pytest.mark.slow
@pytest.mark.usefixtures("no_pictures")
def test_a_multirun_trains_each_experiment_once(lrbench: Lrbench, tmp_path: Path) -> None:
    said = lrbench("-m", *QUICK, "scheduler=cosine,constant", "seed=0,1,0", "monitor=val/loss")
    assert said.code == 0, said.err
    assert said.err.startswith("4 runs: 4 new (of 6 jobs; equal ones are one run)\ncost     unknown")
    assert re.search(r"\n\[1/4\] \w{8} scheduler=cosine seed=0  finished  test/loss ", said.err)
    folders = list((tmp_path / "results" / "runs").iterdir())
    assert len(folders) == 4
    assert {p.name for p in tmp_path.iterdir()} == {"results"}  # no multirun.yaml, no multirun/, no outputs/
    assert {p.name for p in (tmp_path / "results").iterdir()} == {"runs", "sweeps"}
    assert said.out.count("finished") == 4
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file()}
    again = lrbench("-m", *QUICK, "scheduler=cosine,constant", "seed=0,1")
    assert again.code == 0
    assert again.err.startswith("4 runs: 4 done\nsweep    results/sweeps/")
    assert again.out.count("finished") == 4
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file()} == before
    more = lrbench("-m", *QUICK, "scheduler=constant", "seed=1,2")
    assert more.err.startswith("2 runs: 1 done, 1 new\ncost     about ")


@pytest.mark.slow
@pytest.mark.usefixtures("no_pictures")
@pytest.mark.parametrize(
    ("sweep", "word"),
    [
        ("scheduler=cosine,multistep_30_60_90", "in the run 'scheduler=multistep_30_60_90': scheduler.args.milestones"),
        ("scheduler=cosine,cosin", "Did you mean 'cosine'?"),
        ("optimizer.lr=0.1,-0.1", "in the run 'optimizer.lr=-0.1': optimizer.lr"),
        ("model.args.dropout=0.1,2", "in the run 'model.args.dropout=2': model.args.dropout=2"),
        ("optimizer.args.momentum=0.9,-1", "in the run 'optimizer.args.momentum=-1': optimizer"),
        ("log_every=1ep,often", "in the run 'log_every=often': log_every=often"),
        ("batch_size=64,1x", "batch_size=1x"),
    ],
)
def test_one_bad_job_and_nothing_is_trained(sweep: str, word: str, lrbench: Lrbench, tmp_path: Path) -> None:
    assert_refused(lrbench("-m", *QUICK, sweep), word)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("no_pictures")
def test_a_multirun_goes_on_after_a_failing_run(lrbench: Lrbench, tmp_path: Path) -> None:
    said = lrbench("-m", *QUICK, "optimizer.lr=1e30,0.1", "scheduler=constant")
    assert said.code == 1
    assert re.search(r"optimizer\.lr=1e\+30 +diverged", said.out), said.out
    assert re.search(r"optimizer\.lr=0\.1 +finished", said.out)


@pytest.mark.usefixtures("no_pictures")
def test_a_multirun_goes_on_after_an_error(lrbench: Lrbench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from lrbench.sweep import carry_out

    real = carry_out.train

    def breaks_once(experiment, *rest, **more):  # type: ignore[no-untyped-def]
        if experiment.seed == 0:
            raise RuntimeError("the device caught fire")
        return real(experiment, *rest, **more)

    monkeypatch.setattr(carry_out, "train", breaks_once)
    said = lrbench("-m", *QUICK, "seed=0,1")
    assert said.code == 1
    assert re.search(r"failed: .*RuntimeError: the device caught fire", said.err)
    assert re.search(r"seed=1 +finished", said.out)


@pytest.mark.slow
@pytest.mark.usefixtures("no_pictures")
def test_hydras_basic_launcher_works_too(lrbench: Lrbench, tmp_path: Path) -> None:
    said = lrbench("-m", *QUICK[:-1], "hydra/launcher=basic", "seed=0,1")
    assert said.code == 0, said.err
    assert len(list((tmp_path / "results" / "runs").iterdir())) == 2
    assert {p.name for p in tmp_path.iterdir()} == {"results"}
    assert_refused(lrbench("-m", *QUICK[:-1], "hydra/launcher=basci", "seed=0,1"), "hydra/launcher=basci", "'basic'")


def test_the_local_launcher_refuses_a_foreign_task() -> None:
    sys.path.append(str(Path(cli.__file__).parent / "plugins"))
    from hydra_plugins.lrbench_local import LocalLauncher

    with pytest.raises(TypeError, match="hydra/launcher=basic"):
        LocalLauncher().setup(hydra_context=None, task_function=lambda config: None, config=None)  # type: ignore[arg-type]


@pytest.mark.full
def test_a_launcher_of_other_processes(lrbench: Lrbench, tmp_path: Path) -> None:
    """hydra-submitit-launcher: it trains, and what became of its jobs is this command's exit code."""
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    command = ("-m", *QUICK[:-1], "hydra/launcher=submitit_local", "seed=0,1")
    refused = lrbench(*command, "--dry-run")
    assert refused.code == 2
    assert "leave hydra/launcher out" in refused.err
    assert not (tmp_path / "results").exists()
    assert lrbench(*command).code == 0
    statuses = [json.loads(p.read_text())["state"] for p in tmp_path.glob("results/runs/*/status.json")]
    assert statuses == ["finished"] * 2
    assert lrbench(*command[:-1], "seed=0", "optimizer.lr=1e30").code == 1  # diverged
    refused = lrbench(*command, "horizon=5ep", "scheduler=cosine,multistep")
    assert refused.code == 2
    assert "scheduler.args.milestones=@30%: this is 1.5 epochs" in refused.err


@pytest.mark.slow
def test_hydras_basic_sweeper_is_what_ours_is(lrbench: Lrbench) -> None:
    """The sweep grammar is Hydra's: ranges, choices, globs."""
    said = lrbench("plot", "-m", *TINY, "seed=range(0,3)", "--json")
    assert len(json.loads(said.out)["schedules"]) == 3
    said = lrbench("plot", "-m", *TINY, "scheduler=glob(cos*)", "horizon=5ep", "--json")
    assert len(json.loads(said.out)["schedules"]) == len(list((CONF / "scheduler").glob("cos*.yaml")))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("scheduler=constant,cosine",), ("several values are a sweep; add -m", "scheduler=[a,b]")),
        (("--dryrun",), ("Did you mean '--dry-run'",)),
        (("scheduler=step", "scheduler.args.gama=0.5"), ("Did you mean 'scheduler.args.gamma'",)),
        (("--dry-run", "plot", "seed=1"), ("plot: --dry-run",)),  # the command, though a flag stands before it
    ],
)
def test_the_cure_is_the_likeliest(lrbench: Lrbench, arguments: tuple[str, ...], words: tuple[str, ...]) -> None:
    said = lrbench(*arguments)
    assert said.code == 2
    for word in words:
        assert word in said.err, said.err


# ---- a reader that goes away -------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        "--help | head -1",
        "--help | true",
        "show {run} | true",
        pytest.param("show {run} | head -1", marks=pytest.mark.slow),
    ],
)
def test_a_reader_may_go_away(command: str, tmp_path: Path) -> None:
    """`lrbench show RUN | head -1` ends quietly."""
    if "show" in command:
        from lrbench.config.experiments import experiment
        from lrbench.experiment.identity import run_id
        from lrbench.store.record import Record

        made = experiment(*QUICK[:-1])
        Record(tmp_path / "results" / "runs" / run_id(made)).create(made, {})
        command = command.format(run=run_id(made))
    script = f"set -o pipefail; {BIN / 'lrbench'} {command}; echo code $?"
    done = process("bash", "-c", script, folder=tmp_path)
    assert done.stderr == ""
    assert done.stdout.endswith("code 0\n")


def test_configerrors_only_are_bad_usage() -> None:
    assert not issubclass(ConfigError, OSError | ValueError | RuntimeError)


def test_a_process_that_unpickles_a_task_finds_lrbench_s_plugins() -> None:
    """As submitit's jobs do, which import nothing of lrbench beside what the pickle names."""
    asked = "import lrbench.cli.task, importlib.util; assert importlib.util.find_spec('hydra_plugins.lrbench_local')"
    assert subprocess.run([sys.executable, "-c", asked]).returncode == 0
