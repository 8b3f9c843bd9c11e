"""An update in parts: micro-batches, ranks, mixed precision, memory format. The schedule and the samples stay."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from warm import Warm

from lrbench.config import experiments as config
from lrbench.engine.loop import TRIES, advance
from lrbench.engine.outcome import summary
from lrbench.engine.state import Setup, State, load, new_state, save, set_up
from lrbench.engine.train import train
from lrbench.errors import ConfigError
from lrbench.experiment import Experiment, Settings
from lrbench.experiment.identity import run_id
from lrbench.store.record import Record

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def mlp() -> Experiment:
    return config.experiment("tracker=none", "model=mlp", "scheduler=onecycle", "horizon=20ba", "eval_every=20ba")


def trained(experiment: Experiment, updates: int = 20) -> tuple[Setup, State, np.ndarray]:
    setup = set_up(experiment, CPU)
    state = new_state(experiment, CPU)
    losses = []
    while state.update < updates:
        losses.append(advance(setup, state, updates).series["train/loss"])
    return setup, state, np.concatenate(losses)


def distance(a: State, b: State) -> float:
    """The largest difference of any weight, relative to the largest weight of its tensor."""
    pairs = zip(a.model.parameters(), b.model.parameters(), strict=True)
    with torch.no_grad():
        return max(float((p - q).abs().max() / q.abs().max()) for p, q in pairs)


@pytest.mark.parametrize("accumulate", [2, 4, 32])
def test_accumulation_is_the_full_batch(mlp: Experiment, accumulate: int) -> None:
    setup, whole, losses = trained(mlp)
    cut_setup, cut, cut_losses = trained(replace(mlp, accumulate=accumulate))
    assert 0 < distance(cut, whole) < 1e-5  # the same up to the order of additions, and really cut
    np.testing.assert_allclose(cut_losses, losses, rtol=1e-5)
    assert (setup.table.lr == cut_setup.table.lr).all()


def test_parts_are_part_of_the_identity_and_one_is_neutral(mlp: Experiment) -> None:
    assert run_id(replace(mlp, accumulate=2)) != run_id(mlp)
    assert run_id(replace(mlp, amp="bf16")) != run_id(mlp)
    plain = config.experiment(
        "tracker=none", "model=mlp", "scheduler=onecycle", "horizon=20ba", "eval_every=20ba",
        "accumulate=1", "amp=none", "channels_last=true", "compile=false",
    )  # fmt: skip
    assert run_id(plain) == run_id(mlp)


@pytest.mark.parametrize("parts", [{"accumulate": 3}, {"ranks": 3}, {"accumulate": 16, "ranks": 8}])
def test_uneven_parts_are_refused(mlp: Experiment, parts: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=r"batch_size=64 is cut into \d+ equal parts"):
        replace(mlp, **parts)


def test_dropout_differs_between_micro_batches_and_repeats() -> None:
    experiment = config.experiment(
        "model=mlp", "model.args.dropout=0.5", "horizon=5ba", "eval_every=5ba", "accumulate=2", "batch_size=2"
    )
    setup, state = set_up(experiment, CPU), new_state(experiment, CPU)
    masks: list[torch.Tensor] = []
    (dropout, *_) = [m for m in state.model.modules() if isinstance(m, torch.nn.Dropout)]
    dropout.register_forward_hook(lambda module, inputs, output: masks.append(output == 0))
    advance(setup, state, 1)
    assert len(masks) == 2
    assert not torch.equal(masks[0], masks[1])
    assert distance(trained(experiment, 1)[1], state) == 0


@pytest.mark.slow
def test_bf16_computes_in_bf16_and_learns() -> None:
    experiment = config.experiment("model=resnet8", "model.args.width=4", "horizon=6ep", "amp=bf16", "tracker=none")
    setup, state, losses = trained(experiment, experiment.clock.updates)
    seen: list[torch.dtype] = []
    state.model.register_forward_hook(lambda module, inputs, output: seen.append(output.dtype))
    state.update -= 1
    advance(setup, state, state.update + 1)
    assert seen == [torch.bfloat16]
    assert all(p.dtype == torch.float32 for p in state.model.parameters())
    assert losses[-10:].mean() < 0.5 * losses[:5].mean()


@pytest.mark.slow
@pytest.mark.parametrize("amp", ["bf16", "fp16"])
def test_stopped_and_resumed_is_bit_identical_under_amp(amp: str, tmp_path: Path) -> None:
    experiment = config.experiment(
        "model=resnet8", "model.args.width=4", "horizon=12ba", "eval_every=12ba", f"amp={amp}", "clip=1.0"
    )
    _, whole, _ = trained(experiment, 12)
    setup, first, _ = trained(experiment, 5)
    save(first, tmp_path / "c.pt")
    resumed = load(experiment, CPU, tmp_path / "c.pt")
    while resumed.update < 12:
        advance(setup, resumed, 12)
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, resumed.model.state_dict()[name]), name
    assert (whole.scaler is None) == (resumed.scaler is None) == (amp == "bf16")
    if whole.scaler:
        assert whole.scaler.state_dict() == resumed.scaler.state_dict()


class Overflow:
    """Makes the gradients infinite in chosen forward passes, as a too large scale does."""

    def __init__(self, model: torch.nn.Module, passes: set[int]) -> None:
        self.calls, self.passes = 0, passes
        parameter = next(model.parameters())
        model.register_forward_pre_hook(self.count)
        parameter.register_hook(lambda g: torch.full_like(g, torch.inf) if self.calls in self.passes else g)

    def count(self, *_: object) -> None:
        self.calls += 1


def test_a_skipped_step_is_the_same_update_again(tmp_path: Path) -> None:
    experiment = config.experiment("model=mlp", "model.args.dropout=0.2", "horizon=8ba", "eval_every=8ba", "amp=fp16")
    setup, state = set_up(experiment, CPU), new_state(experiment, CPU)
    Overflow(state.model, {3, 4})  # the third update fails twice
    seen: list[torch.Tensor] = []
    state.model.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    assert state.scaler is not None
    scale = state.scaler.get_scale()
    block = advance(setup, state, 8)
    assert state.update == 8
    assert state.skipped == 2
    assert len(seen) == 10
    assert torch.equal(seen[2], seen[3])
    assert torch.equal(seen[3], seen[4])  # the same batch
    assert state.scaler.get_scale() == scale / 4
    assert (block.series["lr/all"] == setup.table.lr[:, 0]).all()  # no row was consumed by a skipped step
    assert np.isfinite(block.series["train/loss"]).all()
    assert summary(setup, state, Record(tmp_path), [], {}, None)["skipped_steps"] == 2


def test_steps_that_are_always_skipped_end_as_diverged() -> None:
    experiment = config.experiment("model=mlp", "horizon=8ba", "eval_every=8ba", "amp=fp16")
    setup, state = set_up(experiment, CPU), new_state(experiment, CPU)
    Overflow(state.model, set(range(3, 3 + TRIES)))
    assert advance(setup, state, 8).first_bad() == 2


def test_channels_last_reaches_the_convolutions() -> None:
    experiment = config.experiment("model=resnet8", "horizon=2ba", "eval_every=2ba", "channels_last=true")
    setup, state = set_up(experiment, CPU), new_state(experiment, CPU)
    convolutions = [m for m in state.model.modules() if isinstance(m, torch.nn.Conv2d)]
    formats: list[bool] = []
    convolutions[-2].register_forward_hook(
        lambda module, inputs, output: formats.append(inputs[0].is_contiguous(memory_format=torch.channels_last))
    )
    advance(setup, state, 1)
    assert formats == [True]
    assert convolutions[1].weight.is_contiguous(memory_format=torch.channels_last)


def test_the_record_says_what_batchnorm_saw(tmp_path: Path) -> None:
    overrides = ["model=resnet8", "model.args.width=4", "horizon=2ba", "eval_every=2ba", "accumulate=4", "tracker=none"]
    record = train(config.experiment(*overrides), Settings(results=tmp_path))
    assert record.summary()["ghost_batch"] == 16
    assert record.summary()["audit"] == "as planned"


def launch(folder: Path, *overrides: str, ranks: int = 2) -> subprocess.CompletedProcess[str]:
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={ranks}"]
    return subprocess.run(
        [*torchrun, "-m", "lrbench", f"results={folder}", "tracker=none", "device=cpu", *overrides],
        capture_output=True, text=True, timeout=300, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("scheduler", ["onecycle", "plateau"])
def test_two_ranks_are_one_process(scheduler: str, tmp_path: Path, warm: Warm) -> None:
    """Started by torchrun, or as it starts them."""
    patience = ["scheduler.args.patience=4ba", "scheduler.args.threshold=0.2"] if scheduler == "plateau" else []
    overrides = ["model=mlp", f"scheduler={scheduler}", *patience, "horizon=20ba", "eval_every=4ba", "clip=1.0"]
    alone = train(config.experiment(*overrides), Settings(results=tmp_path / "one"))
    flags = [f"results={tmp_path / 'two'}", "tracker=none", "device=cpu"]
    if scheduler == "onecycle":
        done = launch(tmp_path / "two", *overrides)
        assert done.returncode == 0, done.stderr
    else:
        started = warm.ranks(*flags, *overrides, folder=tmp_path)
        assert [p.returncode for p in started] == [0, 0], started[0].err
    (folder,) = [p for p in (tmp_path / "two" / "runs").iterdir() if p.is_dir()]  # one record, by rank 0
    from lrbench.store.record import Record

    together = Record(folder)
    assert together.experiment().ranks == 2
    assert (together.rates() == alone.rates()).all()  # the same table
    np.testing.assert_allclose(
        together.series()["train/loss"], alone.series()["train/loss"], rtol=1e-4
    )  # the same batches
    ours, theirs = (torch.load(r.checkpoint("update-00000020"))["model"] for r in (together, alone))
    for name, value in theirs.items():
        assert float((ours[name] - value).abs().max() / value.abs().max()) < 1e-5, name
    again = warm.ranks(*flags, *overrides, folder=tmp_path)
    assert [p.returncode for p in again] == [0, 0]
    assert "finished already" in again[0].err


@pytest.mark.slow
def test_a_rank_that_dies_ends_all_and_the_run_resumes(tmp_path: Path, warm: Warm) -> None:
    overrides = ["model=mlp", "horizon=60ba", "eval_every=6ba", "checkpoint_every=6ba"]
    script = tmp_path / "die.py"
    script.write_text(
        "import os, sys\n"
        "import lrbench.engine.legs as legs\n"
        "from lrbench.cli.main import run\n"
        "advance, calls = legs.advance, []\n"
        "def dying(*a):\n"
        "    calls.append(1)\n"
        "    if len(calls) == 5 and os.environ['RANK'] == '1': os._exit(9)\n"
        "    return advance(*a)\n"
        "legs.advance = dying\n"
        "sys.exit(run(sys.argv[1:]))\n"
    )
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", str(script)]
    flags = [f"results={tmp_path}", "tracker=none", "device=cpu", *overrides]
    died = subprocess.run([*torchrun, *flags], capture_output=True, text=True, timeout=300)
    assert died.returncode != 0
    (folder,) = [p for p in (tmp_path / "runs").iterdir() if p.is_dir()]
    from lrbench.store.record import Record

    assert Record(folder).standing() == "interrupted"
    done = warm.ranks(*flags, folder=tmp_path)
    assert [p.returncode for p in done] == [0, 0], done[0].err
    assert "resumed at update 24" in done[0].err
    assert Record(folder).summary()["audit"] == "as planned"
