"""The page and the summary show what a verdict rests on."""

from dataclasses import replace

from lrbench.claims import page, summary
from lrbench.claims.ledger import claims
from lrbench.claims.provenance import HEADER
from lrbench.claims.published import Published
from lrbench.claims.settled import MeasuredContrast, Planned, Settled
from lrbench.report.tables import Table

KNOWN = claims()
EFFECT, ADVICE = "schedule-gain-2-to-5-pct", "lint-step-order"
GAIN = MeasuredContrast(
    study="toy", design="0123", task="", arm="cosine", baseline="constant", metric="test/accuracy", kind="difference",
    claim={"low": 0.02, "high": 0.05, "margin": 0.005}, verdict="supported", n=20, left_out=1, effect=0.03,
    low=0.021, high=0.039, level=0.95, agreement=0.9, fresh=True, remarks=("1 of 21 pairs is left out",),
)  # fmt: skip
FIGURE = "<svg>a figure</svg>"


def told(*studies: MeasuredContrast, **more: object) -> Published:
    chosen = {name: KNOWN[name] for name in (EFFECT, ADVICE, *KNOWN[ADVICE].supported_by)}
    verdicts = {EFFECT: Settled(EFFECT, "supported", studies=studies)} if studies else {}
    made = Published(
        chosen, verdicts, (), {"toy": Planned(265, 5.0, (EFFECT,))}, {"toy": FIGURE},
        {"Again": "`lrbench claims run ID` settles a <claim> anew."}, Table(HEADER, (("toy", *"abcde", "42", "1"),)),
    )  # fmt: skip
    return replace(made, **more)  # type: ignore[arg-type]


def test_a_measured_claim_has_its_gain_its_figure_and_how_often_a_rerun_agrees() -> None:
    html = page.render(told(GAIN, replace(GAIN, arm="linear")))
    told_of = "test accuracy +3.00 points (95% interval 2.10 to 3.90), 20 of 21 pairs, study toy: supported"
    assert f"cosine against constant: {told_of}" in html
    assert 'href="studies/toy/index.html"' in html
    assert html.count("data:image/svg+xml;base64,") == 1  # of one study
    assert "1 of 21 pairs is left out" in html
    assert "in about 90% of cases: lrbench compare toy --replicate 1" in html


def test_methods_and_provenance_stand_below() -> None:
    html, markdown = page.render(told()), summary.render(told())
    assert "<strong>Again.</strong> <code>lrbench claims run ID</code> settles a &lt;claim&gt; anew." in html
    assert "- **Again.** `lrbench claims run ID` settles" in markdown
    assert "| toy | a | b | c | d | e | 42 | 1 |" in markdown
    assert "<td>42</td>" in html


def test_what_is_not_yet_run_has_its_cost() -> None:
    cost = "lrbench compare toy (265 runs, about 5.0 hours)"
    assert cost in page.render(told())
    assert cost in summary.render(told())


def test_advice_says_what_it_rests_on() -> None:
    assert "rests on step-order-off-by-one: not yet run" in page.render(told())
