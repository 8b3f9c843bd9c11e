"""A metric as a value: what its number means, declared by the task and kept in the record.

Whoever shows, compares or monitors a metric asks for its declaration (`metric_of`). What a name alone tells is the
fallback, for the summary of a run that declares nothing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

Mode = Literal["min", "max"]

LOWER = ("loss", "nll", "mse", "rmse", "mae", "error", "error_rate", "perplexity", "wer", "cer")
HIGHER = ("accuracy", "acc", "precision", "recall", "f1", "auc", "iou", "map", "bleu")
SHARES = ("accuracy", "acc")  # in [0, 1], and read in percent


@dataclass(frozen=True)
class Metric:
    """What is known of a metric beside its values.

    name: of its own, such as `loss`; measured on a split it is `val/loss`. unit: such as "nats"; "%" for a share in
    [0, 1] that is shown in percent; "" for a bare number. higher_is_better: None where neither way is. low, high: its
    bounds, None for none. chance: what guessing reaches, None where that is not known, or says nothing of learning
    (calibration, say). A metric with a direction, both bounds and a chance judges: a run that it does not put above
    chance by a tenth of the way to the best counts as failed in every report.
    """

    name: str
    unit: str = ""
    higher_is_better: bool | None = None
    low: float | None = None
    high: float | None = None
    chance: float | None = None

    def text(self, value: float) -> str:
        """A value as a person reads it on the way."""
        return f"{value:.2%}" if self.unit == "%" else f"{value:.4f}"


def mode_of(metric: Metric) -> Mode | None:
    """Which way it is better, in the word of torch's schedulers."""
    return None if metric.higher_is_better is None else "max" if metric.higher_is_better else "min"


def metric_of(name: str, declared: Mapping[str, Metric]) -> Metric:
    """The metric that a row or a summary calls so (`best/val/loss`): as declared, else what its name tells."""
    own = name.rpartition("/")[2]
    return declared[own] if own in declared else by_name(own)


def by_name(name: str) -> Metric:
    """What a name tells of its metric, whole or after an underscore (`top5_error`). Nothing is guessed from one such as
    `f1_gap` or `neg_mean_squared_error`."""
    lower, higher, share = (_is_one_of(name, known) for known in (LOWER, HIGHER, SHARES))
    if share:
        return Metric(name, "%", True, 0.0, 1.0)
    return Metric(name, higher_is_better=higher if lower or higher else None)


def to_plain(metrics: Iterable[Metric]) -> dict[str, dict[str, Any]]:
    """As a summary holds them: by name, what is None left out."""
    return {m.name: {k: v for k, v in asdict(m).items() if k != "name" and v is not None} for m in metrics}


def declared_in(summary: Mapping[str, Any]) -> dict[str, Metric]:
    """What a summary declares, by name; nothing where it does not."""
    return {name: Metric(name, **fields) for name, fields in summary.get("metrics", {}).items()}


def _is_one_of(name: str, known: Iterable[str]) -> bool:
    lowered = name.lower()
    turned = lowered.startswith(("neg_", "negative_"))
    return not turned and any(lowered == word or lowered.endswith(f"_{word}") for word in known)
