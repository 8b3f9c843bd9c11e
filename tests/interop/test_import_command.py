"""`lrbench import`: what it prints, its exit codes, what it refuses; and that Hydra composes what it prints."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_support import Lrbench, assert_refused, in_process
from imports import SETTINGS, rates, require_same

from lrbench.commands.import_ import stand_in
from lrbench.config.experiments import experiment
from lrbench.errors import ConfigError
from lrbench.interop.foreign import lightning, mmengine, timm, torchvision, transformers
from lrbench.interop.foreign.given import Given
from lrbench.interop.foreign.imported import ForeignRun, GivenSizes, Imported
from lrbench.interop.foreign.read import NotLiteral, assignments_of, mapping_of, words_of
from lrbench.schedules import lr_table


@pytest.fixture
def lrbench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Lrbench:
    return in_process(tmp_path, monkeypatch, capsys)


def file(name: str) -> str:
    return str(SETTINGS / name)


def corpus() -> dict[str, Imported]:
    return {
        "timm": timm.imported(mapping_of(file("timm_vit_args.yaml")), GivenSizes(samples=12812, devices=1)),
        "transformers": transformers.imported(mapping_of(file("training_args.json")), GivenSizes(samples=6734)),
        "torchvision": torchvision.imported(words_of(file("torchvision_resnet50.sh")), GivenSizes(samples=12811)),
        "lightning": lightning.imported(
            mapping_of(file("lightning_cosine.yaml")), GivenSizes(samples=5000, batch_size=256)
        ),
        "mmengine": mmengine.imported(
            assignments_of(file("mmengine_faster_rcnn.py")), GivenSizes(samples=11726, devices=8)
        ),
    }  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("library", ["timm", "transformers", "torchvision", "lightning", "mmengine"])
def test_hydra_composes_what_is_printed(library: str) -> None:
    """As `lrbench train` would: a whole experiment, with data that have as many updates."""
    found = corpus()[library]
    require_same(lr_table(experiment(*stand_in(found))).lr, rates(found), close=0)


def test_what_is_printed(lrbench: Lrbench) -> None:
    """The first line is to be pasted; no other is longer than 80 columns."""
    found = lrbench("import", "timm", file("timm_vit_args.yaml"), "--samples", "12812", "--devices", "1")
    first, empty, *rest = found.out.splitlines()
    assert found.code == 0
    assert first.startswith("python -m lrbench optimizer=adamw optimizer.lr=0.000125 ")
    assert empty == ""
    assert all(len(line) <= 80 for line in rest)
    assert rest[0] == "rates     first 1e-06, at most 0.000124921 (update 500), last 1e-05; 31,000"
    assert "not taken batch_size, aa," in found.out
    assert "add       your data=... model=... batch_size=128" in found.out
    assert rest[-1] == "1 note in 1 schedule"  # a warmup of 500 updates, under AdamW


@pytest.mark.slow
def test_a_mistake_of_theirs_is_found_with_its_cure(lrbench: Lrbench, tmp_path: Path) -> None:
    """OneCycle in LightningCLI, which steps it once an epoch."""
    path = tmp_path / "config.yaml"
    path.write_text(
        "trainer: {max_epochs: 10}\n"
        "optimizer: {class_path: torch.optim.SGD, init_args: {lr: 0.1, momentum: 0.9}}\n"
        "lr_scheduler: {class_path: torch.optim.lr_scheduler.OneCycleLR, init_args: {max_lr: 0.3, total_steps: 500}}\n"
    )
    found = lrbench("import", "lightning", str(path), "--updates-per-epoch", "50", "--json")
    told = json.loads(found.out)
    assert found.code == 1
    assert told["findings"][0]["rule"] == "check.onecycle-stepped-by-epoch"
    assert told["findings"][0]["cure"] == ["scheduler.interval=batch"]
    assert told["overrides"][1] == "optimizer.lr=0.3"
    assert told["rates"]["highest"] == pytest.approx(0.3 / 25, rel=0.3)
    assert (told["updates"], told["updates_per_epoch"], told["batch_size"]) == (500, 50, None)


def test_help_teaches(lrbench: Lrbench) -> None:
    said = lrbench("import", "--help")
    assert said.code == 0
    for word in ("examples", "Exit codes", "never run", "timm", "mmengine", "-- train.py"):
        assert word in said.out
    assert max(map(len, said.out.splitlines())) <= 100  # of the terminal here


def test_what_is_left_out_is_told_by_the_exit_code(lrbench: Lrbench) -> None:
    found = lrbench("import", "lightning", file("lightning_cosine.yaml"), "--updates-per-epoch", "98")
    assert found.code == 1
    assert "left out  EarlyStopping" in found.out


def test_a_line_after_two_dashes(lrbench: Lrbench) -> None:
    line = ["train.py", "--lr", "0.4", "--epochs", "5", "--lr-scheduler", "cosineannealinglr"]
    found = lrbench("import", "torchvision", "--updates-per-epoch", "8", "--json", "--", *line)
    told = json.loads(found.out)
    assert told["file"] is None
    assert told["defaults"]["script"] == "references/classification/train.py"
    assert "optimizer.lr=0.4" in told["overrides"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["timm", "no.yaml", "--samples", "9"], ["no.yaml", "cannot be read", "No such file"]),
        (["timm"], ["nothing to read", "give FILE"]),
        (["keras", "x.json"], ["keras", "timm"]),
        (["timm", file("timm_vit_args.yaml"), "--samples", "9", "--updates-per-epoch", "3"], ["one of the two"]),
        (["timm", file("timm_vit_args.yaml"), "--samples", "0"], ["--samples=0", "give a whole number above 0"]),
        (["timm", file("timm_vit_args.yaml"), "--samples", "many"], ["many"]),
        (
            ["timm", file("training_args.json"), "--samples", "900", "--devices", "1"],
            ["not an args.yaml of timm", "it has output_dir"],
        ),
        (["timm", "--", "train.py", "--lr", "1"], ["a settings file", "give FILE"]),
        (["torchvision", "x.sh", "--", "train.py"], ["two to read"]),
    ],
)
def test_what_is_refused(lrbench: Lrbench, arguments: list[str], words: list[str]) -> None:
    assert_refused(lrbench("import", *arguments), *words)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.json", b"{'lr': 1}", ("no JSON",)),
        ("a.yaml", b"lr: [1", ("no YAML",)),
        ("a.yaml", b"- 1\n- 2", ("no settings by their names",)),
        ("a.yaml", b"", ("no settings by their names",)),
        ("a.yaml", b"\xff\xfe", ("no text",)),
    ],
)
def test_files_that_cannot_be_read(tmp_path: Path, name: str, content: bytes, words: tuple[str, ...]) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ConfigError) as refused:
        mapping_of(str(path))
    assert all(word in str(refused.value) for word in (str(path), *words))


def test_a_line_over_several_lines(tmp_path: Path) -> None:
    path = tmp_path / "train.sh"
    path.write_text("# 8 GPUs\n$ torchrun train.py \\\n   --lr 0.5 \\\n   --epochs 3\n")
    assert words_of(str(path)) == ["torchrun", "train.py", "--lr", "0.5", "--epochs", "3"]
    path.write_text("train.py --lr '0.5")
    with pytest.raises(ConfigError, match="no shell would take"):
        words_of(str(path))


@pytest.mark.parametrize(
    ("value", "number"), [("1e-3", 1e-3), (1, 1.0), ("x", None), (True, None), ([1], None), (float("inf"), None)]
)
def test_numbers_as_yaml_has_them(value: Any, number: float | None) -> None:
    """PyYAML takes 1e-3 for a word; a program that reads it with argparse or jsonargparse for a number."""
    if number is None:
        with pytest.raises(ConfigError, match=r"trainer\.lr"):
            Given({"lr": value}, "trainer.").number("lr")
    else:
        assert Given({"lr": value}).number("lr") == number


WRONG = (None, 0, -1, 1e300, float("nan"), "x", [], {"a": 1}, True, NotLiteral("f()", 3))


def paths(value: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Of everything in nested settings."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        yield (*before, key)
        yield from paths(item, (*before, key))


@pytest.mark.parametrize(
    ("module", "values"),
    [
        (timm, mapping_of(file("timm_vit_args.yaml"))),
        (timm, {"lr": 0.1, "sched": "wsd", "epochs": 9, "decay_epochs": 3, "warmup_epochs": 2, "lr_cycle_mul": 2}),
        (transformers, mapping_of(file("training_args.json"))),
        (lightning, mapping_of(file("lightning_cosine.yaml"))),
        (mmengine, assignments_of(file("mmengine_faster_rcnn.py"))),
        (mmengine, {"optim_wrapper": {"optimizer": {"type": "SGD", "lr": 1}}, "train_cfg": {"max_epochs": 9},
                    "auto_scale_lr": {"enable": True, "base_batch_size": 4},
                    "param_scheduler": {"type": "CosineRestartLR", "periods": [4, 5], "restart_weights": [1, 1]}}),
    ],
)  # fmt: skip
def test_a_wrong_value_anywhere_is_refused_in_words_or_no_matter(module: Any, values: dict[str, Any]) -> None:
    refused = 0
    for path in paths(values):
        for wrong in WRONG:
            changed = copy.deepcopy(values)
            inner: Any = changed
            for key in path[:-1]:
                inner = inner[key]
            inner[path[-1]] = wrong
            try:
                module.imported(changed, GivenSizes(samples=50, batch_size=10, devices=1))
            except ConfigError:
                refused += 1
    assert refused > 10


def test_times_are_written_in_epochs_where_they_are_whole() -> None:
    run = ForeignRun(updates=100, per_epoch=10)
    assert [run.time(n) for n in (30, 35)] == ["3ep", "35ba"]
    assert [run.length(n, "epoch", 20) for n in (3, 8, 9)] == ["3ep", "end", 9]
    assert run.positions([3, 8], "epoch", 20) == ["@3ep", "@8ep"]
    assert run.positions([3, 11], "epoch", 20) == [1, 9]  # one is beyond the end: as theirs has them
    assert ForeignRun(updates=100, per_epoch=None).time(30) == "30ba"


def test_epochs_and_updates_together_need_their_data() -> None:
    """A warmup of updates before drops at epochs is the same rates only where an epoch is as long."""
    found = corpus()
    assert [name for name, one in found.items() if one.mixed] == ["mmengine"]
    assert np.isclose(rates(found["mmengine"]).max(), 0.02)
