"""A grid's entries: each what its own overrides make, however much of it is shared."""

import pytest

from lrbench.config import entries as module
from lrbench.config.entries import entries
from lrbench.config.experiments import experiment
from lrbench.config.grid import expanded
from lrbench.sweep.entry import Entry

TINY = ("tracker=none", "model=mlp", "model.args.hidden=[8]", "horizon=10ep")
PARENT = "start.of=['scheduler=constant','model=mlp','horizon=2ep']"  # which takes its child's seed
GRIDS = (
    ("scheduler=cosine,step", "seed=range(3)"),
    ("model.args.hidden=[128]", "seed=range(2)", PARENT),
    ("batch_size=32,64", "lr_scaling.rule=linear", "seed=1,0"),
)


@pytest.mark.slow
@pytest.mark.parametrize("grid", GRIDS)
def test_every_entry_is_what_its_own_overrides_make(grid: tuple[str, ...]) -> None:
    jobs = expanded([*TINY, *grid])
    made = list(entries(jobs))
    assert [e.experiment for e in made if isinstance(e, Entry)] == [experiment(*job) for job in jobs]


def test_a_bad_seed_is_refused_among_good_ones() -> None:
    one, other = entries(expanded([*TINY, "seed=0,-1"]))
    assert isinstance(one, Entry)
    assert not isinstance(other, Entry)
    assert "seed" in other.reason


def test_what_differs_in_its_seed_alone_is_checked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    checked = []
    monkeypatch.setattr(module, "experiment_from", lambda *a: checked.append(a) or made(*a))
    assert len(list(entries(expanded([*TINY, "scheduler=cosine,step", "seed=range(5)"])))) == 10
    assert len(checked) == 2


made = module.experiment_from
