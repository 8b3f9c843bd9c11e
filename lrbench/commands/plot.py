"""`lrbench plot`: the schedule before training, as a picture and as a chart in the terminal."""

from collections.abc import Sequence
from pathlib import Path

from lrbench.commands import Job, labels, naming
from lrbench.commands.notes import tell_of
from lrbench.config.experiments import experiment_from
from lrbench.errors import ConfigError
from lrbench.experiment.identity import run_id
from lrbench.plots.schedule import Curve, plot_schedules
from lrbench.plots.terminal import chart
from lrbench.schedules import lr_table
from lrbench.store.record import results_folder


def run(jobs: Sequence[Job]) -> int:
    """Draw all jobs' schedules together."""
    experiments, curves = [], []
    for job, label in zip(jobs, labels([j.overrides for j in jobs]), strict=True):
        with naming(label, jobs):
            experiment = experiment_from(job.plain)
            experiments.append(experiment)
            curves.append(Curve(label, experiment.schedule, lr_table(experiment)))
    tell_of(experiments)
    out = jobs[0].plain["out"]
    name = "-".join(run_id(e)[:6] for e in experiments[:4])
    path = Path(out) if out else results_folder(jobs[0].plain["results"]) / "plots" / f"{name}.png"
    try:
        plot_schedules(curves, path)
    except (OSError, ValueError) as error:
        why = f"the picture cannot be written ({error})"
        raise ConfigError("out", path, why, "give another file, as out=lr.png") from error
    print(f"{chart(curves)}\npicture  {path}")
    return 0
