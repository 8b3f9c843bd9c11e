"""Runs that were trained once for all tests of what is committed of them."""

import pytest

from lrbench.store.export import write_rows


@pytest.fixture(scope="session")
def trained(make, tmp_path_factory):
    """Records of three finished runs and one that diverged, to be read only."""
    from lrbench.engine.train import train
    from lrbench.experiment import Settings
    from lrbench.plots import run

    results = tmp_path_factory.mktemp("trained")
    asked = [make(f"seed={s}") for s in range(3)] + [make("optimizer.lr=1e30", "scheduler=constant")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "picture_of", lambda record: None)
        return [train(e, Settings(results=results)) for e in asked]


@pytest.fixture
def committed(trained, run):
    """The rows of the four runs, in a results folder that holds no record."""
    path = run.results / "claims" / "warmup" / "runs.csv"
    write_rows(trained, path)
    return path


@pytest.fixture
def untrainable(monkeypatch):
    """Fails when anything is trained."""
    from lrbench.engine import train

    def refuse(*arguments):
        raise AssertionError("trained")

    monkeypatch.setattr(train, "attempt", refuse)
