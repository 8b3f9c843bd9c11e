"""Which way a metric is better, by its name: the one place that knows."""

LOWER = ("loss", "nll", "mse", "rmse", "mae", "error", "error_rate", "perplexity", "wer", "cer")
HIGHER = ("accuracy", "acc", "precision", "recall", "f1", "auc", "iou", "map", "bleu")


def lower_is_better(metric: str) -> bool | None:
    """Whether less of it is better: of the name after the last slash, whole or after an underscore (`top5_error`).

    None where the name does not tell, as with `f1_gap` or `neg_mean_squared_error`: whoever needs it must ask.
    """
    name = metric.rpartition("/")[2].lower()
    if name.startswith(("neg_", "negative_")):
        return None
    for known, lower in ((LOWER, True), (HIGHER, False)):
        if any(name == word or name.endswith(f"_{word}") for word in known):
            return lower
    return None
