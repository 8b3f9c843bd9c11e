"""One look at every image of a folder before the first update, so that a run ends at none that cannot be read.

Of each file the header and the last bytes are read (`pixels.look`), of those that are met last, the test set, or under
`verify` of all, everything. The same pass finds files with the same bytes under several names: a copy that is trained
on makes an image that is held out no test.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from lrbench.data.pixels import Convention, look
from lrbench.errors import ConfigError
from lrbench.plural import plural

ENDS = 4096  # bytes at both ends of a file by which copies are suspected, before they are read whole
EVERY = 10.0  # seconds between two lines that say how far it is
AT_ONCE = 1000  # files that are handed to the threads together

Suspect = tuple[int, bytes]  # a file's size, and a hash of its ends


class Image(NamedTuple):
    """One of a folder: its path below the root, its class, and whether it is looked at whole."""

    path: str
    label: int
    whole: bool


def look_at(root: Path, images: Sequence[Image], convention: Convention) -> list[list[Image]]:
    """Look at all of them; those with the same bytes, together, where there are several.

    Raises ConfigError for the first that cannot be read or is not covered, which counts the others.
    """
    found: dict[Suspect, list[Image]] = {}
    errors: list[ConfigError] = []
    for image, what in zip(images, _told(_each(root, images, convention), len(images)), strict=True):
        if isinstance(what, ConfigError):
            errors.append(what)
        else:
            found.setdefault(what, []).append(image)
    if errors:
        raise _together(errors, len(images))
    return [same for alike in found.values() if len(alike) > 1 for same in _same(root, alike)]


def _each(root: Path, images: Sequence[Image], convention: Convention) -> Iterator[Suspect | ConfigError]:
    """Of every image in order what is seen of it, by threads: Pillow decodes outside of Python's lock."""
    with ThreadPoolExecutor() as pool:
        for start in range(0, len(images), AT_ONCE):
            some = images[start : start + AT_ONCE]
            yield from pool.map(lambda image: _seen(root / image.path, image.whole, convention), some)


def _seen(path: Path, whole: bool, convention: Convention) -> Suspect | ConfigError:
    try:
        with path.open("rb") as file:
            look(path, file, convention, whole)
            file.seek(0)
            ends = file.read(ENDS)
            size = file.seek(0, 2)
            file.seek(max(0, size - ENDS))
            return size, sha256(ends + file.read()).digest()
    except ConfigError as error:
        return error
    except OSError as error:
        return ConfigError(
            "data", "image_folder", f"{path} cannot be read as an image ({error})", "repair or remove it"
        )


def _together(errors: Sequence[ConfigError], of: int) -> ConfigError:
    """The first refusal, and how many more there are."""
    first = errors[0]
    if len(errors) == 1:
        return first
    why = f"{first.why} ({len(errors) - 1} more of {of:,} images are refused)"
    return ConfigError(first.option, first.value, why, first.cure)


def _same(root: Path, alike: Sequence[Image]) -> list[list[Image]]:
    """Of files whose size and ends are the same, those whose bytes are."""
    by_content: dict[bytes, list[Image]] = {}
    for image in alike:
        by_content.setdefault(sha256((root / image.path).read_bytes()).digest(), []).append(image)
    return [same for same in by_content.values() if len(same) > 1]


def copies(same: Sequence[Sequence[Image]], test: str) -> Iterator[str]:
    """What is told of files with the same bytes. test: how the paths of the test set begin."""
    apart = [([i for i in group if not i.path.startswith(test)], [i for i in group if i.path.startswith(test)])
             for group in same]  # fmt: skip
    leaks = [(trained[0], image) for trained, tested in apart if trained for image in tested]
    again = [(trained[0], image) for trained, _ in apart for image in trained[1:]]
    torn = [(group[0], image) for group in same for image in group if image.label != group[0].label]
    if leaks:
        yield f"{_counted(leaks)} of the test set in train too, byte for byte ({_example(leaks)})"
    if again:
        held = "what is held out of them for validation may be trained on"
        yield f"{_counted(again)} of train that repeat others byte for byte ({_example(again)}): {held}"
    if torn:
        yield f"{_counted(torn)} in a second class, byte for byte ({_example(torn)})"


def _counted(pairs: Sequence[tuple[Image, Image]]) -> str:
    return plural(len(pairs), "image", ",")


def _example(pairs: Sequence[tuple[Image, Image]]) -> str:
    one, other = pairs[0]
    return f"{other.path} is {one.path}"


def _told(seen: Iterable[Suspect | ConfigError], of: int) -> Iterator[Suspect | ConfigError]:
    """Say now and then how far it is."""
    said = time.monotonic()
    for done, what in enumerate(seen, 1):
        yield what
        if time.monotonic() - said >= EVERY:
            said = time.monotonic()
            say(f"{done:,} of {of:,} images looked at")


def say(text: str) -> None:
    """A line for a person."""
    print(f"data     {text}", file=sys.stderr)
