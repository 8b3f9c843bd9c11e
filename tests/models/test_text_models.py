"""GPT and BERT against transformers' own models with the same weights; sizes by hand, initial weights, options."""

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from transformers import BertConfig, BertForMaskedLM, GPT2Config, GPT2LMHeadModel

from lrbench.errors import ConfigError
from lrbench.models.bert import BERT
from lrbench.models.gpt import GPT

V, L, D, DEPTH = 11, 9, 12, 2


def count(model):
    return sum(parameter.numel() for parameter in model.parameters())


def noisy(model):
    """Every parameter, zeros and ones of biases and norms too, moved away from its initial value."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return model.double()


def tokens(n=3, vocab_size=V):
    return torch.randint(vocab_size, (n, L), generator=torch.Generator().manual_seed(1))


def copied(pairs):
    """Copy theirs from ours, (theirs, ours) each; every parameter of theirs once."""
    with torch.no_grad():
        for theirs, ours in pairs:
            theirs.copy_(ours)


def gpt2_pairs(theirs, ours):
    """GPT-2's linear layers are transposed (`Conv1D`)."""
    yield theirs.transformer.wte.weight, ours.embed.weight
    yield theirs.transformer.wpe.weight, ours.pos_embed.weight
    for block, mine in zip(theirs.transformer.h, ours.blocks, strict=True):
        for layer, my in ((block.attn.c_attn, mine.attention.qkv), (block.attn.c_proj, mine.attention.project),
                          (block.mlp.c_fc, mine.mlp[0]), (block.mlp.c_proj, mine.mlp[3])):  # fmt: skip
            yield layer.weight, my.weight.T
            yield layer.bias, my.bias
        for layer, my in ((block.ln_1, mine.norm1), (block.ln_2, mine.norm2)):
            yield from zip(layer.parameters(), my.parameters(), strict=True)
    yield from zip(theirs.transformer.ln_f.parameters(), ours.norm.parameters(), strict=True)


def bert_pairs(theirs, ours):
    bert, head = theirs.bert, theirs.cls.predictions
    yield bert.embeddings.word_embeddings.weight, ours.embed.weight
    yield bert.embeddings.position_embeddings.weight, ours.pos_embed.weight
    yield from zip(bert.embeddings.LayerNorm.parameters(), ours.embed_norm.parameters(), strict=True)
    for layer, mine in zip(bert.encoder.layer, ours.blocks, strict=True):
        attention = layer.attention
        asked = (attention.self.query, attention.self.key, attention.self.value)
        for i, part in enumerate(asked):
            yield part.weight, mine.attention.qkv.weight.chunk(3)[i]
            yield part.bias, mine.attention.qkv.bias.chunk(3)[i]
        for linear, my in ((attention.output.dense, mine.attention.project), (attention.output.LayerNorm, mine.norm1),
                           (layer.intermediate.dense, mine.mlp[0]), (layer.output.dense, mine.mlp[3]),
                           (layer.output.LayerNorm, mine.norm2)):  # fmt: skip
            yield from zip(linear.parameters(), my.parameters(), strict=True)
    yield from zip(head.transform.dense.parameters(), ours.transform[0].parameters(), strict=True)
    yield from zip(head.transform.LayerNorm.parameters(), ours.transform[2].parameters(), strict=True)
    yield head.bias, ours.head.bias


def gpt2():
    made = GPT2Config(vocab_size=V, n_positions=L, n_embd=D, n_layer=DEPTH, n_head=3, resid_pdrop=0.0, embd_pdrop=0.0,
                      attn_pdrop=0.0)  # fmt: skip
    return GPT2LMHeadModel(made).double(), noisy(GPT(V, L, D, DEPTH, 3)), gpt2_pairs


def bert():
    made = BertConfig(vocab_size=V + 1, max_position_embeddings=L, hidden_size=D, num_hidden_layers=DEPTH,
                      num_attention_heads=3, intermediate_size=4 * D, hidden_dropout_prob=0.0,
                      attention_probs_dropout_prob=0.0, type_vocab_size=1, pad_token_id=None)  # fmt: skip
    theirs = BertForMaskedLM(made).double()
    nn.init.zeros_(theirs.bert.embeddings.token_type_embeddings.weight)  # one segment: a part of the positions
    return theirs, noisy(BERT(V, L, D, DEPTH, 3)), bert_pairs


@pytest.mark.parametrize("made", [gpt2, bert])
def test_one_forward_and_backward_is_transformers(made):
    torch.manual_seed(0)
    theirs, ours, pairs = made()
    copied(pairs(theirs, ours))
    x, classes = tokens(), ours.head.out_features
    assert count(theirs) == count(ours) + (D if made is bert else 0)  # the segment's
    y = torch.randint(classes, x.shape)
    found, expected = ours(x), theirs(input_ids=x).logits
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)
    cross_entropy(found.flatten(0, 1), y.flatten()).backward()
    cross_entropy(expected.flatten(0, 1), y.flatten()).backward()
    gradients = {id(p): p.grad for p in theirs.parameters()}
    embed = next(pairs(theirs, ours))
    torch.testing.assert_close(gradients[id(embed[0])], embed[1].grad, rtol=1e-9, atol=1e-12)
    with torch.no_grad():  # all gradients: one step of each, then the weights are the same
        for model in (theirs, ours):
            for parameter in model.parameters():
                if parameter.grad is not None:
                    parameter.sub_(parameter.grad)
        for one, other in pairs(theirs, ours):
            torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_a_gpt_sees_nothing_of_what_follows_and_a_bert_does(norm):
    x = tokens(2)
    other = x.clone()
    other[:, 5:] = (other[:, 5:] + 1) % V
    for model, sees in ((GPT(V, L, norm=norm), False), (BERT(V, L, norm=norm), True)):
        assert model.causal is not sees
        with torch.no_grad():
            assert torch.allclose(model(x)[:, :5], model(other)[:, :5], atol=1e-6) is not sees


def of_blocks(dim, depth):
    """By hand: queries, keys, values and projection 4 d^2 + 4 d, the perceptron 8 d^2 + 5 d, two norms 4 d."""
    return depth * (12 * dim**2 + 13 * dim)


def test_sizes_are_those_counted_by_hand():
    assert count(GPT(V, L, 8, 3, 2)) == of_blocks(8, 3) + V * 8 + L * 8 + 2 * 8
    assert count(GPT(V, L, 8, 3, 2, tied=False)) == count(GPT(V, L, 8, 3, 2)) + V * 8
    assert count(GPT(V, L, 8, 3, 2, norm="post")) == count(GPT(V, L, 8, 3, 2)) - 2 * 8
    head = 8 * 8 + 8 + 2 * 8 + V + 1  # a layer with its norm, and the biases of all classes
    assert count(BERT(V, L, 8, 3, 2)) == of_blocks(8, 3) + (V + 1) * 8 + L * 8 + 2 * 8 + head


def test_the_papers_sizes_are_the_papers():
    """On the meta device, where no weight takes memory: GPT-2 124 million (its table 2 says 117), BERT-Base 110."""
    with torch.device("meta"):
        assert count(GPT(50257, 1024, 768, 12, 12)) == 124_439_808  # as transformers' gpt2 has them
        with_pooler_and_segments = 768 * 768 + 768 + 2 * 768
        assert round((count(BERT(30521, 512, 768, 12, 12)) + with_pooler_and_segments) / 1e6) == 110


def test_initial_weights():
    torch.manual_seed(0)
    model = GPT(64, 64, 128, 8, 2)
    for name, weight in model.named_parameters():
        if weight.ndim == 2:
            ends = name.endswith(("project.weight", "mlp.3.weight"))
            assert weight.std().item() == pytest.approx(0.02 / 4 if ends else 0.02, rel=0.05), name
        elif name.endswith("bias"):
            assert not weight.any()
    assert model.head.weight is model.embed.weight
    for name, weight in BERT(64, 64, 128, 2, 2).named_parameters():
        assert weight.ndim < 2 or weight.std().item() == pytest.approx(0.02, rel=0.05), name


def test_dropout_acts_in_training_only():
    for model in (GPT(V, L, dropout=0.5), BERT(V, L, dropout=0.5)):
        assert not torch.equal(model(tokens()), model(tokens()))
        model.eval()
        assert torch.equal(model(tokens()), model(tokens()))


@pytest.mark.parametrize("model", [GPT, BERT])
@pytest.mark.parametrize(
    ("option", "value"),
    [("dim", 0), ("depth", 1.5), ("heads", 5), ("mlp_ratio", 0.01), ("dropout", 1), ("norm", "both")],
)
def test_bad_options_are_refused(model, option, value):
    with pytest.raises(ConfigError, match=f"model.args.{option}="):
        model(V, L, **{option: value})
