"""Each procedure on the smallest series that it speaks of, and on the nearest of which it does not."""

import numpy as np
import pytest
from made_series import COSINE, FALLS, FLAT, N, T, bent, curve, series

from lrbench.claims.ledger import claims
from lrbench.diagnose.diagnose import RULES, diagnose
from lrbench.diagnose.series import Series
from lrbench.diagnose.words import text
from lrbench.metrics import Metric

PLATEAU = 0.8 + 1.5 * np.exp(-T / 8)  # stands still from update 40 on


def named(made: Series) -> list[str]:
    """What is wrong, as `rule (cause)`."""
    found = [d for d in diagnose(made).found if d.finding.severity != "note"]
    return [f"{d.finding.rule.removeprefix('diagnose.')} ({d.cause})" for d in found]


def ramp(length: int, first: float = 0.001, peak: float = 0.1) -> np.ndarray:
    """A linear warmup to the peak, which then stays."""
    return np.minimum(first + (peak - first) * T / max(length, 1), peak)


def spike(at: int, height: float, rows: int = 10) -> np.ndarray:
    return bent(FALLS, at, *[height] * rows)


def test_healthy() -> None:
    assert named(series()) == []
    assert diagnose(series()).healthy
    assert named(series(rate=None)) == []  # without rates
    assert named(series(loss=FALLS + 0.02 * np.sin(T))) == []  # with noise
    assert named(series(val_loss=curve(FALLS[::20] + 0.1, 20))) == []


@pytest.mark.parametrize(
    ("loss", "rate", "said"),
    [
        (bent(FALLS, 150, *[np.nan] * 50), FLAT, "unstable-training (too-high)"),
        (bent(FALLS, 3, *[np.nan] * 197), FLAT, "unstable-training (too-high-at-start)"),
        (bent(FALLS, 3, *[np.inf] * 197), None, "unstable-training (unknown-rate)"),
        (spike(120, 1.2), FLAT, "unstable-training (too-high)"),
        (spike(120, 1.2), bent(FLAT, 119, *[0.01] * 81), "unstable-training (sharp-drop)"),
        (spike(120, 1.2), bent(COSINE, 119, *[0.1] * 81), "unstable-training (rate-jumped)"),
        (bent(FALLS, 1, *[4.0] * 199), FLAT, "unstable-training (too-high-at-start)"),  # never learned
    ],
    ids=["nan", "nan-early", "inf-no-rate", "spike", "spike-drop", "spike-jump", "blown"],
)
def test_unstable(loss: np.ndarray, rate: np.ndarray | None, said: str) -> None:
    assert named(series(loss, rate))[0] == said


def test_a_spike_is_a_spike_from_two_fifths_of_what_was_learned_on() -> None:
    """The level before it is about 0.09, and 2.2 were learned."""
    assert named(series(spike(120, 0.09 + 0.42 * 2.25), COSINE)) == ["unstable-training (too-high)"]
    assert named(series(spike(120, 0.09 + 0.36 * 2.25), COSINE)) == []
    # single updates are noisy: they must rise by more, and are only noted where all goes on as before
    assert named(series(spike(120, 1.5, rows=1), COSINE)) == []
    single = diagnose(series(spike(120, 4.0, rows=1), COSINE))
    assert [(d.finding.rule, d.finding.severity) for d in single.found] == [("diagnose.unstable-training", "note")]


def test_a_single_value_above_a_level_that_rose_too_is_not_fleeting() -> None:
    """As of a ResNet at a rate of 10 in the first confusion matrix: one batch at 14, and then levels of 4."""
    rises = np.where(T < 40, 4.0, 2.2)
    rises[:2] = 2.5, 14.0
    assert named(series(rises, FLAT))[0] == "unstable-training (too-high-at-start)"


def test_when_a_rise_began() -> None:
    """Where its level first counts as one, here that of updates 104 to 107: an explosion begins long before its top."""
    explodes = bent(FALLS, 100, *(0.1 * 4.0 ** np.arange(100)))
    (found,) = [d for d in diagnose(series(explodes, FLAT)).found if d.finding.severity == "error"]
    assert "the rate was 0.1 when it began, at update 104 of 200" in found.evidence


def test_one_goes_on_from_a_whole_update() -> None:
    made = series(np.append(FALLS, np.full(1, np.nan)), np.append(FLAT, 0.1), end=201.0, planned=201.0)
    assert diagnose(made).found[0].tries[0].says == "go on from update 189 of 201 at a lower rate"  # of 189.95


def test_a_noisy_loss_is_not_unstable() -> None:
    noise = np.random.default_rng(0).standard_normal(N)
    assert named(series(FALLS + 0.3 * noise, COSINE)) == []


def test_rates_that_end_with_the_loss() -> None:
    """A trainer may log nan in every column once the loss is nan; what the rates were before counts."""
    made = series(np.array([2.3, 1.9, 1.7, np.nan, np.nan]), np.array([0.1, 0.1, 0.1, np.nan, np.nan]), unit="epoch")
    found = diagnose(made)
    assert "the rate was 0.1 when it began, at epoch 3 of 5" in found.found[0].evidence
    assert found.found[0].tries[1].says == "lower the peak of the rate to 0.01, 0.1 of where it broke"
    assert found.series.unseen == ("the rate of 2 of 5 rows: it is not finite there",)


@pytest.mark.parametrize(
    ("rate", "words"),
    [
        (np.full(N, np.nan), "none of its 200 values is a finite number"),
        (-FLAT, "it is below zero from update 0 of 200 on"),
        (0.1 * (1 - T / 150), "it is below zero from update 151 of 200 on, at least -0.0327"),  # past its end
        (0 * FLAT, "it is 0 in every row"),
    ],
    ids=["nan", "negative", "past-its-end", "zero"],
)
def test_rates_that_are_none(rate: np.ndarray, words: str) -> None:
    found = diagnose(series(rate=rate))
    assert words in "; ".join(found.series.unseen)
    assert "nan" not in text(found)


def test_a_rate_of_zero_is_not_made_ten_times_higher() -> None:
    (found,) = diagnose(series(2.3 - 1e-5 * T, 0 * FLAT)).found
    assert found.cause == "zero-rate"
    assert "ten times" not in " ".join(t.says for t in found.tries)
    assert named(series(PLATEAU, 0 * FLAT)) == ["plateau (zero-rate)"]


@pytest.mark.parametrize(
    ("rate", "said"),
    [
        (ramp(1), "warmup-without-effect (too-short)"),
        (ramp(20, first=0.04), "warmup-without-effect (begins-too-high)"),
        (bent(ramp(20), 5, *[0.1] * 195), "warmup-without-effect (jumps)"),
        (ramp(20), "warmup-without-effect (peak-too-high)"),
        (FLAT, "unstable-training (too-high-at-start)"),
    ],
    ids=["short", "high", "jumps", "as-it-should", "none"],
)
def test_warmup(rate: np.ndarray, said: str) -> None:
    """Training that breaks off in the warmup or soon after is the warmup's affair."""
    assert named(series(spike(22, 6.0, 20), rate))[0] == said


def test_what_breaks_long_after_the_warmup_is_not_its_affair() -> None:
    assert named(series(spike(30, 6.0), ramp(10)))[0] == "warmup-without-effect (peak-too-high)"
    assert named(series(spike(80, 6.0), ramp(10)))[0] == "unstable-training (too-high)"


def onecycle(n: int = N) -> np.ndarray:
    """Torch's shape over n updates: a cosine from 1/25 of the peak up, and one down to nothing."""
    peak_at = 3 * n // 10
    up, down = np.arange(peak_at) / peak_at, np.arange(n - peak_at) / (n - peak_at - 1)
    rise = 0.004 + 0.096 * (1 - np.cos(np.pi * up)) / 2
    return np.append(rise, 1e-6 + 0.1 * (1 + np.cos(np.pi * down)) / 2)


def test_onecycle() -> None:
    assert named(series(rate=onecycle())) == []
    assert named(series(spike(55, 6.0), onecycle())) == ["onecycle (peak-too-high)"]
    assert named(series(spike(190, 6.0), onecycle())) == ["unstable-training (too-high)"]
    assert named(series(rate=onecycle(16 * N)[:N])) == ["onecycle (stepped-too-seldom)"]  # a rise that never ends


@pytest.mark.parametrize(
    ("loss", "rate", "said"),
    [
        (PLATEAU, FLAT, ["plateau (never-lowered)"]),
        (PLATEAU, bent(FLAT, 30, *[0.001] * 170), ["plateau (cut-too-early)"]),
        (PLATEAU, 0.1 * np.exp(-T / 5), ["decay-too-fast (too-short)"]),
        (PLATEAU, None, ["plateau (unknown-rate)"]),
        (FALLS, FLAT, []),
        (PLATEAU - T / 2000, FLAT, []),  # creeps on by a twentieth of what it fell
        (0.05 + 2.25 * np.exp(-T / 3), FLAT, []),  # stands still, with nothing left to lose
    ],
    ids=["constant", "cut", "too-low", "no-rate", "falls", "creeps", "solved"],
)
def test_plateau(loss: np.ndarray, rate: np.ndarray | None, said: list[str]) -> None:
    assert named(series(loss, rate)) == said


def test_what_falls_on_is_no_plateau() -> None:
    """By more than the standard errors of later means; and of one that creeps the truth is told."""
    noise = 0.1 * np.random.default_rng(0).standard_normal(N)
    assert named(series(PLATEAU + noise, FLAT)) == ["plateau (never-lowered)"]
    assert named(series(PLATEAU - 0.3 * T / N + noise, FLAT)) == []
    (found,) = diagnose(series(PLATEAU - 0.04 * T / N, FLAT)).found
    assert found.finding.says.startswith("the loss has hardly fallen since update")
    assert found.evidence[0] == (
        "its mean was 0.7828 in the first half since then, 0.7677 in the second, 1.0% of all that it fell"
    )


def test_nothing_was_learned() -> None:
    """At a rate too low it hardly moves; far too high it wavers about where it began."""
    still = 2.3 - 1e-5 * T
    wavers = 2.3 + 0.05 * np.sin(T / 3)
    assert named(series(still, FLAT)) == ["plateau (too-low)"]
    assert named(series(wavers, FLAT)) == ["plateau (too-high)"]
    assert named(series(still, FLAT, begins=False)) == []  # a log that begins late cannot tell


def test_a_rate_too_low_is_not_one_too_high_that_was_never_lowered() -> None:
    """Single batches waver at any rate; where the same validation does not, nothing moved. 48 updates are few."""
    batches = 2.3 + 0.02 * np.random.default_rng(0).standard_normal(48)
    for rate in (FLAT, 0.5 * FLAT + 0.5 * COSINE):
        made = series(batches, 1e-5 * rate[:48], val_loss=curve([2.3142, 2.3141, 2.3141], 16))
        assert named(made) == ["plateau (too-low)"]
    assert diagnose(made).found[0].tries[0].says == "train at ten times the rate"
    unseen = series(batches, FLAT[:48], begins=False, declared={"loss": Metric("loss", chance=np.log(10))})
    assert named(unseen) == ["plateau (too-high)"]  # no better than chance, and no validation to tell by
    assert "if the rate is small already" in diagnose(unseen).found[0].tries[-1].says


@pytest.mark.parametrize(
    ("rate", "said"),
    [
        (0.1 * np.exp(-T / 20), ["decay-too-fast (too-short)"]),  # at 2 % after 78 of 200
        (0.1 * np.exp(-T / 27), []),  # after 106
        (0.05 * (1 + np.cos(np.pi * T / 20)), ["decay-too-fast (too-short)"]),  # swings
        (np.abs(((T / 20) % 2) - 1) * 0.1, []),  # a triangle: cycles are meant to swing
        (np.tile(COSINE[::10], 10), []),  # a restart jumps up
        (bent(FLAT, 20, *[0.01] * 20, *[0.001] * 160), ["decay-too-fast (cut-too-early)"]),
        (bent(FLAT, 60, *[0.01] * 60, *[0.001] * 80), []),
    ],
    ids=["fast", "slow", "swings", "triangle", "restarts", "steps-early", "steps"],
)
def test_decay(rate: np.ndarray, said: list[str]) -> None:
    assert named(series(rate=rate)) == said


def test_a_cosine_of_epochs_that_is_stepped_per_update() -> None:
    """Ten epochs of 20 updates: swings of 10 updates are a T_max of 10."""
    swings = 0.05 * (1 + np.cos(np.pi * T / 10))
    assert named(series(rate=swings, per_epoch=20)) == ["decay-too-fast (stepped-too-often)"]
    assert named(series(rate=swings, per_epoch=100)) == ["decay-too-fast (too-short)"]


def test_gap() -> None:
    """A seventh of the first loss, 2.3; of a validation that is best at the very end it is noted."""
    for above, said in ((0.36, ["poor-final-result (overfitting)"]), (0.32, [])):
        val = FALLS[::20] + above
        assert named(series(val_loss=curve(bent(val, 9, val[8]), 20))) == said
    falling = diagnose(series(val_loss=curve(FALLS[::20] + 0.36, 20)))
    assert [d.cause for d in falling.found] == ["gap"]
    assert falling.healthy
    worsens = curve([2, 1, 0.5, 0.2, 0.15, 0.15, 0.2, 0.25, 0.3, 0.32], 20)
    assert named(series(val_loss=worsens)) == ["poor-final-result (overfitting)"]


@pytest.mark.parametrize("shift", [2.3, 4.0])
def test_a_gap_of_a_loss_that_begins_at_0_or_below(shift: float) -> None:
    """Such as a negative log density: the gap is measured by how far the loss fell, here by 2.2."""
    for above, said in ((0.36, ["poor-final-result (overfitting)"]), (0.2, [])):
        val = bent(FALLS[::20], 9, FALLS[160]) - shift + above
        assert named(series(FALLS - shift, val_loss=curve(val, 20))) == said


def test_a_rate_that_is_high_at_the_end() -> None:
    """It is wrong where evaluations waver; else, and where it never fell, it is noted."""
    half = 0.05 + 0.5 * COSINE
    restless = curve(FALLS[::10] * (1 + 0.2 * np.array([1, -1] * 10)), 10)
    calm = curve(FALLS[::10], 10)
    assert named(series(rate=half, val_loss=restless)) == ["poor-final-result (rate-still-high)"]
    assert named(series(rate=COSINE, val_loss=restless)) == []
    assert named(series(rate=half, val_loss=calm)) == []
    (note,) = diagnose(series(rate=half, val_loss=calm)).found
    assert (note.finding.severity, note.cause) == ("note", "rate-still-high")


def test_several_causes_are_ranked() -> None:
    """The gravest first: what was never finite again before a rate that fell too fast."""
    both = series(bent(FALLS, 150, *[np.nan] * 50), 0.1 * np.exp(-T / 20))
    assert named(both) == ["unstable-training (too-high)", "decay-too-fast (too-short)"]


def test_every_rule_that_the_ledger_names_is_here() -> None:
    known = {claim.rule for claim in claims().values() if claim.rule.startswith("diagnose.")}
    assert known == {*RULES}


def test_every_finding_names_a_claim_that_there_is() -> None:
    ledger = claims()
    for made in (
        series(bent(FALLS, 150, *[np.nan] * 50), FLAT), series(spike(55, 6.0), onecycle()), series(PLATEAU, FLAT),
        series(spike(22, 6.0, 20), ramp(20)), series(rate=0.1 * np.exp(-T / 20)),
        series(val_loss=curve(FALLS[::-20] + 0.5, 20)),
    ):  # fmt: skip
        for found in diagnose(made).found:
            assert ledger[found.finding.claim].rule == found.finding.rule
