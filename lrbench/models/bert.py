"""BERT: a transformer that fills the gaps of a text, from both sides.

Source: J. Devlin et al., "BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding", 2018, for
masked tokens alone, as in Y. Liu et al., "RoBERTa", 2019: one segment, and no next sentence to tell.
"""

from typing import Literal

import torch
from torch import Tensor, nn

from lrbench.models.transformer import Block, ByDepth, draw_normal, require_block, require_whole

# Part of the identity of every run that uses this module. Raise it with any change that alters the outputs or
# the initial weights of the same options and seed, also one in `transformer`.
NUMERICS = 1

EPS = 1e-12  # of the norms, as in BERT's code


class BERT(ByDepth, nn.Module):
    """Tokens (n, at most `length`) int64, where `vocab_size` is the mask, to logits (n, as many, vocab_size + 1).

    vocab_size, length: of the data; one token more is known, the mask. dim, depth, heads, mlp_ratio, dropout: as in
    `GPT`. norm: "post" has LayerNorm after each residual sum (BERT), "pre" before each branch and at the end. The
    output layer is the embedding, behind a layer of its own with GELU and norm.

    Initial weights: normal with standard deviation 0.02. Raises `ConfigError` on bad options.
    """

    causal = False  # it sees what follows: tasks ask for it

    def __init__(
        self,
        vocab_size: int,
        length: int,
        dim: int = 64,
        depth: int = 2,
        heads: int = 2,
        mlp_ratio: float = 4.0,
        dropout: float = 0.0,
        norm: Literal["pre", "post"] = "post",
    ) -> None:
        super().__init__()
        require_whole(dim=dim, depth=depth, heads=heads)
        require_block(dim, heads, mlp_ratio, dropout, norm)
        hidden, pre = int(mlp_ratio * dim), norm == "pre"
        self.embed, self.pos_embed = nn.Embedding(vocab_size + 1, dim), nn.Embedding(length, dim)
        self.embed_norm, self.drop = nn.LayerNorm(dim, EPS), nn.Dropout(dropout)
        self.blocks = nn.Sequential(
            *(Block(dim, heads, hidden, dropout, pre, False, dropout, "none", EPS) for _ in range(depth))
        )
        self.norm = nn.LayerNorm(dim, EPS) if pre else nn.Identity()  # a post-norm block ends with its own
        self.transform = nn.Sequential(nn.Linear(dim, dim), nn.GELU(), nn.LayerNorm(dim, EPS))
        self.head = nn.Linear(dim, vocab_size + 1)
        draw_normal(self)
        self.head.weight = self.embed.weight

    def forward(self, tokens: Tensor) -> Tensor:
        places = torch.arange(tokens.shape[1], device=tokens.device)
        x = self.drop(self.embed_norm(self.embed(tokens) + self.pos_embed(places)))  # (n, length, dim)
        return self.head(self.transform(self.norm(self.blocks(x))))
