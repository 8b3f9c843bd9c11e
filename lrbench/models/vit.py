"""A vision transformer small enough for a CPU, its norms before or after the residual sums.

Sources: A. Dosovitskiy et al., "An Image is Worth 16x16 Words", 2020 (patches, learned positions, where dropout
stands); X. Zhai et al., "Scaling Vision Transformers", 2021 (the mean of the tokens instead of a class token);
A. Vaswani et al., "Attention Is All You Need", 2017 (norm after the sum, which needs a warmup); R. Xiong et al.,
"On Layer Normalization in the Transformer Architecture", 2020 (norm before it, and why that needs less of one).
"""

from typing import Any, Literal

import torch
from torch import Tensor, nn

from lrbench.errors import ConfigError

# Part of the identity of every run that uses this module. Raise it with any change that alters the outputs or
# the initial weights of the same options and seed.
NUMERICS = 1


class VisionTransformer(nn.Module):
    """Patches as tokens, a learned position added to each, the blocks, and a linear classifier of the tokens' mean.

    patch: side of a patch in pixels; it divides height and width. dim: width of a token; `heads` divides it.
    depth: number of blocks. mlp_ratio: units of a block's hidden layer, in units of dim. dropout: probability, in
    [0, 1), after the positions and after every linear layer of a block but queries, keys and values. norm: "pre" has
    LayerNorm before attention, MLP and classifier, "post" after each residual sum.

    Initial weights: linear layers as in `_linear`; positions normal with standard deviation 0.02, as in Dosovitskiy et
    al.'s code. Raises `ConfigError` on bad options.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        num_classes: int,
        patch: int = 2,
        dim: int = 32,
        depth: int = 6,
        heads: int = 2,
        mlp_ratio: float = 4.0,
        dropout: float = 0.0,
        norm: Literal["pre", "post"] = "pre",
    ) -> None:
        super().__init__()
        _require_whole(patch=patch, dim=dim, depth=depth, heads=heads)
        _require_division(shape, patch, dim, heads)
        _require_block(dim, mlp_ratio, dropout, norm)
        channels, height, width = shape
        tokens, hidden, pre = height // patch * (width // patch), int(mlp_ratio * dim), norm == "pre"
        self.patches = nn.Sequential(nn.PixelUnshuffle(patch), nn.Flatten(2))
        self.patch_embed = _linear(channels * patch**2, dim)
        self.pos_embed = nn.Parameter(torch.empty(1, tokens, dim).normal_(std=0.02))
        self.drop = nn.Dropout(dropout)
        self.blocks = nn.Sequential(*(_Block(dim, heads, hidden, dropout, pre) for _ in range(depth)))
        self.norm = nn.LayerNorm(dim) if pre else nn.Identity()  # a post-norm block ends with its own
        self.head = _linear(dim, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patch_embed(self.patches(x).mT) + self.pos_embed  # (n, tokens, dim)
        return self.head(self.norm(self.blocks(self.drop(tokens))).mean(dim=1))

    # timm's conventions, so that its helpers (weight decay, layer-wise rates) work on this model too.

    def get_classifier(self) -> nn.Module:
        """The layer that a fine-tuned model replaces."""
        return self.head

    def no_weight_decay(self) -> set[str]:
        """Parameters of two or more dimensions that are no weights of a layer."""
        return {"pos_embed"}

    def group_matcher(self, coarse: bool = False) -> dict[str, Any]:
        """Parameters by depth: the embedding, then each block, the last with the norm after it, then the rest."""
        return {"stem": r"^patch_embed|^pos_embed", "blocks": [(r"^blocks\.(\d+)", None), (r"^norm", (99999,))]}


class _Block(nn.Module):
    """Attention, then a two-layer perceptron with GELU, each a branch beside its residual sum."""

    def __init__(self, dim: int, heads: int, hidden: int, dropout: float, pre_norm: bool) -> None:
        super().__init__()
        self.pre_norm = pre_norm
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attention = _Attention(dim, heads, dropout)
        self.mlp = nn.Sequential(
            _linear(dim, hidden), nn.GELU(), nn.Dropout(dropout), _linear(hidden, dim), nn.Dropout(dropout)
        )

    def forward(self, x: Tensor) -> Tensor:
        if self.pre_norm:
            x = x + self.attention(self.norm1(x))
            return x + self.mlp(self.norm2(x))
        x = self.norm1(x + self.attention(x))
        return self.norm2(x + self.mlp(x))


class _Attention(nn.Module):
    """softmax(q k^T / sqrt(dim / heads)) v for each head, side by side, and a projection of them together."""

    def __init__(self, dim: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = _linear(dim, 3 * dim, parts=3)
        self.project, self.drop = _linear(dim, dim), nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (
            self.qkv(x).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        )  # (n, heads, tokens, dim / heads)
        mixed = nn.functional.scaled_dot_product_attention(q, k, v)
        return self.drop(self.project(mixed.transpose(1, 2).flatten(2)))


def _linear(before: int, after: int, parts: int = 1) -> nn.Linear:
    """A linear layer, or `parts` of them side by side, with Xavier's uniform weights (Glorot & Bengio 2010; the choice
    of Vaswani et al.'s and Dosovitskiy et al.'s code) and no bias at first."""
    linear = nn.Linear(before, after)
    for weight in linear.weight.detach().chunk(parts):
        nn.init.xavier_uniform_(weight)
    nn.init.zeros_(linear.bias)
    return linear


def _require_whole(**options: int) -> None:
    for option, value in options.items():
        if type(value) is not int or value < 1:
            raise ConfigError(f"model.args.{option}", repr(value), "give a whole number above 0")


def _require_division(shape: tuple[int, int, int], patch: int, dim: int, heads: int) -> None:
    """Patches fill the image, heads fill the tokens' width."""
    height, width = shape[1:]
    if height % patch or width % patch:
        raise ConfigError(
            "model.args.patch",
            patch,
            f"patches of {patch}x{patch} pixels do not fill an image of {height}x{width}",
            "give a side that divides both",
        )
    if dim % heads:
        raise ConfigError("model.args.heads", heads, f"dim={dim} cannot be shared out evenly", "give a divisor of it")


def _require_block(dim: int, mlp_ratio: float, dropout: float, norm: str) -> None:
    if type(mlp_ratio) not in (int, float) or not mlp_ratio > 0 or mlp_ratio * dim % 1:
        raise ConfigError(
            "model.args.mlp_ratio",
            repr(mlp_ratio),
            f"give a number above 0 that makes a whole number with dim={dim}, as 4",
        )
    if type(dropout) not in (int, float) or not 0 <= dropout < 1:
        raise ConfigError("model.args.dropout", repr(dropout), "give a probability of at least 0 and below 1")
    if norm not in ("pre", "post"):
        raise ConfigError(
            "model.args.norm", repr(norm), "give pre (before attention and MLP) or post (after their sums)"
        )
