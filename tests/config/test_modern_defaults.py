"""A guide's table of modern defaults (modern_defaults.yaml) against the recipes that stand for its rows."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from conf_files import levels

from lrbench.config.experiments import experiment
from lrbench.schedules import lr_table

TABLE = yaml.safe_load(Path(__file__).with_name("modern_defaults.yaml").read_text())
HERE = [(row, r) for row in TABLE for r in TABLE[row]["recipes"] if r in levels("recipe")]
TEXT = ("data=pydoc", "horizon=1000ba")  # in the place of one that has to be installed; the shares stay
GIVEN: dict[str, tuple[str, ...]] = {"bert": TEXT, "gpt": TEXT}


def test_every_row_has_a_recipe_or_waits_for_one() -> None:
    assert len(TABLE) == 8
    assert {row for row in TABLE if not any(r == row for r, _ in HERE)} <= {"Detection"}


@pytest.mark.parametrize(("row", "recipe"), HERE)
def test_a_recipe_is_as_its_row_says(row: str, recipe: str) -> None:
    said: dict[str, Any] = TABLE[row]
    made = experiment(f"recipe={recipe}", *GIVEN.get(recipe, ()))
    assert made.optimizer.name == said["optimizer"]
    assert made.optimizer.args.get("momentum") == said.get("momentum", made.optimizer.args.get("momentum"))
    assert made.scheduler.name in said["scheduler"]
    assert made.scheduler.args.get("power") == said.get("power", made.scheduler.args.get("power"))
    table, clock = lr_table(made), made.clock
    if said["warmup"] == "10%":
        assert table.warmup == clock.updates // 10
    else:
        low, high = said["warmup"]
        assert low <= table.warmup / clock.per_epoch <= high
    if "epochs" in said:
        low, high = said["epochs"]
        assert low <= clock.updates / clock.per_epoch <= high
