"""What a plateau scheduler heard, and what it would have done with another setting: torch's own class, replayed."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from lrbench.diagnose import limits
from lrbench.diagnose.series import Series
from lrbench.experiment.schedule_plan import SchedulePlan

PLATEAU = "ReduceLROnPlateau"
DEFAULTS: Mapping[str, Any] = {
    "mode": "min", "factor": 0.1, "patience": 10, "threshold": 1e-4, "threshold_mode": "rel", "cooldown": 0,
    "min_lr": 0.0, "eps": 1e-8,
}  # fmt: skip
THRESHOLDS = (1e-4, 1e-3, 1e-2, 5e-2)  # to raise a threshold to, the smallest first


@dataclass(frozen=True, eq=False)
class Hearing:
    """A schedule that hears a metric, and the metrics it heard, in their order. settings: its arguments."""

    plan: SchedulePlan
    metrics: tuple[float, ...]
    settings: Mapping[str, Any]

    @property
    def monitor(self) -> str:
        return str(self.plan.monitor)

    @cached_property
    def cuts(self) -> tuple[int, ...]:
        """After how many metrics the rate fell."""
        return cuts_of(self.plan, self.metrics)

    @property
    def right(self) -> dict[str, Any]:
        """Settings that hear a plateau where there is one: torch's defaults, the metric's own mode, a patience of a
        tenth of what was heard."""
        patience = max(1, int(limits.PATIENT * len(self.metrics)))
        return {
            "mode": self.plan.mode or self.settings["mode"],
            "threshold": limits.IMPROVES,
            "threshold_mode": "rel",
            "patience": min(patience, int(self.settings["patience"])),
            "cooldown": 0,
            "min_lr": 0.0,
            "eps": 1e-12,
        }

    def cuts_with(self, **settings: Any) -> tuple[int, ...]:
        """The same with other settings."""
        return cuts_of(self._with(settings), self.metrics)

    def stalls(self) -> bool:
        """Whether the metric has a plateau that settings which are right would cut at."""
        return bool(self.cuts_with(**self.right))

    def cut_while_improving(self) -> tuple[str, str, tuple[str, ...], tuple[str, ...]] | None:
        """Why the rate was cut though the metric improved: cause, sentence, overrides, evidence. None where the first
        cut would have come as soon with a threshold and a mode that are right."""
        if not self.cuts:
            return None
        first, mode, threshold = self.cuts[0], self.settings["mode"], self.settings["threshold"]
        own = self.cuts_with(mode=self.right["mode"], threshold=limits.IMPROVES, threshold_mode="rel")
        if own and own[0] <= first:
            return None
        began, now = self.metrics[0], self.metrics[min(first, len(self.metrics)) - 1]
        evidence = (f"{self.monitor} went from {began:.4g} to {now:.4g} before the first cut, at evaluation {first}",)
        if self.plan.mode is not None and mode != self.plan.mode:
            says = (
                f"Its mode is {mode}, and {'less' if self.plan.mode == 'min' else 'more'} of {self.monitor} is better."
            )
            return "wrong-mode", says, (f"scheduler.args.mode={self.plan.mode}",), evidence
        says = f"Its threshold is {threshold:g}: hardly any improvement is large enough to count."
        return "threshold-too-high", says, (f"scheduler.args.threshold={limits.IMPROVES:g}",), evidence

    def cure(self) -> tuple[str, str, tuple[str, ...]] | None:
        """What keeps the rate from being cut: cause, sentence, overrides. The first setting that alone makes it cut."""
        given, n = self.settings, len(self.metrics)
        patience = int(given["patience"])
        patient = self.right["patience"] if patience >= n else max(1, patience // 4)
        raised = next((t for t in THRESHOLDS if t > given["threshold"] and self._cuts(threshold=t)), 0.0)
        peak = max(self.plan.peaks.values())
        floor = given["min_lr"]
        candidates: list[tuple[str, str, dict[str, Any]]] = [
            ("lowest-rate-reached", f"Its min_lr, {floor:g}, leaves no room below {peak:g}.", {"min_lr": 0.0}),
            ("steps-too-small", f"Its eps, {given['eps']:g}, forbids so small a cut.", {"eps": 0.0}),
            (
                "wrong-mode",
                f"Its mode is {given['mode']}, so that a {self.monitor} that worsens counts as improving.",
                {"mode": self.right["mode"]},
            ),
            (
                "patience-too-long",
                f"It waits for {patience} evaluations without improvement, and heard {n} in all.",
                {"patience": patient},
            ),
            (
                "threshold-too-low",
                f"Its threshold is {given['threshold']:g}, so that the smallest improvement begins the wait anew.",
                {"threshold": raised or limits.IMPROVES},
            ),
        ]
        for cause, says, change in candidates:
            if any(given.get(k) != v for k, v in change.items()) and self._cuts(**change):
                return cause, says, tuple(f"scheduler.args.{k}={_word(v)}" for k, v in change.items())
        return None

    def _cuts(self, **settings: Any) -> bool:
        return bool(self.cuts_with(**settings))

    def _with(self, settings: Mapping[str, Any]) -> SchedulePlan:
        args = {**self.plan.scheduler.args, **settings}
        return replace(self.plan, scheduler=replace(self.plan.scheduler, args=args))


def hearing_of(series: Series) -> Hearing | None:
    """None for a schedule that hears nothing, or whose metrics were not kept."""
    experiment = series.experiment
    if experiment is None or experiment.scheduler.name != PLATEAU or series.heard is None:
        return None
    plan = experiment.schedule
    return Hearing(plan, series.heard, {**DEFAULTS, **plan.arguments(plan.main, next(iter(plan.peaks)))})


def cuts_of(plan: SchedulePlan, metrics: tuple[float, ...]) -> tuple[int, ...]:
    """After how many metrics the class itself lowers the rate of the first group."""
    from lrbench.schedules.feedback import Feedback  # torch takes a second, and most runs hear nothing

    live, found = Feedback(plan), []
    for i, metric in enumerate(metrics, 1):
        before = live.row[0]
        live.step(metric)
        if live.row[0] < before:
            found.append(i)
    return tuple(found)


def _word(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
