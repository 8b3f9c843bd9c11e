"""Large batches by the linear rule are the same in micro-batches; and one batch is learnt by heart."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from lrbench.config.experiments import experiment
from lrbench.engine.loop import advance
from lrbench.engine.state import new_state, set_up
from lrbench.errors import ConfigError
from lrbench.schedules import lr_table

CPU = torch.device("cpu")
LARGE = ("recipe=large_batch_tiny", "model=mlp", "data=digits", "batch_size=512", "horizon=10ep", "tracker=none")


def trained(made, updates: int):
    setup, state = set_up(made, CPU), new_state(made, CPU)
    losses = []
    while state.update < updates:
        losses.append(advance(setup, state, updates).series)
    return state, np.concatenate(losses)


@pytest.mark.parametrize("accumulate", [2, 8])
def test_in_micro_batches_it_is_the_whole_batch(accumulate: int) -> None:
    """Through warmup and cosine, where no BatchNorm sees the parts: rates to the bit, losses and weights to the
    order of additions. What one GPU cannot hold is trained so."""
    whole = experiment(*LARGE)
    assert whole.peaks == {"all": pytest.approx(0.2)}  # 0.1 x 512 / 256, whatever the parts
    parts = replace(whole, accumulate=accumulate)
    assert (lr_table(parts).lr == lr_table(whole).lr).all()
    (one, ours), (other, theirs) = trained(whole, 20), trained(parts, 20)
    np.testing.assert_allclose(theirs["train/loss"], ours["train/loss"], rtol=1e-5)
    for a, b in zip(one.model.parameters(), other.model.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("accumulate", [3, 1024, 0, -2])
def test_a_batch_that_does_not_divide_is_refused(accumulate: int) -> None:
    with pytest.raises(ConfigError, match="accumulate"):
        experiment(*LARGE, f"accumulate={accumulate}")


@pytest.mark.slow
@pytest.mark.parametrize("groups", ["one", "backbone_head", "no_decay_norm_bias"])
def test_one_batch_is_learnt_by_heart(groups: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By AdamW as the recipes of fine-tuning have it, at a rate for a network that is not pretrained."""
    made = experiment(
        "model=resnet8", "model.args.width=8", "optimizer=adamw", "optimizer.lr=1e-2", "scheduler=constant",
        f"param_groups={groups}", "batch_size=64", "horizon=200ba", "tracker=none",
    )  # fmt: skip
    setup, state = set_up(made, CPU), new_state(made, CPU)
    first = setup.splits.train.batch(0)
    monkeypatch.setattr(setup.splits.train, "batch", lambda *asked: first)
    losses = []
    while state.update < 200:
        losses.append(advance(setup, state, 200).series["train/loss"])
    found = np.concatenate(losses)
    assert found[0] > 1.5
    assert found[-10:].max() < 0.01
