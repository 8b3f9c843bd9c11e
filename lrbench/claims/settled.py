"""What became of a claim, as it is stored: `results/claims/ID/verdict.json`, and what the studies of claims would take.
The same evidence gives the same bytes."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from lrbench.claims.said import Statement
from lrbench.errors import ConfigError

_PACKAGED = Path(__file__).parents[1] / "verdicts"
PUBLISHED = _PACKAGED if _PACKAGED.is_dir() else Path(__file__).parents[2] / "results" / "claims"  # in a wheel or not
VERDICT, DESIGNS = "verdict.json", "designs.json"
PLAIN: Mapping[Any, Any] = {str: str, int: int, bool: bool, float | None: float | int | None}  # of JSON, by field


@dataclass(frozen=True)
class MeasuredContrast:
    """One contrast of a study, on one task. kind, claim: what was asked of it, with the claimed range. effect, low,
    high: the gain of the arm over the baseline and its interval at `level`, in the metric's unit (a fraction itself; of
    what is read off a grid doublings; of success a difference of rates), None where there is none. n: pairs that it
    rests on; left_out: those of which a run failed, or lies beyond the grid. agreement: how often a rerun that tunes
    again would come to the same verdict. fresh: False where it could be seen before it was asked for."""

    study: str
    design: str
    task: str
    arm: str
    baseline: str
    metric: str
    kind: str
    claim: Mapping[str, float | None]
    verdict: str
    n: int
    left_out: int
    effect: float | None
    low: float | None
    high: float | None
    level: float | None
    agreement: float | None
    fresh: bool
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Planned:
    """runs: of all stages, a second look included, where the grid does not have to grow. hours: of one core or device,
    as rows of evidence tell of the time of an update; None where some run's kind was never timed. claims: whose they
    are. done: whether the study has its verdict."""

    runs: int
    hours: float | None
    claims: tuple[str, ...]
    done: bool = False


@dataclass(frozen=True)
class Settled:
    """A verdict and what it rests on: parts of a claim that is computed, with the version of torch that was asked; what
    studies measured."""

    id: str
    verdict: str
    parts: tuple[Statement, ...] = ()
    studies: tuple[MeasuredContrast, ...] = ()
    torch: str = ""

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n"


def stored(folder: Path, known: Iterable[str]) -> dict[str, Settled]:
    """The verdicts that lie in `results/claims`. Raises ConfigError for a file that holds none."""
    return {name: _read(path) for name in known if (path := folder / name / VERDICT).exists()}


def published(own: Path, names: Iterable[str], folder: Path = PUBLISHED) -> dict[str, Settled]:
    """The verdicts of a results folder, else those that come with lrbench. Raises ConfigError for a file that holds
    none."""
    names = [*names]
    return {**stored(folder, names), **stored(own, names)}


def keep(folder: Path, found: Settled) -> None:
    """Raises ConfigError where it cannot be written."""
    _write(folder / found.id / VERDICT, found.to_json())


def drop(folder: Path, name: str) -> None:
    """A verdict that nothing gives any more. Raises ConfigError where it cannot be removed."""
    try:
        (folder / name / VERDICT).unlink()
    except OSError as error:
        raise ConfigError(str(folder / name / VERDICT), "", f"it cannot be removed ({error.strerror})") from error


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    except OSError as error:
        why = f"it cannot be written ({error.strerror})"
        raise ConfigError(str(path), "", why, "make room, or give another folder with --results") from error


def changes(before: Mapping[str, Settled], now: Settled) -> list[str]:
    """What is another than it was stored as, in words."""
    old = before.get(now.id)
    if old is None or replace(old, torch=now.torch) == now:
        return []
    asked = f" (torch {old.torch}, now {now.torch})" if old.torch != now.torch else ""
    told = [f"{now.id}: {old.verdict}, now {now.verdict}{asked}"] if old.verdict != now.verdict else []
    if old.studies != now.studies:
        told.append(f"{now.id}: what its studies say is not what is stored")
    was = {p.what: f"said {p.said}, found {p.found}" for p in old.parts}
    is_now = {p.what: f"said {p.said}, found {p.found}" for p in now.parts}
    return told + [
        f"{now.id}, {what}: {was.get(what, 'nothing')}; now {is_now.get(what, 'nothing')}{asked}"
        for what in dict.fromkeys([*was, *is_now])
        if was.get(what) != is_now.get(what)
    ]


def _measured(plain: Mapping[str, Any]) -> MeasuredContrast:
    if not isinstance(plain["claim"], dict):
        raise TypeError("claim is no mapping")
    made: MeasuredContrast = _made(MeasuredContrast, {**plain, "remarks": tuple(plain["remarks"])})
    return made


def _made(kind: Any, plain: Mapping[str, Any]) -> Any:
    """Raises TypeError for a value of another type than its field's."""
    made = kind(**plain)
    for f in fields(kind):
        known, given = PLAIN.get(f.type, object), getattr(made, f.name)
        if not isinstance(given, known) or (isinstance(given, bool) and f.type is not bool):
            raise TypeError(f"{f.name} is {given!r}")
    return made


def _read(path: Path) -> Settled:
    try:
        plain: dict[str, Any] = json.loads(path.read_text())
        parts, studies = (_made(Statement, p) for p in plain["parts"]), (_measured(m) for m in plain["studies"])
        made: Settled = _made(Settled, {**plain, "parts": tuple(parts), "studies": tuple(studies)})
        if made.id != path.parent.name:
            raise ValueError(f"it is that of {made.id}")
        return made
    except (OSError, ValueError, TypeError, KeyError) as error:
        why = f"this is no verdict ({type(error).__name__}: {error})"
        raise ConfigError(str(path), "", why, "remove it; `lrbench claims run` makes it anew") from error


def keep_designs(folder: Path, planned: Mapping[str, Planned]) -> None:
    """Raises ConfigError where they cannot be written."""
    text = json.dumps({name: asdict(p) for name, p in sorted(planned.items())}, indent=1)
    _write(folder / DESIGNS, text + "\n")


def designs(folder: Path) -> dict[str, Planned]:
    """What is stored; nothing where nothing is. Raises ConfigError for a file that is none."""
    path = folder / DESIGNS
    try:
        plain = json.loads(path.read_text()) if path.exists() else {}
        return {name: _made(Planned, {**p, "claims": tuple(p["claims"])}) for name, p in plain.items()}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        cure = "remove it; `lrbench claims designs` makes it anew"
        raise ConfigError(str(path), "", f"these are no designs ({error})", cure) from error
