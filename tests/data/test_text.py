"""Texts: their parts and blocks by hand, tokenizers, what is kept, identities, and what is refused."""

import gzip
import os

import numpy as np
import pytest
import torch
from data_support import words, write_texts

from lrbench.config.experiments import experiment
from lrbench.data import Reading, prepared, text_files
from lrbench.data.text import KJV, PythonTopics, TextFile, WikiText
from lrbench.data.text_files import KingJames
from lrbench.data.tokenizer import tokenised
from lrbench.errors import ConfigError
from lrbench.experiment.identity import run_id

PARTS = ("train", "val", "test")


@pytest.fixture(autouse=True)
def _kept_here(tmp_path, monkeypatch):
    monkeypatch.setenv("LRBENCH_DATA", str(tmp_path / "data"))


@pytest.fixture
def written(tmp_path):
    """Write a file of text, and describe it."""

    def write(text, name="my.txt", **options):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return TextFile(str(path), **options)

    return write


def read_back(data, batch):
    """The characters of a batch's blocks."""
    alphabet = sorted(set("".join(data.source().read())))
    return ["".join(alphabet[i] for i in row) for row in batch["tokens"].tolist()]


# ---- Parts and blocks.


def test_parts_and_blocks_by_hand(written):
    """26 letters, a fifth for validation and for test: 5 each from the end, 16 for training. Blocks of 4 and the token
    after: the last of the training part, 15, can be predicted and begins no block."""
    data = written("abcdefghijklmnopqrstuvwxyz", length=4, val_share=0.2, test_share=0.2)
    info = data.info()
    assert (info.n_train, info.n_val, info.n_test, info.tokens) == (3, 1, 1, 4)
    assert (info.spec["vocab_size"], info.spec["length"], info.spec["characters_per_token"]) == (26, 4, 1.0)
    streams = [split.stream(Reading(1, 0)) for split in data.load(0)]
    seen = [[row for batch in stream.in_order() for row in read_back(data, batch)] for stream in streams]
    assert seen == [["abcde", "efghi", "ijklm"], ["qrstu"], ["vwxyz"]]
    assert streams[0].per_epoch == 3
    epoch = [read_back(data, streams[0].batch(update))[0] for update in range(3)]
    assert sorted(epoch) == seen[0]


def test_no_part_holds_what_another_does():
    parts = [split.tokens for split in PythonTopics(length=8).load(0)]
    whole = tokenised(("".join(text_files.Topics().read()),), "char").parts[0]
    assert np.array_equal(np.concatenate(parts), whole)


def test_the_splits_are_those_of_every_seed_and_the_order_is_not():
    data = PythonTopics(length=8)
    one, other = (data.load(seed).train.stream(Reading(16, seed)) for seed in (0, 1))
    assert not torch.equal(one.batch(0)["tokens"], other.batch(0)["tokens"])
    assert torch.equal(one._tokens, other._tokens)


def test_a_batch_is_a_pure_function_and_its_parts_are_the_whole():
    split = PythonTopics(length=8).load(0).train
    stream = split.stream(Reading(16, 3))
    later = stream.per_epoch + 2  # in the second epoch
    whole = stream.batch(later)
    again = split.stream(Reading(16, 3))
    parts = [again.batch(later, part, 4) for part in range(4)]
    for name in ("tokens", "key"):
        assert torch.equal(torch.cat([p[name] for p in parts]), whole[name])
    assert torch.equal(parts[0]["characters"], whole["characters"])
    assert whole["tokens"].dtype == whole["key"].dtype == torch.int64
    whole["tokens"].zero_()
    whole["characters"].zero_()
    assert torch.equal(stream.batch(later)["tokens"], torch.cat([p["tokens"] for p in parts]))
    assert stream.batch(later)["characters"].all()


def test_keys_are_new_in_every_epoch_and_the_same_in_validation():
    data = PythonTopics(length=8)
    stream = data.load(0).train.stream(Reading(16, 0))
    n = stream.per_epoch
    first, second = (torch.cat([stream.batch(e * n + u)["key"] for u in range(n)]) for e in (0, 1))
    assert len({*first.tolist(), *second.tolist()}) == 2 * 16 * n
    kept = [torch.cat([b["key"] for b in data.load(s).val.stream(Reading(16, s)).in_order()]) for s in (0, 1)]
    assert torch.equal(*kept)
    assert len(kept[0].unique()) == data.info().n_val


def test_evaluation_is_cut_by_memory_and_misses_nothing(monkeypatch):
    from lrbench.data import blocks

    split = PythonTopics(length=8).load(0).val
    whole = torch.cat([b["tokens"] for b in split.stream(Reading(1, 0)).in_order()])
    monkeypatch.setattr(blocks, "MOST_TOKENS", 24)
    some = [b["tokens"] for b in split.stream(Reading(1, 0)).in_order()]
    assert {len(t) for t in some} <= {1, 2, 3}
    assert torch.equal(torch.cat(some), whole)


# ---- Tokenizers.


def test_bytes_are_utf8_and_count_where_a_character_begins(written):
    data = written("aé\u2013😀" * 40, length=3, tokenizer="byte")
    assert data.info().spec["vocab_size"] == 256
    assert data.info().spec["characters_per_token"] == pytest.approx(4 / (1 + 2 + 3 + 4))
    train = data.load(0).train
    assert bytes(train.tokens[:10].tolist()).decode() == "aé\u2013😀"
    assert train.characters[train.tokens].sum() == len(bytes(train.tokens.tolist()).decode())


@pytest.mark.parametrize("tokenizer", ["bpe-300", "file"])
def test_pieces_are_made_of_bytes_and_hold_the_text(tokenizer, written, tmp_path):
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    library = Tokenizer(models.BPE())
    library.pre_tokenizer, library.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    text = words(3000) + "\né\u2013😀\n" + words(3000, "other")
    data = written(text, length=4, tokenizer=tokenizer if tokenizer != "file" else str(tmp_path / "t.json"))
    train, val, _ = prepared._cut(text, (0.05, 0.05))
    library.train_from_iterator([train], trainers.BpeTrainer(vocab_size=300, initial_alphabet=alphabet,
                                                             show_progress=False))  # fmt: skip
    library.save(str(tmp_path / "t.json"))
    info, splits = data.info(), data.load(0)
    assert info.spec["vocab_size"] == 300
    assert info.spec["characters_per_token"] > 1.1
    assert library.decode(splits.train.tokens.tolist()) == train
    assert splits.val.tokens.tolist() == library.encode(val).ids
    assert splits.train.characters[splits.train.tokens].sum() == len(train)  # exactly


def test_pieces_are_kept_by_content_and_made_anew_where_that_is_damaged(written, tmp_path, monkeypatch):
    cut = []
    made = tokenised
    monkeypatch.setattr(prepared, "tokenised", lambda *given: cut.append(given[1]) or made(*given))

    def asked(characters=3000):
        prepared.prepared.cache_clear()  # as another process
        return written(words(characters), length=4, tokenizer="bpe-300").info().fingerprint

    first = asked()
    assert asked() == first
    assert len(cut) == 1
    (kept,) = (tmp_path / "data" / "tokens").iterdir()
    kept.write_bytes(kept.read_bytes()[:100])
    assert asked() == first
    assert len(cut) == 2
    assert asked(3001) != first
    assert len(cut) == 3
    monkeypatch.setenv("LRBENCH_DATA", str(kept))  # no folder: nothing can be kept there
    assert asked() == first
    assert len(cut) == 4


# ---- Sources.


def test_a_folder_is_its_txt_files_in_order_at_any_depth(tmp_path):
    for name, text in (("b.txt", "two"), ("a/z.TXT", "one"), (".hidden/c.txt", "no"), ("d.md", "no"), ("e.txt", "")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert text_files.files_of(str(tmp_path)).read() == ("one\ntwo\n",)


def test_a_signature_of_utf8_is_no_character_of_the_text(written):
    assert written(b"\xef\xbb\xbf" + b"abc" * 50).source().read() == ("abc" * 50,)


def test_wikitext_has_its_own_parts(tmp_path):
    folder = write_texts(tmp_path) / "wikitext"
    data = WikiText(str(folder), length=10, tokenizer="char")
    assert [len(split.tokens) for split in data.load(0)] == [12000, 3000, 3000]
    assert data.info().n_val == 299
    for file in folder.iterdir():
        file.rename(file.with_suffix(".raw"))
    assert WikiText(str(folder), length=10, tokenizer="char").info() == data.info()


@pytest.fixture
def verses():
    try:
        return KingJames().read()[0]
    except ConfigError:
        pytest.skip("the King James Version is not here (apt-get install bible-kjv)")


@pytest.mark.slow
def test_what_is_known_of_the_kjv_before_it_is_there_is_so(verses, monkeypatch):
    assert verses.startswith("In the beginning God created the heaven and the earth.\nAnd the earth was without form")
    assert verses.count("\n") == 31102
    for tokenizer in ("char", "byte"):
        known = KJV(tokenizer=tokenizer)
        read = super(KJV, known).facts()
        assert known.facts() == read
        assert tuple(len(split.tokens) for split in known.load(0)) == read.sizes


def test_the_kjv_may_lie_in_a_file_and_no_other_text_is_taken_for_it(verses, tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "kjv.txt").write_text(verses)
    monkeypatch.setattr(text_files.shutil, "which", lambda name: None)
    assert KingJames().read() == (verses,)
    (tmp_path / "data" / "kjv.txt").write_text(verses[1:])
    with pytest.raises(ConfigError, match=r"data=kjv: the verses of .*kjv.txt are not the known ones"):
        KingJames().read()


# ---- Identity.


def asked(path, *overrides):
    return experiment("tracker=none", "recipe=gpt_tiny", "data=text_file", f"data.args.path={path}", *overrides)


def test_a_run_is_named_by_the_content_of_its_text_not_by_its_place(tmp_path):
    folder = write_texts(tmp_path)
    one, other = folder / "texts" / "a.txt", folder / "elsewhere.md"
    other.write_text(one.read_text())
    assert run_id(asked(one)) == run_id(asked(other))
    other.write_text(one.read_text() + "x")
    assert run_id(asked(one)) != run_id(asked(other))  # the edit is noticed in the same process
    assert asked(other).data.fingerprint != asked(one).data.fingerprint


def test_tokens_of_the_horizon_are_predicted_tokens(tmp_path):
    path = write_texts(tmp_path) / "texts"
    made = asked(path, "horizon=20480tok", "eval_every=2ba")
    assert made.clock.updates == 10  # 32 blocks of 64


# ---- What is refused, before anything is trained.


def refused(words, act, *given, **options):
    with pytest.raises(ConfigError, match=words):
        act(*given, **options)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("missing.txt", r"data.args.path=.*missing.txt: there is neither a file nor a folder .*data=pydoc"),
        ("/dev/null", r"data.args.path=/dev/null: there is neither a file nor a folder"),
        ("empty", r"this folder holds no .txt file \(it holds nothing\); give a folder of .txt files"),
        ("books", r"this folder holds no .txt file \(it holds 2 .md, 1 without a suffix\)"),
        ("latin1.txt", r"latin1.txt: byte 8 \(line 2\) is 0xe9, which is no UTF-8 there; convert it: iconv"),
        ("utf16.txt", r"it begins as UTF-16 does; give plain text in UTF-8"),
        ("packed.txt", r"it begins as a gzip file does"),
        ("zeros.txt", r"byte 3 is 0: this is no text"),
        ("short.txt", r"data.args.length=64: the validation part has 5 tokens, fewer than a block and the token after"),
        ("nothing.txt", r"the training part has 0 tokens"),
        ("among/", r"among/b.txt: byte 0 \(line 1\) is 0xff"),
    ],
)
def test_a_text_that_cannot_be_had(tmp_path, path, words):
    (tmp_path / "empty").mkdir()
    (tmp_path / "books").mkdir()
    (tmp_path / "among").mkdir()
    for name, content in {
        "books/a.md": b"x", "books/b.md": b"x", "books/LICENSE": b"x", "latin1.txt": "abcdefg\né".encode("latin-1"),
        "utf16.txt": "abc".encode("utf-16"), "packed.txt": gzip.compress(b"abc"), "zeros.txt": b"abc\0",
        "short.txt": b"abcde" * 20, "nothing.txt": b"", "among/a.txt": b"abc" * 900, "among/b.txt": b"\xff\xfa",
    }.items():  # fmt: skip
        (tmp_path / name).write_bytes(content)
    refused(words, lambda: asked(tmp_path / path))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(written, tmp_path):
    data = written("abc" * 100)
    (tmp_path / "my.txt").chmod(0)
    refused(r"my.txt: cannot be read \(Permission denied\)", data.info)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"length": 0}, "data.args.length=0: give a whole number from 1"),
        ({"length": 8.0}, "data.args.length=8.0: give a whole number"),
        ({"tokenizer": "words"}, "data.args.tokenizer=words: give char, byte, bpe-2048"),
        ({"tokenizer": 5}, "data.args.tokenizer=5: give char"),
        ({"tokenizer": "bpe-200"}, "data.args.tokenizer=bpe-200: 256 bytes come before the first piece"),
        ({"tokenizer": "bpe-"}, "data.args.tokenizer=bpe-: give char"),
        ({"val_share": 0}, "data.args.val_share=0: give a share"),
        ({"test_share": "a lot"}, "data.args.test_share='a lot': give a share"),
        ({"val_share": 0.5, "test_share": 0.5}, "data.args.val_share=0.5: the two shares leave nothing"),
    ],
)
def test_options_that_do_not_fit(options, words):
    refused(words, PythonTopics, **options)


def test_a_tokenizer_that_is_not_there_or_of_another_vocabulary(written, tmp_path):
    from tokenizers import Tokenizer, models, pre_tokenizers

    file = tmp_path / "t.json"
    data = written("alpha beta\n" * 40, length=4, tokenizer=str(file))
    refused(r"data.args.tokenizer=.*t.json: there is no file", data.info)
    file.write_text("{}")
    refused(r"the library tokenizers cannot read it", data.info)
    known = Tokenizer(models.WordLevel({"alpha": 0, "[UNK]": 1}, unk_token="[UNK]"))
    known.pre_tokenizer = pre_tokenizers.Whitespace()
    known.save(str(file))
    refused(r"of the 80 tokens that it makes of this text, 40 are unknown to it: a vocabulary of another", data.info)


def test_pieces_without_their_library(written, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "tokenizers", None)
    data = written(words(500), length=4, tokenizer="bpe-300")
    refused(r"data.args.tokenizer=bpe-300: that needs the library tokenizers .*pip install tokenizers", data.info)


def test_a_kjv_that_is_not_there_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(text_files.shutil, "which", lambda name: None)
    assert KJV().info().n_train  # in characters its sizes are known
    for act in (lambda: KJV().load(0), KJV(tokenizer="bpe-300").info):
        refused(r"data=kjv: the text was not found; .*apt-get install bible-kjv.*kjv.txt; or take data=pydoc", act)


def test_a_wikitext_that_is_none(tmp_path):
    refused(r"it lacks wiki.train.tokens", WikiText(str(tmp_path)).info)


def test_a_text_is_not_augmented(run, tmp_path):
    path = write_texts(tmp_path) / "texts"
    refused("data.augment: only images are augmented", run, asked(path, "data.augment.hflip=true"))


def test_a_run_does_not_go_on_in_other_words(tmp_path, run):
    """A fork of a run on another text: the same number of characters may be others."""
    for name, text in (("one.txt", "abcd\n"), ("two.txt", "abcz\n")):
        (tmp_path / name).write_text(text * 600)
    short = ("horizon=10ba", "eval_every=5ba", "tracker=none")
    asked_for = ("recipe=gpt_tiny", "data=text_file", f"data.args.path={tmp_path / 'one.txt'}", *short)
    parent = ",".join(f'"{o}"' for o in asked_for)
    made = asked(tmp_path / "two.txt", *short, f"start.of=[{parent}]", "start.carry=[model]")
    refused(r"data.args.tokenizer=char: the parent reads its text by other tokens.*tokenizer=byte", run, made)
