"""Hydra's and OmegaConf's errors in lrbench's words: the option, its value, and what would be right."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from functools import cache

from hydra.errors import MissingConfigException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from yaml import MarkedYAMLError

from lrbench import CONF
from lrbench.blame import blame
from lrbench.config.compose import compose, hydra_apart
from lrbench.config.levels import levels
from lrbench.config.schema import Config, LocalLauncherConfig
from lrbench.errors import ConfigError, did_you_mean
from lrbench.sweep.slurm.options import Slurm


@contextmanager
def composing(overrides: Sequence[str]) -> Iterator[None]:
    """With a Hydra of lrbench's own; whatever goes wrong, in our words."""
    with hydra_apart():
        try:
            yield
        except ConfigError:
            raise
        except Exception as error:
            raise explain(error, overrides) from error


def explain(error: Exception, arguments: Sequence[str]) -> ConfigError:
    """What an error that composing raised means for who typed the arguments. One in somebody's own code that says
    nothing of a configuration is raised as it is."""
    text = "\n".join(str(e) for e in _chain(error))
    if isinstance(error, MissingConfigException) and "/" in str(error.missing_cfg_file):
        group, _, level = str(error.missing_cfg_file).rpartition("/")
        cure = did_you_mean(level, error.options or levels(group))
        return ConfigError(group, level, "there is no such level", cure)
    if found := re.search(r"Ambiguous value for argument '([^']+)'", text):
        key = found[1].partition("=")[0]
        cure = f"add -m, as in lrbench -m {found[1]} (a list is {key}=[a,b])"
        return _refusal(found[1], "several values are a sweep", cure)
    if "Config group override must be" in text:
        given = next((a for a in arguments if not _names_a_level(a)), "")
        group, _, level = given.lstrip("+").partition("=")
        return _refusal(given, "a group takes the name of one of its levels", did_you_mean(level, levels(group)))
    if found := re.search(r"Error merging override (\S+)[\s\S]* is not Optional", text):
        return _refusal(found[1], "this option needs a value")
    if mistyped := _mistyped(text):
        return mistyped
    inside = r"Could not override '([^'@]+)'[\s\S]*Key '([^']+)' (?:not in '\w+'|is not in struct)"
    if (found := re.search(inside, text)) and any(a.lstrip("+").startswith(f"{found[1]}={{") for a in arguments):
        return _unknown_key(found[2], text, arguments)  # of a value that is a mapping
    if found := re.search(r"Could not override '([^'@]+)'|Key '([^']+)' is not in struct", text):
        return _unknown_option(found[1] or found[2], arguments)
    if found := re.search(r"Key '([^']+)' not in '(\w+)'", text):
        return _unknown_key(found[1], text, arguments)
    if found := re.search(r"Could not find (?:dictionary|override|match for override) '?([^'\n]+)'?", text):
        return _refusal(found[1], "there is no such group to override", _first_line(text))
    if isinstance(error, OverrideParseException) and not str(error.override).isascii():
        key, _, value = str(error.override).partition("=")
        cure = f"put the value in quotes of its own: '{key}=\"{value}\"'"
        return ConfigError(key, value, "without quotes a value is of ASCII letters", cure)
    if isinstance(error, OverrideParseException):
        cure = "quote a value that has spaces, brackets or '=' in it, as in 'key=\"a=b\"'"
        return ConfigError(str(error.override), "", "this cannot be read as key=value or group=level", cure)
    for cause in _chain(error):
        if isinstance(cause, MarkedYAMLError) and cause.problem_mark is not None:
            where = f"{cause.problem_mark.name}, line {cause.problem_mark.line + 1}"
            return ConfigError(where, "", f"this is no YAML: {cause.problem}", "a list is [a, b], a mapping {a: 1}")
    of_hydra = isinstance(error, Warning) or type(error).__module__.partition(".")[0] in ("hydra", "omegaconf", "yaml")
    if not of_hydra and blame(error):
        raise error
    return ConfigError("", "", _first_line(text))


def _refusal(given: str, why: str, cure: str = "") -> ConfigError:
    """Of an override as it was typed."""
    option, _, value = given.partition("=")
    return ConfigError(option, value, why, cure) if value else ConfigError(given, "", why, cure)


PACKAGE = "# @package _global_"  # what makes a recipe's keys those of the whole configuration
WANTED = (  # OmegaConf's word on a value of the wrong type, and what would be right
    (
        r"Value '(.*?)'(?: of type '\w+')? could not be converted to Float",
        "this is no number; give one, such as 0.1 or 1e-3",
    ),
    (
        r"Value '(.*?)'(?: of type '\w+')? could not be converted to Integer",
        "this is no whole number; give one, such as 1",
    ),
    (r"Value '(.*?)'(?: of type '\w+')? is not a valid bool", "give true or false"),
    (r"Invalid value '(.*)', expected one of \[(?P<known>.*)\]", "there is no such choice; give one of {known}"),
    (r"Invalid value assigned: \w+ is not a ListConfig, list or tuple", "give a list, as in {key}=[{value}]"),
    (r"Cannot convert '\w+' to string: '(.*)'", "give one plain value, without brackets"),
    (r"Key (.*) \(\w+\) is incompatible with \(str\)", "its keys are names; {value} has one that is none"),
    (r"Cannot assign \w+ to Dict", "it holds several options; set one of them, as in {key}.NAME=VALUE"),
)


def _mistyped(text: str) -> ConfigError | None:
    """The cure for a value of the wrong type, typed or in an option file; None for another error."""
    for pattern, wanted in WANTED:
        if found := re.search(pattern, text):
            typed = re.search(r"Error merging override (.+)", text)
            full_key = re.search(r"full_key: (\S+)", text)
            held = f"={found[1]}" if found.re.groups else ""
            given = typed[1] if typed else f"{full_key[1] if full_key else 'the configuration'}{held}"
            key, _, value = given.lstrip("+").partition("=")
            why, _, cure = wanted.format(key=key, value=value, known=found.groupdict().get("known")).partition("; ")
            return _refusal(given, why, cure)
    return None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _names_a_level(argument: str) -> bool:
    """Whether an argument is no choice of a level at all, or names one."""
    group, _, level = argument.partition("=")
    return not (CONF / group.lstrip("+")).is_dir() or level in levels(group.lstrip("+"))


def _picks_a_level(argument: str) -> bool:
    group, _, level = argument.partition("=")
    return (CONF / group).is_dir() and level in levels(group)


def _unknown_option(key: str, arguments: Sequence[str]) -> ConfigError:
    given = next((a for a in arguments if a.split("=")[0].lstrip("+~") == key), key)
    if key in {f"hydra.launcher.{f.name}" for f in fields(Slurm)}:
        return _refusal(given, "this is an option of jobs on a cluster", "add hydra/launcher=slurm")
    return _refusal(given, f"there is no option '{key}'", _nearest(key, arguments))


def _unknown_key(key: str, text: str, arguments: Sequence[str]) -> ConfigError:
    full = re.search(r"full_key: (\S+)", text)
    file = re.search(r"In '([^']+)'", text)
    name = full[1] if full else key
    where = f"conf/{file[1]}.yaml" if file else ""
    if file and file[1].split("/")[0] == name and name in ("recipe", "pitfall"):  # an empty file has none either
        return ConfigError(where, "", f"this is no {name}", f"begin it with the line {PACKAGE!r}")
    return ConfigError(where, "", f"there is no option '{name}'", _nearest(name, arguments))


NO_PART = ("recipe", "pitfall")  # groups whose levels set the options of others
# What other trainers call an option, and how it is written here.
CALLED = {
    **dict.fromkeys(("epochs", "num_epochs", "max_epochs", "num_train_epochs"), "horizon=30ep"),
    **dict.fromkeys(("steps", "max_steps", "num_steps", "iterations", "max_iters"), "horizon=2000ba"),
    **dict.fromkeys(("learning_rate", "base_lr", "max_lr"), "optimizer.lr=0.1"),
    **dict.fromkeys(("warmup_epochs", "warmup_steps", "num_warmup_steps"), "warmup=linear5, or linear_10pct"),
    **dict.fromkeys(("grad_clip", "clip_grad", "max_grad_norm", "gradient_clip_val"), "clip=1.0"),
    **dict.fromkeys(("gradient_accumulation_steps", "accumulate_grad_batches", "grad_accum_steps"), "accumulate=4"),
}


def _nearest(key: str, arguments: Sequence[str]) -> str:
    """What it is called here; else the nearest of all options; if none is near, those on the same level."""
    if key in CALLED:
        return f"write {CALLED[key]}"
    groups = {*NO_PART, *(f.name for f in fields(Config))}
    known = _known_options(tuple(a for a in arguments if a.partition("=")[0] in groups and _picks_a_level(a)))
    parent = key.rpartition(".")[0]
    siblings = [k for k in known if k.rpartition(".")[0] == parent]
    hint = did_you_mean(key, known).split(" Known:")[0]
    return hint or (f" Known here: {', '.join(siblings)}." if siblings else did_you_mean(key, []))


@cache
def _known_options(levels: tuple[str, ...]) -> tuple[str, ...]:
    """Those of the configuration with these levels and of the launchers, and the groups that leave no trace in it."""
    launchers = [f"hydra.launcher.{f.name}" for f in (*fields(Slurm), *fields(LocalLauncherConfig)) if f.name[0] != "_"]
    return (*_keys(compose(levels)), *launchers, *NO_PART)


def without_dashes(flag: str) -> str:
    """How the option is written that was given as a flag, as `--seed` or `--batch-size`; nothing where it is none."""
    name = flag.lstrip("-").partition("=")[0].replace("-", "_")
    found = [option for option in _known_options(()) if name in (option, option.rpartition(".")[2])]
    said = CALLED.get(name) or (f"{found[0]}=VALUE" if found else "")
    return f"options are written without dashes: {said}" if said else ""


def _keys(node: DictConfig, prefix: str = "") -> Iterator[str]:
    for key in map(str, node):
        name = f"{prefix}{key}"
        yield name
        if not OmegaConf.is_missing(node, key) and isinstance(node[key], DictConfig):
            yield from _keys(node[key], f"{name}.")


def _first_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " ".join(lines[:2]) if lines else "the configuration cannot be composed"
