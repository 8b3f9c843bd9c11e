"""A comparison as a W&B report: its tables as text, and panels over one run set an arm.

No statistic is left to W&B, whose grouped curves are means of a sample of the runs: every number stands in the text.
"""

import json
import os
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from lrbench.errors import ConfigError
from lrbench.report import markdown
from lrbench.report.result import Comparison

TITLE_LIMIT = 128  # W&B's
COLOURS = ("#0072b2", "#c44e00", "#00805a", "#9a4d8e", "#8a6500", "#0e7c86", "#b3123f", "#555555")


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
    if find_spec("wandb_workspaces") is None:
        cure = 'pip install "lr-schedule-bench[report-wandb]"'
        raise ConfigError("--wandb", "", "needs a package that is not installed", cure)
    import wandb_workspaces.reports.v2 as wr
    from wandb_workspaces.reports.v2.internal import ReportViewspec

    report = wr.Report(
        project=project,
        entity=entity or os.environ.get("WANDB_ENTITY") or "",  # an explicit one: else wandb asks the server
        title=f"{c.name}: {c.metric}"[:TITLE_LIMIT],
        description=f"lrbench report of {len(c.arms)} arms",
        width="fluid",
        blocks=[wr.MarkdownBlock(text=markdown.render(c)), _panels(wr, c, project)],
    )
    spec = report._to_model().model_dump(mode="json", by_alias=True, exclude_none=True)
    ReportViewspec.model_validate(json.loads(json.dumps(spec)))
    return WandBReport(spec, report)


def _panels(wr: Any, c: Comparison, project: str) -> Any:
    """Curves over epochs, grouped by arm, and rates."""
    metrics = [*c.curves, *dict.fromkeys(f"lr/{r.group}" for r in c.rates)]
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
    return wr.PanelGrid(runsets=[_runset(wr, c, i, project) for i in range(len(c.arms))], panels=panels)


def _runset(wr: Any, c: Comparison, index: int, project: str) -> Any:
    """The runs of one arm, by their ids; grouped, they are one line."""
    from wandb_workspaces import expr

    arm, colour = c.arms[index], COLOURS[index % len(COLOURS)]
    ids = [o.run_id for o in arm.outcomes]
    return wr.Runset(
        project=project,
        name=arm.name,
        filters=expr.And(expr.Metric("ID").isin(ids)),
        groupby=["group"],
        run_settings={run_id: wr.RunSettings(color=colour) for run_id in ids},
    )
