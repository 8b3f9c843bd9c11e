"""From text to tokens: characters, bytes, or pieces that are learned of a text by byte-pair encoding.

Pieces are the work of the library `tokenizers` (byte-level, as in Radford et al. 2019), learned of the training part
alone.
"""

from __future__ import annotations

import os
import re
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from lrbench.errors import ConfigError

OPTION = "data.args.tokenizer"
KINDS = "give char, byte, bpe-2048 (or another number of pieces), or the path of a tokenizer.json"
PIECE = 2**20  # characters at a time: what is encoded takes several times their memory
UNKNOWN = 0.01  # of a text's tokens: from that share on a vocabulary is taken for another's


class Tokens(NamedTuple):
    """A text as tokens. parts: of the training, validation and test part, each (n,). vocabulary: its hash.
    characters: of each token, (vocab_size,) float32; where that is not known, the mean."""

    parts: tuple[NDArray[Any], ...]
    characters: NDArray[np.float32]
    vocabulary: str

    @property
    def vocab_size(self) -> int:
        return len(self.characters)


class Encoder(Protocol):
    """The library's tokenizer, as far as it is used here."""

    def encode(self, sequence: str, *, add_special_tokens: bool = ...) -> Any: ...

    def get_vocab(self, with_added_tokens: bool = ...) -> dict[str, int]: ...

    def token_to_id(self, token: str) -> int | None: ...


def require_kind(tokenizer: str) -> None:
    """Raises ConfigError for what names no tokenizer."""
    pieces = re.fullmatch(r"bpe-(\d+)", tokenizer) if isinstance(tokenizer, str) else None
    if pieces and not 257 <= int(pieces[1]) <= 2**16:
        raise ConfigError(OPTION, tokenizer, "256 bytes come before the first piece", "give 257 to 65536 pieces")
    if not pieces and tokenizer not in ("char", "byte") and not is_file(tokenizer):
        raise ConfigError(OPTION, tokenizer, KINDS)


def is_file(tokenizer: Any) -> bool:
    """Whether a tokenizer is a file of somebody's."""
    return isinstance(tokenizer, str) and tokenizer.endswith(".json")


def tokenised(parts: tuple[str, ...], tokenizer: str) -> Tokens:
    """The parts of a text, the training part first, as tokens. Raises ConfigError for a tokenizer that is not there, or
    does not know the text."""
    if tokenizer == "char":
        return _characters(parts)
    if tokenizer == "byte":
        return _bytes(parts)
    encoder = _read(tokenizer) if is_file(tokenizer) else _learned(parts[0], int(tokenizer.partition("-")[2]))
    return _pieces(parts, encoder, tokenizer)


def char_vocabulary(alphabet: str) -> str:
    """The hash of a vocabulary of characters."""
    return sha256(f"characters\0{alphabet}".encode()).hexdigest()


BYTES = sha256(b"bytes").hexdigest()


def _characters(parts: tuple[str, ...]) -> Tokens:
    """Every character that the text has is a token; they are sorted. Of the other parts no more than that is known."""
    alphabet = "".join(sorted(set().union(*(set(part) for part in parts))))
    codes = np.array([ord(c) for c in alphabet], dtype=np.int64)
    index = np.zeros(codes.max(initial=0) + 1, dtype=np.uint8 if len(alphabet) <= 256 else np.int32)
    index[codes] = np.arange(len(alphabet))
    found = tuple(
        np.concatenate([index[np.frombuffer(t.encode("utf-32-le"), "<u4")] for t in _in_pieces(part)]) for part in parts
    )
    return Tokens(found, np.ones(len(alphabet), np.float32), char_vocabulary(alphabet))


def _bytes(parts: tuple[str, ...]) -> Tokens:
    """UTF-8: the same 256 tokens for every text. A character counts where it begins."""
    found = tuple(np.frombuffer(part.encode(), np.uint8) for part in parts)
    return Tokens(found, _begins(np.arange(256)).astype(np.float32), BYTES)


def _begins(of_utf8: NDArray[Any]) -> NDArray[np.bool_]:
    """Whether a byte of UTF-8 begins a character."""
    return (of_utf8 & 0xC0) != 0x80


def _pieces(parts: tuple[str, ...], encoder: Encoder, tokenizer: str) -> Tokens:
    vocabulary = encoder.get_vocab()
    size = max(vocabulary.values()) + 1
    kind = np.uint16 if size <= 2**16 else np.int32
    found = tuple(
        np.concatenate([np.array(encoder.encode(t, add_special_tokens=False).ids, kind) for t in _in_pieces(part)])
        for part in parts
    )
    _require_known(found, encoder, tokenizer)
    named = sha256("\0".join(sorted(vocabulary, key=vocabulary.__getitem__)).encode()).hexdigest()
    return Tokens(found, _characters_of(vocabulary, size, parts, found), named)


def _characters_of(
    vocabulary: dict[str, int], size: int, parts: tuple[str, ...], found: tuple[NDArray[Any], ...]
) -> NDArray[np.float32]:
    """Characters of each piece: exact where pieces are made of bytes, else the text's mean."""
    bytes_of = _bytes_by_letter()
    if not all(set(piece) <= bytes_of.keys() for piece in vocabulary):
        many = sum(map(len, parts)) / max(1, sum(map(len, found)))
        return np.full(size, many, np.float32)
    counts = np.zeros(size, np.float32)
    for piece, i in vocabulary.items():
        counts[i] = _begins(np.array([bytes_of[letter] for letter in piece], dtype=np.int64)).sum()
    return counts


def _bytes_by_letter() -> dict[str, int]:
    """Which byte a letter of a byte-level piece stands for (GPT-2's `bytes_to_unicode`): printable ones for themselves,
    the others for the letters from 256 on."""
    plain = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [b for b in range(256) if b not in plain]
    return {chr(b): b for b in plain} | {chr(256 + i): b for i, b in enumerate(others)}


def _require_known(found: tuple[NDArray[Any], ...], encoder: Encoder, tokenizer: str) -> None:
    """Raises ConfigError where much of the text is unknown to the vocabulary: it was made for another."""
    unknown = getattr(getattr(encoder, "model", None), "unk_token", None)
    missing = encoder.token_to_id(unknown) if unknown else None
    if missing is None:
        return
    many, total = sum(int((ids == missing).sum()) for ids in found), sum(map(len, found))
    if many > UNKNOWN * total:
        why = f"of the {total:,} tokens that it makes of this text, {many:,} are unknown to it: a vocabulary of another"
        raise ConfigError(OPTION, tokenizer, why, "take one that was made for such texts, or char, byte or bpe-2048")


def _learned(text: str, size: int) -> Encoder:
    """Byte-pair encoding with `size` pieces, learned of a text: always the same of the same text."""
    _library(f"bpe-{size}")
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    made.train_from_iterator(_in_pieces(text), trainer)
    return made


def _read(path: str) -> Encoder:
    _library(path)
    from tokenizers import Tokenizer

    file = Path(path).expanduser()
    if not file.is_file():
        raise ConfigError(OPTION, path, f"there is no file {file}", KINDS)
    try:
        return Tokenizer.from_file(str(file))
    except Exception as error:  # the library raises bare ones
        why = f"the library tokenizers cannot read it ({error})"
        raise ConfigError(OPTION, path, why, "save it by that library's Tokenizer.save, or transformers'") from error


def _library(asked: str) -> None:
    """Raises ConfigError where the library is missing."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # it warns in every process that is forked later
    try:
        import tokenizers  # noqa: F401
    except ImportError as error:
        why = f"that needs the library tokenizers ({error})"
        raise ConfigError(OPTION, asked, why, "pip install tokenizers, or use char or byte") from error


def _in_pieces(text: str) -> list[str]:
    """A text cut at ends of lines into pieces of about PIECE characters: what is encoded at a time."""
    found, begin = [], 0
    while begin < len(text):
        end = text.find("\n", begin + PIECE) + 1 or len(text)
        found.append(text[begin:end])
        begin = end
    return found or [""]
