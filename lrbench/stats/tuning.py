"""What tuning costs: how good the best of k tried rates is, and how much is lost when the rate is off.

All arms are to be looked at over one range of rates, spaced evenly in the logarithm.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

EVENLY = 1e-3  # rates are rounded to six digits; their ratios may differ by so much


def expected_best(values: ArrayLike, k: int, *, higher_is_better: bool = True) -> float:
    """The expected best of k of these n values drawn without replacement, exactly; shape (n,), k from 1 to n.

    Who tries k rates of the grid at random finds this on average; k = 1 is the mean, k = n the best. A failure is a
    value too: give what it counts as. The i-th smallest is the largest of the k with chance C(i-1, k-1) / C(n, k).
    ValueError for another k, and for a value that is not finite.
    Sources: Dodge et al. (2019), EMNLP, which draws with replacement and so stays below the best at k = n; without:
    Tang et al. (2020), ACL.
    """
    x = np.sort(np.asarray(values, float))
    if not np.isfinite(x).all():
        raise ValueError("the expected best is of finite values: give a failure the value that it counts as")
    if not 1 <= k <= x.size:
        raise ValueError(f"of {x.size} values one can draw 1 to {x.size}, not {k}")
    if not higher_is_better:
        x = x[::-1]
    i = np.arange(1, x.size + 1)
    return float(x @ (special.comb(i - 1, k - 1) / special.comb(x.size, k)))


def sensitivity(rates: ArrayLike, losses: ArrayLike, loss_at_init: float) -> float:
    """How much loss a rate drawn from the whole range costs on average over the best one: the mean over the grid of
    min(loss, loss at initialisation) - the least of them. shape (rates,) both; in the unit of the loss.

    A loss that is not finite counts as the one at initialisation. ValueError where the rates are not evenly spaced in
    the logarithm, since their mean would not be one over the range.
    Source: Wortsman et al. (2023), Small-scale proxies for large-scale Transformer training instabilities, section 2.
    """
    grid, loss = np.asarray(rates, float), np.asarray(losses, float)
    if grid.shape != loss.shape or grid.ndim != 1 or grid.size == 0:
        raise ValueError(f"rates and losses are lists of one length, not of shapes {grid.shape} and {loss.shape}")
    order = np.argsort(grid)
    steps = np.diff(np.log(grid[order]))
    if steps.size and np.ptp(steps) > EVENLY * steps.max():
        raise ValueError(f"the rates {grid[order].tolist()} are not evenly spaced in the logarithm")
    counted = np.minimum(np.where(np.isfinite(loss), loss, loss_at_init), loss_at_init)
    return float(np.mean(counted - counted.min()))


def stable_range(
    rates: Sequence[float],
    means: Sequence[float],
    failures: Sequence[int],
    within: float,
    *,
    higher_is_better: bool = True,
) -> tuple[float, float] | None:
    """The lowest and the highest rate of the unbroken run of rates around the best at which no seed failed and whose
    mean is no more than `within` worse than the best's. None where a seed failed at every rate.

    All of one length: rates in any order, the mean over each rate's seeds, the number of its seeds that failed. Of
    equal means the lower rate is the best.
    """
    worse = -np.asarray(means, float) if higher_is_better else np.asarray(means, float)
    cost = np.where((np.asarray(failures) > 0) | ~np.isfinite(worse), np.inf, worse)
    order = np.argsort(rates, kind="stable")
    grid, cost = np.asarray(rates, float)[order], cost[order]
    if not np.isfinite(cost).any():
        return None
    best = int(np.argmin(cost))
    stable = cost <= cost[best] + within
    low, high = best, best
    while low > 0 and stable[low - 1]:
        low -= 1
    while high + 1 < grid.size and stable[high + 1]:
        high += 1
    return float(grid[low]), float(grid[high])
