"""Rates that never fall although the run is long enough to gain from it."""

from collections.abc import Iterator

from lrbench.check.case import Case
from lrbench.check.proposed import Proposed

DECAYS = (("scheduler=cosine",), ("scheduler=linear",), ("scheduler=cosine", "scheduler.interval=batch"))
LONG, SHORT = 30, 10  # epochs: above the one the guide wants a schedule, below the other it wants none


def _stays(case: Case, more_than: float) -> bool:
    """Whether the rate stays for more than so many epochs, of a model that begins from random weights."""
    long = case.epochs is not None and case.epochs > more_than
    return long and case.constant and not case.averages and case.experiment.start is None


def long_training_at_constant_rate(case: Case) -> Iterator[Proposed]:
    """More than 30 epochs at a rate that never falls."""
    if _stays(case, LONG):
        says = f"The rate stays at {case.peak:.4g} for all of {case.epochs:g} epochs."
        yield Proposed(severity="warning", says=says, cures=DECAYS, claim="schedule-gain-2-to-5-pct")


def vit_at_constant_rate(case: Case) -> Iterator[Proposed]:
    """A model with attention is trained for more than 10 epochs at a rate that never falls."""
    if _stays(case, SHORT) and case.begins and case.traits.attention:
        says = f"The model has attention, and the rate stays at {case.peak:.4g} for all of {case.epochs:g} epochs."
        yield Proposed(severity="warning", says=says, cures=DECAYS, claim="vit-constant-lr-poor")


def cnn_at_constant_rate(case: Case) -> Iterator[Proposed]:
    """A convolutional network is trained for more than 10 epochs at a rate that never falls."""
    if _stays(case, SHORT) and case.begins and case.traits.convolution and not case.traits.attention:
        says = f"A convolutional network is trained for {case.epochs:g} epochs, and the rate stays at {case.peak:.4g}."
        yield Proposed(severity="note", says=says, cures=DECAYS, claim="cnn-no-schedule-costs-1-3")
