"""A sweep in two stages for the tests: some rates with one seed, then the best of them with further seeds."""

from lrbench.config.experiments import experiment


def best_rate_again(design, done):
    """design: `base` (overrides), `rates`, `seeds` of the second stage."""

    def made(rate, seed):
        return experiment(*design["base"], f"optimizer.lr={rate}", f"seed={seed}")

    first = {f"first lr={rate}": made(rate, 0) for rate in design["rates"]}
    if not all(map(done, first.values())):
        return first
    best = min(design["rates"], key=lambda rate: done(made(rate, 0)).summary["val/loss"])
    second = {f"second lr={best} seed={seed}": made(best, seed) for seed in design["seeds"]}
    return None if all(map(done, second.values())) else second


def nothing(design, done):
    """There is nothing to train."""
    return None
