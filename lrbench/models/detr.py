"""DETR: boxes as a set, each guessed by a query of a transformer that looks at the whole image.

Source: N. Carion et al., "End-to-End Object Detection with Transformers", 2020: the layers, the positions and where
they are added, the initial weights, the loss of every decoder layer (`set_loss`). Ours is the small backbone.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import pi
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from lrbench.errors import ConfigError
from lrbench.models.set_loss import Guesses, corners, in_shares, set_losses
from lrbench.models.transformer import require_block, require_whole

# Part of the identity of every run that uses this module. Raise it with any change that alters the outputs or
# the initial weights of the same options and seed, also one in `set_loss` or in `torchvision.features`.
NUMERICS = 1

OURS = "convolutions"


class DETR(nn.Module):
    """It is called as torchvision's detectors are: images (C, H, W) of one size, normalised, and targets to its losses
    in training, else images to as many boxes as it has queries, of the classes 1 to box_classes - 1, with scores.

    backbone: `convolutions`, six of ours that halve the image three times, or a ResNet of torchvision by its name.
    weights_backbone: torchvision's name of the ResNet's weights (a download); with them, as in the paper, its norms
    keep what they hold, and its first layers are not trained. min_size: the shorter side that images are resized to,
    in pixels; None takes them as they come. dim: width of a token; 4 and `heads` divide it. encoder, decoder: their
    layers. mlp_ratio, dropout: as of `VisionTransformer`; attention drops as well. queries: the most boxes that can be
    found. aux: whether every layer of the decoder has a loss. Raises `ConfigError` on bad options.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        box_classes: int,
        backbone: str = "resnet50",
        weights_backbone: str | None = None,
        min_size: int | None = None,
        dim: int = 256,
        heads: int = 8,
        encoder: int = 6,
        decoder: int = 6,
        mlp_ratio: float = 8.0,
        dropout: float = 0.1,
        queries: int = 100,
        aux: bool = True,
    ) -> None:
        super().__init__()
        require_whole(dim=dim, heads=heads, encoder=encoder, decoder=decoder, queries=queries)
        require_block(dim, heads, mlp_ratio, dropout, "post")
        if dim % 4:
            why = "a position has a sine and a cosine of each of two directions"
            raise ConfigError("model.args.dim", dim, why, "give a multiple of 4")
        if min_size is not None and (type(min_size) is not int or not 32 <= min_size <= 4096):
            raise ConfigError("model.args.min_size", repr(min_size), "give a whole number from 32 to 4096, or null")
        if not isinstance(aux, bool):
            raise ConfigError("model.args.aux", repr(aux), "give true or false")
        self.min_size, self.aux = min_size, aux
        self.backbone, channels = _backbone(shape[0], backbone, weights_backbone, dim)
        layer = (dim, heads, int(mlp_ratio * dim), dropout)
        self.transformer = Transformer(channels, box_classes, queries, encoder, decoder, layer)

    def forward(self, images: Sequence[Tensor], targets: Sequence[Mapping[str, Tensor]] | None = None) -> Any:
        x = torch.stack([*images])
        size = x.new_tensor([x.shape[3], x.shape[2]] * 2)
        if self.min_size is not None and self.min_size != min(x.shape[2:]):
            sides = [round(side * self.min_size / min(x.shape[2:])) for side in x.shape[2:]]
            x = interpolate(x, sides, mode="bilinear", align_corners=False)
        guesses = self.transformer(self.backbone(x), every=self.training and self.aux)
        if not self.training:
            last = zip(guesses.logits[-1].float(), guesses.boxes[-1].float(), strict=True)
            return [_found(logits, boxes, size) for logits, boxes in last]
        assert targets is not None, "training needs targets"
        return set_losses(guesses, [t["labels"] for t in targets], [in_shares(t, size) for t in targets])

    def get_classifier(self) -> nn.Module:
        """The layer that a fine-tuned model replaces."""
        return self.transformer.classes


class Transformer(nn.Module):
    """What follows the backbone: features (b, channels, h, w) to guesses of every decoder layer, or of the last.

    layer: dim, heads, hidden units and dropout of each.
    """

    def __init__(
        self,
        channels: int,
        box_classes: int,
        queries: int,
        encoder: int,
        decoder: int,
        layer: tuple[int, int, int, float],
    ) -> None:
        super().__init__()
        dim = layer[0]
        self.project = nn.Conv2d(channels, dim, 1)
        self.encoder = nn.ModuleList([Layer(*layer) for _ in range(encoder)])
        self.decoder = nn.ModuleList([Layer(*layer, crossed=True) for _ in range(decoder)])
        for weight in [*self.encoder.parameters(), *self.decoder.parameters()]:
            if weight.ndim > 1:
                nn.init.xavier_uniform_(weight)
        self.norm = nn.LayerNorm(dim)  # of each decoder layer's outcome
        self.queries = nn.Parameter(torch.empty(queries, dim).normal_())
        self.classes = nn.Linear(dim, box_classes)
        self.boxes = nn.Sequential(
            nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, 4), nn.Sigmoid()
        )

    def forward(self, features: Tensor, every: bool) -> Guesses:
        x = self.project(features)
        places = positions(x.shape[2], x.shape[3], x.shape[1], x.device)
        seen = x.flatten(2).mT  # (b, h * w, dim)
        for layer in self.encoder:
            seen = layer(seen, places)
        x, told = torch.zeros_like(self.queries).expand(len(seen), -1, -1), []
        for layer in self.decoder:
            x = layer(x, self.queries, seen, places)
            told.append(x)
        normed = self.norm(torch.stack(told if every else told[-1:]))
        return Guesses(self.classes(normed), self.boxes(normed))


class Layer(nn.Module):
    """Attention to the tokens themselves, if crossed to what was seen too, and a two-layer perceptron, a norm after
    each residual sum. Where a token is, is added to the queries and keys of every attention, not to its values."""

    def __init__(self, dim: int, heads: int, hidden: int, dropout: float, crossed: bool = False) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(dim, heads, dropout, batch_first=True)
        self.cross = nn.MultiheadAttention(dim, heads, dropout, batch_first=True) if crossed else None
        self.mlp = nn.Sequential(nn.Linear(dim, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, dim))
        self.norms = nn.ModuleList([nn.LayerNorm(dim) for _ in range(2 + crossed)])
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor, places: Tensor, *seen: Tensor) -> Tensor:
        """x: (b, n, dim), at places (n, dim); seen, of a crossed layer: (b, m, dim), at places (m, dim)."""
        own = x + places
        x = self.norms[0](x + self.drop(self.attention(own, own, x, need_weights=False)[0]))
        if self.cross is not None:
            what, where = seen
            looked = self.cross(x + places, what + where, what, need_weights=False)[0]
            x = self.norms[1](x + self.drop(looked))
        mixed: Tensor = self.norms[-1](x + self.drop(self.mlp(x)))
        return mixed


def positions(height: int, width: int, dim: int, device: torch.device | None = None) -> Tensor:
    """(height * width, dim), row by row: of the row in the first half, of the column in the second, sines and cosines
    in turn of its end in (0, 2 pi], each pair slower than the one before, down to nearly a 10,000th (appendix A.4)."""
    speeds = 10_000 ** -torch.arange(0, 1, 4 / dim, device=device)

    def along(length: int) -> Tensor:
        angles = torch.arange(1, length + 1, device=device)[:, None] * (2 * pi / length) * speeds
        return torch.stack([angles.sin(), angles.cos()], -1).flatten(1)  # (length, dim / 2)

    rows, columns = along(height)[:, None], along(width)[None]
    return torch.cat([rows.expand(-1, width, -1), columns.expand(height, -1, -1)], -1).flatten(0, 1)


def _found(logits: Tensor, boxes: Tensor, size: Tensor) -> dict[str, Tensor]:
    """The guesses of an image, (q, classes) and (q, 4), as boxes in pixels, each of its likeliest class but no object.
    What is not finite is no box."""
    scores, labels = logits.softmax(-1)[:, 1:].max(-1)
    boxes = corners(boxes) * size
    real = boxes.isfinite().all(-1) & scores.isfinite()
    return {"boxes": boxes[real], "labels": labels[real] + 1, "scores": scores[real]}


def _backbone(channels: int, name: str, weights: str | None, dim: int) -> tuple[nn.Module, int]:
    """And the channels of its features. Raises ConfigError for a name that there is not, or weights that it has not."""
    from lrbench.models.torchvision import features

    if name != OURS:
        return features(channels, name, weights, OURS)
    if weights is not None:
        why = f"backbone={OURS} has no weights to begin from"
        raise ConfigError("model.args.weights_backbone", weights, why, "give null, or a ResNet's name as backbone")
    widths = [channels, dim // 4, dim // 2, dim]
    stages = [_halving(before, after) for before, after in pairwise(widths)]
    return nn.Sequential(*stages), dim


def _halving(before: int, after: int) -> nn.Sequential:
    """Two 3x3 convolutions, the first with stride 2, each with batch norm and ReLU."""
    layers: list[nn.Module] = []
    for channels, stride in ((before, 2), (after, 1)):
        layers += [nn.Conv2d(channels, after, 3, stride, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
    return nn.Sequential(*layers)
