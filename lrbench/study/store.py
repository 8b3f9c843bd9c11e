"""Where studies lie: `<results>/studies/NAME/` holds the frozen design, the rows of its runs, and what was found."""

from collections.abc import Iterable
from itertools import product
from pathlib import Path

from lrbench.errors import ConfigError
from lrbench.experiment.identity import run_id
from lrbench.store.export import write_rows, write_runs
from lrbench.store.files import of_format, write_json
from lrbench.store.record import Record
from lrbench.store.rows import ROWS
from lrbench.store.run import Run
from lrbench.store.store import Store
from lrbench.study.cells import Cell
from lrbench.study.confirmation import seeds_of
from lrbench.study.design import Design, Existed, from_plain_design, key_of

LOOKED_FOR = 10  # pairs
FORMAT = 1  # raised when a design.json of before cannot be read any more
DESIGN, VERDICT = "design.json", "verdict.json"


def frozen(folder: Path) -> Design | None:
    """The design that was frozen there; None for none. Raises ConfigError for one that cannot be believed."""
    path = folder / DESIGN
    try:
        plain = of_format(path.read_text(), FORMAT)
        return from_plain_design(plain)
    except (FileNotFoundError, NotADirectoryError):  # `freeze` says of the second why nothing can be written
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        why = f"the design cannot be read ({type(error).__name__}: {error})"
        raise ConfigError(str(path), "", why, "take it from the commit that froze it, or remove the folder") from error


def freeze(design: Design, folder: Path) -> None:
    """Keep a design for good. Raises ConfigError where the disk refuses."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / DESIGN, {"format": FORMAT, **design.to_plain()})
    except OSError as error:
        why = f"the design cannot be written ({error.strerror or error}); nothing was trained"
        raise ConfigError(str(folder / DESIGN), "", why, "Make room, or give another results folder") from error


def set_aside(folder: Path, results: Path) -> Path:
    """Move a study away, its evidence and the plan of its sweep with it; where it lies then."""
    name = next(
        f"{folder.name}.old-{n}" for n in range(1, 10_000) if not folder.with_name(f"{folder.name}.old-{n}").exists()
    )
    sweep = Store(results).sweeps_folder / folder.name
    if sweep.exists():
        sweep.rename(sweep.with_name(name))
    return folder.rename(folder.with_name(name))


def existing(design: Design, store: Store) -> Existed:
    """The runs that could confirm the design and are done already. Those of the first ten pairs are looked for: whoever
    has made others has made these."""
    rules = design.rules
    values = [None] if not rules.varies else _reachable(design)
    seeds = seeds_of(rules, rules.least_pairs, rules.looks)
    found: dict[str, dict[str, dict[str, int]]] = {}
    for task, arm, value in product(rules.tasks, rules.arms, values):
        cells = [Cell(task, arm, value, seed, measured=not rules.reads) for seed in seeds[:LOOKED_FOR]]
        many = sum(store.done(run_id(design.experiment(cell))) is not None for cell in cells)
        if many:
            found.setdefault(task, {}).setdefault(arm, {})[key_of(value)] = many
    return found


def _reachable(design: Design) -> list[float | None]:
    t = design.rules.tuning
    assert t is not None
    return [t.value(k) for k in range(t.points - t.at_most, t.at_most)]


def keep_rows(folder: Path, records: Iterable[Record], runs: Iterable[Run] = ()) -> None:
    """Add runs that are done to the study's evidence: of records, with the parents of forks, and such as were read from
    elsewhere."""
    write_rows(records, folder / ROWS)
    write_runs(runs, folder / ROWS)
