"""The rates of recipes, by hand from what their first lines say."""

import json
import re
import statistics
from pathlib import Path

import pytest

from lrbench import CONF
from lrbench.config.experiments import experiment
from lrbench.engine.carried import require_fit
from lrbench.schedules import lr_table


@pytest.mark.parametrize(
    ("recipe", "group", "rates"),
    [
        # 0.1 x 2048 / 256 = 0.8; 1 % of it at first, a fifth of the way up after an epoch, all of it after five
        ("large_batch", "all", {"0": 0.008, "1": 0.008 + 0.2 * 0.792, "5": 0.8, "52.5": (0.8 + 1e-5) / 2}),
        ("cnn_fast", "all", {"0": 0.004}),
        ("cnn_fast_tiny", "all", {"0": 0.004}),
        ("large_batch_tiny", "all", {"0": 0.004, "1": 0.004 + 0.2 * 0.396, "5": 0.4, "32.5": (0.4 + 1e-5) / 2}),
        *((recipe, "backbone", {"0": 1e-5, "9": 1e-5}) for recipe in ("finetune_constant", "finetune_constant_tiny")),
        *((recipe, "head", {"0": 1e-3, "9": 1e-3}) for recipe in ("finetune_constant", "finetune_constant_tiny")),
        *((recipe, "backbone", {"5": (1e-5 + 1e-6) / 2}) for recipe in ("finetune_cosine", "finetune_cosine_tiny")),
        *((recipe, "head", {"5": (1e-3 + 1e-6) / 2}) for recipe in ("finetune_cosine", "finetune_cosine_tiny")),
        ("finetune", "backbone", {"0": 1e-5, "5": (1e-5 + 1e-6) / 2}),
        ("finetune", "head", {"0": 1e-3, "5": (1e-3 + 1e-6) / 2}),
    ],
)
def test_rates(recipe: str, group: str, rates: dict[str, float]) -> None:
    made = experiment(f"recipe={recipe}", *(["scheduler.interval=batch"] if recipe.startswith("large_batch") else []))
    table = lr_table(made)
    column = table.lr[:, [*made.peaks].index(group)]
    for epoch, rate in rates.items():
        assert column[round(float(epoch) * made.clock.per_epoch)] == pytest.approx(rate, rel=1e-9), epoch


@pytest.mark.parametrize(
    ("recipe", "peak"),
    [("cnn_fast", 0.1), ("cnn_fast_tiny", 0.1), ("onecycle_fast", 0.81), ("onecycle_fast_tiny", 0.81)],
)
def test_one_cycle_is_at_its_peak_after_three_tenths(recipe: str, peak: float) -> None:
    column = lr_table(experiment(f"recipe={recipe}")).lr[:, 0]
    assert column.max() == pytest.approx(peak)
    assert column.argmax() == round(0.3 * len(column)) - 1  # torch counts its steps from 0
    assert column[-1] == pytest.approx(peak / 25 / 1e4)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("recipe", "parent"),
    [
        *((f"finetune_{s}", "pretrain") for s in ("cosine", "constant")),
        *((f"finetune_{s}_tiny", "pretrain_tiny") for s in ("cosine", "constant")),
    ],
)
def test_fine_tuning_begins_with_a_run_of_its_own(recipe: str, parent: str) -> None:
    """Under the fork's seed; its backbone is carried, and the head is new, for other classes."""
    made = experiment(f"recipe={recipe}", "seed=3")
    assert made.start is not None
    assert made.start.of == experiment(f"recipe={parent}", "seed=3")
    assert made.start.new_head
    assert made.start.update == made.start.of.clock.updates
    require_fit(made, made.start)


@pytest.mark.parametrize(
    ("asked", "rates"),
    [
        # up from 0 over a tenth, down to 0 over the rest; a guide's own function of the step
        (("recipe=gpt_tiny",), {0: 0, 100: 2.5e-4, 200: 5e-4, 1100: 2.5e-4, 1999: 5e-4 / 1800}),
        (("recipe=bert_tiny",), {0: 0, 1: 5e-4 / 200, 200: 5e-4, 1999: 5e-4 / 1800}),
        (("recipe=bert", "horizon=1000ba"), {0: 0, 50: 2.5e-4, 100: 5e-4, 550: 2.5e-4}),
        # 512^-0.5 x 4000^-0.5 at the 4,000th update, 7e-4 in the paper; half of it four times as late
        (
            ("recipe=transformer_inverse_sqrt", "horizon=16000ba"),
            {1999: 3.49386e-4, 3999: 6.98771e-4, 15999: 3.49386e-4},
        ),
        (("recipe=transformer_inverse_sqrt_tiny",), {99: 0.125 / 200**0.5 / 2, 199: 0.125 / 200**0.5}),
    ],
)
def test_rates_of_language_models(asked: tuple[str, ...], rates: dict[int, float]) -> None:
    column = lr_table(experiment(*asked)).lr[:, 0]
    for update, rate in rates.items():
        assert column[update] == pytest.approx(rate, rel=1e-5), update


SCORES = json.loads((Path(__file__).parents[2] / "results" / "benchmarks" / "recipe_scores.json").read_text())
TINY = sorted(p.stem for p in (CONF / "recipe").glob("*_tiny.yaml"))


@pytest.mark.parametrize("recipe", TINY)
def test_a_header_says_what_the_stored_runs_reached(recipe: str) -> None:
    text = (CONF / "recipe" / f"{recipe}.yaml").read_text().replace("\n# ", " ")
    (cost,) = re.findall(r"Cost: (\d+) s of processor time", text)
    spent = statistics.mean(run["cpu_seconds"] for run in SCORES[recipe])
    assert int(cost) == round(spent, -1 if spent >= 60 else 0)
    (said,) = re.findall(r"Should reach: (.*?\(results/benchmarks/recipe_scores\.json\))", text)
    runs = SCORES[recipe]
    told = re.findall(r"((?:test|val)/\w+) ([\d.]+)(%?)", said)
    assert told
    for metric, number, unit in told:
        mean = statistics.mean(run[metric] for run in runs)
        assert number == (f"{100 * mean:.2f}" if unit else f"{mean:.4f}"), metric
    for sd in re.findall(r"sd ([\d.]+) points", said):
        assert sd == f"{100 * statistics.stdev(run[told[0][0]] for run in runs):.2f}"
    assert (len(runs) == 5) == ("over seeds 0 to 4" in said)
