"""What a person who calls lrbench from a script or a notebook meets."""

from pathlib import Path

import numpy as np
import pytest

from lrbench.config.experiments import experiment
from lrbench.engine.train import train
from lrbench.errors import ConfigError
from lrbench.experiment import Settings
from lrbench.progress import silent
from lrbench.schedules import lr_table
from lrbench.schedules.compose import LRTable

TINY = ("model=mlp", "model.args.hidden=[8]", "horizon=2ep", "batch_size=256")


def test_the_results_folder_is_that_of_the_command_line(monkeypatch, tmp_path):
    monkeypatch.delenv("LRBENCH_RESULTS", raising=False)
    assert Settings().results == Path("results")
    monkeypatch.setenv("LRBENCH_RESULTS", str(tmp_path))
    assert Settings().results == tmp_path
    assert Settings(results=Path("here")).results == Path("here")
    made = experiment(*TINY)
    assert train(made).folder.parent == tmp_path / "runs"
    assert train(made, show=silent).folder.parent == tmp_path / "runs"


def test_training_is_shown_unless_it_shall_be_silent(tmp_path, capsys):
    made, settings = experiment(*TINY), Settings(results=tmp_path)
    train(made, settings)
    assert "epoch 2.0/2  lr/all" in capsys.readouterr().err
    train(made, Settings(results=tmp_path, force=True), silent, lambda _: None)
    assert capsys.readouterr() == ("", "")


def test_levels_of_ones_own(tmp_path):
    (tmp_path / "scheduler").mkdir()
    (tmp_path / "scheduler" / "mine.yaml").write_text(
        "# A tenth at the end (ours)\n_target_: torch.optim.lr_scheduler.LinearLR\n"
        "args: {start_factor: 1.0, end_factor: 0.1, total_iters: end}\ninterval: batch\n"
    )
    made = experiment(*TINY, "scheduler=mine", config_dir=tmp_path)
    assert made.scheduler.args["end_factor"] == 0.1
    with pytest.raises(ConfigError, match="scheduler=mine: there is no such level"):
        experiment(*TINY, "scheduler=mine")
    with pytest.raises(ConfigError, match=r"config_dir=.*nowhere: there is no such folder"):
        experiment(*TINY, config_dir=tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("modell=mlp", "there is no option 'modell'. Did you mean 'model'"),
        ("scheduler=cosin", "scheduler=cosin: there is no such level. Did you mean 'cosine'"),
        ("optimizer.lr", "cannot be read as key=value"),
        ("batch_size=many", "batch_size=many: this is no whole number"),
        ("horizon=", "horizon"),
    ],
)
def test_what_hydra_refuses_is_said_in_our_words(override, said):
    with pytest.raises(ConfigError, match=said):
        experiment(*TINY, override)


def test_inside_somebodys_hydra_app(tmp_path):
    from hydra import initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra

    (tmp_path / "config.yaml").write_text("a: 1\n")
    with initialize_config_dir(str(tmp_path), version_base="1.3"):
        theirs = GlobalHydra.instance().hydra
        assert experiment(*TINY).batch_size == 256
        assert GlobalHydra.instance().hydra is theirs


def test_a_table_of_rates_is_told_in_few_words():
    table = lr_table(experiment(*TINY, "scheduler=linear", "horizon=200ep"))
    assert len(repr(table)) < 200
    assert repr(table) == ("LRTable(800 updates, 0 of warmup: all 0.1 to 0.0005, highest 0.1; lr of shape (800, 1))")
    groups = tuple("abcdefg")
    many = LRTable(groups, np.tile([0.1, 0.2], (7, 1)).T, None, 1, 1)
    assert repr(many) == (
        "LRTable(2 updates, 1 of warmup, 1 known: a 0.1 to 0.2, highest 0.2; b 0.1 to 0.2, highest 0.2; "
        "c 0.1 to 0.2, highest 0.2; d 0.1 to 0.2, highest 0.2; and 3 groups more; lr of shape (2, 7))"
    )
