"""From a file to an image in RGB: what its pixels mean where the file does not say, and what is refused.

Pillow's `convert("RGB")` alone clips pixels of more than 8 bits to white, shows the colours that lie under transparent
pixels, and leaves a photograph as the camera was held. Here each of these has an option, and without it such a file is
refused by its name. (Of 16 bits in each of three colours Pillow itself takes the upper eight: 65535 is 255.)
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

from lrbench.errors import ConfigError

if TYPE_CHECKING:
    from PIL.Image import Image

ORIENTATION = 0x0112  # the tag of EXIF
# Where each of its values is turned to, by the names of Pillow's transpositions: 1 is upright.
TURNS = {
    2: "FLIP_LEFT_RIGHT", 3: "ROTATE_180", 4: "FLIP_TOP_BOTTOM", 5: "TRANSPOSE", 6: "ROTATE_270", 7: "TRANSVERSE",
    8: "ROTATE_90",
}  # fmt: skip
DEEP = ("I", "F")  # how Pillow's modes of more than 8 bits begin: I;16, I;16B, I, F
ENDS = {"JPEG": b"\xff\xd9", "MPO": b"\xff\xd9", "PNG": b"IEND\xaeB`\x82"}  # the last bytes of a whole file
PADDING = b"\0\r\n "  # what may stand behind them


class Convention(NamedTuple):
    """What files leave open. white: the value that becomes 255 where pixels have more than 8 bits; background: the
    colour under transparent pixels; upright: whether a photograph is turned as its EXIF says. None: refused."""

    white: float | None = None
    background: tuple[int, int, int] | None = None
    upright: bool | None = None


def convention(white: float | None, background: Sequence[int] | None, upright: bool | None) -> Convention:
    """Of the options of these names. Raises `ConfigError` for what is none."""
    if white is not None and not (type(white) in (int, float) and math.isfinite(white) and white > 0):
        cure = "give the pixel value that is white: 65535 of 16 bits, 4095 of 12, 1.0 of floats up to 1"
        raise ConfigError("data.args.white", white, cure)
    if background is not None:
        whole = isinstance(background, Sequence) and len(background) == 3 and all(type(v) is int for v in background)
        if not (whole and all(0 <= v <= 255 for v in background)):
            cure = "give red, green and blue from 0 to 255: [255,255,255] is white"
            raise ConfigError("data.args.background", background, cure)
    colour = None if background is None else (background[0], background[1], background[2])
    return Convention(white, colour, None if upright is None else truth("data.args.upright", upright))


def truth(option: str, value: bool) -> bool:
    """Raise `ConfigError` for what is neither true nor false."""
    if not isinstance(value, bool):
        raise ConfigError(option, value, "give true or false")
    return value


def read(path: Path, convention: Convention) -> Image:
    """The whole image, in RGB. Raises ConfigError for one that cannot be read or that the convention does not cover."""
    with _reading(path) as file, _opened(path, file, convention) as image:
        turn = TURNS.get(orientation(image)) if convention.upright else None
        return _turned(_rgb(path, image, convention), turn)


def look(path: Path, file: IO[bytes], convention: Convention, whole: bool) -> None:
    """Raise ConfigError for an image that cannot be read, or that the convention does not cover, as `read` will.

    By its header and its last bytes, where these are enough: a file that does not end as its format does, and one of
    which only the pixels tell whether it is covered, is read; every one if `whole`.
    """
    with _naming(path), _opened(path, file, convention) as image:
        deep = image.mode.startswith(DEEP)
        veiled = image.has_transparency_data and convention.background is None
        if whole or deep or veiled or not _ends(file, image.format):
            _rgb(path, image, convention)


def size_of(path: Path, convention: Convention) -> tuple[int, int]:
    """Width and height of what `read` gives, by the header. Raises ConfigError as it does."""
    with _reading(path) as file, _opened(path, file, convention) as image:
        width, height = image.size
        lies = convention.upright and orientation(image) >= 5
        return (height, width) if lies else (width, height)


def orientation(image: Image) -> int:
    """EXIF's, 1 where there is none that can be read. (A TIFF's is heeded by Pillow as it reads the pixels.)"""
    from PIL import Image as pillow

    if image.format == "TIFF":
        return 1
    try:  # a PNG's own method reads all pixels first
        return int(pillow.Image.getexif(image).get(ORIENTATION, 1))
    except Exception:  # Pillow raises many kinds for a block that is damaged, which then says nothing
        return 1


@contextmanager
def _reading(path: Path) -> Iterator[IO[bytes]]:
    with _naming(path), path.open("rb") as file:
        yield file


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Name the file in what Pillow says of it, which is of many kinds where a file is damaged."""
    try:
        yield
    except ConfigError:
        raise
    except Exception as error:
        said = str(error) or type(error).__name__
        raise refused(path, f"cannot be read as an image ({said})", "repair or remove it") from error


@contextmanager
def _opened(path: Path, file: IO[bytes], convention: Convention) -> Iterator[Image]:
    """Its header is read, and what that alone refuses is."""
    from PIL import Image as pillow

    with pillow.open(file) as image:
        if getattr(image, "is_animated", False) and image.format != "MPO":  # whose others are previews of the first
            why = f"holds several images, pages or an animation ({image.format})"
            raise refused(path, why, "save each that is meant as a file of its own")
        if image.mode.startswith(DEEP) and convention.white is None:
            why = f"has pixels of more than 8 bits (Pillow's mode {image.mode})"
            cure = "say which value is white: data.args.white=65535 (4095 of 12 bits, 1.0 of floats up to 1)"
            raise refused(path, why, f"{cure}, or save them with 8 bits")
        if convention.upright is None and (turn := orientation(image)) in TURNS:
            cure = "data.args.upright=true turns it as a viewer does, false reads it as it is stored (as torchvision)"
            raise refused(path, f"is stored turned (its EXIF orientation is {turn})", cure)
        yield image


def _rgb(path: Path, image: Image, convention: Convention) -> Image:
    """The pixels, all of them read."""
    if image.mode.startswith(DEEP):
        return _scaled(path, image, convention.white)
    if image.has_transparency_data:
        return _laid(path, image, convention.background)
    return image.convert("RGB")


def _scaled(path: Path, image: Image, white: float | None) -> Image:
    """Pixels of more than 8 bits, 0 to `white`, as the nearest of 0 to 255: 65535 of 65535 is 255, 32768 is 128."""
    import numpy as np
    from PIL import Image as pillow

    assert white is not None  # refused by the header
    values = np.asarray(image, np.float64)
    low, high = float(values.min()), float(values.max())  # NaN if one is
    if not (low >= 0 and high <= white):
        why = f"has pixels from {low:g} to {high:g} (Pillow's mode {image.mode}), and white is {white:g}"
        raise refused(path, why, "give the value that is white as data.args.white; below 0 and NaN mean no brightness")
    return pillow.fromarray(np.rint(values * 255 / white).astype(np.uint8)).convert("RGB")


def _laid(path: Path, image: Image, background: tuple[int, int, int] | None) -> Image:
    """An image with an alpha channel on a colour; one that is opaque everywhere needs none."""
    from PIL import Image as pillow

    full = image.convert("RGBA")
    least = full.getchannel("A").getextrema()[0]
    if least == 255:
        return image.convert("RGB")
    if background is None:
        why = f"has transparent pixels (Pillow's mode {image.mode}), under which any colour may be stored"
        cure = "data.args.background=[255,255,255] lays it on white; or save it without transparency"
        raise refused(path, why, cure)
    return pillow.alpha_composite(pillow.new("RGBA", full.size, (*background, 255)), full).convert("RGB")


def _turned(image: Image, turn: str | None) -> Image:
    from PIL import Image as pillow

    return image if turn is None else image.transpose(pillow.Transpose[turn])


def _ends(file: IO[bytes], kind: str | None) -> bool:
    """Whether a file ends as one of its format does that was not cut short; False where its format does not tell."""
    end = ENDS.get(kind or "")
    if end is None:
        return False
    here = file.tell()
    file.seek(max(0, file.seek(0, 2) - 64))
    tail = file.read()
    file.seek(here)
    return tail.rstrip(PADDING).endswith(end)


def refused(path: Path, why: str, cure: str) -> ConfigError:
    return ConfigError("data", "image_folder", f"{path} {why}", cure)
