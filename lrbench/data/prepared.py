"""A text made ready: read, cut into its three parts, and these into tokens. What takes long is kept on disk."""

from __future__ import annotations

import os
import zipfile
from contextlib import suppress
from functools import lru_cache
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lrbench.data import local
from lrbench.data.text_files import TextSource
from lrbench.data.tokenizer import Tokens, tokenised


class TextFacts(NamedTuple):
    """What is known of a text as tokens. sizes: tokens of the training, validation and test part. fingerprint: of the
    text and, where a library cut it into pieces, of these."""

    sizes: tuple[int, ...]
    vocab_size: int
    vocabulary: str
    characters_per_token: float
    fingerprint: str


@lru_cache(maxsize=2)  # a command asks many times; a sweep's runs read the same text
def prepared(source: TextSource, tokenizer: str, shares: tuple[float, float]) -> tuple[Tokens, TextFacts]:
    """The tokens of a text, and what is known of them. shares: of the validation and the test part, which come last.
    Raises ConfigError for a text or a tokenizer that cannot be had."""
    texts = source.read()
    content = sha256("\0".join(texts).encode()).hexdigest()
    parts = texts if len(texts) == 3 else _cut(texts[0], shares)
    learned = tokenizer.startswith("bpe-")
    kept = _kept(content, tokenizer, tuple(map(len, parts))) if learned else None
    tokens = _restored(kept) if kept else None
    if tokens is None:
        tokens = tokenised(parts, tokenizer)
        if kept:
            _keep(tokens, kept)
    sizes = tuple(map(len, tokens.parts))
    per_token = sum(map(len, parts)) / max(1, sum(sizes))
    fingerprint = content if tokenizer in ("char", "byte") else _fingerprint(content, tokens)
    return tokens, TextFacts(sizes, tokens.vocab_size, tokens.vocabulary, per_token, fingerprint)


def part_sizes(characters: int, shares: tuple[float, float]) -> tuple[int, int, int]:
    """Characters of the training, validation and test part."""
    val, test = (int(share * characters) for share in shares)
    return characters - val - test, val, test


def _cut(text: str, shares: tuple[float, float]) -> tuple[str, str, str]:
    train, val, _ = part_sizes(len(text), shares)
    return text[:train], text[train : train + val], text[train + val :]


def _fingerprint(content: str, tokens: Tokens) -> str:
    """What a library cut may change with its version: the tokens themselves count."""
    found = sha256(f"{content}\0{tokens.vocabulary}".encode())
    for part in tokens.parts:
        found.update(part.astype("<i4").tobytes())
    return found.hexdigest()


def _kept(content: str, tokenizer: str, sizes: tuple[int, ...]) -> Path:
    """Where the pieces of a text are kept: learning and cutting them takes seconds to minutes."""
    try:
        library = version("tokenizers")
    except PackageNotFoundError:
        library = "none"  # what needs it says so
    key = sha256(repr((content, tokenizer, sizes, library)).encode()).hexdigest()
    return local.root() / "tokens" / f"{key[:32]}.npz"


def _restored(path: Path) -> Tokens | None:
    """None where there is nothing that can be read: it is made anew."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as held:
            parts = tuple(held[f"part{i}"] for i in range(3))
            return Tokens(parts, held["characters"], str(held["vocabulary"]))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None


def _keep(tokens: Tokens, path: Path) -> None:
    """Beside its place and renamed: another process never sees half of it. A folder that cannot be written to costs
    time the next time, and nothing else."""
    beside = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        train, val, test = tokens.parts
        vocabulary = np.array(tokens.vocabulary)
        np.savez(beside, part0=train, part1=val, part2=test, characters=tokens.characters, vocabulary=vocabulary)
        beside.replace(path)
    except OSError:
        with suppress(OSError):
            beside.unlink()
