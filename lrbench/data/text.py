"""Texts for language models: one of yours, the King James Version, Python's own help, WikiText.

A text is cut into a training, a validation and a test part, one after the other, so that none holds what another does;
each of them into blocks of `length` tokens. The seed draws their order and nothing else. Batches: see `blocks`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lrbench.data import DataInfo, Reading, Split, Splits, Stream, require_whole
from lrbench.data.prepared import TextFacts, part_sizes, prepared
from lrbench.data.text_files import KJV_SHA256, KingJames, TextSource, Topics, files_of, wikitext_of
from lrbench.data.tokenizer import BYTES, char_vocabulary, require_kind
from lrbench.errors import ConfigError
from lrbench.numbers import is_number

# Part of the identity of every run that uses this module. Raise it with any change that alters the tokens it
# returns for the same options, also one in `text_files`, `prepared`, `tokenizer` or `blocks`.
NUMERICS = 1

LONGEST = 2**20  # tokens of a block
KJV_CHARACTERS = 4_137_850
KJV_ALPHABET = "\n !'(),-.:;?ABCDEFGHIJKLMNOPQRSTUVWYZabcdefghijklmnopqrstuvwxyz"


class Blocks(NamedTuple):
    """A split: tokens (N,) that are read in blocks of `length`; the characters of each token, (vocab_size,) float32."""

    tokens: NDArray[Any]
    length: int
    characters: NDArray[np.float32]

    def stream(self, reading: Reading) -> Stream:
        from lrbench.data.blocks import BlockStream

        return BlockStream(*self, reading)


class Text(ABC):
    """What all texts have in common.

    length: tokens of a block, the longest context of a model. tokenizer: char, byte, bpe-N (N pieces, learned of the
    training part), or the path of a tokenizer.json. val_share, test_share: of the characters, from the end. Raises
    `ConfigError` for values that do not fit, and for a text that is shorter than a block in one of its parts.
    """

    def __init__(
        self, length: int = 64, tokenizer: str = "char", val_share: float = 0.05, test_share: float = 0.05
    ) -> None:
        require_whole("data.args.length", length, 1, LONGEST)
        require_kind(tokenizer)
        for name, share in (("val_share", val_share), ("test_share", test_share)):
            if not is_number(share) or not 0 < share < 1:
                raise ConfigError(f"data.args.{name}", repr(share), "give a share of the text between 0 and 1")
        if val_share + test_share >= 1:
            why = "the two shares leave nothing for training"
            raise ConfigError("data.args.val_share", val_share, why, "give two that are less than 1 together")
        self.length, self.tokenizer, self.shares = length, tokenizer, (val_share, test_share)

    @abstractmethod
    def source(self) -> TextSource:
        """Where the text comes from."""

    def info(self) -> DataInfo:
        """The spec has `vocab_size`, `length`, `characters_per_token`, and `vocabulary`, a hash of which tokens they
        are. The text is read, once a process and version of the file."""
        facts = self.facts()
        blocks = []
        for part, tokens in zip(("training", "validation", "test"), facts.sizes, strict=True):
            blocks.append((tokens - 1) // self.length)
            if blocks[-1] < 1:
                why = f"the {part} part has {max(tokens, 0):,} tokens, fewer than a block and the token after it"
                cure = "give a smaller one, a longer text, or other shares (data.args.val_share, test_share)"
                raise ConfigError("data.args.length", self.length, why, cure)
        spec = {
            "vocab_size": facts.vocab_size,
            "length": self.length,
            "characters_per_token": facts.characters_per_token,
            "vocabulary": facts.vocabulary,
        }
        return DataInfo(blocks[0], blocks[1], blocks[2], spec, facts.fingerprint, tokens=self.length)

    def facts(self) -> TextFacts:
        return prepared(self.source(), self.tokenizer, self.shares)[1]

    def load(self, seed: int) -> Splits[Split]:
        """The same parts for every seed. Raises `ConfigError` where the text cannot be had."""
        tokens, _ = prepared(self.source(), self.tokenizer, self.shares)
        return Splits(*(Blocks(part, self.length, tokens.characters) for part in tokens.parts))


class TextFile(Text):
    """A text of one's own. path: a file in UTF-8, or a folder, of which all .txt files are read, sorted by name. The
    identity of a run leaves it out and takes the content instead."""

    def __init__(
        self,
        path: str,
        length: int = 64,
        tokenizer: str = "char",
        val_share: float = 0.05,
        test_share: float = 0.05,
    ) -> None:
        super().__init__(length, tokenizer, val_share, test_share)
        self.path = path

    def source(self) -> TextSource:
        return files_of(self.path)


class PythonTopics(Text):
    """The help on Python's topics (`help('topics')`), which comes with Python: half a million characters. Other
    versions of Python have other words, and so other runs."""

    def source(self) -> TextSource:
        return Topics()


class KJV(Text):
    """The King James Version of the Bible, 1611: 31,102 verses, a line each (Debian's package `bible-kjv`; public
    domain). In characters or bytes its sizes are known before it is there."""

    def source(self) -> TextSource:
        return KingJames()

    def facts(self) -> TextFacts:
        if self.tokenizer not in ("char", "byte"):
            return super().facts()
        sizes = part_sizes(KJV_CHARACTERS, self.shares)
        if self.tokenizer == "byte":  # each of its characters is one
            return TextFacts(sizes, 256, BYTES, 1.0, KJV_SHA256)
        return TextFacts(sizes, len(KJV_ALPHABET), char_vocabulary(KJV_ALPHABET), 1.0, KJV_SHA256)


class WikiText(Text):
    """WikiText-2 or -103 (Merity et al. 2016), with its own three parts. path: the folder that holds
    wiki.train.tokens, wiki.valid.tokens and wiki.test.tokens, or the same as .raw."""

    def __init__(self, path: str, length: int = 64, tokenizer: str = "bpe-8192") -> None:
        super().__init__(length, tokenizer)
        self.path = path

    def source(self) -> TextSource:
        return wikitext_of(self.path)
