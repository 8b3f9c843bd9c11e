"""`lrbench report`: compare the arms of some runs, as a page, as Markdown and as a W&B report."""

import argparse
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from lrbench.commands import Parser, wandb_report
from lrbench.errors import ConfigError
from lrbench.report import html, markdown, words
from lrbench.report.compare import compare
from lrbench.report.selection import runs_of, sweep_named
from lrbench.store.files import write_json, write_text
from lrbench.store.folder import results_folder
from lrbench.store.store import Store

EPILOG = """examples:
  lrbench report                                     all runs of the results folder
  lrbench report tour                                those of a sweep, by its name
  lrbench report --where model=mlp --name schedules  those of one model
  lrbench report 753c 0051 df13 --baseline CosineAnnealingLR
  lrbench report results/claims/warmup/runs.csv      rows of evidence, without their records
  lrbench report --metric val/loss --json            the comparison for a program, nothing written
  lrbench report --claims                            every claim about schedules, and its verdict

Arms are the runs that differ only in seed; differences are paired by seed. Exit codes: 0 fine, 2 bad usage."""


def run(arguments: Sequence[str]) -> int:
    options = _parser().parse_intermixed_args(arguments)
    store = Store(results_folder(options.results))
    if options.claims:
        return _claims(store, options)
    name = options.name or _name_of(store, options.runs)
    if Path(name).name != name or name in (".", ".."):
        why = "it names a folder, so it can hold no path"
        raise ConfigError("--name", name, why, "--out FOLDER writes elsewhere")
    if options.json and (options.wandb or options.out):
        why = "it prints and writes nothing, so it goes with neither --out nor --wandb"
        raise ConfigError("--json", "", why, "run twice")
    found = compare(runs_of(store, options.runs, options.where), name, options.metric, options.baseline, options.higher)
    if options.json:
        print(json.dumps(found.to_plain(), indent=2))
        store.index.keep()
        return 0
    folder = options.out or store.reports_folder / name
    report = None
    if options.wandb:
        from lrbench.report import wandb

        report = wandb.build(found, options.project, options.entity)
    with _written_to(folder):
        write_text(folder / "index.html", html.render(found))
        write_text(folder / "report.md", markdown.render(found))
        write_json(folder / "comparison.json", found.to_plain())
        if report is not None:
            wandb_report.keep(report, folder)
    store.index.keep()
    print(*filter(None, (words.answer(found), words.finding(found))), sep="\n")
    print(*(f"  {remark}" for remark in words.remarks(found)), sep="\n")
    print(
        f"page      {folder / 'index.html'}\nmarkdown  {folder / 'report.md'}\ndata      {folder / 'comparison.json'}"
    )
    if report is not None:
        print(f"W&B       {report.publish(folder / wandb_report.SPEC)}")
    return 0


def _claims(store: Store, options: argparse.Namespace) -> int:
    """Every claim and its verdict, as a page and as Markdown."""
    from lrbench.claims import page, summary
    from lrbench.claims.published import published
    from lrbench.claims.words import counted

    given = [o for o in ("runs", "where", "metric", "baseline", "name", "json") if getattr(options, o)]
    if given:
        raise ConfigError("--claims", "", "all claims are reported, whatever runs there are", f"leave out {given[0]}")
    told, folder = published(store), options.out or store.results
    text, report = summary.render(told), None
    if options.wandb:
        from lrbench.report import wandb

        report = wandb.build_of(summary.TITLE, text, [], [], options.project, options.entity)
    with _written_to(folder):
        write_text(folder / "README.md", text)
        write_text(folder / "claims.html", page.render(told))
        if report is not None:
            wandb_report.keep(report, folder)
    print(counted(told.claims.values(), told.verdicts))
    print(f"page      {folder / 'claims.html'}\nmarkdown  {folder / 'README.md'}")
    if report is not None:
        print(f"W&B       {report.publish(folder / wandb_report.SPEC)}")
    return 0


@contextmanager
def _written_to(folder: Path) -> Iterator[None]:
    """Raises ConfigError where the disk refuses."""
    try:
        yield
    except OSError as error:
        why = f"the report cannot be written ({error})"
        raise ConfigError("--out", folder, why, "give another folder") from error


def _name_of(store: Store, runs: Sequence[str]) -> str:
    """A sweep's own name where the report is of one sweep."""
    sweep = sweep_named(store, runs[0]) if len(runs) == 1 else None
    return sweep.name if sweep else "runs"


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="lrbench report",
        description="Compare the arms of some runs: means, intervals, unsuccessful runs, curves, paired differences.",
        epilog=EPILOG,
    )
    parser.add_argument(
        "runs",
        nargs="*",
        metavar="RUN",
        help="sweeps or run ids (or their beginnings), record or results folders; or files of evidence (runs.csv), "
        "read as they stand; default: all",
    )
    parser.add_argument(
        "--where",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="only runs whose experiment has this, as scheduler=StepLR; may be repeated",
    )
    _add_question(parser)
    parser.add_argument("--name", help="of the report and its folder (default: the sweep's, else runs)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where to write (default: RESULTS/reports/NAME)")
    parser.add_results()
    parser.add_argument("--json", action="store_true", help="print the comparison as JSON, write nothing")
    parser.add_argument("--claims", action="store_true", help="every claim of the guide and its verdict instead: "
                        "RESULTS/claims.html and RESULTS/README.md")  # fmt: skip
    wandb_report.add_options(parser)
    return parser


def _add_question(parser: Parser) -> None:
    """What is compared, which way it is better, and against which arm."""
    parser.add_argument("--metric", help="what is compared (default: test/accuracy, else test/loss)")
    way = parser.add_mutually_exclusive_group()
    way.add_argument(
        "--higher-is-better",
        dest="higher",
        action="store_const",
        const=True,
        help="more of the metric is better (default: as its name tells; one whose name does not is refused)",
    )
    way.add_argument("--lower-is-better", dest="higher", action="store_const", const=False, help="less of it is better")
    parser.add_argument(
        "--baseline",
        metavar="ARM",
        help="an arm's name, words of it, or an id: differences are from it (default: the first arm)",
    )
