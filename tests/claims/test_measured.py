"""What studies found, and the verdict on a claim that follows."""

import pytest

from lrbench.claims.measured import DEPENDS, IN_PART, verdict_of
from lrbench.claims.settled import MeasuredContrast
from lrbench.claims.words import gained, telling
from lrbench.config.claim import ClaimContrast, ClaimDesign, ClaimPart


def found(study: str, verdict: str = "supported", **other: object) -> MeasuredContrast:
    plain: dict = {
        "study": study, "design": "0" * 16, "task": "", "arm": "b", "baseline": "a", "metric": "test/accuracy",
        "kind": "difference", "claim": {"low": 0.0, "high": None, "margin": None}, "verdict": verdict, "n": 24,
        "left_out": 0, "effect": 0.012, "low": 0.01, "high": 0.02, "level": 0.95, "agreement": None, "fresh": True,
    }  # fmt: skip
    return MeasuredContrast(**{**plain, **other})


def design(*studies: str, **more: object) -> ClaimDesign:
    parts = tuple(ClaimPart((study,), (ClaimContrast("b", "a"),)) for study in studies)
    return ClaimDesign("x", "The intervals do.", parts=parts, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("of", "verdicts", "verdict"),
    [
        (design("s", "t"), {"s": "supported", "t": "supported"}, "supported"),
        (design("s", "t"), {"s": "supported", "t": "contradicted"}, DEPENDS),
        (design("s", "t"), {"s": "supported"}, IN_PART),  # the other half is not run
        (design("s", needs=("text",)), {"s": "supported"}, IN_PART),  # ... or cannot be yet
        (design("s", "t", holds="any"), {"s": "supported"}, "supported"),  # one is enough
        (design("s", "t", holds="any"), {"s": "contradicted"}, IN_PART),
        (design("s", "t", holds="any"), {"s": "contradicted", "t": "contradicted"}, "contradicted"),
    ],
)
def test_a_claim_is_settled_when_all_that_settles_it_is_there(
    of: ClaimDesign, verdicts: dict[str, str], verdict: str
) -> None:
    assert verdict_of(tuple(found(s, v) for s, v in verdicts.items()), of) == verdict


@pytest.mark.parametrize(
    ("kind", "ends", "words"),
    [
        ("difference", (0.01, 0.012, 0.02), "test accuracy +1.20 points (95% interval 1.00 to 2.00)"),
        ("threshold", (0.4, 0.6, 0.8), "the highest value that succeeds +0.6 doublings (95% interval 0.4 to 0.8)"),
        ("success", (0.2, 0.3, 0.4), "rate of success +30.00 points (95% interval 20.00 to 40.00)"),
        ("fraction", (0.91, 0.92, 0.93), "fraction of test accuracy 92.00% (95% interval 91.00 to 93.00)"),
    ],
)
def test_what_was_gained_is_told_in_its_unit(kind: str, ends: tuple[float, float, float], words: str) -> None:
    low, effect, high = ends
    told = gained(found("s", kind=kind, low=low, effect=effect, high=high, fresh=False))
    assert told == f"b against a: {words}, 24 pairs, study s: supported (exploratory, not fresh)"


def test_a_line_tells_of_each_verdict_what_is_largest_and_then_the_first() -> None:
    effects = (0.01, 0.02, -0.03, -0.01, 0.05, None, 0.04)
    verdicts = ["no verdict" if e is None else "supported" if e > 0 else "contradicted" for e in effects]
    some = [found(str(i), v, effect=e) for i, (e, v) in enumerate(zip(effects, verdicts, strict=True))]
    assert [m.study for m in telling(some)] == ["0", "2", "4", "5"]
    assert telling(some[:3]) == some[:3]
