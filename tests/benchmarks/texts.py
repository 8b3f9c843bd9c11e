"""What the tiny recipes of language models reach, against the frequency of characters and a plain loop; by `run.py`.

The loop is what a person writes: transformers' own models of the same size, blocks at random places of the text,
torch's LambdaLR stepped after every update, no lrbench but for the text itself. An hour on two idle cores.
"""

import statistics
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from harness import keep, spread
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim.lr_scheduler import LambdaLR
from transformers import BertConfig, BertForMaskedLM, GPT2Config, GPT2LMHeadModel

from lrbench.config.experiments import experiment
from lrbench.data.text import PythonTopics
from lrbench.engine.train import train
from lrbench.experiment import Settings

SEEDS = range(5)
UPDATES, BATCH, LENGTH, WIDTH, DEPTH, HEADS = 2000, 32, 64, 64, 2, 2
IGNORED = -100

Loss = Callable[
    [nn.Module, Tensor, torch.Generator], Tensor
]  # of blocks (n, LENGTH + 1): a mean over what is predicted


def text_scores() -> None:
    """Test loss in nats of gpt_tiny, bert_tiny and transformer_inverse_sqrt_tiny over five seeds."""
    torch.set_num_threads(1)
    train_part, _, test_part = (torch.from_numpy(s.tokens.astype("int64")) for s in PythonTopics(LENGTH).load(0))
    size = int(PythonTopics(LENGTH).info().spec["vocab_size"])
    trivial = _of_frequencies(train_part, test_part, size)
    figures = {}
    for name, (new, loss, rate) in {
        "gpt_tiny": (_gpt2, _next_tokens, _linear),
        "bert_tiny": (_bert, _gaps, _linear),
        "transformer_inverse_sqrt_tiny": (_post_norm, _next_tokens, _inverse_sqrt),
    }.items():
        plain = [_by_hand(partial(new, size), loss, rate, train_part, test_part, seed) for seed in SEEDS]
        ours = [_by_lrbench(name, seed) for seed in SEEDS]
        middle = (trivial + statistics.mean(plain)) / 2
        figures[name] = {
            "frequencies": round(trivial, 4), "plain_loop": spread(plain), "lrbench": spread(ours),
            "half_way": round(middle, 4), "reached": max(ours) <= middle,
        }  # fmt: skip
    keep("text_scores", "test loss of the tiny recipes of text, in nats a token", "half way to a plain loop", figures)


def _of_frequencies(train_part: Tensor, test_part: Tensor, size: int) -> float:
    """The test part's cross-entropy under the training part's frequencies, each character counted once more."""
    counts = torch.bincount(train_part, minlength=size).double() + 1
    return float(-(counts / counts.sum()).log()[test_part].mean())


def _by_lrbench(recipe: str, seed: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        asked = experiment(f"recipe={recipe}", f"seed={seed}", "tracker=none")
        return float(train(asked, Settings(results=Path(folder))).summary()["test/loss"])


def _by_hand(
    new: Callable[[], nn.Module],
    loss_of: Loss,
    rate: Callable[[int], float],
    train_part: Tensor,
    test_part: Tensor,
    seed: int,
) -> float:
    torch.manual_seed(seed)
    model, draws = new(), torch.Generator().manual_seed(seed)
    noam = rate is _inverse_sqrt
    optimizer: torch.optim.Optimizer = (
        torch.optim.Adam(model.parameters(), lr=1.0, betas=(0.9, 0.98), eps=1e-9)
        if noam
        else torch.optim.AdamW(model.parameters(), lr=5e-4, weight_decay=0.01)
    )
    scheduler, places = LambdaLR(optimizer, rate), torch.arange(LENGTH + 1)
    for _ in range(UPDATES):
        begins = torch.randint(len(train_part) - LENGTH, (BATCH,), generator=draws)
        loss = loss_of(model, train_part[begins[:, None] + places], draws)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
    model.eval()
    begins, fixed = torch.arange((len(test_part) - 1) // LENGTH) * LENGTH, torch.Generator().manual_seed(0)
    with torch.no_grad():
        found = [loss_of(model, test_part[b[:, None] + places], fixed) * len(b) for b in begins.split(100)]
    return float(sum(found)) / len(begins)


def _linear(step: int) -> float:
    """A guide's own function."""
    return step / 200 if step < 200 else max(0.0, (UPDATES - step) / (UPDATES - 200))


def _inverse_sqrt(step: int) -> float:
    return WIDTH**-0.5 * min((step + 1) ** -0.5, (step + 1) * 200**-1.5)


def _gpt2(size: int) -> nn.Module:
    config = GPT2Config(
        vocab_size=size, n_positions=LENGTH, n_embd=WIDTH, n_layer=DEPTH, n_head=HEADS, resid_pdrop=0.0, embd_pdrop=0.0,
        attn_pdrop=0.0,
    )  # fmt: skip
    return _Logits(GPT2LMHeadModel(config))


def _bert(size: int) -> nn.Module:
    config = BertConfig(
        vocab_size=size + 1, hidden_size=WIDTH, num_hidden_layers=DEPTH, num_attention_heads=HEADS,
        intermediate_size=4 * WIDTH, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
        max_position_embeddings=LENGTH, pad_token_id=None,
    )  # fmt: skip
    return _Logits(BertForMaskedLM(config))


class _Logits(nn.Module):
    """A model of transformers' as one that gives its logits."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, tokens: Tensor) -> Tensor:
        return self.model(input_ids=tokens).logits


class _post_norm(nn.Module):
    """torch's own encoder layers, norms after the sums, under a causal mask."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.embed, self.places = nn.Embedding(size, WIDTH), nn.Embedding(LENGTH, WIDTH)
        for table in (self.embed, self.places):
            nn.init.normal_(table.weight, std=0.02)
        layer = nn.TransformerEncoderLayer(WIDTH, HEADS, 4 * WIDTH, 0.0, "gelu", batch_first=True)
        self.layers = nn.TransformerEncoder(layer, DEPTH)
        self.register_buffer("mask", nn.Transformer.generate_square_subsequent_mask(LENGTH))

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embed(tokens) + self.places.weight
        return self.layers(x, mask=self.mask, is_causal=True) @ self.embed.weight.T


def _next_tokens(model: nn.Module, blocks: Tensor, draws: torch.Generator) -> Tensor:
    return cross_entropy(model(blocks[:, :-1]).flatten(0, 1), blocks[:, 1:].flatten())


def _gaps(model: nn.Module, blocks: Tensor, draws: torch.Generator) -> Tensor:
    """As transformers' collator: each token is chosen with 15 %; of these 80 % masked, 10 % another, 10 % as it is."""
    tokens = blocks[:, :-1]
    chosen, how = (torch.rand(tokens.shape, generator=draws) for _ in range(2))
    size = model.model.config.vocab_size - 1
    others = torch.randint(size, tokens.shape, generator=draws)
    hidden = torch.where(how < 0.8, size, torch.where(how < 0.9, others, tokens))
    target = torch.where(chosen < 0.15, tokens, IGNORED)
    return cross_entropy(model(torch.where(chosen < 0.15, hidden, tokens)).flatten(0, 1), target.flatten())


EVERY = (text_scores,)
