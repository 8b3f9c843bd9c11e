"""`lrbench check`: mistakes in a schedule, found before they cost compute."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from lrbench import CONF, __version__
from lrbench.check.cures import cured
from lrbench.check.finding import without_replaced
from lrbench.check.linter import IDS, Linter
from lrbench.check.proposed import Cure, Proposed
from lrbench.check.report import Report, text
from lrbench.check.sarif import sarif as to_sarif
from lrbench.commands import Job, labels, naming
from lrbench.commands.notes import linter_of
from lrbench.config.compose import compose
from lrbench.config.experiments import experiment_from, settings_from
from lrbench.config.hydra_errors import explain
from lrbench.errors import ConfigError
from lrbench.experiment import Experiment
from lrbench.schedules.remark import Contrary
from lrbench.store.files import to_json


def run(jobs: Sequence[Job], json: bool = False, sarif: str = "") -> int:
    """Check all jobs; 1 where there is an error that is not accepted, or with strict=true a warning."""
    settings = settings_from(jobs[0].plain)
    linter, reports = linter_of(settings.results), []
    for job, label in zip(jobs, labels([j.overrides for j in jobs]), strict=True):
        with naming(label, jobs):
            reports.append(_report(job, label, linter))
    if sarif:
        _write(sarif, to_json(to_sarif(reports, IDS, __version__, _file(jobs[0])), indent=1))
    print(to_json({"jobs": [r.to_plain() for r in reports]}, indent=1) if json else text(reports))
    stops = ("error", "warning") if settings.strict else ("error",)
    return int(any(f.severity in stops for r in reports for f in r.open))


def _report(job: Job, label: str, linter: Linter) -> Report:
    def made(cure: Cure = ()) -> Experiment:
        if not cure:
            return experiment_from(job.plain)
        kept, _ = without_replaced(job.overrides, cure)
        try:
            composed = compose([*kept, *cure])
        except Exception as error:  # Hydra's own: this cure does not go with the others
            raise explain(error, [*kept, *cure]) from error
        return experiment_from(composed)

    return report(label, job.overrides, made, settings_from(job.plain).accepts, linter)


def report(
    label: str,
    overrides: Sequence[str],
    made: Callable[[Cure], Experiment],
    accepts: Mapping[str, str],
    linter: Linter,
) -> Report:
    """What is found of an experiment, each cure tried. made: the experiment of the overrides, some of them added."""
    try:
        found: Sequence[Proposed] = linter(made(()))
    except Contrary as refused:
        found = [Proposed(rule=refused.rule, severity="error", says=str(refused), cures=refused.cures)]
    findings = tuple(cured(found, lambda cure: linter(made(cure))))
    verdicts = {f.claim: v for f in findings if f.claim and (v := linter.verdicts(f.claim))}
    return Report(label, tuple(overrides), findings, accepts, verdicts)


def _file(job: Job) -> str:
    """The option file that says most of a job: that of its recipe, else of its scheduler."""
    choices = job.hydra["runtime"]["choices"]
    name = f"recipe/{choices['recipe']}" if choices.get("recipe") else f"scheduler/{choices['scheduler']}"
    folders = [s["path"] for s in job.hydra["runtime"]["config_sources"] if s["provider"] == "command-line"]
    for folder in (*map(Path, folders), CONF):
        path = (folder / f"{name}.yaml").resolve()
        if path.exists() and path.is_relative_to(Path.cwd()):
            return path.relative_to(Path.cwd()).as_posix()
    return f"conf/{name}.yaml"


def _write(path: str, content: str) -> None:
    try:
        Path(path).write_text(f"{content}\n")
    except OSError as error:
        why = f"it cannot be written ({error.strerror})"
        cure = "give a file in a folder that is there, as --sarif findings.sarif"
        raise ConfigError("--sarif", path, why, cure) from error
