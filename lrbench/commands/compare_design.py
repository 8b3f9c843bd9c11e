"""Which design `lrbench compare` is about: typed, of a file, or frozen before."""

import argparse
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lrbench.config.arms import arm_from, checked
from lrbench.config.study import compile_study
from lrbench.config.study_files import read_study, same_design, study_files
from lrbench.config.typed_study import typed_study
from lrbench.errors import ConfigError, did_you_mean
from lrbench.experiment import Settings
from lrbench.store.store import Store
from lrbench.study.design import Design
from lrbench.study.store import frozen, set_aside


def design_of(options: argparse.Namespace, words: Sequence[str], settings: Settings) -> tuple[Design, Path]:
    """What is asked for, as it is frozen or would be, and its folder. Raises ConfigError."""
    named = len(words) == 1 and "=" not in words[0]
    if not named:
        asked = _with_options(typed_study(words, checked(map(arm_from, options.arm), "--arm")), options)
        design = compile_study(asked, "", options.config_dir, settings.results)
        name = options.name or f"{'-'.join(design.rules.arms)[:60]}-{design.hash[:6]}"
        return _as_frozen(replace(design, name=_checked_name(name)), settings, options)
    if options.arm:
        raise ConfigError("--arm", options.arm[0], f"the study {words[0]} has arms of its own", "leave one of them out")
    files, name = study_files(options.config_dir), words[0]
    if name not in files:
        return _kept(options, settings, name), _folder(settings, name, options.replicate)
    asked = _with_options(read_study(files[name]), options)
    name = _checked_name(options.name or name)
    folder = _folder(settings, name, options.replicate)
    kept = frozen(folder)
    if kept is not None and same_design(kept.asked, asked):  # nothing is composed again
        return kept, folder
    return _as_frozen(compile_study(asked, name, options.config_dir, settings.results), settings, options)


def _kept(options: argparse.Namespace, settings: Settings, name: str) -> Design:
    """A study that was frozen and has no file here; with --replicate, the same on other seeds."""
    folder = _folder(settings, name, 0)
    kept = frozen(_folder(settings, name, options.replicate)) or frozen(folder)
    if kept is None:
        known = {*study_files(options.config_dir), *(p.name for p in folder.parent.glob("*") if p.is_dir())}
        raise ConfigError("study", name, "there is no such study", did_you_mean(name, known))
    if changed := [o for o in ("pairs", "detect", "swap", "metric", "baseline", "name") if getattr(options, o)]:
        why = "the study is frozen, and its file is not here to make another of it"
        raise ConfigError(f"--{changed[0]}", getattr(options, changed[0]), why, "leave it out")
    return replace(kept, rules=replace(kept.rules, replicate=options.replicate or kept.rules.replicate))


def _with_options(asked: Mapping[str, Any], options: argparse.Namespace) -> dict[str, Any]:
    made = dict(asked)
    if options.pairs is not None or options.detect is not None:
        made = {k: v for k, v in made.items() if k not in ("pairs", "detect")}
    given = {"pairs": options.pairs, "detect": options.detect, "metric": options.metric, "baseline": options.baseline}
    made |= {k: v for k, v in given.items() if v is not None}
    if options.swap:
        made |= {"estimand": "swap", "rate": "as given"}
    if options.replicate:
        made["replicate"] = options.replicate
    return made


def _as_frozen(design: Design, settings: Settings, options: argparse.Namespace) -> tuple[Design, Path]:
    """The design that was frozen under this name, where it is the same; else this one. Raises ConfigError where a study
    of this name has runs and another design."""
    folder = _folder(settings, design.name, options.replicate)
    kept = frozen(folder)
    if kept is None or options.dry_run:
        return design, folder
    if kept.hash == design.hash:
        return kept, folder
    if not options.new_design:
        why = f"the study {design.name} was frozen with another design ({kept.hash}, this one is {design.hash})"
        cure = "undo the change, give --name, or add --new-design, which keeps the old study and its evidence beside it"
        raise ConfigError(str(folder), "", why, cure)
    print(f"The study as it was lies in {set_aside(folder, settings.results)}.", file=sys.stderr)
    return design, folder


def _folder(settings: Settings, name: str, replicate: int) -> Path:
    return Store(settings.results).studies_folder / (f"{name}-replicate-{replicate}" if replicate else name)


def _checked_name(name: str) -> str:
    if not re.fullmatch(r"[\w.-]*\w", name):
        raise ConfigError("--name", name, "a study's name is made of letters, digits, - and _")
    return name
