"""Random damage to records, one thing at a time, and who believes it: `tests/store/test_corruptions.py` tries a sample,
`tests/benchmarks/run.py corruptions` a thousand.

A corruption is believed where somebody who compares, exports, restores, resumes or forks takes something from the
record that is not what was written. What a person looks at (`show`, `runs`, ...) must not end in a traceback.
"""

import contextlib
import io
import json
import os
import random
import shutil
import signal
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest import mock

import torch

from lrbench.config.experiments import experiment
from lrbench.data.batches import Batches
from lrbench.engine import attempt, fork
from lrbench.engine.attempt import Interrupted
from lrbench.engine.log import Log
from lrbench.engine.state import Setup, State, set_up
from lrbench.engine.train import train
from lrbench.errors import ConfigError
from lrbench.experiment import Experiment, Settings
from lrbench.experiment.identity import run_id
from lrbench.progress import silent
from lrbench.store.export import restore, row_of, write_rows
from lrbench.store.record import DONE, Record
from lrbench.store.rows import read_rows
from lrbench.store.run import Run, read_whole
from lrbench.store.store import Store

SMALL = ("tracker=none", "model=mlp", "model.args.hidden=[16]", "batch_size=64", "horizon=4ep")
HYDRA = {"overrides.yaml": "- scheduler=cosine\n- horizon=4ep\n- seed=0\n", "config.yaml": "seed: 0\n"}
CPU = torch.device("cpu")
DERIVED = (".png", ".lock")  # files that are made again of the others
LOOKS = ("show", "runs", "diagnose", "verify", "report")


class MadeAgain(Exception):
    """A checkpoint that is not there is trained again, which takes long and believes nothing."""


# ---- Damage.


def bit_flip(content: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(content))
    return content[:at] + bytes([content[at] ^ 1 << chance.randrange(8)]) + content[at + 1 :]


def truncation(content: bytes, chance: random.Random) -> bytes:
    return content[: chance.randrange(len(content))]


def zeroed_block(content: bytes, chance: random.Random) -> bytes:
    size = min(len(content), chance.choice((8, 64, 512)))
    at = chance.randrange(len(content) - size + 1)
    return content[:at] + bytes(size) + content[at + size :]


def edit(content: bytes, chance: random.Random) -> bytes:
    """A value of JSON changed, or a key removed; in a text that is no JSON, a digit."""
    lines = content.decode().splitlines(keepends=True)
    at = chance.randrange(len(lines))
    if lines[0].startswith('{"'):  # a line is a row
        return "".join(
            [*lines[:at], json.dumps(edited(json.loads(lines[at]), chance)) + "\n", *lines[at + 1 :]]
        ).encode()
    try:
        return (json.dumps(edited(json.loads(content), chance), indent=2) + "\n").encode()
    except ValueError:
        digits = [i for i, c in enumerate(content) if chr(c).isdigit()]
        at = chance.choice(digits)
        return content[:at] + str((int(chr(content[at])) + 1) % 10).encode() + content[at + 1 :]


def edited(value: Any, chance: random.Random) -> Any:
    if isinstance(value, dict) and value:
        key = chance.choice([*value])
        rest = {k: v for k, v in value.items() if k != key}
        return rest if chance.random() < 0.2 else {**value, key: edited(value[key], chance)}
    if isinstance(value, list) and value:
        at = chance.randrange(len(value))
        return [*value[:at], edited(value[at], chance), *value[at + 1 :]]
    if isinstance(value, bool) or value is None:
        return not value
    if isinstance(value, int | float):
        return value + 1 if isinstance(value, int) else value * 1.01 + 0.001
    return f"{value}x" if isinstance(value, str) else 1


KINDS: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "bit flip": bit_flip, "truncation": truncation, "zeroed block": zeroed_block, "edit": edit,
}  # fmt: skip


def corrupt(folder: Path, chance: random.Random) -> tuple[str, str]:
    """Damage one file of a record; its name, and how. Half of the time the file keeps the time of its last change, as a
    disk that rots leaves it."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix not in DERIVED)
    path = chance.choice(files)
    text = path.suffix in (".json", ".jsonl", ".yaml")
    kind = chance.choice([*KINDS, "deletion"] if text else ["bit flip", "truncation", "zeroed block", "deletion"])
    times, content = path.stat(), path.read_bytes()
    if kind == "deletion":
        path.unlink()
    else:
        damaged = next(d for d in (KINDS[kind](content, chance) for _ in range(100)) if d != content)
        path.write_bytes(damaged)
        if chance.random() < 0.5:
            os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    return path.relative_to(folder).as_posix(), kind


# ---- The records, and what they hold.


@dataclass
class World:
    """Records of three kinds, each as it was written, and what those who use them take from it."""

    folder: Path
    setup: Setup
    experiments: dict[str, Experiment]  # by run id: whoever forks has it from their command, not from the record
    records: dict[str, Record] = field(default_factory=dict)
    true: dict[str, dict[str, Any]] = field(default_factory=dict)


def make_world(folder: Path) -> World:
    """Train a run that is finished and keeps checkpoints, one that is stopped on its way, and restore one."""
    own = experiment(*SMALL, "scheduler=cosine")
    other, third = replace(own, seed=1), experiment(*SMALL, "scheduler=linear")
    world = World(folder, set_up(own, CPU), {run_id(e): e for e in (own, other, third)})
    settings = Settings(results=folder / "true", keep=("2ep", "end"), checkpoint_every="1ep", hydra=HYDRA)
    world.records["finished"] = train(own, settings, say=silent)  # type: ignore[arg-type]
    with contextlib.suppress(Interrupted), mock.patch.object(Batches, "batch", _stopping(40)):
        train(other, settings, say=silent)  # type: ignore[arg-type]
    world.records["stopped"] = Store(settings.results).record(run_id(other))
    write_rows([train(third, settings, say=silent)], folder / "rows" / "runs.csv")  # type: ignore[arg-type]
    (row,) = read_rows(folder / "rows" / "runs.csv")
    world.records["restored"] = Record(folder / "restored" / "runs" / run_id(third))
    restore(row, world.records["restored"])
    world.true = {kind: taken(world, record) for kind, record in world.records.items()}
    return world


def _stopping(at: int) -> Callable[..., Any]:
    batch = Batches.batch

    def stopping(self: Batches, update: int, *parts: int) -> Any:
        if update == at:
            os.kill(os.getpid(), signal.SIGINT)
        return batch(self, update, *parts)

    return stopping


def taken(world: World, record: Record) -> dict[str, Any]:
    """What each who uses a record takes from it, by name; why not, where it is refused."""
    users = {"compared": _compared, "exported": _exported, "resumed": _resumed, "forked": _forked}
    return {name: use(world, record) for name, use in users.items()}


REFUSED = "refused"


def _compared(world: World, record: Record) -> Any:
    run = read_whole(record)
    if not isinstance(run, Run) or run.standing not in DONE:
        return REFUSED
    return run.standing, run.summary, run.status, run.attempts, run.overrides(), run.curves, run.rates, run.experiment


def _exported(world: World, record: Record) -> Any:
    path = record.folder.parents[1] / "exported" / "runs.csv"
    try:
        write_rows([record], path)
    except ConfigError:
        return REFUSED
    run = read_whole(record)
    assert isinstance(run, Run)
    return path.read_bytes(), row_of(run, path).cells


def _resumed(world: World, record: Record) -> Any:
    """What an attempt that goes on would begin with. (A finished one does not.)"""
    if record.standing() != "interrupted":
        return REFUSED
    setup = replace(world.setup, experiment=world.experiments[record.run_id])
    said: list[str] = []
    with _kept(record):
        try:
            state = attempt._begin(setup, record, Settings(results=record.folder.parents[1]), said.append)
        except ConfigError:
            return REFUSED
        if not state.update:
            return REFUSED  # it begins anew
        log = Log(record, setup, state.update, 1, state.log)
        log.close()
        attempts = [{k: v for k, v in a.items() if k != "started"} for a in record.attempts()]
        return _plain(state), log.rows, (record.folder / "series.npy").read_bytes(), attempts, record.experiment()


def _forked(world: World, record: Record) -> Any:
    found = []
    for update in (32, 64):
        try:
            with mock.patch.object(fork, "replayed", side_effect=MadeAgain):
                parent = world.experiments[record.run_id]
                found.append(_plain(fork.kept_state(parent, update, record, world.setup)))
        except (ConfigError, MadeAgain):
            found.append(REFUSED)
    return found


@contextlib.contextmanager
def _kept(record: Record) -> Any:
    """What is done to the record is undone."""
    beside = record.folder.with_name("kept")
    shutil.copytree(record.folder, beside)
    try:
        yield
    finally:
        shutil.rmtree(record.folder)
        beside.rename(record.folder)


def _plain(state: State) -> Any:
    return _hashable(
        [state.model.state_dict(), state.optimizer.state_dict(), state.update, state.seconds, state.skipped]
    )


def _hashable(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.numpy().tobytes()
    if isinstance(value, dict):
        return {k: _hashable(v) for k, v in value.items()}
    return [_hashable(v) for v in value] if isinstance(value, list | tuple) else value


# ---- Trials.


@dataclass
class Trials:
    """What came of them: how often the damage was noticed, and each that was believed or ended in a traceback."""

    tried: Counter[str] = field(default_factory=Counter)
    noticed: int = 0
    harmless: int = 0  # nobody takes anything else from the record than what was written
    believed: list[str] = field(default_factory=list)
    tracebacks: list[str] = field(default_factory=list)


def try_many(world: World, count: int, seed: int, looks: int = 1) -> Trials:
    """looks: by how many commands a person looks at each damaged record."""
    chance, trials = random.Random(seed), Trials()
    for number in range(count):
        kind = chance.choice([*world.records])
        results = world.folder / "tried" / str(number)
        record = Record(results / "runs" / world.records[kind].run_id)
        shutil.copytree(world.records[kind].folder, record.folder)
        file, how = corrupt(record.folder, chance)
        what = f"{number}: {how} of {file} of the {kind} run"
        trials.tried[how] += 1
        try:
            found = taken(world, record)
        except Exception as error:
            trials.tracebacks.append(f"{what}: {type(error).__name__}: {error}")
        else:
            _judge(trials, what, found, world.true[kind])
        for command in chance.sample(LOOKS, looks):
            if told := _looked(command, record, results):
                trials.tracebacks.append(f"{what}: {command}: {told}")
        shutil.rmtree(results)
    return trials


def _judge(trials: Trials, what: str, found: dict[str, Any], true: dict[str, Any]) -> None:
    wrong = [name for name in found if not _right(found[name], true[name])]
    refused = [name for name in found if found[name] != true[name]]
    if wrong:
        trials.believed.append(f"{what}: {', '.join(wrong)}")
    elif refused:
        trials.noticed += 1
    else:
        trials.harmless += 1


def _right(found: Any, true: Any) -> bool:
    """What was written, or nothing."""
    if found in (REFUSED, true):
        return True
    return isinstance(true, list) and all(map(_right, found, true))


def _looked(command: str, record: Record, results: Path) -> str | None:
    """How a command failed that looks at the record; None where it says what it has to say."""
    given = {"show": [record.run_id], "diagnose": [record.run_id], "report": ["--json"]}.get(command, [])
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        try:
            with mock.patch("lrbench.plots.run.picture_of", return_value=None):
                import_module(f"lrbench.commands.{command}").run([*given, "--results", str(results)])
        except ConfigError:  # nothing is left to compare, say
            return None
        except Exception as error:
            return f"{type(error).__name__}: {error}"
    return None
