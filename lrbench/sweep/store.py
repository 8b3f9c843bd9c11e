"""A plan on disk: `<results>/sweeps/<name>/sweep.json`, frozen experiments as plain data."""

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lrbench import __version__
from lrbench.errors import ConfigError
from lrbench.store.record import write_text
from lrbench.store.store import Store
from lrbench.sweep.entry import Entry, from_payload
from lrbench.sweep.plan import Plan, Refused

FORMAT = 1  # raised when a sweep.json of before cannot be read any more


@dataclass(frozen=True)
class Sweep:
    """A plan with its name and folder, and when, by which lrbench and from which overrides it was made."""

    folder: Path
    plan: Plan
    overrides: tuple[str, ...] = ()
    planned: str = ""
    lrbench: str = __version__

    @property
    def name(self) -> str:
        return self.folder.name

    def whereabouts(self) -> str:
        """Where it is, and the command that compares its runs."""
        return f"sweep    {self.folder}\ncompare  lrbench report {self.name}"

    def save(self) -> None:
        """Write it in one step, unless the same stands there already, or more with it: of a part of a sweep the whole
        is kept. Raises ConfigError where another sweep of this name is, and where the disk refuses."""
        path, plain = self.folder / "sweep.json", _plain(self)
        stored = stored_entries(path)
        self._require_own_name(stored)
        if all(_alike(stored.get(e["run_id"]), e) for e in plain["entries"]):
            return
        try:
            write_text(path, json.dumps(plain, separators=(",", ":")) + "\n")
        except OSError as error:
            raise ConfigError(
                f"{path}: the plan cannot be written ({error.strerror or error}); nothing was trained. Make room, or "
                "give another folder with results=FOLDER."
            ) from error

    def _require_own_name(self, stored: Mapping[str, Any]) -> None:
        mine, there = {e.run_id for e in self.plan.entries}, {*stored}
        if not (there <= mine or mine <= there):
            raise ConfigError(
                f"{self.folder}: another sweep has this name: {len(there - mine)} of its {len(there)} runs are none of "
                f"this one's. Give this one a name of its own, as in --name {self.name}-2; nothing was trained."
            )

    @staticmethod
    def load(folder: Path) -> "Sweep":
        """Read a sweep. Raises ConfigError for one that is not there, is damaged, or was made by other code."""
        path = folder / "sweep.json"
        try:
            plain = json.loads(path.read_text())
            if plain["format"] != FORMAT:
                raise ValueError(f"its format is {plain['format']} and this lrbench reads {FORMAT}")
            nodes = plain["hydra"]
            entries = tuple(from_payload({**e, "hydra": nodes[e["hydra"]]}) for e in plain["entries"])
        except FileNotFoundError as error:
            raise ConfigError(f"{folder}: there is no sweep here (no sweep.json); give the folder of one.") from error
        except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
            raise ConfigError(
                f"{path}: this sweep cannot be read ({type(error).__name__}: {error}); give its command again, which "
                "plans it anew and keeps every record that is done."
            ) from error
        plan = Plan(entries, plain["asked"], tuple(Refused(*r) for r in plain["refused"]))
        return Sweep(folder, plan, tuple(plain["overrides"]), plain["planned"], plain["lrbench"])


def sweep_of(plan: Plan, name: str | None, overrides: tuple[str, ...]) -> Sweep:
    """The sweep of a plan: the same runs have the same folder, unless it bears a name."""
    ids = "".join(e.run_id for e in plan.entries)
    name = name or hashlib.sha256(ids.encode()).hexdigest()[:16]
    folder = Store(plan.entries[0].settings.results).sweeps_folder / name
    return Sweep(folder, plan, overrides, time.strftime("%Y-%m-%dT%H:%M:%S%z"))


def _plain(sweep: Sweep) -> dict[str, Any]:
    """Hydra's own node, of which many entries share one, stands once."""
    nodes: dict[int, int] = {}
    hydra: list[Any] = []
    entries = []
    for entry in sweep.plan.entries:
        if id(entry.hydra) not in nodes:
            nodes[id(entry.hydra)] = len(hydra)
            hydra.append(entry.hydra)
        entries.append({**_payload(entry), "hydra": nodes[id(entry.hydra)]})
    return {
        "format": FORMAT,
        "lrbench": sweep.lrbench,
        "planned": sweep.planned,
        "overrides": list(sweep.overrides),
        "asked": sweep.plan.asked,
        "refused": [list(r) for r in sweep.plan.refused],
        "hydra": hydra,
        "entries": entries,
    }


def _payload(entry: Entry) -> dict[str, Any]:
    return {k: v for k, v in entry.payload().items() if k != "hydra"}


def _alike(stored: Mapping[str, Any] | None, mine: Mapping[str, Any]) -> bool:
    """Whether a stored entry is that of the same run, in the form of today."""
    return (
        stored is not None
        and stored["experiment"] == mine["experiment"]
        and stored.keys() == mine.keys()
        and stored["settings"].keys() == mine["settings"].keys()
    )


def stored_entries(path: Path) -> dict[str, dict[str, Any]]:
    """The entries of a stored sweep of this format as plain data, by run id; none of anything else."""
    try:
        plain = json.loads(path.read_text())
        return {e["run_id"]: e for e in plain["entries"]} if plain["format"] == FORMAT else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}
