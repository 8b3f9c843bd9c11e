"""Where the numbers of a study come from, by what lies in its folder."""

from pathlib import Path

import pytest

from lrbench.claims.provenance import HEADER, provenance
from lrbench.errors import ConfigError

STUDIES = Path(__file__).parents[2] / "results" / "studies"


def test_a_stored_study() -> None:
    table = provenance([STUDIES / "adam_mlp"])
    (line,) = table.rows
    told = dict(zip(HEADER, line, strict=True))
    assert (told["study"], told["trains"]) == ("adam_mlp", "mlp on FashionMNIST")
    assert len(told["design"]) == 8
    assert int(told["runs"]) == len((STUDIES / "adam_mlp" / "runs.csv").read_text().splitlines()) - 1


def test_rows_that_mean_nothing_are_refused(tmp_path: Path) -> None:
    (tmp_path / "runs.csv").write_text("run_id,arm,seed,state,attempts,rates\n")
    with pytest.raises(ConfigError, match="it is missing, and the rows beside it mean nothing without"):
        provenance([tmp_path])
