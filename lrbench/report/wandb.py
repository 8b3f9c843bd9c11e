"""A comparison as a W&B report: its tables as text, and panels over one run set an arm.

No statistic is left to W&B, whose grouped curves are means of a sample of the runs: every number stands in the text.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from lrbench.errors import ConfigError
from lrbench.report import markdown
from lrbench.report.result import Comparison

TITLE_LIMIT = 128  # W&B's
Arm = tuple[str, Sequence[str]]  # its name and the ids of its runs
COLOURS = ("#0072b2", "#c44e00", "#00805a", "#9a4d8e", "#8a6500", "#0e7c86", "#b3123f", "#555555",
           "#2b2f9e", "#5d7300", "#d6009a", "#7a4a2b")  # fmt: skip


@dataclass(frozen=True)
class WandBReport:
    """A report that was built and validated; nothing has left the machine yet."""

    spec: dict[str, Any]  # as W&B's server takes it
    _report: Any

    def publish(self, written: Path) -> str:
        """Save it on the server where one is to be had; where it stands, in words."""
        import wandb

        offline = f"{written} (not published: %s)"
        if os.environ.get("WANDB_MODE", "online") != "online":
            return offline % f"WANDB_MODE={os.environ['WANDB_MODE']}"
        try:
            if not wandb.login(prompt=False, verify=False):
                return offline % "no API key; set WANDB_API_KEY or run `wandb login`"
            self._report.entity = self._report.entity or wandb.Api().default_entity
            self._report.save()
        except Exception as error:  # whatever wandb raises, the report on disk is whole
            return offline % f"{type(error).__name__}: {error}".splitlines()[0]
        return f"{self._report.url} (its panels show the runs that are there: `wandb sync` sends offline ones)"


def build(c: Comparison, project: str, entity: str | None = None) -> WandBReport:
    """The report of a W&B project, made and validated without a server. Raises ConfigError without wandb-workspaces."""
    metrics = [*c.curves, *dict.fromkeys(f"lr/{r.group}" for r in c.rates)]
    arms = [(a.name, [o.run_id for o in a.outcomes]) for a in c.arms]
    return build_of(f"{c.name}: {c.metric}", markdown.render(c), arms, metrics, project, entity)


def build_of(
    title: str, text: str, arms: Sequence[Arm], metrics: Sequence[str], project: str, entity: str | None = None
) -> WandBReport:
    """Likewise, of a text and of each arm's runs. Raises ConfigError without wandb-workspaces."""
    require_installed()
    import wandb_workspaces.reports.v2 as wr
    from wandb_workspaces.reports.v2.internal import ReportViewspec

    report = wr.Report(
        project=project,
        entity=entity or os.environ.get("WANDB_ENTITY") or "",  # an explicit one: else wandb asks the server
        title=title[:TITLE_LIMIT],
        description=f"lrbench report of {len(arms)} arms",
        width="fluid",
        blocks=[wr.MarkdownBlock(text=text), *([_panels(wr, arms, metrics, project)] if arms else [])],
    )
    spec = report._to_model().model_dump(mode="json", by_alias=True, exclude_none=True)
    ReportViewspec.model_validate(json.loads(json.dumps(spec)))
    return WandBReport(spec, report)


def require_installed() -> None:
    """Raises ConfigError without wandb-workspaces."""
    if find_spec("wandb_workspaces") is None:
        cure = 'pip install "lr-schedule-bench[report-wandb]"'
        raise ConfigError("--wandb", "", "needs a package that is not installed", cure)


def _panels(wr: Any, arms: Sequence[Arm], metrics: Sequence[str], project: str) -> Any:
    """Curves over epochs, grouped by arm, and rates."""
    panels = [
        wr.LinePlot(
            title=metric,
            x="epoch",
            y=[metric],
            groupby_aggfunc="mean",
            groupby_rangefunc="minmax",
            layout=wr.Layout(x=8 * (i % 3), y=6 * (i // 3), w=8, h=6),  # three in a row of 24
        )
        for i, metric in enumerate(metrics)
    ]
    return wr.PanelGrid(runsets=[_runset(wr, arm, i, project) for i, arm in enumerate(arms)], panels=panels)


def _runset(wr: Any, arm: Arm, index: int, project: str) -> Any:
    """The runs of one arm, by their ids; grouped, they are one line."""
    from wandb_workspaces import expr

    (name, ids), colour = arm, COLOURS[index % len(COLOURS)]
    return wr.Runset(
        project=project,
        name=name,
        filters=expr.And(expr.Metric("ID").isin(list(ids))),
        groupby=["group"],
        run_settings={run_id: wr.RunSettings(color=colour) for run_id in ids},
    )
