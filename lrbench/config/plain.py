"""What YAML makes of a study's values, held against what they have to be."""

import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, get_args

from lrbench.errors import ConfigError, did_you_mean
from lrbench.experiment import Experiment
from lrbench.metrics import Metric
from lrbench.stats.verdict import ClaimedEffect
from lrbench.study.design import RATE
from lrbench.study.rules import Read
from lrbench.study.tuning_rules import TuningRules

MOST_OF_A_SHARE = 0.2  # a larger gain of a share was meant in points


def texts(option: str, given: Any, example: str) -> list[str]:
    """A list of texts. Raises ConfigError for anything else; a text is no list, though Python takes it for one."""
    if not isinstance(given, list) or not all(isinstance(text, str) for text in given):
        raise ConfigError(option, given, "this is no list of texts", f"as in {option}: [{example}]")
    return given


def number(option: str, given: Any) -> float:
    """A number, which YAML takes for a text where it is written 1e-3. Raises ConfigError."""
    try:
        return float(str(given))
    except ValueError as error:
        raise ConfigError(option, given, "this is no number", "as in 0.05") from error


def whole(option: str, given: Any) -> int:
    """A whole number. Raises ConfigError for a text or a share of one."""
    if type(given) is not int:
        raise ConfigError(option, given, "this is no whole number")
    return given


def gain_of(option: str, given: Any, metric: Metric, kind: str) -> float:
    """A gain in the metric's own unit; of a share it may be given in points, as `0.5%`. Of what is read off a grid, and
    of a spread, it is a number of doublings, and of success a difference of rates, which may well be large; and so may
    a fraction, 0.9 or 90%."""
    free = kind in ("success", "fraction")
    share, text = (metric.unit == "%" and kind not in (*get_args(Read), "spread")) or free, str(given)
    try:
        gain = float(text[:-1]) / 100 if text.endswith("%") and share else float(text)
    except ValueError as error:
        cure = "give a number, or points of a share, as in 0.5%"
        raise ConfigError(option, given, "this is no gain", cure) from error
    if share and not free and not text.endswith("%") and gain >= MOST_OF_A_SHARE:
        why = f"the metric is a share in [0, 1], so that is a gain of {100 * gain:g} points"
        raise ConfigError(option, given, why, f"for {gain:g} points write {gain:g}%")
    return gain


def require_fractions(name: str, metric: Metric) -> None:
    """Raises ConfigError for a metric that may be below 0: of -1 nothing is a fraction."""
    if metric.low is None or metric.low < 0:
        why = f"{name} has no lower bound of 0, so that a fraction of it need not be one"
        raise ConfigError("kind", "fraction", why, "ask for the difference, kind: difference, or declare its low")


def claim_of(arm: str, plain: Any, metric: Metric, kind: str) -> ClaimedEffect:
    try:
        if unknown := {*plain} - {f.name for f in fields(ClaimedEffect)}:
            raise ValueError(f"a claim has no {', '.join(map(str, unknown))}")
        own: dict[str, Any] = {k: v and gain_of(f"claims.{arm}.{k}", v, metric, kind) for k, v in plain.items()}
        return ClaimedEffect(**own)
    except (AttributeError, TypeError, ValueError) as error:
        cure = "as in {low: 0.005, high: 0.02, margin: 0.002}, gains in the metric's own unit"
        raise ConfigError(f"claims.{arm}", plain, str(error), cure) from error


def tuning_of(asked: Mapping[str, Any], baseline: Experiment | None) -> TuningRules | None:
    """As given; without a first value, a grid with the baseline's own rate in its middle."""
    plain = asked.get("tuning")
    given = asked.get("kind") not in get_args(Read) and asked.get("estimand") == "swap"
    if plain is None and given and asked.get("rate", "as given") == "as given":
        return None
    plain = dict(plain or {})
    for key in plain:
        if key not in (known := [f.name for f in fields(TuningRules)]):
            raise ConfigError(f"tuning.{key}", plain[key], "there is no such key", did_you_mean(str(key), known))
    for name in ("first", "factor"):
        if name in plain:
            plain[name] = number(f"tuning.{name}", plain[name])
    for name in ("points", "at_most", "seeds", "more", "best"):
        if name in plain:
            whole(f"tuning.{name}", plain[name])
    if "first" not in plain:
        if baseline is None or not str(plain.get("key", RATE)).endswith(RATE):
            raise ConfigError("tuning.first", None, "give the lowest value of the first grid")
        points, factor = plain.get("points", TuningRules.points), plain.get("factor", TuningRules.factor)
        plain["first"] = float(f"{baseline.optimizer.lr / math.pow(factor, points // 2):.6g}")
    return TuningRules(**plain)
