"""A sweep's plan: every run once, parents before children, how each stands, and what the rest will cost."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from lrbench.engine.outcome import device_here
from lrbench.engine.state import choose_device
from lrbench.errors import ConfigError
from lrbench.experiment import Experiment, Start
from lrbench.experiment.identity import title
from lrbench.plural import plural
from lrbench.store.record import DONE, Look, Record
from lrbench.store.record_files import tested
from lrbench.store.store import Store
from lrbench.sweep.cost import Cost, cost_of
from lrbench.sweep.entry import Entry

# How a run stands, in the words and the order of a plan.
WORDS = {
    "finished": "done",
    "diverged": "diverged",
    "untested": "done, to be tested",
    "committed": "in committed evidence, to be restored",
    "uncommitted": "in evidence not committed yet, to be restored",
    "running": "running elsewhere",
    "interrupted": "resumable",
    "failed": "failed",
    "corrupt": "damaged, to be trained anew",
    "again": "to be trained again",
    "new": "new",
}
HINT = "(--skip-invalid leaves refused runs of a sweep out.)"
LISTED = 20  # runs of one standing that a listing names


@dataclass(frozen=True)
class Refused:
    """A job that cannot be, and why."""

    label: str
    reason: str
    cause: ConfigError | None = field(default=None, compare=False)  # where it was refused in this process

    def error(self) -> ConfigError:
        """The refusal of a whole sweep for it."""
        return ConfigError("", "", f"in the run '{self.label}': {self.reason}", HINT)


@dataclass(frozen=True)
class Plan:
    """Frozen entries, each experiment once; a parent stands before the runs that fork from it.

    `jobs` = the run id of each job that was asked for, in its order: equal ones have one run, None was left out and is
    one of `refused`. `here` = whether they are trained on this machine's device.
    """

    entries: tuple[Entry, ...]
    jobs: tuple[str | None, ...]
    refused: tuple[Refused, ...] = ()
    here: bool = True

    @cached_property
    def standings(self) -> dict[str, str]:
        """How every run stood when first asked, by run id: a key of WORDS."""
        return {e.run_id: _standing(e, self.looks[e.run_id], self.store) for e in self.entries}

    @cached_property
    def looks(self) -> dict[str, Look]:
        """What every run's record said when first asked, by run id: each is looked at once."""
        return {e.run_id: look_at(e.record) for e in self.entries}

    @cached_property
    def store(self) -> Store:
        """Of the folder that all entries share: its evidence is read once a plan."""
        return Store(self.entries[0].settings.results)

    @cached_property
    def to_do(self) -> tuple[Entry, ...]:
        """The entries that training has something to do for: `failed` ones only if retried."""
        rest = ("finished", "diverged", "failed")
        return tuple(e for e in self.entries if self.standings[e.run_id] not in rest)

    @cached_property
    def cost(self) -> Cost:
        device = device_here(choose_device(self.entries[0].settings.device)) if self.here else None
        without = ("untested", "committed", "uncommitted")
        return cost_of(
            self.entries, [e for e in self.to_do if self.standings[e.run_id] not in without], self.looks, device
        )

    def headline(self) -> str:
        """`36 runs: 10 done, 26 new`."""
        asked = sum(job is not None for job in self.jobs)
        jobs = f" (of {asked} jobs; equal ones are one run)" if asked > len(self.entries) else ""
        runs = plural(len(self.entries), "run")
        return f"{runs}: {counted(self.standings.values())}{jobs}"

    def remarks(self) -> Iterator[str]:
        """What becomes of runs that another process trains, how failed ones are tried again, and which evidence does
        not count."""
        counts = Counter(self.standings.values())
        if n := counts["running"]:
            yield f"beside   another process trains {n} of these runs; they are followed at the end"
        if n := counts["failed"]:
            yield f"failed   {n} of these runs; retry=true goes on from their last checkpoints"
        asked = [e.run_id for e in self.entries if self.standings[e.run_id] in ("new", "committed", "uncommitted")]
        if asked:
            modified = self.store.evidence.modified
            yield from (f"evidence {modified[key]}" for key in asked if key in modified)

    def cost_line(self, workers: int) -> str:
        """What is left to do, in words; empty when nothing is."""
        seconds, known, unknown, devices = self.cost
        if not known + unknown:
            return ""
        if not known:
            return "cost     unknown: no record and no row has the same model, data and batch size"
        share = f", {duration(seconds / workers)} with {workers} workers" if workers > 1 else ""
        rest = f"; unknown for {unknown} more" if unknown else ""
        where = f"; timed on {', '.join(devices)}" if devices else ""
        return f"cost     about {duration(seconds)} of training{share}{rest}{where}"

    def listing(self) -> Iterator[str]:
        """The runs by standing, and what was refused, in lines."""
        for standing, word in WORDS.items():
            runs = [e for e in self.entries if self.standings[e.run_id] == standing]
            yield from _listed(f"{word} ({len(runs)})", [f"{e.run_id[:8]}  {e.label}" for e in runs])
        yield from self.refusals()

    def refusals(self) -> Iterator[str]:
        """What was left out, in lines."""
        yield from _listed(f"left out ({len(self.refused)})", [f"{r.label}: {r.reason}" for r in self.refused])


def counted(standings: Iterable[str]) -> str:
    """`10 done, 26 new`."""
    counts = Counter(standings)
    return ", ".join(f"{counts[s]} {word}" for s, word in WORDS.items() if counts[s])


def make_plan(jobs: Sequence[Entry | Refused], here: bool = True) -> Plan:
    """Deduplicate by run id and put parents first. Raises ConfigError for an empty sweep, or one over two stores."""
    entries, refused = [j for j in jobs if isinstance(j, Entry)], [j for j in jobs if isinstance(j, Refused)]
    if not entries:
        cure = "give at least one job"
        if refused:
            cure = f"the first of {len(refused)} refused jobs is '{refused[0].label}': {refused[0].reason}"
        raise ConfigError("", "", "the sweep is empty", cure)
    folders = sorted({str(e.settings.results) for e in entries})
    if len(folders) > 1:
        raise ConfigError("results", ",".join(folders), "the records of a sweep lie in one folder", "give one")
    runs: dict[str, Entry] = {}
    for entry in entries:
        for each in (*_parents(entry), entry):
            runs[each.run_id] = _merged(runs[each.run_id], each) if each.run_id in runs else each
    ordered = sorted(runs.values(), key=lambda e: generation(e.experiment))
    ids = tuple(j.run_id if isinstance(j, Entry) else None for j in jobs)
    return Plan(tuple(ordered), ids, tuple(refused), here)


def _parents(entry: Entry) -> Iterator[Entry]:
    """The runs that an entry forks from, the eldest first, as entries that keep the checkpoint it needs."""
    start: Start | None = entry.experiment.start
    if start is None:
        return
    keep = ("end",) if start.at == "plateau" else tuple(dict.fromkeys(("end", start.at)))
    settings = replace(entry.settings, force=False, keep=keep, test=False)
    parent = Entry(f"parent {title(start.of)}", start.of, settings)
    yield from _parents(parent)
    yield parent


def _merged(one: Entry, other: Entry) -> Entry:
    """The same run asked for twice: the one that was asked for itself, keeping every checkpoint either needs."""
    first, second = (one, other) if one.number is not None else (other, one)
    keep = tuple(dict.fromkeys((*first.settings.keep, *second.settings.keep)))
    return first if keep == first.settings.keep else replace(first, settings=replace(first.settings, keep=keep))


def generation(experiment: Experiment) -> int:
    return 0 if experiment.start is None else 1 + generation(experiment.start.of)


def look_at(record: Record) -> Look:
    """Where no seal covers a record every file is read: what is damaged would never be trained again."""
    return record.glance() if record.sealed() else record.look()


def _standing(entry: Entry, look: Look, store: Store) -> str:
    standing, settings = look.standing, entry.settings
    if (standing in (*DONE, "failed") and settings.force) or (standing == "failed" and settings.retry):
        return "again"
    if standing == "finished" and settings.test and not tested(look.summary):
        return "untested"
    if standing == "new" and not settings.force and (row := store.evidence.find(entry.run_id)):
        return "committed" if row.committed else "uncommitted"
    return standing


def _listed(head: str, lines: Sequence[str]) -> Iterator[str]:
    if lines:
        yield head
        yield from (f"  {line}" for line in lines[:LISTED])
        if len(lines) > LISTED:
            yield f"  ... and {len(lines) - LISTED:,} more"


def duration(seconds: float) -> str:
    """`4 s`, `3 min`, `2.5 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
