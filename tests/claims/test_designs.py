"""Every claim about an effect has a design, and every design fits the studies that it names."""

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, LRScheduler, SequentialLR

from lrbench.claims.ledger import claims
from lrbench.config.claim import ClaimContrast, ClaimDesign, claim_designs, claimed, read_claim
from lrbench.config.study import compile_study
from lrbench.config.study_files import read_study, same_design, studies, study_files
from lrbench.errors import ConfigError
from lrbench.schedules import lr_table
from lrbench.stats.verdict import ClaimedEffect
from lrbench.study.cells import Cell
from lrbench.study.design import Design

DESIGNS = claim_designs()


def parts_on(study: str, designs: dict[str, ClaimDesign] = DESIGNS):
    return [part for design in designs.values() for part in design.parts if study in part.studies]


@pytest.mark.slow
@pytest.mark.parametrize("name", study_files())
def test_every_study_that_ships_compiles_and_its_claims_fit(name: str) -> None:
    asked = read_study(study_files()[name])
    design = compile_study(asked, name)
    assert f"  {name}" in studies()
    assert same_design(asked, {**asked, "question": "other words"})
    for part in parts_on(name):
        assert len(claimed(part, design)) == len(part.contrasts)


def at_paper_s_scale() -> list[tuple[str, tuple[str, ...]]]:
    """Every study with the overrides at the paper's scale, which come after its own, for every task."""
    return sorted({(s, d.paper) for d in DESIGNS.values() if d.paper for p in d.parts for s in p.studies})


@pytest.mark.slow
@pytest.mark.parametrize(("study", "paper"), at_paper_s_scale())
def test_the_paper_s_scale_composes(study: str, paper: tuple[str, ...]) -> None:
    asked = read_study(study_files()[study])
    assert compile_study({**asked, "set": [*asked.get("set", []), *paper]}, study).rules.arms


def test_every_part_names_studies_that_there_are() -> None:
    named = {study for design in DESIGNS.values() for part in design.parts for study in part.studies}
    assert named <= {*study_files()}


def test_every_effect_of_the_ledger_has_a_design_and_needs_the_same() -> None:
    effects = {claim.id: {*claim.needs} for claim in claims().values() if claim.kind == "effect"}
    assert {name: {*design.needs} for name, design in DESIGNS.items()} == effects


@pytest.mark.slow
def test_what_a_claim_s_file_says(tmp_path: Path) -> None:
    text = """
    parts:
      - studies: [decay_fashion]
        contrasts: [cosine against constant, cosine against linear]
        claim: {low: 2%, high: 0.05, margin: 0.5%}
    settles: The interval lies within the range.
    """
    design = read_claim(written(tmp_path, text))
    (part,) = design.parts
    study = compile_study(read_study(study_files()["decay_fashion"]), "decay_fashion")
    wanted = ClaimedEffect(0.02, 0.05, 0.005)
    assert claimed(part, study) == {
        ClaimContrast("cosine", "constant"): wanted,
        ClaimContrast("cosine", "linear"): wanted,
    }
    assert (design.id, design.holds, design.needs) == ("a-claim", "all", ())


PART = "parts: [{studies: [decay_fashion], contrasts: [%s]%s}]\nsettles: x\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[1]", ["no mapping"]),
        ("settles: [", ["no YAML"]),
        ("parts: []", ["settles"]),
        ("settles: x", ["nothing would settle"]),
        ("settles: x\nneeds: [text]", ["nothing would settle"]),
        ("settles: x\nneeds: text", ["needs", "no list"]),
        ("settles: x\nparts: {a: b}", ["parts", "no list"]),
        ("setles: x", ["setles", "settles"]),
        (PART % ("cosine", ""), ["no contrast", "against"]),
        (PART % ("a against b", ", kind: bigger"), ["kind", "bigger"]),
        (PART % ("a against b", "") + "holds: some", ["holds", "some"]),
        (PART % ("a against b", "") + "says: yes", ["says", "no text"]),
        (PART % ("a against b", ", kind: [equal]"), ["kind", "no text"]),
        (PART % ("", ""), ["contrasts", "there is none"]),
        ("parts: [{studies: decay_fashion, contrasts: [a against b]}]\nsettles: x", ["studies", "no list"]),
        ("parts: [{studies: 5, contrasts: [a against b]}]\nsettles: x", ["studies", "no list"]),
        ("parts: [{studies: [], contrasts: [a against b]}]\nsettles: x", ["studies", "there is none"]),
        (PART % ("a against b", ", claim: 5"), ["claim", "no mapping"]),
        ("parts: [5]\nsettles: x", ["part 0", "no mapping"]),
        ("parts:\nsettles: x", ["parts", "no list"]),
        ("paper:\nsettles: x", ["paper", "no list"]),
    ],
)
def test_a_file_that_is_no_design_is_refused(tmp_path: Path, text: str, words: list[str]) -> None:
    with pytest.raises(ConfigError) as error:
        read_claim(written(tmp_path, text))
    assert all(word in str(error.value) for word in words), str(error.value)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("cosin against constant", ""), ["cosin", "cosine"]),
        (("cosine against constant", ", tasks: [ep5]"), ["tasks", "ep5"]),
        (("cosine against constant", ", kind: success"), ["success", "difference"]),
        (("cosine against constant", ", kind: equal"), ["margin"]),
        (("cosine against constant", ", claim: {low: 1%, margin: 2%}"), ["margin as large as the claim"]),
    ],
)
def test_a_design_that_does_not_fit_its_study_is_refused(
    tmp_path: Path, given: tuple[str, str], words: list[str]
) -> None:
    study = compile_study(read_study(study_files()["decay_fashion"]), "decay_fashion")
    (part,) = read_claim(written(tmp_path, PART % given)).parts
    with pytest.raises(ConfigError) as error:
        claimed(part, study)
    assert all(word in str(error.value) for word in words), str(error.value)


@pytest.fixture(scope="module")
def bugs() -> Design:
    return compile_study(read_study(study_files()["bugs_fashion"]), "bugs_fashion")


def by_hand(t_max: int, per_batch: bool = False, first: bool = False) -> list[float]:
    """The rates of 40 epochs of 39 batches in a person's loop, right or with a mistake."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    warmup, cosine = LinearLR(optimizer, 0.01, total_iters=2), CosineAnnealingLR(optimizer, t_max, eta_min=1e-5)
    scheduler: LRScheduler = SequentialLR(optimizer, [warmup, cosine], [2])
    found = []
    for _ in range(40):
        if first:
            scheduler.step()
        for _ in range(39):
            found.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            if per_batch:
                scheduler.step()
        if not (per_batch or first):
            scheduler.step()
    return found


@pytest.mark.parametrize(
    ("arm", "rates"),
    [
        ("right", lambda: by_hand(38)),
        ("tmax_total", lambda: by_hand(40)),
        ("tmax_half", lambda: by_hand(19)),
        ("tmax_double", lambda: by_hand(76)),
        ("per_batch", lambda: by_hand(38, per_batch=True)),
        ("step_first", lambda: by_hand(38, first=True)),
    ],
)
def test_the_mistakes_are_those_of_a_person_s_loop(bugs: Design, arm: str, rates: Callable[[], list[float]]) -> None:
    table = lr_table(bugs.experiment(Cell("", arm, None, 1, False)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted = rates()
    np.testing.assert_allclose(table.lr[:, 0], wanted, rtol=1e-12)


def written(folder: Path, text: str) -> Path:
    path = folder / "a-claim.yaml"
    path.write_text(text)
    return path
