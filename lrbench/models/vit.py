"""A vision transformer small enough for a CPU, its norms before or after the residual sums.

Sources: A. Dosovitskiy et al., "An Image is Worth 16x16 Words", 2020 (patches, learned positions, where dropout
stands); X. Zhai et al., "Scaling Vision Transformers", 2021 (the mean of the tokens instead of a class token);
A. Vaswani et al., "Attention Is All You Need", 2017 (norm after the sum, which needs a warmup); R. Xiong et al.,
"On Layer Normalization in the Transformer Architecture", 2020 (norm before it, and why that needs less of one).
"""

from typing import Literal

import torch
from torch import Tensor, nn

from lrbench.errors import ConfigError
from lrbench.models.transformer import Block, ByDepth, linear, require_block, require_whole

# Part of the identity of every run that uses this module. Raise it with any change that alters the outputs or
# the initial weights of the same options and seed, also one in `transformer`.
NUMERICS = 1


class VisionTransformer(ByDepth, nn.Module):
    """Patches as tokens, a learned position added to each, the blocks, and a linear classifier of the tokens' mean.

    patch: side of a patch in pixels; it divides height and width. dim: width of a token; `heads` divides it.
    depth: number of blocks. mlp_ratio: units of a block's hidden layer, in units of dim. dropout: probability, in
    [0, 1), after the positions and after every linear layer of a block but queries, keys and values. norm: "pre" has
    LayerNorm before attention, MLP and classifier, "post" after each residual sum.

    Initial weights: linear layers as in `transformer.linear`; positions normal with standard deviation 0.02, as in
    Dosovitskiy et al.'s code. Raises `ConfigError` on bad options.
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
        require_whole(patch=patch, dim=dim, depth=depth, heads=heads)
        _require_patches(shape, patch)
        require_block(dim, heads, mlp_ratio, dropout, norm)
        channels, height, width = shape
        tokens, hidden, pre = height // patch * (width // patch), int(mlp_ratio * dim), norm == "pre"
        self.patches = nn.Sequential(nn.PixelUnshuffle(patch), nn.Flatten(2))
        self.patch_embed = linear(channels * patch**2, dim)
        self.pos_embed = nn.Parameter(torch.empty(1, tokens, dim).normal_(std=0.02))
        self.drop = nn.Dropout(dropout)
        self.blocks = nn.Sequential(*(Block(dim, heads, hidden, dropout, pre) for _ in range(depth)))
        self.norm = nn.LayerNorm(dim) if pre else nn.Identity()  # a post-norm block ends with its own
        self.head = linear(dim, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patch_embed(self.patches(x).mT) + self.pos_embed  # (n, tokens, dim)
        return self.head(self.norm(self.blocks(self.drop(tokens))).mean(dim=1))

    def no_weight_decay(self) -> set[str]:
        """Parameters of two or more dimensions that are no weights of a layer."""
        return {"pos_embed"}


def _require_patches(shape: tuple[int, int, int], patch: int) -> None:
    """Patches fill the image."""
    height, width = shape[1:]
    if height % patch or width % patch:
        raise ConfigError(
            "model.args.patch",
            patch,
            f"patches of {patch}x{patch} pixels do not fill an image of {height}x{width}",
            "give a side that divides both",
        )
