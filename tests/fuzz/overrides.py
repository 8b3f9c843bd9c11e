"""Random overrides: none of them may end in anything but a plan or a refusal, and a refused one writes nothing.

`python tests/fuzz/overrides.py` tries 10,000 of them (`--cases N --seed S`) and prints what it found, a case a line;
`--write` stores the counts in results/benchmarks/fuzz.json. Exit code 1 where one case ended otherwise.

A case is one to three overrides: two options with values drawn from one list for all, good overrides with letters taken
out, doubled, exchanged or put in, odd letters among them, or good ones as they are. It is composed, made an Experiment
with its settings and checked, as a plan of a sweep does it; every 25th goes through the command line with --dry-run.
"""

import argparse
import io
import json
import os
import platform
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from lrbench import CONF
from lrbench.blame import named

ROOT = Path(__file__).parents[2]
STORED = ROOT / "results" / "benchmarks" / "fuzz.json"
BASE = ("tracker=none", "model=mlp", "model.args.hidden=[8]", "horizon=2ep", "batch_size=256")
BY_COMMAND = 25  # every so many-th case goes through the command line
AFRESH = 400  # cases after which composing begins anew: what it keeps of each grows

VALUES = (
    "0", "-1", "1", "3", "0.5", "-0.5", "1e-3", "1e400", "-1e400", "nan", "inf", "-inf", "99999999999999999999", "00",
    "1_0", "null", "true", "false", "yes", "'0'", "''", "\"\"", "' '", "x", "a b", "end", "auto", "none", "None",
    "???", ".", "..", "/", "~", "[]", "{}", "[[]]", "[1]", "[1,2]", "[x,null]", "[30ep,end]", "{a:1}", "{1:2}",
    "{a:{b:[1]}}", "{_target_:builtins.dict}", "{_target_:sys.exit}", "{null:1}", "{true:1}", "30ep", "0ep", "-3ep",
    "1ep", "0.3ep", "@1ep", "@30ep", "10%", "0%", "101%", "500ba", "7sa", "1e9ba", "99999999999999ep", "0.5x",
    "0.1/end", "0.9/ep", "1/0ep", "${seed}", "${nothing}", "${oc.env:HOME}", "${oc.env:NOT_THERE}", "${",
    "${optimizer}", "${lrbench.epochs:3}", "cosine", "lrbench.models.mlp.mlp", "os", "builtins.print",
    "torch.optim.SGD", "5", "0x10", "1e3", "r\xe9sultats", "'r\xe9sultats'", "\u65e5\u672c", "\u202e", "\u0130",
    "e\u0301", "\ud7ff", "a\tb", "\\", "'", "\"", "%s", "{}{}", "a=b", "a:b", "a,b", "range(3)", "choice(1,2)",
    "glob(*)", "interval(0,1)", "sort(1,2)", "int('x')", "str(1)",
)  # fmt: skip
ODD = "\u00e9\u0000\u200b\u202e\u0130\u00df\u2028\ufeff\U0001f600\u0660=+~@/.,:;'\"[]{}()$%\\ \t\n#*?!<>|&"


class Case(NamedTuple):
    """What is tried, and how it was made."""

    kind: str
    overrides: tuple[str, ...]


class Found(NamedTuple):
    """How a case ended: `plan`, `refused` or the error; and what it wrote."""

    case: Case
    end: str
    wrote: tuple[str, ...]

    @property
    def wrong(self) -> bool:
        return self.end not in ("plan", "refused") or bool(self.wrote)


def options() -> list[str]:
    """Every option there is, and the arguments of every level."""
    import yaml
    from omegaconf import DictConfig, OmegaConf

    from lrbench.config.compose import compose

    def keys(node: DictConfig, prefix: str = "") -> Iterator[str]:
        for key in map(str, node):
            yield f"{prefix}{key}"
            if not OmegaConf.is_missing(node, key) and isinstance(node[key], DictConfig):
                yield from keys(node[key], f"{prefix}{key}.")

    found = {*keys(compose(BASE))}
    for path in CONF.glob("*/*.yaml"):
        level = yaml.safe_load(path.read_text())
        if path.parent.name not in ("recipe", "pitfall", "sweep", "study", "claim") and isinstance(level, dict):
            found |= {f"{path.parent.name}.{key}" for key in level}
            found |= {f"{path.parent.name}.args.{key}" for key in level.get("args") or ()}
    return sorted(found)


def good() -> list[str]:
    """Overrides that are right for something."""
    groups = [p.name for p in CONF.iterdir() if p.is_dir() and p.name not in ("hydra", "sweep", "study", "claim")]
    levels = [f"{group}={path.stem}" for group in groups for path in (CONF / group).glob("*.yaml")]
    return [
        *sorted(levels),
        "horizon=3ep", "horizon=20ba", "batch_size=64", "seed=7", "eval_every=50%", "monitor=train/loss", "clip=1.0",
        "optimizer.lr=0.05", "scheduler.interval=batch", "scheduler.args.T_max=1ep", "scheduler.args.eta_min=0.01x",
        "warmup.length=1ep", "+optimizer.args.nesterov=true", "~scheduler.args.eta_min", "model.args.hidden=[4,4]",
        "data.augment.crop=1", "lr_scaling.rule=sqrt", "accumulate=2", "amp=bf16", "keep=[1ep,end]", "log_every=1%",
        "start.of=[horizon=1ep]", "start.at=1ep", "accepts={check.never-moves: meant}", "'seed'=3", "results=here",
        "scheduler.args.T_max=${horizon}", "+scheduler.args.last_epoch=-1", "checkpoint_every=30s", "device=cpu",
    ]  # fmt: skip


def cases(seed: int) -> Iterator[Case]:
    """Without end, the same for one seed."""
    draws, names, right = random.Random(seed), options(), good()
    while True:
        kind = draws.choice(("values", "values", "mutated", "mutated", "odd", "right"))
        if kind == "values":
            prefixes = draws.choices(("", "+", "++", "~"), (20, 2, 2, 1), k=2)
            picked = draws.sample(names, draws.choice((1, 1, 2)))
            made = [f"{p}{name}={draws.choice(VALUES)}" for p, name in zip(prefixes, picked, strict=False)]
        elif kind == "mutated":
            made = [mutated(draws.choice(right), draws)]
        elif kind == "odd":
            text = draws.choice([*right, *(f"{name}={draws.choice(VALUES)}" for name in names[:50])])
            place = draws.randrange(len(text) + 1)
            made = [text[:place] + draws.choice(ODD) + text[place:]]
        else:
            made = draws.sample(right, draws.choice((1, 2, 3)))
        yield Case(kind, tuple(o.replace("\0", "") for o in made))  # no shell can give a zero


def mutated(text: str, draws: random.Random) -> str:
    for _ in range(draws.choice((1, 1, 2, 3))):
        i, j = sorted(draws.choices(range(len(text) + 1), k=2))
        how = draws.choice(("out", "twice", "swap", "in", "value"))
        if how == "out":
            text = text[:i] + text[min(j, i + 3) :]
        elif how == "twice":
            text = text[:j] + text[i:]
        elif how == "swap":
            text = text[:i] + text[i:j][::-1] + text[j:]
        elif how == "in":
            text = text[:i] + draws.choice("=+~.,:/@%$[]{}'\"0-e ") + text[i:]
        else:
            text = text.partition("=")[0] + "=" + draws.choice(VALUES)
        text = text or "="
    return text


def tried(some: Iterator[Case], folder: Path) -> Iterator[Found]:
    """How each ends, tried in an empty folder, which is where the process stands."""
    from lrbench.config.composer import composer

    waiting, number = list(some), 0
    while waiting:
        now, waiting = waiting[:AFRESH], waiting[AFRESH:]
        with composer() as composed:
            ends = []
            for case in now:
                number += 1
                by_command = number % BY_COMMAND == 0
                ends.append(
                    (case, None if by_command else _end_of(case, composed), () if by_command else wrote(folder))
                )
        for case, end, written in ends:
            yield Found(case, end or _by_command(case), written or wrote(folder))


def _end_of(case: Case, composed: object) -> str:
    from lrbench.config.experiments import experiment_from, settings_from
    from lrbench.errors import ConfigError
    from lrbench.sweep.checks import Checks

    try:
        plain = composed((*BASE, *case.overrides)).plain  # type: ignore[operator]
        experiment, settings = experiment_from(plain), settings_from(plain)
        Checks()(experiment, settings)
    except ConfigError as error:
        return "refused" if _in_one_paragraph(str(error)) else f"a refusal of several lines: {error}"
    except (Exception, SystemExit) as error:
        return named(error)
    return "plan"


def _by_command(case: Case) -> str:
    from hydra.core.global_hydra import GlobalHydra

    from lrbench.cli.main import run

    GlobalHydra.instance().clear()
    said = io.StringIO()
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(said):
            code = run([*BASE, *case.overrides, "--dry-run"])
    except (Exception, SystemExit) as error:
        return named(error)
    finally:
        GlobalHydra.instance().clear()
    return {0: "plan", 2: "refused"}.get(code, f"exit code {code}: {said.getvalue()[:300]}")


def _in_one_paragraph(text: str) -> bool:
    return "Traceback" not in text


def wrote(folder: Path) -> tuple[str, ...]:
    """What lies in the folder, which is emptied."""
    import shutil

    there = sorted(str(p.relative_to(folder)) for p in folder.rglob("*"))
    for path in folder.iterdir() if there else ():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    return tuple(there)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    from omegaconf import _utils as omegaconf_utils

    sys.path.append(str(ROOT / "tests"))
    from quick_hydra import quick_loader

    os.environ.pop("LRBENCH_RESULTS", None)
    omegaconf_utils.get_yaml_loader = quick_loader  # libyaml's: ten times as fast, and the same (tests/quick_hydra.py)
    ends: Counter[str] = Counter()
    wrong: list[Found] = []
    began, before = time.monotonic(), Path.cwd()
    with tempfile.TemporaryDirectory() as place:
        os.chdir(place)
        for found in tried(islice(cases(options.seed), options.cases), Path(place)):
            ends[f"{found.case.kind}: {'wrong' if found.wrong else found.end}"] += 1
            if found.wrong:
                wrong.append(found)
                print(
                    f"{found.case.kind}  {' '.join(map(repr, found.case.overrides))}\n    {found.end} {found.wrote}",
                    flush=True,
                )
        os.chdir(before)
    told = {
        "command": f"python tests/fuzz/overrides.py --cases {options.cases} --seed {options.seed} --write",
        "cases": options.cases, "seed": options.seed, "wrong": len(wrong), "ends": dict(sorted(ends.items())),
        "through the command line": options.cases // BY_COMMAND,
        "python": platform.python_version(), "seconds": round(time.monotonic() - began, 1),
        "examples": [{"overrides": f.case.overrides, "end": f.end, "wrote": f.wrote} for f in wrong[:20]],
    }  # fmt: skip
    print(json.dumps(told, indent=2))
    if options.write:
        STORED.write_text(json.dumps(told, indent=2) + "\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
