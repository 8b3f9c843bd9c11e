"""What settling an effect would take: the runs of every study that a claim names, and their hours by stored timings."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from statistics import mean, median

from lrbench.claims.settled import Planned
from lrbench.config.claim import claim_designs
from lrbench.config.study import compile_study
from lrbench.config.study_files import read_study, study_files
from lrbench.report.study.forecast import stages
from lrbench.store.store import Store
from lrbench.study.design import Design
from lrbench.study.store import VERDICT
from lrbench.sweep.cost import by_kind, kind_of


def plan(results: Path) -> dict[str, Planned]:
    """Every study that a claim names. Raises ConfigError for one that does not compile."""
    whose: dict[str, dict[str, None]] = {}
    for claim in claim_designs().values():
        for study in (study for part in claim.parts for study in part.studies):
            whose.setdefault(study, {})[claim.id] = None
    paces, files = _paces(results), study_files()
    found = {name: _planned(compile_study(read_study(files[name]), name), paces, tuple(whose[name])) for name in whose}
    folder = Store(results).studies_folder
    return {name: replace(p, done=(folder / name / VERDICT).exists()) for name, p in found.items()}


def _planned(design: Design, paces: Mapping[str, float], claims: tuple[str, ...]) -> Planned:
    runs = sum(many for _, many in stages(design.rules))
    made = [*design.each_arm()]
    timed = [paces[kind_of(e)] * e.clock.updates for e in made if kind_of(e) in paces]
    return Planned(runs, round(runs * mean(timed) / 3600, 2) if len(timed) == len(made) else None, claims)


def _paces(results: Path) -> dict[str, float]:
    """Seconds of an update of each kind of run, by the rows of evidence."""
    found: dict[str, list[float]] = {}
    for kind, row in by_kind(Store(results).evidence.rows()):
        if pace := row.pace():
            found.setdefault(kind, []).append(pace)
    return {kind: median(paces) for kind, paces in found.items()}
