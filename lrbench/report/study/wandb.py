"""A study as a W&B report: its Markdown, over the curves of the runs that its verdicts rest on."""

from lrbench.report.study import markdown
from lrbench.report.study.words import title
from lrbench.report.wandb import WandBReport, build_of
from lrbench.study.design import Design
from lrbench.study.result import Result


def build(design: Design, result: Result, project: str, entity: str | None = None) -> WandBReport:
    """Made and validated without a server; its panels show the runs that `lrbench wandb export` brought there.

    Raises ConfigError without wandb-workspaces.
    """
    rules = design.rules
    ids: dict[str, dict[str, None]] = {arm: {} for arm in rules.arms}
    for task in result.tasks:
        for c in task.contrasts:
            for pair in c.pairs:
                ours, theirs = pair.runs
                ids[c.arm][ours] = ids[rules.baseline][theirs] = None
    arms = [(arm, list(runs)) for arm, runs in ids.items() if runs]
    name = f"{design.name}: {title(design)}"
    return build_of(name, markdown.render(design, result), arms, ["train/loss", rules.judge], project, entity)
