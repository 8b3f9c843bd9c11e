"""The block that every transformer here is made of, images' and texts'.

Its numbers are those of `vit`, `gpt` and `bert`: a change raises NUMERICS in all three.

Sources: A. Vaswani et al., "Attention Is All You Need", 2017 (norm after the residual sum, which needs a warmup);
R. Xiong et al., "On Layer Normalization in the Transformer Architecture", 2020 (norm before it, and why that needs less
of one).
"""

from typing import Any, Literal

from torch import Tensor, nn

from lrbench.errors import ConfigError
from lrbench.numbers import is_number


class Block(nn.Module):
    """Attention, then a two-layer perceptron with GELU, each a branch beside its residual sum.

    causal: a token sees itself and those before it only. attention_dropout: probability that a weight of attention is
    dropped. gelu: torch's `approximate`. eps: of the norms.
    """

    def __init__(
        self,
        dim: int,
        heads: int,
        hidden: int,
        dropout: float,
        pre_norm: bool,
        causal: bool = False,
        attention_dropout: float = 0.0,
        gelu: Literal["none", "tanh"] = "none",
        eps: float = 1e-5,
    ) -> None:
        super().__init__()
        self.pre_norm = pre_norm
        self.norm1, self.norm2 = nn.LayerNorm(dim, eps), nn.LayerNorm(dim, eps)
        self.attention = Attention(dim, heads, dropout, causal, attention_dropout)
        self.mlp = nn.Sequential(
            linear(dim, hidden), nn.GELU(gelu), nn.Dropout(dropout), linear(hidden, dim), nn.Dropout(dropout)
        )

    def forward(self, x: Tensor) -> Tensor:
        if self.pre_norm:
            x = x + self.attention(self.norm1(x))
            return x + self.mlp(self.norm2(x))
        x = self.norm1(x + self.attention(x))
        return self.norm2(x + self.mlp(x))


class Attention(nn.Module):
    """softmax(q k^T / sqrt(dim / heads)) v for each head, side by side, and a projection of them together."""

    def __init__(self, dim: int, heads: int, dropout: float, causal: bool, attention_dropout: float) -> None:
        super().__init__()
        self.heads, self.causal, self.attention_dropout = heads, causal, attention_dropout
        self.qkv = linear(dim, 3 * dim, parts=3)
        self.project, self.drop = linear(dim, dim), nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (
            self.qkv(x).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        )  # (n, heads, tokens, dim / heads)
        dropped = self.attention_dropout if self.training else 0.0
        mixed = nn.functional.scaled_dot_product_attention(q, k, v, dropout_p=dropped, is_causal=self.causal)
        return self.drop(self.project(mixed.transpose(1, 2).flatten(2)))


def linear(before: int, after: int, parts: int = 1) -> nn.Linear:
    """A linear layer, or `parts` of them side by side, with Xavier's uniform weights (Glorot & Bengio 2010; the choice
    of Vaswani et al.'s and Dosovitskiy et al.'s code) and no bias at first."""
    layer = nn.Linear(before, after)
    for weight in layer.weight.detach().chunk(parts):
        nn.init.xavier_uniform_(weight)
    nn.init.zeros_(layer.bias)
    return layer


def draw_normal(model: nn.Module, std: float = 0.02) -> None:
    """Draw every weight of linear layers and embeddings anew, normal with deviation `std`; biases are 0 (Radford et al.
    2018, Devlin et al. 2018)."""
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Embedding):
            nn.init.normal_(module.weight, std=std)
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)


class ByDepth:
    """timm's conventions, so that its helpers (layer-wise rates) work on a model of `blocks` and a `head` too."""

    head: nn.Module

    def get_classifier(self) -> nn.Module:
        """The layer that a fine-tuned model replaces."""
        return self.head

    def group_matcher(self, coarse: bool = False) -> dict[str, Any]:
        """Parameters by depth: the embeddings, then each block, the last with the norm after it, then the rest."""
        stem = r"^embed|^patch_embed|^pos_embed"
        return {"stem": stem, "blocks": [(r"^blocks\.(\d+)", None), (r"^norm", (99999,))]}


def require_whole(**options: int) -> None:
    """Raises ConfigError for an option of a model that is no whole number above 0."""
    for option, value in options.items():
        if type(value) is not int or value < 1:
            raise ConfigError(f"model.args.{option}", repr(value), "give a whole number above 0")


def require_block(dim: int, heads: int, mlp_ratio: float, dropout: float, norm: str) -> None:
    """Raises ConfigError for options that make no block."""
    if dim % heads:
        raise ConfigError("model.args.heads", heads, f"dim={dim} cannot be shared out evenly", "give a divisor of it")
    if type(mlp_ratio) not in (int, float) or not mlp_ratio > 0 or mlp_ratio * dim % 1:
        raise ConfigError(
            "model.args.mlp_ratio",
            repr(mlp_ratio),
            f"give a number above 0 that makes a whole number with dim={dim}, as 4",
        )
    if not is_number(dropout) or not 0 <= dropout < 1:
        raise ConfigError("model.args.dropout", repr(dropout), "give a probability of at least 0 and below 1")
    if norm not in ("pre", "post"):
        raise ConfigError(
            "model.args.norm", repr(norm), "give pre (before attention and MLP) or post (after their sums)"
        )
