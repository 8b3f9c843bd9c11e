"""From files to RGB: every mode of Pillow's comes out right, or is refused by the file's name."""

import io
import struct
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lrbench.data.pixels import Convention, look, read
from lrbench.errors import ConfigError

RAMP = np.arange(256, dtype=np.uint8).reshape(16, 16)  # every value once
ASK = Convention()  # nothing is said: what a file leaves open is refused


def saved(folder: Path, image: Image.Image, suffix: str = "png", **how: object) -> Path:
    path = folder / f"image.{suffix}"
    image.save(path, **how)
    return path


def seen(path: Path, convention: Convention = ASK, whole: bool = False) -> None:
    with path.open("rb") as file:
        look(path, file, convention, whole)


def pixels(path: Path, convention: Convention = ASK) -> np.ndarray:
    """As `read` gives them; `look` has nothing against them."""
    seen(path, convention)
    image = read(path, convention)
    assert image.mode == "RGB"
    return np.asarray(image)


def refused(path: Path, convention: Convention = ASK) -> str:
    """Why, by `read` and by `look` in the same words."""
    with pytest.raises(ConfigError) as by_read:
        read(path, convention)
    with pytest.raises(ConfigError) as by_look:
        seen(path, convention)
    assert str(by_read.value) == str(by_look.value)
    assert path.name in str(by_read.value)
    assert "\n" not in str(by_read.value)
    return str(by_read.value)


def grey(values: np.ndarray) -> list[list[list[int]]]:
    return np.repeat(values[..., None], 3, axis=-1).tolist()


# ---- 8 bits: what Pillow makes of them ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "suffix"),
    [("L", "png"), ("L", "jpg"), ("RGB", "png"), ("RGB", "bmp"), ("CMYK", "tif"), ("CMYK", "jpg"), ("1", "png"),
     ("1", "tif"), ("P", "png"), ("LA", "png"), ("RGBA", "png"), ("RGBA", "webp"), ("YCbCr", "jpg")],
)  # fmt: skip
def test_opaque_images_are_as_pillow_has_them(tmp_path: Path, mode: str, suffix: str) -> None:
    colours = np.stack([RAMP, RAMP[::-1], RAMP.T], axis=-1)
    path = saved(tmp_path, Image.fromarray(colours).convert(mode), suffix)
    with Image.open(path) as image:
        assert pixels(path).tolist() == np.asarray(image.convert("RGB")).tolist()


def test_one_bit_is_black_and_white(tmp_path: Path) -> None:
    bits = RAMP % 2 == 0
    assert pixels(saved(tmp_path, Image.fromarray(bits))).tolist() == grey(np.where(bits, 255, 0))


# ---- more than 8 bits -----------------------------------------------------------------------------------------

SIXTEEN = np.array([[0, 1, 128, 129], [257, 32768, 65406, 65535]], np.uint16)
AS_EIGHT = [[0, 0, 0, 1], [1, 128, 254, 255]]  # times 255 / 65535, which is 1 / 257, to the nearest: by hand


@pytest.mark.parametrize(
    ("suffix", "dtype"), [("png", "<u2"), ("tif", "<u2"), ("tif", ">u2"), ("tif", "<i4"), ("pgm", "<u2")]
)
def test_16_bits_are_refused_and_with_a_white_converted(tmp_path: Path, suffix: str, dtype: str) -> None:
    path = saved(tmp_path, Image.fromarray(SIXTEEN.astype(dtype)), suffix)
    assert "more than 8 bits (Pillow's mode I" in refused(path)
    assert "data.args.white=65535" in refused(path)
    assert pixels(path, Convention(white=65535)).tolist() == grey(np.array(AS_EIGHT))


def test_an_image_of_8_bits_written_with_16_comes_back(tmp_path: Path) -> None:
    path = saved(tmp_path, Image.fromarray(RAMP.astype(np.uint16) * 257))
    assert pixels(path, Convention(white=65535)).tolist() == grey(RAMP)


def test_12_bits_in_16(tmp_path: Path) -> None:
    """4095 is white; what lies above the white that was given is refused, not clipped."""
    path = saved(tmp_path, Image.fromarray(np.array([[0, 2048, 4095]], np.uint16)))
    assert pixels(path, Convention(white=4095)).tolist() == grey(np.array([[0, 128, 255]]))
    assert "pixels from 0 to 4095 (Pillow's mode I;16), and white is 4000" in refused(path, Convention(white=4000))


@pytest.mark.parametrize("dtype", ["<f4", "<f8"])
def test_floats(tmp_path: Path, dtype: str) -> None:
    path = saved(tmp_path, Image.fromarray(np.array([[0.0, 0.5, 1.0]]).astype(dtype)), "tif")
    assert "Pillow's mode F" in refused(path)
    assert pixels(path, Convention(white=1.0)).tolist() == grey(np.array([[0, 128, 255]]))
    assert pixels(path, Convention(white=255)).tolist() == grey(np.array([[0, 0, 1]]))


@pytest.mark.parametrize("odd", [-0.25, 1.5, np.nan, np.inf, -np.inf])
def test_what_is_no_brightness_is_refused(tmp_path: Path, odd: float) -> None:
    path = saved(tmp_path, Image.fromarray(np.array([[0.0, odd, 1.0]], np.float32)), "tif")
    assert "has pixels from" in refused(path, Convention(white=1.0))


def test_16_bits_a_colour(tmp_path: Path) -> None:
    """Pillow writes none, so the PNG is put together here. It takes the upper eight bits, which of 257 k is k."""
    values = np.array([[0, 257 * 100, 65535]], np.uint16)

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    rows = b"\0" + values.astype(">u2").tobytes()
    header = struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0)
    path = tmp_path / "image.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows))
                     + chunk(b"IEND", b""))  # fmt: skip
    assert pixels(path).tolist() == [[[0, 100, 255]]]


# ---- transparency ---------------------------------------------------------------------------------------------


def veiled(mode: str) -> Image.Image:
    """One pixel of red, one half transparent, one gone: its colour is black, as programs leave it."""
    rgba = Image.fromarray(np.array([[[255, 0, 0, 255], [255, 0, 0, 128], [0, 0, 0, 0]]], np.uint8))
    return rgba if mode == "RGBA" else rgba.convert(mode)


@pytest.mark.parametrize(("mode", "suffix"), [("RGBA", "png"), ("RGBA", "tif"), ("LA", "png"), ("RGBA", "webp")])
def test_transparent_pixels_are_refused_and_with_a_background_laid_on_it(
    tmp_path: Path, mode: str, suffix: str
) -> None:
    how = {"lossless": True} if suffix == "webp" else {}
    path = saved(tmp_path, veiled(mode), suffix, **how)
    assert f"has transparent pixels (Pillow's mode {'RGBA' if suffix == 'webp' else mode})" in refused(path)
    assert "data.args.background=[255,255,255]" in refused(path)
    found = pixels(path, Convention(background=(255, 255, 255)))
    assert found[0, 2].tolist() == [255, 255, 255]  # it was black
    if mode == "RGBA":
        assert found[0, :2].tolist() == [[255, 0, 0], [255, 127, 127]]


@pytest.mark.parametrize("mode", ["P", "L", "RGB"])
def test_a_colour_that_stands_for_transparent(tmp_path: Path, mode: str) -> None:
    """PNG's tRNS: one grey, one colour, or one place of the palette."""
    image = Image.fromarray(RAMP).convert(mode)
    key: object = (0, 0, 0) if mode == "RGB" else 0
    path = saved(tmp_path, image, transparency=key)
    assert "has transparent pixels" in refused(path)
    black = pixels(path, Convention(background=(0, 0, 0)))
    white = pixels(path, Convention(background=(255, 255, 255)))
    assert black[1:].tolist() == white[1:].tolist() == grey(RAMP[1:])
    assert white[0, 0].tolist() == [255, 255, 255]


# ---- how the camera was held ----------------------------------------------------------------------------------

CORNERS = np.zeros((24, 16), np.uint8)
CORNERS[:12, :8] = 250  # the left upper quarter is light


def held(folder: Path, orientation: int, suffix: str) -> Path:
    exif = Image.Exif()
    exif[0x0112] = orientation
    quality = {"quality": 95} if suffix == "jpg" else {"lossless": True} if suffix == "webp" else {}
    return saved(folder, Image.fromarray(CORNERS), suffix, exif=exif.tobytes(), **quality)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
@pytest.mark.parametrize(
    ("orientation", "corner"),  # where EXIF 2.3 says that the stored row 0 and column 0 are seen
    [(2, "right top"), (3, "right bottom"), (4, "left bottom"), (5, "left top"), (6, "right top"), (7, "right bottom"),
     (8, "left bottom")],
)  # fmt: skip
def test_a_photograph_is_refused_or_turned_or_taken_as_stored(
    tmp_path: Path, suffix: str, orientation: int, corner: str
) -> None:
    path = held(tmp_path, orientation, suffix)
    assert f"its EXIF orientation is {orientation}" in refused(path)
    stored, turned = (pixels(path, Convention(upright=upright))[..., 0] for upright in (False, True))
    assert stored.shape == (24, 16)
    assert turned.shape == ((16, 24) if orientation > 4 else (24, 16))
    assert stored[:12, :8].mean() > 240
    half = np.s_[turned.shape[0] // 2], np.s_[turned.shape[1] // 2]
    rows = slice(half[0]) if "top" in corner else slice(half[0], None)
    columns = slice(half[1]) if "left" in corner else slice(half[1], None)
    assert turned[rows, columns].mean() > 240
    assert turned.astype(float).sum() == pytest.approx(stored.astype(float).sum())


@pytest.mark.parametrize("orientation", [0, 1, 9, 77])
def test_an_orientation_that_turns_nothing(tmp_path: Path, orientation: int) -> None:
    assert pixels(held(tmp_path, orientation, "png")).tolist() == grey(CORNERS)


def test_an_exif_that_cannot_be_read_turns_nothing(tmp_path: Path) -> None:
    path = saved(tmp_path, Image.fromarray(CORNERS), "jpg", exif=b"Exif\0\0 no TIFF at all")
    assert pixels(path).shape == (24, 16, 3)


# ---- several images, damage -----------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["png", "webp", "tif"])
def test_animations_and_pages_are_refused(tmp_path: Path, suffix: str) -> None:
    frames = [Image.fromarray(RAMP), Image.fromarray(RAMP.T.copy())]
    path = saved(tmp_path, frames[0], suffix, save_all=True, append_images=frames[1:])
    assert "holds several images" in refused(path)


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "tif", "webp", "ppm"])
@pytest.mark.parametrize("left", [0, 10, 60, 0.5, 0.99])
def test_a_file_that_was_cut_short_is_found_by_a_look(tmp_path: Path, suffix: str, left: float) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (32, 32, 3)).astype(np.uint8)
    path = saved(tmp_path, Image.fromarray(noise), suffix)
    seen(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: left if isinstance(left, int) else int(len(whole) * left)])
    assert "cannot be read as an image" in refused(path)


def test_a_byte_in_the_middle_is_found_by_a_whole_look_only(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    path = saved(tmp_path, Image.fromarray(noise))
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 255
    path.write_bytes(raw)
    seen(path)
    with pytest.raises(ConfigError, match=r"image\.png cannot be read"):
        seen(path, whole=True)


def test_padding_behind_the_end_is_no_damage(tmp_path: Path) -> None:
    path = saved(tmp_path, Image.fromarray(RAMP), "jpg")
    path.write_bytes(path.read_bytes() + b"\0" * 40)
    seen(path)
    path.write_bytes(
        path.read_bytes() + b"appended by a camera" * 9
    )  # the end is not seen: it is read whole, and sound
    seen(path)


@pytest.mark.parametrize("content", [b"", b"no image", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"<svg/>", b"\xff\xd8\xff\xe0"])
def test_what_is_no_image(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(content)
    assert "cannot be read as an image" in refused(path)


def test_random_damage_never_raises_anything_else(tmp_path: Path) -> None:
    """Pillow raises many kinds of errors; all of them are refusals."""
    draws, buffer = np.random.default_rng(0), io.BytesIO()
    for suffix in ("png", "jpg", "tif", "webp", "bmp"):
        buffer = io.BytesIO()
        noise = draws.integers(0, 255, (16, 16, 3)).astype(np.uint8)
        Image.fromarray(noise).save(buffer, {"jpg": "jpeg", "tif": "tiff"}.get(suffix, suffix))
        for _ in range(40):
            raw = bytearray(buffer.getvalue())
            for place in draws.integers(0, len(raw), 4):
                raw[place] = draws.integers(256)
            path = tmp_path / f"x.{suffix}"
            path.write_bytes(raw)
            for ask in (lambda p: seen(p, whole=True), lambda p: read(p, ASK)):
                with suppress(ConfigError):
                    ask(path)
