"""Schedules that wait for a metric."""

from collections.abc import Iterator

import numpy as np

from lrbench.check.case import Case
from lrbench.check.proposed import Proposed
from lrbench.check.remarks import remarked
from lrbench.schedules.bare import sooner
from lrbench.schedules.compose import traced
from lrbench.schedules.feedback import built


def patience_too_long(case: Case) -> Iterator[Proposed]:
    """The rate cannot fall even if the metric never improves, or not before two thirds of the run (a note)."""
    said = list(remarked(case, "check.patience-too-long"))
    yield from said
    if said or not case.hears:
        return
    main = case.plan.main.phase
    lr = traced(case.plan, [0.0] * (main.steps - 1)).lr[:, 0]
    cuts = main.start + 1 + np.flatnonzero(np.diff(lr[main.start :]) < 0)
    if cuts.size and cuts[0] > 2 / 3 * len(lr):
        says = (
            f"If {case.experiment.monitor} never improves, the first cut comes at {case.at(int(cuts[0]))} of "
            f"{len(lr):,}: {main.steps} evaluations are few for this patience."
        )
        yield Proposed(severity="note", says=says, cures=sooner(case.plan), claim="plateau-patience-semantics")


def rel_threshold_negative_metric(case: Case) -> Iterator[Proposed]:
    """A relative threshold on a metric below zero: there it counts what is a little worse as better."""
    if not case.hears or case.metric is None or not _below_zero(case):
        return
    if getattr(built(case.plan, case.plan.main)[0].scheduler, "threshold_mode", None) == "rel":
        says = f"{case.experiment.monitor} can be negative, and a threshold relative to it then has the wrong sign."
        yield Proposed(severity="warning", says=says, cures=(("scheduler.args.threshold_mode=abs",),))


def _below_zero(case: Case) -> bool:
    metric = case.metric
    assert metric is not None
    declared = metric.low is not None and metric.low < 0
    return declared or metric.name.lower().startswith(("neg_", "negative_"))
