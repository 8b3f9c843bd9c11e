"""Language modelling: losses, perplexity and bits per character by hand; masks, and what they are a function of."""

from math import exp, log, log2

import pytest
import torch
from torch.nn.functional import log_softmax

from lrbench.data import Reading
from lrbench.data.text import PythonTopics
from lrbench.errors import ConfigError
from lrbench.tasks.causal_lm import CausalLM
from lrbench.tasks.masked_lm import MaskedLM, mixed
from lrbench.tasks.returns import declared

SPEC = {"vocab_size": 5, "length": 3, "characters_per_token": 2.0, "vocabulary": "x"}


def batch(n=4, length=20, vocab_size=7, key=0):
    tokens = torch.randint(vocab_size, (n, length + 1), generator=torch.Generator().manual_seed(key))
    return {"tokens": tokens, "key": torch.arange(n) + 100 * key, "characters": torch.ones(vocab_size)}


def logits_of(classes):
    """A model without weights: the same logits for the same token."""
    table = torch.randn(classes, classes, generator=torch.Generator().manual_seed(5))
    return lambda tokens: table[tokens]


# ---- Causal.


def test_the_causal_loss_by_hand():
    """Of [2, 0, 1]: 0 after 2, and 1 after 0."""
    model = logits_of(3)
    given = {"tokens": torch.tensor([[2, 0, 1]]), "key": torch.tensor([0]), "characters": torch.ones(3)}
    by_hand = -log_softmax(model(2), 0)[0] - log_softmax(model(0), 0)[1]
    assert CausalLM().loss(model, given).item() == pytest.approx(by_hand.item(), rel=1e-6)
    assert CausalLM().weight(given) == 2


def test_perplexity_is_exp_of_the_mean_loss_over_all_tokens_and_no_mean_of_perplexities():
    task, model, meter = CausalLM(), logits_of(7), CausalLM().meter()
    parts = [batch(3, key=1), batch(5, key=2), batch(2, length=4, key=3)]
    for part in parts:
        meter.add(model, part)
    nats = sum(task.loss(model, part).item() for part in parts)
    tokens = sum(task.weight(part) for part in parts)
    found = meter.result()
    assert tokens == (3 + 5) * 20 + 2 * 4
    assert found["loss"] == pytest.approx(nats / tokens, rel=1e-6)
    assert found["perplexity"] == pytest.approx(exp(nats / tokens), rel=1e-6)
    assert found["bits_per_character"] == pytest.approx(nats / tokens / log(2), rel=1e-6)


def test_bits_are_counted_by_the_characters_of_the_predicted_tokens():
    given = {"tokens": torch.tensor([[2, 0, 1]]), "key": torch.tensor([0]), "characters": torch.tensor([1.0, 3.0, 9.0])}
    meter = CausalLM().meter()
    meter.add(lambda tokens: torch.zeros(*tokens.shape, 3), given)
    assert meter.result()["bits_per_character"] == pytest.approx(2 * log2(3) / 4)


def test_a_loss_beyond_all_numbers_is_measured_still():
    meter = CausalLM().meter()
    meter.add(lambda tokens: 1e6 * torch.eye(7)[(tokens + 3) % 7], batch())
    assert meter.result()["perplexity"] == float("inf")


def test_chance_is_a_guess_among_equal_tokens():
    for task in (CausalLM(), MaskedLM()):
        found = {m.name: m for m in task.metrics(SPEC)}
        assert found["loss"].chance == pytest.approx(log(5))
        assert found["perplexity"].chance == 5
        assert found["bits_per_character"].chance == pytest.approx(log2(5) / 2)
        assert (found["perplexity"].low, found["loss"].unit, found["loss"].higher_is_better) == (1.0, "nats", False)
    assert found["accuracy"].chance == 0.2


# ---- Masks.


def splitmix64(x):
    """As its authors write it."""
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    x = (x ^ x >> 27) * 0x94D049BB133111EB % 2**64
    return x ^ x >> 31


def test_the_hash_is_splitmix64():
    """Its first output from the state 0, known from the authors' program: e220a8397b1dcdaf."""
    golden = 0x9E3779B97F4A7C15
    assert splitmix64(golden) == 0xE220A8397B1DCDAF
    states = [golden, 1, 2**63, 2**64 - 5, 123456789]
    held = torch.tensor([s - 2**64 if s >> 63 else s for s in states])
    assert [v % 2**64 for v in mixed(held).tolist()] == [splitmix64(s) for s in states]


def test_masks_are_a_pure_function_of_the_key():
    task, given = MaskedLM(), batch(8, length=64)
    whole = task.hidden(given)
    halves = [task.hidden({**given, **{k: given[k][rows] for k in ("tokens", "key")}})
              for rows in (slice(0, 3), slice(3, 8))]  # fmt: skip
    for i in range(3):
        assert torch.equal(torch.cat([h[i] for h in halves]), whole[i])
    other = task.hidden({**given, "key": given["key"] + 8})
    assert not torch.equal(other.places, whole.places)
    assert (whole.places[0] != whole.places[1]).any()


@pytest.mark.parametrize(("share", "chosen"), [(0.15, 19), (0.5, 64), (0.001, 1)])
def test_of_every_block_the_same_share_is_chosen(share, chosen):
    task, given = MaskedLM(share), batch(6, length=128)
    hidden = task.hidden(given)
    assert hidden.places.shape == hidden.target.shape == (6, chosen)
    assert all(len(set(row)) == chosen for row in hidden.places.tolist())
    assert task.weight(given) == 6 * chosen
    assert torch.equal(hidden.target, given["tokens"].gather(1, hidden.places))
    left = torch.ones_like(hidden.tokens, dtype=torch.bool).scatter_(1, hidden.places, False)
    assert torch.equal(hidden.tokens[left], given["tokens"][:, :-1][left])


def test_eight_in_ten_become_the_mask_one_another_token_and_one_stays():
    given = batch(2000, length=100)
    tokens, places, target = MaskedLM().hidden(given)
    new = tokens.gather(1, places)
    assert ((new == 7).double().mean().item(), (new == target).double().mean().item()) == (
        pytest.approx(0.8, abs=0.01),
        pytest.approx(0.1, abs=0.01),
    )
    others = new[(new != 7) & (new != target)]
    shares = torch.bincount(others, minlength=7) / len(others)
    assert shares.min() > 0.8 / 7
    at = torch.bincount(places.flatten(), minlength=100) / places.numel()
    assert at.min() > 0.8 / 100  # every place as often as any other
    assert at.max() < 1.2 / 100


def test_the_masked_loss_and_its_measures_are_of_the_chosen_tokens_alone():
    task, model, given = MaskedLM(), logits_of(8), batch()
    hidden = task.hidden(given)
    by_hand, right = 0.0, 0
    for row in range(4):
        for place, token in zip(hidden.places[row], hidden.target[row], strict=True):
            scores = model(hidden.tokens[row, place])
            by_hand -= log_softmax(scores, 0)[token].item()
            right += int(scores.argmax() == token)
    assert task.loss(model, given).item() == pytest.approx(by_hand, rel=1e-5)
    meter = task.meter()
    meter.add(model, given)
    found = meter.result()
    assert found["loss"] == pytest.approx(by_hand / task.weight(given), rel=1e-5)
    assert found["accuracy"] == right / task.weight(given)
    assert found["perplexity"] == pytest.approx(exp(found["loss"]), rel=1e-9)


def test_what_is_hidden_of_a_validation_set_never_changes():
    data = PythonTopics(length=32)
    hidden = [[MaskedLM().hidden(b).tokens for b in data.load(s).val.stream(Reading(9, s)).in_order()] for s in (0, 7)]
    assert all(torch.equal(one, other) for one, other in zip(*hidden, strict=True))


# ---- What is refused.


@pytest.mark.parametrize("share", [0, 1, -0.1, "0.15", True, float("nan"), [1]])
def test_a_share_that_is_none(share):
    with pytest.raises(ConfigError, match=r"task.args.mask_share=.*give a number between 0 and 1"):
        MaskedLM(share)


@pytest.mark.parametrize("task", [CausalLM(), MaskedLM()])
def test_data_that_are_no_text(task):
    with pytest.raises(ConfigError, match=r"needs vocab_size, which the data do not give \(they give shape\)"):
        declared(task, {"shape": (1, 8, 8)}, "it")
