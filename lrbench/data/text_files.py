"""Texts as they are found: in a file, a folder, Python's own help, a program that prints one."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Protocol

from lrbench.data import local
from lrbench.errors import ConfigError

PATH = "data.args.path"
KJV_SHA256 = "b5c4940bcfeee072c0935b5200d0f9d88a00a0199cb0961d16133458fcdfae5d"  # of the verses, one a line
KJV_COMMAND = ("bible", "-f", "gen1:1-rev22:21")
WIKITEXT = ("train", "valid", "test")
BOMS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16", b"\x1f\x8b": "a gzip file", b"PK": "a zip file", b"%PDF": "a PDF"}


class TextSource(Hashable, Protocol):
    """Where a text comes from: equal ones have the same content."""

    def read(self) -> tuple[str, ...]:
        """The text, or its training, validation and test part where the source has them apart. Raises ConfigError."""
        ...


@dataclass(frozen=True)
class TextFiles:
    """Files in order, each with its time and size, so that an edit makes another source.

    apart: whether they are three parts; else they are one text, with an end of line between two files.
    """

    files: tuple[tuple[str, int, int], ...]
    apart: bool = False

    def read(self) -> tuple[str, ...]:
        texts = [_decoded(Path(name)) for name, _, _ in self.files]
        return tuple(texts) if self.apart else ("\n".join(texts),)


@dataclass(frozen=True)
class Topics:
    """What Python's `help('topics')` shows, one after the other: other versions have other words."""

    def read(self) -> tuple[str, ...]:
        try:
            from pydoc_data.topics import topics
        except ImportError as error:
            why = f"this Python lacks pydoc_data ({error})"
            cure = "install the whole standard library, or take data=text_file"
            raise ConfigError("data", "pydoc", why, cure) from error
        return ("\n\n".join(topics.values()),)


@dataclass(frozen=True)
class KingJames:
    """31,102 verses of the King James Version, a line each, without their numbers."""

    def read(self) -> tuple[str, ...]:
        given = local.root() / "kjv.txt"
        if given.is_file():
            return (_known_verses(_decoded(given), str(given), "remove it, or make it anew"),)
        program = shutil.which(KJV_COMMAND[0])
        if program is None:
            why = "on Debian or Ubuntu run `apt-get install bible-kjv`, whose program `bible` prints it (public domain)"
            other = f"or put its verses, one a line, in {given}"
            raise ConfigError("data", "kjv", "the text was not found", f"{why}; {other}; or take data=pydoc")
        try:
            printed = subprocess.run([program, *KJV_COMMAND[1:]], capture_output=True, timeout=60, check=True).stdout
        except (OSError, subprocess.SubprocessError) as error:
            why = f"{program} does not print it ({error})"
            raise ConfigError("data", "kjv", why, "reinstall bible-kjv, or take data=pydoc") from error
        verses = [line.partition(" ")[2] for line in printed.decode("latin-1").splitlines()]
        return (_known_verses("".join(f"{verse}\n" for verse in verses), program, "reinstall bible-kjv"),)


def files_of(path: str) -> TextFiles:
    """The text at a path: a file, or all .txt files of a folder, at any depth, sorted. Raises ConfigError."""
    root = _there(path)
    if root.is_file():
        return TextFiles((_stamp(root, path),))
    folders = [(Path(folder), sorted(names)) for folder, _, names in os.walk(root)]
    inside = sorted(folder / name for folder, names in folders for name in names if not _hidden(root, folder / name))
    texts = [file for file in inside if file.suffix.lower() == ".txt"]
    if not texts:
        kinds = Counter(file.suffix or "without a suffix" for file in inside)
        held = ", ".join(f"{many} {kind}" for kind, many in kinds.most_common(3)) or "nothing"
        cure = "give a folder of .txt files, or the path of one file, whatever its name"
        raise ConfigError(PATH, path, f"this folder holds no .txt file (it holds {held})", cure)
    return TextFiles(tuple(_stamp(file, path) for file in texts))


def wikitext_of(path: str) -> TextFiles:
    """The three files of WikiText in a folder. Raises ConfigError."""
    root = _there(path)
    for suffix in ("tokens", "raw"):
        files = [root / f"wiki.{part}.{suffix}" for part in WIKITEXT]
        if all(file.is_file() for file in files):
            return TextFiles(tuple(_stamp(file, path) for file in files), apart=True)
    why = "it lacks wiki.train.tokens, wiki.valid.tokens and wiki.test.tokens (or .raw)"
    cure = "give the folder that WikiText-2 or WikiText-103 was unpacked to, or take data=text_file"
    raise ConfigError(PATH, path, why, cure)


def _there(path: str) -> Path:
    if not isinstance(path, str) or not path:
        raise ConfigError(PATH, repr(path), "give the path of a text file, or of a folder of .txt files")
    root = Path(path).expanduser()
    if not (root.is_file() or root.is_dir()):  # nor a device or a pipe
        why = f"there is neither a file nor a folder {root.absolute()}"
        raise ConfigError(PATH, path, why, "give a text of yours; data=pydoc needs none, data=kjv one of Debian's")
    return root


def _stamp(file: Path, path: str) -> tuple[str, int, int]:
    try:
        found = file.stat()
    except OSError as error:
        raise ConfigError(PATH, path, f"{file} cannot be read ({error.strerror})") from error
    return str(file.absolute()), found.st_mtime_ns, found.st_size


def _hidden(root: Path, file: Path) -> bool:
    return any(part.startswith(".") for part in file.relative_to(root).parts)


def _decoded(file: Path) -> str:
    """A file's text. Raises ConfigError for what is no UTF-8, with the place of the first byte that is not."""
    try:
        raw = file.read_bytes()
    except OSError as error:
        raise ConfigError(PATH, str(file), f"cannot be read ({error.strerror})") from error
    known = next((kind for begin, kind in BOMS.items() if raw.startswith(begin)), None)
    if known:
        raise ConfigError(PATH, str(file), f"it begins as {known} does", "give plain text in UTF-8")
    if (zero := raw.find(0)) >= 0:
        raise ConfigError(PATH, str(file), f"byte {zero:,} is 0: this is no text", "give plain text in UTF-8")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        at = f"byte {error.start:,} (line {raw.count(10, 0, error.start) + 1:,})"
        why = f"{at} is {raw[error.start]:#04x}, which is no UTF-8 there"
        cure = "convert it: iconv -f LATIN1 -t UTF-8 (or from whatever it is in)"
        raise ConfigError(PATH, str(file), why, cure) from error


def _known_verses(text: str, source: str, cure: str) -> str:
    found = sha256(text.encode()).hexdigest()
    if found != KJV_SHA256:
        why = f"the verses of {source} are not the known ones (their sha256 is {found}, expected {KJV_SHA256})"
        raise ConfigError("data", "kjv", why, cure)
    return text
