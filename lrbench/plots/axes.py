"""What pictures of schedules and of runs have in common: two axes of time, the rate's scale, marks of phases."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator, StrMethodFormatter
from numpy.typing import NDArray

from lrbench.plots.curve import Scale
from lrbench.plots.phases import RatePhase, warmup_of
from lrbench.plots.scale import Values, logarithmic

Key = Patch | Line2D
SHADE: dict[str, Any] = {"color": "0.5", "alpha": 0.13, "linewidth": 0}
RING: dict[str, Any] = {"linestyle": "", "marker": "o", "markersize": 5, "markerfacecolor": "white"}


def count_both(lowest: Axes, highest: Axes, per_epoch: int | None, unit: str) -> None:
    """Time in its unit under the lowest axes and in the other one above the highest, which share it. Data without end
    have updates alone."""
    lowest.set_xlabel(unit)
    _whole(lowest)
    if per_epoch is None:
        return
    size, other = (per_epoch, "update") if unit == "epoch" else (1 / per_epoch, "epoch")
    above = highest.secondary_xaxis("top", functions=(lambda x: np.multiply(x, size), lambda x: np.divide(x, size)))
    above.set_xlabel(other)
    above.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=other == "update"))
    above.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}" if other == "update" else "{x:,g}"))


def _whole(axes: Axes) -> None:
    """Thousands apart, and no half updates."""
    if axes.get_xlabel() == "update":
        axes.xaxis.set_major_locator(MaxNLocator(nbins=9, integer=True))
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))


def scale_rates(axes: Axes, values: Values, scale: Scale) -> None:
    """A linear axis from 0, or a logarithmic one from the lowest rate that is not 0: rates of 0 lie at its foot."""
    found = logarithmic(values) if scale == "log" else None
    if found is None:
        axes.set_ylim(bottom=0)
        return
    axes.set_yscale("log", nonpositive="clip")
    axes.set_ylim(found[0] / 1.6, found[1] * 1.6)


def shade_warmups(axes: Axes, ends: Iterable[float]) -> None:
    """The time up to the end of each warmup; where curves have several, one shade lies on the other."""
    for end in sorted({end for end in ends if end > 0}):
        axes.axvspan(0, end, **SHADE)


def ring_phases(axes: Axes, found: Sequence[RatePhase], values: NDArray[np.float64], size: float, color: str) -> None:
    """A ring on the curve where each phase begins, the first and what a metric decides left out."""
    at = [p.start for p in found[1:] if p.name != "by metric"]
    axes.plot([t / size for t in at], values[at], color=color, **RING)


def keys_of(found: Iterable[tuple[RatePhase, ...]]) -> list[Key]:
    """What the marks mean, for a legend: only those that there are."""
    found = list(found)
    keys: list[Key] = []
    if any(map(warmup_of, found)):
        keys.append(Patch(**SHADE, label="warmup"))
    if any(p.name != "by metric" for phases in found for p in phases[1:]):
        keys.append(Line2D([], [], color="0.4", **RING, label="a phase begins"))
    if any(phases[-1].name == "by metric" for phases in found):
        keys.append(Line2D([], [], color="0.4", linestyle=":", label="by metric, not yet known"))
    return keys
