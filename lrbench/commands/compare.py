"""`lrbench compare`: ask a question of several arms, and train until it has its verdict."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import repeat
from pathlib import Path

from lrbench.claims.asked import keep_asked
from lrbench.commands import Parser, wandb_report
from lrbench.commands.compare_design import design_of
from lrbench.commands.notes import linter_of, print_notes
from lrbench.config.claim import claim_designs, own_designs
from lrbench.config.compose import compose
from lrbench.config.experiments import settings_from
from lrbench.config.launcher import workers_of
from lrbench.config.study_files import studies, study_files
from lrbench.config.typed_study import apart
from lrbench.errors import INTERRUPTED, ConfigError
from lrbench.experiment import Settings
from lrbench.experiment.identity import run_id
from lrbench.store.record import DONE
from lrbench.store.store import Store
from lrbench.study.bench import TARGET, Bench
from lrbench.study.design import Design
from lrbench.study.result import Result
from lrbench.study.store import existing, freeze, frozen, keep_rows
from lrbench.sweep.carry_out import worker_count
from lrbench.sweep.display import Display
from lrbench.sweep.entry import Entry
from lrbench.sweep.freeze import as_trained
from lrbench.sweep.slurm.options import Slurm
from lrbench.sweep.stages import Staged, carry_out_stages, staged
from lrbench.trust import named_in, require_known

KEPT_EVERY = 10  # runs, after which their rows are added to the study's evidence

EPILOG = """examples
  lrbench compare model=mlp horizon=10ep scheduler=constant,cosine,multistep
  lrbench compare recipe=cnn_paper_tiny,cnn_modern_tiny --swap
  lrbench compare scheduler=constant,cosine --detect 1% --dry-run
  lrbench compare NAME                    a study by its name: run it, go on with it, or read its answer again
  lrbench compare                         the studies that have a name

Each arm's rate is tuned on seeds of its own; the arms are then compared in pairs on fresh seeds, at most twice. What is
done is not trained again, and the same command goes on after an interruption, here or with hydra/launcher=slurm. The
first arm is the baseline. Results lie in RESULTS/studies/NAME/.

A study's file, conf/study/NAME.yaml or study/NAME.yaml under --config-dir, as `conf/study/decay_fashion.yaml`:
  question, reasons                   in words
  set, tasks, arms, baseline          overrides that all share; those of each task and arm, by its name
  kind                                what is asked: difference (of the metric), no worse, equal (within a margin),
                                      fraction (of the baseline's), success (how often), spread (how far apart seeds
                                      lie); or, of the values of a grid, threshold (the highest that succeeds),
                                      optimum (the best), width (of those that are good: `within: 1%` of the best)
  estimand, rate                      tuned, swap or both; of a swap, as given or baseline tuned
  claims, primary                     by arm: low, high, margin; the arms whose verdicts are one family
  tuning                              key, first, factor, points, at_most, seeds, more, best
  pairs or detect, most_pairs, looks  how many pairs, or the gain to be found; 1 look or 2
  metric, higher, budget, replicate
  like                                another study beside it, for what this one does not say: a second task is
                                      `like: decay_fashion` and `set: [model=mlp]`

Exit codes: 0 the study has its result, 1 a run failed, 2 bad usage, 130 stopped."""


def run(arguments: Sequence[str]) -> int:
    options = _parser().parse_intermixed_args(arguments)
    words, here, hydra = apart(options.words)
    if not words and not options.arm:
        print(studies(options.config_dir))
        return 0
    if options.wandb:
        wandb_report.require(options.dry_run)
    settings = _settings(here)
    design, folder = design_of(options, words, settings)
    if frozen(folder) is not None:
        require_known(design.to_plain(), named_in(_own_words(options)), "study", folder.name)
    workers = workers_of(hydra)
    if options.noise is not None and not options.dry_run:
        raise ConfigError("--noise", options.noise, "it tells what can be found beforehand", "add --dry-run")
    if options.dry_run:
        forecast = _forecast(design, folder, settings, workers, options.noise)
        _tell(design, settings)
        print(forecast)
        return 0
    if frozen(folder) is None:
        _require_own_name(folder, settings)
        existed = existing(design, Store(settings.results))
        design = replace(design, fresh=not existed, existed=existed)
        keep_asked(folder, {**claim_designs(), **(own_designs(options.config_dir) if options.config_dir else {})})
        freeze(design, folder)
        _tell(design, settings)
    return _carry_out(design, folder, settings, workers, options)


def _own_words(options: argparse.Namespace) -> Iterator[str]:
    """What the person says: on the command line, in levels and studies of their own."""
    yield from (*options.words, *options.arm)
    own = Path(options.config_dir).rglob("*.yaml") if options.config_dir else ()
    yield from (path.read_text(errors="replace") for path in (*own, *study_files(None).values()))


def _tell(design: Design, settings: Settings) -> None:
    """What the linter has against the arms."""
    print_notes(design.each_arm(), linter_of(settings.results), repeat(settings.accepts))


def _require_own_name(folder: Path, settings: Settings) -> None:
    """Raises ConfigError where a sweep has the study's name: its runs would be taken for the study's."""
    sweep = Store(settings.results).sweeps_folder / folder.name
    if sweep.exists() and staged(sweep) is None:
        cure = "give the study another one with --name"
        raise ConfigError("--name", folder.name, "a sweep of this results folder has this name", cure)


def _settings(here: Sequence[str]) -> Settings:
    """Of every run. No tracker unless it is asked for: a study has hundreds of runs, and `lrbench wandb export` brings
    them there."""
    asked = list(here) if any(o.startswith("tracker=") for o in here) else [*here, "tracker=none"]
    settings = settings_from(compose(asked))
    if settings.force:
        why = "which runs a study needs follows from what is done"
        raise ConfigError("force", True, why, "leave it out; --replicate 1 makes all runs anew, on other seeds")
    return settings


class _Keeping(Display):
    """Adds rows to the study's evidence as runs are done."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder, self._new = folder, list[Entry]()

    def ended(self, place: int, entry: Entry, how: str, why: str) -> None:
        super().ended(place, entry, how, why)
        if how in DONE:
            self._new.append(entry)
        if len(self._new) >= KEPT_EVERY:
            self.keep()

    def keep(self) -> None:
        keep_rows(self._folder, [e.record for e in self._new])
        self._new.clear()


def _carry_out(
    design: Design, folder: Path, settings: Settings, workers: int | Slurm | None, options: argparse.Namespace
) -> int:
    """Train what is missing, stage by stage, then conclude."""
    print(f"{design.name}: {design.question or ' against '.join(design.rules.arms)} ({folder})", file=sys.stderr)
    slurm = workers if isinstance(workers, Slurm) else None

    def bench() -> Bench:
        store = Store(settings.results)
        return Bench(design, lambda experiment: store.done(run_id(as_trained(experiment, slurm))))

    seen = bench()
    found = seen.next()
    if not isinstance(found, Result):
        with _Keeping(folder) as display:
            outcome = carry_out_stages(_staged(design, folder, settings), workers, display)
            display.keep()
        if outcome.end != "done":
            print(f"lrbench: {outcome.end}; the same command goes on from there.", file=sys.stderr)
            return 0 if outcome.end == "left" else INTERRUPTED
        seen = bench()  # what has been trained since
        found = seen.next()
    if not isinstance(found, Result):
        why = f"{len(found.cells)} runs of its stage '{found.stage}' have failed"
        print(f"lrbench: {why}; `lrbench status {folder.name}` says how; retry=true tries them again", file=sys.stderr)
        return 1
    from lrbench.claims.studies import Studies
    from lrbench.report.study import write

    keep_rows(folder, [], seen.runs.values())
    print(write(design, found, folder, Studies(Store(settings.results)).repeated(design)))
    if options.wandb:
        from lrbench.report.study import wandb

        report = wandb.build(design, found, options.project, options.entity)
        print(f"W&B   {report.publish(wandb_report.keep(report, folder))}")
    return 0


def _staged(design: Design, folder: Path, settings: Settings) -> Staged:
    asked = replace(settings, test=design.rules.metric.startswith("test/"))
    return Staged(folder.name, TARGET, design.to_plain(), asked)


def _forecast(design: Design, folder: Path, settings: Settings, workers: int | Slurm | None, noise: str | None) -> str:
    """Nothing is written. Raises ConfigError for a --noise that is no study with a result."""
    from lrbench.report.study.forecast import forecast, noise_of

    slurm = workers if isinstance(workers, Slurm) else None
    plan = _staged(design, folder, settings).plan(slurm)
    many = slurm.max_parallel or 1 if slurm else worker_count(plan, workers) if plan else 1  # type: ignore[arg-type]
    source = None if noise is None else noise_of(Store(settings.results).studies_folder / noise, design.rules)
    return forecast(design, plan, many, source)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="lrbench compare",
        options=True,
        description="Compare arms fairly: each at its own tuned rate, in pairs on fresh seeds, with a verdict.",
        epilog=EPILOG,
    )
    parser.add_argument("words", nargs="*", metavar="NAME | key=value", help="a study's name, or overrides: what has "
                        "several values makes the arms, the rest they share")  # fmt: skip
    parser.add_argument(
        "--arm", action="append", default=[], metavar="ARM", help="'NAME: OVERRIDE ...', an arm of its own"
    )
    parser.add_argument("--baseline", metavar="ARM", help="what the others are compared with (default: the first arm)")
    parser.add_argument("--metric", help="what is concluded from (default: test/accuracy where it is measured)")
    many = parser.add_mutually_exclusive_group()
    many.add_argument("--pairs", type=int, metavar="N", help="pairs of runs in the first look (default: 10)")
    found = (
        "as many pairs as find this gain with 80 %% power, in the metric's own unit; of a share also in points: 0.5%%"
    )
    many.add_argument("--detect", metavar="GAIN", help=found)
    parser.add_argument("--swap", action="store_true", help="compare the arms as they are given; nothing is tuned")
    parser.add_argument("--replicate", type=int, default=0, metavar="R", help="the same study on other seeds")
    parser.add_argument("--name", help="of the study and its folder")
    parser.add_argument("--new-design", action="store_true", help="put another design in the place of a frozen one, "
                        "which is kept with its evidence")  # fmt: skip
    parser.add_argument(
        "--dry-run", action="store_true", help="stages, runs, cost and what can be found; train nothing"
    )
    parser.add_argument(
        "--noise", metavar="STUDY", help="with --dry-run: what can be found with the noise of that study"
    )
    wandb_report.add_options(parser)
    parser.add_argument("--config-dir", "-cd", metavar="DIR", help="a folder with levels and studies of your own")
    return parser
