"""The noisy quadratic: its moments by hand, its samples, and the engine's runs of it against what is expected."""

from functools import cache
from math import sqrt

import numpy as np
import pytest
import torch

from lrbench.config.experiments import experiment
from lrbench.data import Reading
from lrbench.data.noisy_quadratic import NoisyQuadratic, expected_excess
from lrbench.errors import ConfigError
from lrbench.metrics import declared_in
from lrbench.schedules import lr_table
from lrbench.store.series import LOSS
from lrbench.tasks.noisy_quadratic import Quadratic

# ---- The expectation.


def test_two_updates_by_hand():
    """h = 1 and 1/2; the gradient's variance is h / 4. E[d^2] is 1, then (1/2)^2 + (1/2)^2 / 4 = 5/16 and
    (3/4)^2 + (1/2)^2 / 8 = 19/32, then (3/4)^2 5/16 + (1/4)^2 / 4 = 49/256 and (7/8)^2 19/32 + (1/4)^2 / 8 = 947/2048.
    """
    found = expected_excess(NoisyQuadratic(2, condition=2.0), np.array([0.5, 0.25]), batch_size=4)
    by_hand = [(1 + 1 / 2) / 2, (5 / 16 + 19 / 64) / 2, (49 / 256 + 947 / 4096) / 2]
    np.testing.assert_allclose(found, by_hand, rtol=1e-14)


def test_two_updates_with_momentum_by_hand():
    """h = 1 twice, the noise's variance 1/4, momentum 1/2. First v = d + n: E[v^2] = 5/4, E[d^2] = 5/16 as without
    momentum, E[d v] = 1 - 1/2 5/4 = 3/8. Then E[v^2] = 1/4 5/4 + 3/8 + 5/16 + 1/4 = 5/4, of the old d and the new v
    E = 1/2 3/8 + 5/16 = 1/2, and E[d^2] = 5/16 - 2 1/4 1/2 + 1/16 5/4 = 9/64.
    """
    data = NoisyQuadratic(2, condition=1.0)
    found = expected_excess(data, np.array([0.5, 0.25]), batch_size=4, momentum=0.5)
    np.testing.assert_allclose(found, [1, 5 / 16, 9 / 64], rtol=1e-14)


def test_a_constant_rate_ends_where_its_noise_keeps_it():
    """E[d^2] = rate noise^2 / (batch (2 - rate h)), the fixed point (Zhang et al. 2019, section 3.2)."""
    data, rate = NoisyQuadratic(5, condition=3.0, noise=0.7), 0.8
    stays = rate * 0.7**2 / (16 * (2 - rate * data.curvatures))
    found = expected_excess(data, np.full(2000, rate), batch_size=16)[-1]
    assert found == pytest.approx(data.curvatures @ stays / 2, rel=1e-12)


def test_without_noise_it_is_the_descent_itself():
    data, rates = NoisyQuadratic(7, condition=30.0, noise=0.0, distance=2.0), np.linspace(1.9, 0, 40)
    d = 2 * np.cumprod(1 - rates[:, None] * data.curvatures, axis=0)
    np.testing.assert_allclose(expected_excess(data, rates, 1)[1:], d**2 @ data.curvatures / 2, rtol=1e-10)


def test_the_curvatures_are_those_of_the_paper_where_condition_is_dimensions():
    np.testing.assert_allclose(NoisyQuadratic(50, condition=50.0).curvatures, 1 / np.arange(1, 51), rtol=1e-14)
    h = NoisyQuadratic(10, condition=1000.0).curvatures
    assert h[0] == 1
    assert h[-1] == pytest.approx(1e-3)
    assert (np.diff(h) < 0).all()


# ---- The samples.


def test_samples_have_the_mean_and_the_variance_that_are_said():
    data = NoisyQuadratic(4, condition=9.0, noise=0.5, distance=3.0, train_size=10**6)
    z, curvatures = data.load(0).train.stream(Reading(200_000, 0)).batch(0)
    assert z.dtype == curvatures.dtype == torch.float32
    expected = 0.5**2 / data.curvatures
    np.testing.assert_allclose(z.mean(0), 3.0, atol=5 * sqrt(expected.max() / 200_000))
    np.testing.assert_allclose(z.var(0), expected, rtol=5 * sqrt(2 / 200_000))
    assert (z.T.corrcoef() - torch.eye(4)).abs().max() < 5 / sqrt(200_000)


def test_a_batch_is_a_function_of_seed_and_update_and_its_parts_are_the_whole():
    stream, again, other = (NoisyQuadratic().load(seed).train.stream(Reading(8, seed)) for seed in (0, 0, 1))
    assert stream.per_epoch == 10
    whole = stream.batch(3)[0]
    assert torch.equal(again.batch(3)[0], whole)
    assert torch.equal(torch.cat([stream.batch(3, part, 4)[0] for part in range(4)]), whole)
    for different in (other.batch(3)[0], stream.batch(2)[0], stream.batch(13)[0]):  # nothing comes again
        assert not (different == whole).any()


def test_evaluation_is_the_excess_itself():
    data, theta = NoisyQuadratic(3, condition=3.0, distance=2.0), torch.tensor([1.0, 2.0, 5.0])
    for split in data.load(0)[1:]:
        meter = Quadratic().meter()
        for batch in split.stream(Reading(8, 0)).in_order():
            meter.add(lambda: theta, batch)
        assert meter.result() == {"excess": pytest.approx((1 * 1 + 1 / 2 * 0 + 1 / 3 * 9) / 2, rel=1e-7)}


def test_chance_is_the_excess_where_training_begins():
    data = NoisyQuadratic(3, condition=3.0, distance=2.0)
    (metric,) = Quadratic().metrics(data.info().spec)
    assert metric.chance == pytest.approx(4 * (1 + 1 / 2 + 1 / 3) / 2)
    assert metric.chance == expected_excess(data, np.empty(0), 1)[0]
    assert (metric.name, metric.higher_is_better, metric.low, metric.high) == ("excess", False, 0.0, None)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"dimensions": 1}, "dimensions=1: "),
        ({"train_size": 0}, "train_size=0: "),
        ({"condition": 0.5}, r"condition=0\.5: give a number of at least 1"),
        ({"noise": -1.0}, r"noise=-1\.0: give a number of at least 0"),
        ({"distance": float("nan")}, "distance=nan: "),
        ({"noise": "1"}, "noise='1': "),
        ({"noise": None}, "noise=None: "),
    ],
)
def test_bad_options_are_refused(given, words):
    with pytest.raises(ConfigError, match=f"data.args.{words}"):
        NoisyQuadratic(**given)


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("data=digits", r"task\._target_=.*Quadratic: it needs excess|model.*needs dimensions"),
        ("task=classification", "it needs num_classes"),
        ("model=mlp", "mlp needs shape"),
        ("batch_size=81", "batch_size=81: the training set has only 80"),
    ],
)
def test_what_does_not_go_together_is_refused(override, words):
    with pytest.raises(ConfigError, match=words):
        experiment("recipe=noisy_quadratic", "tracker=none", override)


def test_it_is_not_augmented():
    asked = experiment("recipe=noisy_quadratic", "tracker=none", "data.augment.hflip=true")
    with pytest.raises(ConfigError, match=r"data\.augment: only images are augmented"):
        NoisyQuadratic().load(0).train.stream(Reading(8, 0, asked.data.augment))


# ---- The engine's runs.

SMALL = ("recipe=noisy_quadratic", "tracker=none", "data.args.dimensions=10", "data.args.condition=10", "horizon=6ep")
SEEDS = 200
ARMS = {
    "constant": ("scheduler=constant",),
    "cosine": ("scheduler=cosine", "optimizer.lr=1.5"),
    "step": ("scheduler=step", "scheduler.interval=batch"),
    "warmup": ("scheduler=linear", "warmup=linear_10pct", "optimizer.lr=1.2"),
    "momentum": ("scheduler=cosine", "optimizer.lr=0.2", "optimizer.args.momentum=0.8"),
}


@cache
def samples(seed):
    """Of every update of a run, (60, 8, 10)."""
    stream = NoisyQuadratic(10, condition=10.0).load(seed).train.stream(Reading(8, seed))
    return torch.stack([stream.batch(update)[0] for update in range(60)])


def trained_by_hand(asked, seeds):
    """Final excess of each seed, (seeds,), by a loop of its own over all of them at once."""
    data = NoisyQuadratic(**asked.data.args)
    z = torch.stack([samples(seed) for seed in seeds])
    h, momentum = torch.tensor(data.curvatures).float(), asked.optimizer.args["momentum"]
    theta = velocity = torch.zeros(len(seeds), data.dimensions)
    for update, rate in enumerate(lr_table(asked).lr[:, 0].tolist()):
        gradient = (h * (theta[:, None] - z[:, update])).sum(1) / 8
        velocity = momentum * velocity + gradient
        theta = theta.add(velocity, alpha=-rate)  # one rounding, as in torch's SGD
    return ((theta.double() - data.distance).square() @ h.double() / 2).numpy()


@pytest.mark.parametrize("arm", ARMS)
def test_the_mean_of_many_runs_is_the_expected_one(arm):
    asked = experiment(*SMALL, *ARMS[arm])
    found = trained_by_hand(asked, range(SEEDS))
    momentum = asked.optimizer.args["momentum"]
    expected = expected_excess(NoisyQuadratic(**asked.data.args), lr_table(asked).lr[:, 0], 8, momentum)
    assert len(expected) == 61
    assert abs(found.mean() - expected[-1]) < 4 * found.std(ddof=1) / sqrt(SEEDS)


@pytest.mark.slow
@pytest.mark.usefixtures("without_picture")
@pytest.mark.parametrize("arm", ARMS)
def test_the_engine_s_runs_are_those_of_the_loop(arm, run):
    """But for the order of a sum, which is the processor's."""
    seeds = (0, 1, 2)
    asked = [experiment(*SMALL, *ARMS[arm], f"seed={seed}") for seed in seeds]
    records = [run(e) for e in asked]
    found = [record.summary()["test/excess"] for record in records]
    np.testing.assert_allclose(found, trained_by_hand(asked[0], seeds), rtol=1e-14)
    assert len(set(found)) == 3
    summary = records[0].summary()
    assert (summary["state"], summary["audit"]) == ("finished", "as planned")
    assert summary["val/excess"] == summary["test/excess"]
    assert declared_in(summary)["excess"].higher_is_better is False
    start = samples(0)[0].double().square() @ torch.tensor(NoisyQuadratic(10, condition=10.0).curvatures)
    assert records[0].series()[LOSS][0] == pytest.approx(float(start.mean() / 2), rel=1e-6)


@pytest.mark.usefixtures("without_picture")
def test_a_rate_beyond_two_over_the_largest_curvature_diverges(run):
    assert run(experiment(*SMALL, "scheduler=constant", "optimizer.lr=6.0")).summary()["state"] == "diverged"


def test_the_recipe_reaches_what_its_header_says():
    asked = experiment("recipe=noisy_quadratic", "tracker=none")
    expected = expected_excess(NoisyQuadratic(**asked.data.args), lr_table(asked).lr[:, 0], asked.batch_size)
    assert round(expected[-1], 4) == 0.1248


def test_the_same_rate_and_each_arm_s_own_disagree_on_the_better_schedule():
    """Why a study tunes: at 0.25 a constant rate is better than a cosine; each at its best rate, worse."""
    rates = [0.25 * 2 ** (k / 2) for k in range(7)]  # up to 2, where nothing holds

    def reached(scheduler):
        asked = experiment("recipe=noisy_quadratic", "tracker=none", f"scheduler={scheduler}", "optimizer.lr=1")
        shape = lr_table(asked).lr[:, 0]
        return [expected_excess(NoisyQuadratic(), rate * shape, asked.batch_size)[-1] for rate in rates]

    constant, cosine = reached("constant"), reached("cosine")
    assert constant[0] < cosine[0] / 1.5
    assert min(cosine) < min(constant) / 2
