"""Language models on the engine: they overfit, resume to the bit, and accumulate; what does not go together."""

import numpy as np
import pytest
import torch
from data_support import write_texts

from lrbench.config.experiments import experiment
from lrbench.engine.state import new_state, set_up
from lrbench.errors import ConfigError
from lrbench.store.series import LOSS

pytestmark = pytest.mark.usefixtures("without_picture")
MICRO = (
    "model.args.dim=16",
    "optimizer.lr=0.01",
    "data.args.length=16",
    "horizon=28ba",
    "eval_every=14ba",
    "batch_size=16",
    "tracker=none",
)
KINDS = {"gpt": "recipe=gpt_tiny", "bert": "recipe=bert_tiny"}


@pytest.fixture
def made(tmp_path):
    path = write_texts(tmp_path / "data") / "texts"
    return lambda kind, *more: experiment(KINDS[kind], "data=text_file", f"data.args.path={path}", *MICRO, *more)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "norm"), [("gpt", "pre"), ("gpt", "post"), ("bert", "post")])
def test_a_model_learns_one_batch_by_heart(kind, norm, made):
    asked = made(kind, f"model.args.norm={norm}")
    setup, model = set_up(asked, torch.device("cpu")), new_state(asked, torch.device("cpu")).model
    batch, task = setup.splits.train.batch(0, 0, 8), setup.task
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    for _ in range(120):
        optimizer.zero_grad()
        loss = task.loss(model, batch) / task.weight(batch)
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.05


@pytest.mark.parametrize(("kind", "more"), [("gpt", ()), ("bert", ("accumulate=2", "model.args.dropout=0.1"))])
def test_interrupted_and_resumed_is_the_same_to_the_bit(
    kind, more, made, run, tmp_path, interrupted_at, require_same_run
):
    """Twice, inside an epoch and at one's end."""
    asked = made(kind, *more)
    assert asked.clock.per_epoch == 21
    for update in (14, 21):
        with interrupted_at(update):
            run(asked, checkpoint_every=None, results=tmp_path / "cut")
    require_same_run(run(asked, results=tmp_path / "cut"), run(asked, results=tmp_path / "whole"))


@pytest.mark.parametrize("kind", KINDS)
def test_accumulation_is_the_large_batch_and_measured_by_the_tasks_own_metrics(kind, made, run, tmp_path):
    whole, cut = (run(made(kind, *a), results=tmp_path / str(len(a))) for a in ((), ("accumulate=4",)))
    np.testing.assert_allclose(cut.series()[LOSS], whole.series()[LOSS], rtol=1e-4)
    for name, value in whole.summary().items():
        if name.startswith(("test/", "val/")):
            assert cut.summary()[name] == pytest.approx(value, rel=1e-3), name
    summary = whole.summary()
    assert (summary["state"], summary["audit"]) == ("finished", "as planned")
    assert summary["test/perplexity"] == pytest.approx(np.exp(summary["test/loss"]), rel=1e-9)
    assert summary["test/loss"] < summary["metrics"]["loss"]["chance"]
    assert summary["test/bits_per_character"] == pytest.approx(summary["test/loss"] / np.log(2), rel=1e-6)


# ---- What does not go together is refused before anything is trained.


@pytest.mark.parametrize(
    ("kind", "overrides", "words"),
    [
        ("gpt", ("model=bert_micro",), r"under CausalLM this model sees the tokens that it is to predict.*gpt_micro"),
        ("bert", ("model=gpt_micro",), r"under MaskedLM this model does not see what follows a gap.*bert_micro"),
        ("gpt", ("task=classification",), r"it needs num_classes, which the data do not give"),
        (
            "gpt",
            ("task=classification", "model=resnet8"),
            r"resnet8 needs shape, which data=PythonTopics does not give",
        ),
        ("gpt", ("+model.args.vocab_size=300",), r"model.args.vocab_size: lrbench gives this argument of GPT itself"),
    ],
)
def test_what_does_not_fit(kind, overrides, words, made):
    bare = [o for o in MICRO if not o.startswith("model")]
    with pytest.raises(ConfigError, match=words):
        made(kind, *overrides) if overrides[0].startswith("+") else experiment(
            KINDS[kind], *(o for o in bare if "data." not in o), "data=pydoc", *overrides
        )
