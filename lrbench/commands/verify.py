"""`lrbench verify [RUN...]`: whether what lies in a results folder is what was written."""

from collections import Counter
from collections.abc import Sequence

from rich.console import Console
from rich.progress import track

from lrbench.commands import Parser
from lrbench.plural import plural
from lrbench.report.selection import records_of
from lrbench.store.files import to_json
from lrbench.store.folder import results_folder
from lrbench.store.store import Store
from lrbench.store.verify import Verified, beside_records, verified

DESCRIPTION = """Look at every byte of what lies in a results folder: records with their seals, the checkpoints they
keep, and, without RUN, files of evidence, plans of sweeps and designs of studies.

  whole        every file is what was written
  damaged      a file is not, or is missing; it is named, and the run counts as corrupt from now on (damaged.txt in
               its folder): `lrbench train` keeps the folder aside and trains it anew
  not sealed   trained before records were sealed: its files can be read, and nobody can tell whether they were changed
  under way    it is being trained

Looked at in this way is also every record that is compared, exported, resumed or forked from; other commands look at
sizes and times. A copy has other times, so that each look reads all of it, until `verify` has learnt them.
"""
EXAMPLES = """examples
  lrbench verify                       a whole results folder
  lrbench verify d418f0f7 tour         a run and the runs of a sweep
  lrbench verify /shared/results       another results folder
  lrbench verify --seal                seal what was trained before there were seals, as it lies there now
  lrbench verify --json                for a program: everything, also what is whole

Exit codes: 0 nothing is damaged, 1 something is, 2 bad usage."""


def run(arguments: Sequence[str]) -> int:
    options = _parser().parse_intermixed_args(arguments)
    store = Store(results_folder(options.results))
    console = Console(stderr=True)
    beside = [] if options.runs else [*beside_records(store)]
    records = [*store.records()] if beside else records_of(store, options.runs)
    watched = track(records, "verifying", console=console, transient=True, disable=not console.is_terminal)
    found = [verified(record, options.seal) for record in watched]
    found += beside
    if options.json:
        print(to_json([each.plain() for each in found], indent=2))
    else:
        print("\n".join([*_lines(found), _headline(found)]))
    return 1 if any(each.verdict == "damaged" for each in found) else 0


def _lines(found: Sequence[Verified]) -> list[str]:
    """What is not whole, each in a line, and below it what is wrong."""
    told = [each for each in found if each.verdict != "whole"]
    width = max((len(each.what) for each in told), default=0)
    lines = []
    for each in told:
        lines.append(f"{each.what:{width}}  {each.standing:11}  {each.verdict}")
        lines += [f"    {why}" for why in each.why]
    return lines


def _headline(found: Sequence[Verified]) -> str:
    counts = Counter(each.verdict for each in found)
    kinds = Counter({"evidence": "file", "plan": "file"}.get(each.standing, "record") for each in found)
    many = " and ".join(plural(n, kind) for kind, n in sorted(kinds.items(), reverse=True))
    return f"{many}: {', '.join(f'{n} {verdict}' for verdict, n in counts.most_common())}"


def _parser() -> Parser:
    parser = Parser(prog="lrbench verify", description=DESCRIPTION, epilog=EXAMPLES)
    parser.add_argument("runs", nargs="*", metavar="RUN", help="run ids, sweeps, record or results folders (all)")
    parser.add_results()
    parser.add_argument("--seal", action="store_true", help="seal runs that are done and have no seal")
    parser.add_argument("--json", action="store_true", help="a list, for a program")
    return parser
