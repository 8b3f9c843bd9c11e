"""`lrbench plot`: the schedule before training, as a picture, a page or numbers, and as a chart in the terminal."""

import re
from collections.abc import Sequence
from pathlib import Path

from lrbench.commands import Job, labels, naming, require_folder
from lrbench.commands.notes import linter_of, print_notes
from lrbench.config.experiments import experiment_from, settings_from
from lrbench.errors import ConfigError
from lrbench.experiment import Experiment
from lrbench.experiment.identity import run_id
from lrbench.plots.curve import Scale, ScheduleCurve
from lrbench.plots.plain import plain
from lrbench.plots.terminal import chart
from lrbench.schedules import lr_table
from lrbench.store.files import to_json
from lrbench.store.folder import results_folder

ABOUT_THE_PICTURE = ("out", "plot", "results")


def run(jobs: Sequence[Job], json: bool = False) -> int:
    """Draw all jobs' schedules together; with `json`, print their numbers instead, and draw where a file is named.
    Raises ConfigError for a file in a folder that is not there."""
    require_folder(jobs[0].plain["out"], jobs[0].plain["results"])
    experiments, curves = [], []
    shown = [_of_schedule(job) for job in jobs]
    for job, label in zip(jobs, labels(shown), strict=True):
        with naming(label, jobs):
            experiment = experiment_from(job.plain)
            experiments.append(experiment)
            curves.append(ScheduleCurve(label, experiment.schedule, lr_table(experiment)))
    asked = jobs[0].plain
    accepts = [settings_from(job.plain).accepts for job in jobs]
    print_notes(experiments, linter_of(results_folder(asked["results"])), accepts)
    path = None
    if asked["out"] or not json:
        path = Path(asked["out"]) if asked["out"] else _picture_of(experiments, asked["results"])
        _write(curves, path, shown, asked["plot"]["scale"])
    if json:
        told = [{"run_id": run_id(e), **plain(c)} for e, c in zip(experiments, curves, strict=True)]
        print(to_json({"schedules": told, "picture": None if path is None else str(path)}))
        return 0
    print(f"{chart(curves, asked['plot']['scale'])}\n{'page   ' if _is_page(path) else 'picture'}  {path}")
    return 0


def _picture_of(experiments: Sequence[Experiment], results: str | None) -> Path:
    name = "-".join(run_id(e)[:6] for e in experiments[:4])
    return results_folder(results) / "plots" / f"{name}.png"


def _is_page(path: Path | None) -> bool:
    return path is not None and path.suffix.lower() in (".html", ".htm")


def _of_schedule(job: Job) -> list[str]:
    """The overrides without those that say how and where it is drawn."""
    return [o for o in job.overrides if re.split(r"[.=]", o.lstrip("+~"))[0] not in ABOUT_THE_PICTURE]


def _write(curves: Sequence[ScheduleCurve], path: Path, commands: Sequence[Sequence[str]], scale: Scale) -> None:
    """The file that is asked for, in the format that its ending says. Raises ConfigError."""
    try:
        if _is_page(path):
            from lrbench.report.schedules import render

            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(render(curves, commands, scale))
        else:
            from lrbench.plots.schedule import plot_schedules  # matplotlib, which takes a while, and no page needs

            plot_schedules(curves, path, scale)
    except ValueError as error:  # matplotlib's, which knows of no page
        cure = "end it in .png, .svg or .pdf, or in .html for a page, as out=lr.png"
        raise ConfigError("out", path, f"nothing of the kind '{path.suffix}' can be drawn", cure) from error
    except OSError as error:
        why = f"the picture cannot be written ({error})"
        raise ConfigError("out", path, why, "give another file, as out=lr.png") from error
