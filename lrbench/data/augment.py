"""Augmentation of whole batches by tensor operations; nothing loops over images.

All draws of an epoch are made at its start, on the CPU, for all samples: row i belongs to sample i, so what is drawn
for a sample depends on the seed, the epoch and its row alone. Each change has a key of its own: switching one on or off
leaves the draws of the others as they are. (The numbers made here count under `batches.NUMERICS`.)
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import one_hot, pad

from lrbench.experiment import Augment
from lrbench.randomness import generator, seed_of

# Random erasing as in Zhong et al. 2020, section 4: share of the image's area, and width / height.
ERASED_AREA, ERASED_RATIO = (0.02, 0.4), (0.3, 1 / 0.3)
TRIES = 10  # as in torchvision
DRAWS = 2 * TRIES + 2  # numbers in [0, 1) that one random rectangle takes


class Augmentation:
    """The changes of one training set: `start` an epoch, then `moved` for raw images and `mixed` for normalised ones.

    n: samples; height, width: pixels of an image; num_classes: for the soft targets of mixup and cutmix.
    """

    def __init__(
        self,
        augment: Augment,
        n: int,
        height: int,
        width: int,
        num_classes: int,
        seed: int,
        device: torch.device | str = "cpu",
    ) -> None:
        self.moves = bool(augment.crop or augment.hflip)
        self.mixes = augment.mixup is not None or augment.cutmix is not None
        self._epoch: int | None = None  # the one whose changes are drawn
        self._augment, self._n, self._height, self._width = augment, n, height, width
        self._num_classes, self._seed, self._device = num_classes, seed, device

    def start(self, epoch: int) -> None:
        """Draw an epoch's changes for all samples, unless they are drawn."""
        if epoch == self._epoch:
            return
        self._epoch = epoch
        n, crop, erase = self._n, self._augment.crop, self._augment.erase
        if crop:
            corners = torch.randint(2 * crop + 1, (n, 2), generator=self._generator(epoch, "crop"))
            self._corners = corners.to(self._device)
        if self._augment.hflip:
            mirrored = torch.randint(2, (n,), generator=self._generator(epoch, "hflip"))
            self._mirrored = mirrored.bool().to(self._device)
        if erase is not None:
            draws = torch.rand(n, 1 + DRAWS, generator=self._generator(epoch, "erase"))
            found = rectangles(draws[:, 1:], self._height, self._width, ERASED_AREA, ERASED_RATIO)
            self._erased = (found * (draws[:, :1] < erase)).to(self._device)  # an empty rectangle erases nothing
        if self.mixes:
            self._draw_mix(epoch)

    def _draw_mix(self, epoch: int) -> None:
        """Of each sample, what it keeps: its share of every pixel, none inside its rectangle; its share in the target.

        With mixup the rectangle is empty, with cutmix the share outside it is 1.
        """
        n, mixup, cutmix = self._n, self._augment.mixup, self._augment.cutmix
        kept, pasted = torch.ones(n, dtype=torch.float64), torch.zeros(n, 4, dtype=torch.int64)
        if mixup is not None:
            kept = self._beta(mixup, epoch, "mixup")
        if cutmix is not None:
            centres = torch.rand(n, 2, generator=self._generator(epoch, "centre"))
            pasted = cut(self._beta(cutmix, epoch, "cutmix"), centres, self._height, self._width)
        if mixup is not None and cutmix is not None:
            heads = torch.randint(2, (n,), generator=self._generator(epoch, "switch")).bool()
            kept, pasted = torch.where(heads, 1.0, kept), pasted * heads[:, None]
        own = kept * (1 - pasted[:, 2] * pasted[:, 3] / (self._height * self._width))
        self._kept, self._own = (t.float().to(self._device) for t in (kept, own))
        self._pasted = pasted.to(self._device)

    def moved(self, x: Tensor, rows: Tensor) -> Tensor:
        """Raw images (b, C, H, W) uint8 of these rows, (b,), cropped and mirrored as drawn."""
        if self._augment.crop:
            x = cropped(x, self._corners[rows], self._augment.crop)
        if self._augment.hflip:  # picked from both: five times as fast on a CPU as torch.where
            places = torch.arange(len(x), device=x.device) + len(x) * self._mirrored[rows]
            x = torch.cat([x, x.flip(-1)]).index_select(0, places)
        return x

    def mirrored(self, rows: Tensor) -> Tensor:
        """Which of these rows `moved` mirrors, (b,) bool."""
        return self._mirrored[rows] if self._augment.hflip else torch.zeros_like(rows, dtype=torch.bool)

    def mixed(self, x: Tensor, y: Tensor, rows: Tensor, size: int) -> tuple[Tensor, Tensor]:
        """Normalised images (b, C, H, W) of these rows, changed in place, and their labels (b,), erased and mixed: the
        first `size` of them.

        Erased pixels become 0, the mean of the training set. The partners of the samples stand behind them, else each
        sample's is the one as far from the batch's other end. With mixup or cutmix the targets are soft: (size,
        num_classes) float32, each sample's own class at its share of the image.
        """
        if self._augment.erase is not None:
            x.mul_(outside(self._erased[rows], self._height, self._width))
        if not self.mixes:
            return x, y
        mine, apart = rows[:size], len(rows) > size
        kept = self._kept[mine].view(-1, 1, 1, 1)
        if self._augment.cutmix is not None:
            kept = kept * outside(self._pasted[mine], self._height, self._width)
        classes = one_hot(y, self._num_classes).float()
        (own_x, other_x), (own_y, other_y) = ((t[:size], t[size:] if apart else t.flip(0)) for t in (x, classes))
        return torch.lerp(other_x, own_x, kept), torch.lerp(other_y, own_y, self._own[mine][:, None])

    def _generator(self, epoch: int, name: str) -> torch.Generator:
        return generator("augment", self._seed, epoch, name)

    def _beta(self, alpha: float, epoch: int, name: str) -> Tensor:
        """Draws of Beta(alpha, alpha), (n,) float64: by NumPy, as torch's take no generator."""
        draws = np.random.default_rng(seed_of("augment", self._seed, epoch, name))
        return torch.from_numpy(draws.beta(alpha, alpha, self._n))


def cropped(x: Tensor, corners: Tensor, padding: int) -> Tensor:
    """Images (b, C, H, W) padded by zeros and cut to their size again, the window's corner at `corners`, (b, 2) from 0.

    Each line of each window is picked by where it begins in the padded batch, laid out flat: seven times as fast on a
    CPU as indexing the windows.
    """
    batch, channels, height, width = x.shape
    padded = pad(x, [padding] * 4)
    top, left = corners[:, :, None, None].unbind(1)
    images = torch.arange(batch * channels, device=x.device).view(batch, channels, 1)
    lines = images * padded.shape[2] + top + torch.arange(height, device=x.device)
    begins = (lines * padded.shape[3] + left).view(-1)
    return padded.view(-1).unfold(0, width, 1).index_select(0, begins).view(x.shape)


def rectangles(draws: Tensor, height: int, width: int, area: Sequence[float], ratio: Sequence[float]) -> Tensor:
    """Random rectangles inside an image: (n, 4) int64 of top, left, height, width.

    draws: (n, DRAWS), uniform in [0, 1). The share of the image's area is uniform between the two of `area`, the
    logarithm of width / height between those of `ratio`, the place is uniform. Drawn TRIES times, the first that fits
    counts, as in torchvision's RandomResizedCrop and RandomErasing; where none does, height and width are 0.
    """
    draws = draws.double()
    pixels = (area[0] + draws[:, :TRIES] * (area[1] - area[0])) * (height * width)
    low, high = math.log(ratio[0]), math.log(ratio[1])
    ratios = (low + draws[:, TRIES : 2 * TRIES] * (high - low)).exp()
    sizes = torch.stack([(pixels / ratios).sqrt().round(), (pixels * ratios).sqrt().round()], dim=-1)
    room = torch.tensor([height, width])
    fits = ((sizes >= 1) & (sizes <= room)).all(-1)
    first = sizes[torch.arange(len(sizes)), fits.int().argmax(1)] * fits.any(1, keepdim=True)
    corners = (draws[:, -2:] * (room - first + 1)).floor()
    return torch.cat([corners, first], dim=1).long()


def cut(kept: Tensor, centres: Tensor, height: int, width: int) -> Tensor:
    """CutMix's rectangles: (n, 4) int64 of top, left, height, width, cut off at the image's border.

    kept: (n,), the share of the image outside; centres: (n, 2), uniform in [0, 1). The rectangle has the image's shape,
    scaled by sqrt(1 - kept), around a pixel drawn from all (Yun et al. 2019, section 3.1).
    """
    room = torch.tensor([height, width])
    sizes = ((1 - kept.double()).sqrt()[:, None] * room).floor()
    begins = (centres.double() * room).floor() - (sizes / 2).floor()
    ends = torch.minimum(begins + sizes, room)
    begins = begins.clamp(min=0)
    return torch.cat([begins, ends - begins], dim=1).long()


def outside(boxes: Tensor, height: int, width: int) -> Tensor:
    """1 for the pixels outside the rectangles (b, 4) of top, left, height, width, 0 inside: (b, 1, height, width)."""
    top, left, tall, wide = boxes[:, :, None].unbind(1)
    y, x = torch.arange(height, device=boxes.device), torch.arange(width, device=boxes.device)
    rows, columns = (y >= top) & (y < top + tall), (x >= left) & (x < left + wide)
    return 1 - (rows.float()[:, :, None] * columns.float()[:, None, :])[:, None]  # floats: bools are slow on a CPU
