"""Arms are named by what differs between them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from lrbench.experiment import Experiment, class_name
from lrbench.experiment.identity import arm_id, run_id, title, to_plain

Flat = dict[str, Any]
ALWAYS = ("optimizer.lr", "warmup.length")  # mean the same whatever class stands beside them
OWNER = {"monitor": "scheduler"}  # only a schedule that hears a metric has one


def flat(experiment: Experiment) -> Flat:
    """The experiment without its seed, by dotted keys; a parent run is its id."""
    plain = to_plain(experiment)
    del plain["seed"]
    if experiment.start is not None:
        plain["start"]["of"] = run_id(experiment.start.of)
    return _flatten(plain)


def _flatten(plain: dict[str, Any], prefix: str = "") -> Flat:
    out: Flat = {}
    for key, value in plain.items():
        out |= _flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return out


def differing(flats: Sequence[Flat]) -> list[Flat]:
    """For each arm, the keys in which it differs from another, with its value (None where it has no such key).

    What belongs to a class (`scheduler.args.gamma`) is compared among the arms that have that class: between StepLR and
    a cosine the class is the difference.
    """
    keys = sorted(dict.fromkeys(k for f in flats for k in f), key=lambda k: not k.endswith(".target"))
    out: list[Flat] = [{} for _ in flats]
    for key in keys:
        target = f"{OWNER.get(key, key.partition('.')[0])}.target"
        scoped = target in keys and key != target and key not in ALWAYS
        peers: dict[Any, list[int]] = {}
        for i, f in enumerate(flats):
            peers.setdefault(f.get(target) if scoped else None, []).append(i)
        for group in peers.values():
            if len({repr(flats[i].get(key)) for i in group}) > 1:
                for i in group:
                    out[i][key] = flats[i].get(key)
    return out


def shared(flats: Sequence[Flat]) -> Flat:
    """The keys that have one value in all arms."""
    return {k: v for k, v in flats[0].items() if all(k in f and repr(f[k]) == repr(v) for f in flats)}


def names(arms: Sequence[Experiment]) -> list[str]:
    """A short name for each arm, no two alike: the classes, and `key=value` for the rest, that tell it from the others.

    One arm alone is named by its title without the seed.
    """
    if len(arms) == 1:
        return [title(arms[0]).rpartition(" seed ")[0]]
    differ = differing([flat(a) for a in arms])
    short = _short_keys(dict.fromkeys(k for d in differ for k in d))
    warmups = {d.get("warmup.target") for d in differ} - {None}
    found = [" ".join(_words(d, short, len(warmups) > 1)) for d in differ]
    repeated = Counter(found)
    return [n if repeated[n] == 1 else f"{n} {arm_id(a)[:6]}" for n, a in zip(found, arms, strict=True)]


def without_rate(experiment: Experiment) -> Experiment:
    """The experiment at a rate of 1: the same for arms that differ in their rate alone."""
    return replace(experiment, optimizer=replace(experiment.optimizer, lr=1.0))


def _short_keys(keys: dict[str, None]) -> dict[str, str]:
    """`scheduler.args.gamma` -> gamma, where no other key ends so."""
    last = {k: k.rpartition(".")[2] for k in keys}
    counts = Counter(last.values())
    return {k: v if counts[v] == 1 else k.replace(".args.", ".") for k, v in last.items()}


def _words(differs: Flat, short: dict[str, str], several_warmups: bool) -> list[str]:
    words = []
    for key, value in differs.items():
        if key == "warmup.length":
            words.append("no warmup" if value is None else f"warmup={value}")
        elif key == "warmup.target":
            words += [_class(value)] if several_warmups and value else []
        elif key == "weight_decay.target":
            words.append("constant weight decay" if value is None else f"weight decay by {_class(value)}")
        elif key == "start.of":
            words.append(f"from {value[:8]}" if value else "no fork")
        elif key.startswith("start."):
            words += [f"{short[key]}={_value(value)}"] if value else []
        elif key.endswith(".target"):
            words.append(f"no {key.partition('.')[0]}" if value is None else _class(value))
        elif not (key.startswith("warmup.") and differs.get("warmup.length", "") is None):
            words.append(f"{short[key]}={_value(value)}")
    return words


def _class(target: str) -> str:
    return class_name(target)


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    return f"[{','.join(map(_value, value))}]" if isinstance(value, list) else str(value)
