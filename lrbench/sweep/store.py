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
from lrbench.store.files import of_format, shown, write_text
from lrbench.store.store import Store
from lrbench.sweep.entry import from_payload
from lrbench.sweep.plan import Plan, Refused

FORMAT = 2  # raised when a sweep.json of before cannot be read any more


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

    @property
    def short(self) -> str:
        """What commands take: the name, or the beginning of a hash."""
        return self.name[:8] if self.name == _hash(self.plan) else self.name

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
            why = f"the plan cannot be written ({error.strerror or error}); nothing was trained"
            raise ConfigError(str(path), "", why, "Make room, or give another folder with results=FOLDER") from error

    def _require_own_name(self, stored: Mapping[str, Any]) -> None:
        mine, there = {e.run_id for e in self.plan.entries}, {*stored}
        if not (there <= mine or mine <= there):
            why = f"another sweep has this name: {len(there - mine)} of its {len(there)} runs are none of this one's"
            cure = f"Give this one a name of its own, as in --name {self.name}-2; nothing was trained"
            raise ConfigError(str(self.folder), "", why, cure)

    @staticmethod
    def load(folder: Path) -> "Sweep":
        """Read a sweep. Raises ConfigError for one that is not there, is damaged, or was made by other code."""
        path = folder / "sweep.json"
        try:
            plain = of_format(path.read_text(), FORMAT)
            entries = tuple(from_payload(_with_node(e, plain["hydra"])) for e in plain["entries"])
        except FileNotFoundError as error:
            why = "there is no sweep here (no sweep.json)"
            raise ConfigError(str(folder), "", why, "give the folder of one") from error
        except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
            why = f"this sweep cannot be read ({type(error).__name__}: {error})"
            cure = "give its command again, which plans it anew and keeps every record that is done"
            raise ConfigError(str(path), "", why, cure) from error
        told = shown({key: value for key, value in plain.items() if key not in ("entries", "hydra")})
        plan = Plan(entries, tuple(told["jobs"]), tuple(Refused(*r) for r in told["refused"]), told["here"])
        return Sweep(folder, plan, tuple(told["overrides"]), told["planned"], told["lrbench"])


def sweep_of(plan: Plan, name: str | None, overrides: tuple[str, ...]) -> Sweep:
    """The sweep of a plan: the same runs have the same folder, unless it bears a name."""
    folder = Store(plan.entries[0].settings.results).sweeps_folder / (name or _hash(plan))
    return Sweep(folder, plan, overrides, time.strftime("%Y-%m-%dT%H:%M:%S%z"))


def _hash(plan: Plan) -> str:
    return hashlib.sha256("".join(e.run_id for e in plan.entries).encode()).hexdigest()[:16]


def _plain(sweep: Sweep) -> dict[str, Any]:
    """Hydra's own node, of which many entries share one, stands once."""
    places: dict[int, int] = {}
    nodes: list[Any] = []
    entries = []
    for entry in sweep.plan.entries:
        payload = entry.payload()
        if entry.origin is not None:
            node = entry.origin.hydra
            if id(node) not in places:
                places[id(node)] = len(nodes)
                nodes.append(node)
            payload["origin"]["hydra"] = places[id(node)]
        entries.append(payload)
    return {
        "format": FORMAT,
        "lrbench": sweep.lrbench,
        "planned": sweep.planned,
        "overrides": list(sweep.overrides),
        "jobs": sweep.plan.jobs,
        "refused": [[r.label, r.reason] for r in sweep.plan.refused],
        "here": sweep.plan.here,
        "hydra": nodes,
        "entries": entries,
    }


def _with_node(payload: Mapping[str, Any], nodes: list[Any]) -> dict[str, Any]:
    """A stored entry whole again."""
    origin = payload["origin"]
    return {**payload, "origin": origin and {**origin, "hydra": nodes[origin["hydra"]]}}


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
