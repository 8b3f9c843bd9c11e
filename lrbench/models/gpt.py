"""GPT: a transformer that predicts each next token of a text from those before it.

Sources: A. Radford et al., "Improving Language Understanding by Generative Pre-Training", 2018 (learned positions,
GELU; norm after the residual sum), and "Language Models are Unsupervised Multitask Learners", 2019 (GPT-2: norm before
it and once more at the end, smaller weights at first where residuals are summed).
"""

from typing import Literal

import torch
from torch import Tensor, nn

from lrbench.models.transformer import Block, ByDepth, draw_normal, require_block, require_whole

# Part of the identity of every run that uses this module. Raise it with any change that alters the outputs or
# the initial weights of the same options and seed, also one in `transformer`.
NUMERICS = 1


class GPT(ByDepth, nn.Module):
    """Tokens (n, at most `length`) int64 to the logits of each next one, (n, as many, vocab_size).

    vocab_size, length: of the data; `length` is the longest context. dim: width of a token; `heads` divides it. depth:
    number of blocks. mlp_ratio: units of a block's hidden layer, in units of dim. dropout: probability, in [0, 1), of
    attention's weights, after the embedding and after each branch. norm: "pre" has LayerNorm before each branch and at
    the end (GPT-2), "post" after each residual sum (GPT). tied: the output layer is the embedding (both have it so).

    Initial weights: normal with standard deviation 0.02; of the layers that end a branch, divided by the root of the
    number of branches (GPT-2, section 2.3). Raises `ConfigError` on bad options.
    """

    causal = True  # it sees nothing of what it predicts: tasks ask for it

    def __init__(
        self,
        vocab_size: int,
        length: int,
        dim: int = 64,
        depth: int = 2,
        heads: int = 2,
        mlp_ratio: float = 4.0,
        dropout: float = 0.0,
        norm: Literal["pre", "post"] = "pre",
        tied: bool = True,
    ) -> None:
        super().__init__()
        require_whole(dim=dim, depth=depth, heads=heads)
        require_block(dim, heads, mlp_ratio, dropout, norm)
        hidden, pre = int(mlp_ratio * dim), norm == "pre"
        self.embed, self.pos_embed = nn.Embedding(vocab_size, dim), nn.Embedding(length, dim)
        self.drop = nn.Dropout(dropout)
        self.blocks = nn.Sequential(
            *(Block(dim, heads, hidden, dropout, pre, True, dropout, "tanh") for _ in range(depth))
        )
        self.norm = nn.LayerNorm(dim) if pre else nn.Identity()  # a post-norm block ends with its own
        self.head = nn.Linear(dim, vocab_size, bias=False)
        draw_normal(self)
        for name, weight in self.named_parameters():
            if name.endswith(("attention.project.weight", "mlp.3.weight")):
                nn.init.normal_(weight, std=0.02 / (2 * depth) ** 0.5)
        if tied:
            self.head.weight = self.embed.weight

    def forward(self, tokens: Tensor) -> Tensor:
        places = torch.arange(tokens.shape[1], device=tokens.device)
        x = self.drop(self.embed(tokens) + self.pos_embed(places))  # (n, length, dim)
        return self.head(self.norm(self.blocks(x)))
