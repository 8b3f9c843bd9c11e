"""A results folder: the one place that knows where things lie in it."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from lrbench.errors import ConfigError
from lrbench.store.evidence import Evidence, evidence_under
from lrbench.store.index import Index
from lrbench.store.record import DONE, Record
from lrbench.store.run import Run, Unread, of_row, read, read_whole


@dataclass(frozen=True)
class Store:
    """Records under runs/, plans under sweeps/, and evidence anywhere else. Nothing is read before it is asked for."""

    results: Path

    @property
    def folder(self) -> Path:
        """Where the records lie."""
        return self.results / "runs"

    @property
    def sweeps_folder(self) -> Path:
        return self.results / "sweeps"

    @property
    def studies_folder(self) -> Path:
        return self.results / "studies"

    @property
    def claims_folder(self) -> Path:
        return self.results / "claims"

    @property
    def find_lr_folder(self) -> Path:
        return self.results / "find_lr"

    @property
    def reports_folder(self) -> Path:
        return self.results / "reports"

    @cached_property
    def evidence(self) -> Evidence:
        """Rows of evidence, as they stand when this is first asked."""
        return evidence_under(self.results, without=self.folder)

    @cached_property
    def index(self) -> Index:
        """Of the records: what a query needs of each. Who has asked it and was not refused keeps it."""
        return Index(self.folder)

    def record(self, run_id: str) -> Record:
        """The record of a run, whether it is there or not."""
        return Record(self.folder / run_id)

    def done(self, run_id: str) -> Run | None:
        """A run that is finished or diverged, by its record, every byte of which is looked at, else by its row of
        evidence; None where it is neither. Raises ConfigError for evidence that cannot be trusted."""
        record = self.record(run_id)
        run = read_whole(record)
        if isinstance(run, Run):
            return run if run.standing in DONE else None
        if run.standing == "corrupt":
            record.examine()  # noted, so that it is trained anew
        row = self.evidence.find(run_id) if run.standing == "new" else None
        return None if row is None else of_row(row)

    def records(self) -> list[Record]:
        """All records, by their ids; those set aside are not among them."""
        return [Record(p) for p in sorted(self.folder.glob("*")) if _is_record(p)]

    def runs(self) -> list[Run | Unread]:
        """Every record, read once."""
        return [read(record) for record in self.records()]

    def find(self, name: str) -> Record:
        """The record whose id begins with `name`, or whose folder it is. Raises ConfigError for none or several."""
        if any((Path(name) / file).exists() for file in ("experiment.yaml", "status.json")):
            return Record(Path(name).resolve())
        found = [record for record in self.records() if record.run_id.startswith(name)]
        if len(found) == 1:
            return found[0]
        if found:
            more = f" and {len(found) - 5} more" if len(found) > 5 else ""
            why = f"several records begin so ({', '.join(r.run_id for r in found[:5])}{more})"
            raise ConfigError(name, "", why, "give more of the id")
        raise ConfigError(
            name,
            "",
            f"no record under {self.folder} begins so",
            "`lrbench runs` lists them, and $LRBENCH_RESULTS looks elsewhere (or --results FOLDER; results=FOLDER "
            "among overrides)",
        )

    def sweeps(self, name: str = "") -> list[Path]:
        """The folders of sweeps that `name` may mean, the latest last: the one that it is or leads to, else all whose
        names begin so."""
        if name and (Path(name) / "sweep.json").exists():
            return [Path(name).resolve()]
        found = sorted((p.parent for p in self.sweeps_folder.glob("*/sweep.json")), key=_when)
        return [f for f in found if f.name == name] or [f for f in found if f.name.startswith(name)]

    def sweep(self, name: str) -> Path:
        """The folder of the sweep whose name is, or begins with, `name`, or whose folder it is. Raises ConfigError."""
        found = self.sweeps(name)
        if len(found) == 1:
            return found[0]
        listed = ", ".join(f.name for f in (found or self.sweeps())[:10])
        why = "several sweeps begin so" if found else "no sweep begins so"
        raise ConfigError(
            name,
            "",
            f"{why} under {self.sweeps_folder}{f' ({listed})' if listed else ', where there is none'}",
            "`lrbench status` lists them, --results FOLDER (or $LRBENCH_RESULTS) looks elsewhere",
        )


def store_of(folder: Path) -> Store:
    """The store that a record's or a sweep's folder lies in."""
    return Store(folder.parents[1])


def _is_record(path: Path) -> bool:
    return "." not in path.name and path.is_dir()


def _when(folder: Path) -> float:
    return max(p.stat().st_mtime for p in (folder / "sweep.json", folder / "jobs.json") if p.exists())
