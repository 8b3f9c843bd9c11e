"""What is taken for what, and that verdicts decide it."""

from dataclasses import replace

import pytest
from advised import KNOWN, advised, refused, world

from lrbench.advise.choose import Advice, Choice
from lrbench.advise.evidence import Verdicts, measured
from lrbench.advise.words import told
from lrbench.claims.settled import MeasuredContrast, Settled


def taken(a: Advice, question: str) -> Choice:
    found = a.of(question)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("facts", "overrides"),
    [
        (
            {"model": "bert", "pretrained": True, "epochs": 3},
            "horizon=3ep optimizer=adamw optimizer.args.weight_decay=0.01 optimizer.lr=3e-5 scheduler=linear "
            "scheduler.interval=batch warmup=linear_10pct",
        ),
        (
            {"model": "vit_s", "epochs": 300, "samples": 10**6},
            "horizon=300ep optimizer=adamw param_groups=no_decay_norm_bias optimizer.lr=0.001 "
            "scheduler=cosine_floor1e-5 scheduler.interval=batch warmup=linear10 warmup.interval=batch",
        ),
        (
            {"model": "resnet50", "epochs": 20, "recipe": "steps"},
            "horizon=20ep optimizer=sgd optimizer.lr=0.1 scheduler=multistep scheduler.interval=batch warmup=none",
        ),
        (
            {"domain": "cnn", "goal": "reproduce"},
            "horizon=100ep optimizer=sgd optimizer.lr=0.1 scheduler=multistep_30_60_90 warmup=none",
        ),
        (
            {"domain": "cnn", "batch": 2048},
            "horizon=100ep optimizer=sgd optimizer.lr=0.8 scheduler=cosine scheduler.interval=batch warmup=linear5 "
            "warmup.interval=batch",
        ),
        (
            {"domain": "cnn", "goal": "fast"},
            "horizon=20ep optimizer=sgd optimizer.lr=0.1 scheduler=onecycle warmup=none",
        ),
        ({"domain": "detection"}, "horizon=26ep optimizer=sgd optimizer.lr=0.02 scheduler=multistep_16_22 warmup=none"),
        (
            {"domain": "detection", "model": "detr"},
            "horizon=300ep optimizer=adamw optimizer.args.weight_decay=1e-4 optimizer.lr=1e-4 "
            "param_groups=backbone_head param_groups.args.backbone=0.1 scheduler=multistep_200 warmup=none",
        ),
        (
            {"domain": "segmentation"},
            "horizon=100ep optimizer=sgd optimizer.lr=0.01 scheduler=polynomial scheduler.interval=batch warmup=none",
        ),
        (
            {"domain": "cnn", "pretrained": True},
            "horizon=10ep optimizer=adamw optimizer.lr=1e-3 param_groups=backbone_head "
            "param_groups.args.backbone=0.01 scheduler=cosine scheduler.interval=batch warmup=none",
        ),
        (
            {"domain": "cnn", "budget": "open"},
            "horizon=100ep optimizer=sgd optimizer.lr=0.1 scheduler=plateau scheduler.args.patience=10ep "
            "warmup=linear5 warmup.interval=batch",
        ),
        (
            {"domain": "nlp", "batch": 1024, "scheduler": "inverse_sqrt"},
            "horizon=10ep optimizer=adamw optimizer.args.weight_decay=0.01 optimizer.lr=0.0002 "
            "scheduler=inverse_sqrt warmup=none",
        ),
        (
            {"domain": "cnn", "pretrained": True, "optimizer": "sgd", "batch": 64},
            "horizon=10ep optimizer=sgd optimizer.lr=0.000375 scheduler=cosine scheduler.interval=batch warmup=none",
        ),
        (
            {"domain": "vit", "goal": "fast", "batch": 512},
            "horizon=90ep optimizer=adamw param_groups=no_decay_norm_bias optimizer.lr=0.0005 "
            "scheduler=cosine_floor1e-5 scheduler.interval=batch warmup=linear_10pct",
        ),
        ({"model": "dqn"}, "horizon=100ep optimizer=adam optimizer.lr=2.5e-4 scheduler=constant warmup=none"),
    ],
    ids=lambda value: "" if isinstance(value, str) else "-".join(map(str, value.values())),
)
def test_what_is_advised(facts: dict[str, object], overrides: str) -> None:
    """Each line is what the sources named in it give, worked out by hand."""
    assert " ".join(advised(**facts).overrides) == overrides


def test_a_claim_found_wrong_is_not_followed_and_that_is_said() -> None:
    schedule = taken(advised(world(cosine_preferred_over_multistep="contradicted"), domain="cnn"), "schedule")
    assert [(p.id, p.why) for p in schedule.not_followed] == [
        ("cnn", "it rests on cosine-preferred-over-multistep: contradicted")
    ]
    assert (schedule.id, schedule.set[0]) == ("cnn-steps", "scheduler=multistep")


def test_where_nothing_is_left_of_schedules_the_rate_stays_constant() -> None:
    wrong = world(cnn_no_schedule_costs_1_3="practically null", schedule_gain_2_to_5_pct="contradicted")
    schedule = taken(advised(wrong, domain="cnn"), "schedule")
    assert schedule.set == ("scheduler=constant",)
    assert [p.id for p in schedule.not_followed] == ["cnn", "cnn-steps", "long", "default"]


@pytest.mark.parametrize("verdict", ["false", "contradicted", "practically null"])
def test_a_warmup_of_which_nothing_is_left_is_not_advised(verdict: str) -> None:
    warmup = taken(advised(world(warmup_gain_vision_half_to_one=verdict), domain="cnn"), "warmup")
    assert warmup.set == ("warmup=none",)
    assert "warmup-gain-vision-half-to-one" in warmup.not_followed[0].why
    assert not warmup.disagreements  # its side is another now


@pytest.mark.parametrize("verdict", ["partly", "not found", "inconclusive", "supported", "smaller than claimed"])
def test_what_is_not_refuted_stands(verdict: str) -> None:
    warmup = taken(advised(world(warmup_gain_vision_half_to_one=verdict), domain="cnn"), "warmup")
    assert warmup.id == "cnn-long"
    assert (warmup.evidence[0].claim, warmup.evidence[0].standing) == ("warmup-gain-vision-half-to-one", verdict)


def test_a_claim_against_it_that_is_borne_out_counts() -> None:
    """Somebody asks for an exponential decay, and it was found to be worse."""
    asked = {"domain": "cnn", "scheduler": "exponential"}
    assert taken(advised(**asked), "schedule").set[0] == "scheduler=exponential_to"
    found = taken(advised(world(exponential_worse_than_cosine="supported"), **asked), "schedule")
    assert found.set[0] == "scheduler=cosine"
    assert found.not_followed[0].why == "exponential-worse-than-cosine speaks against it: supported"


def test_steps_that_are_asked_for_are_not_taken_where_a_cosine_was_found_better() -> None:
    """Those of a recipe are: whoever follows one wants its result."""
    better = world(cosine_preferred_over_multistep="supported")
    assert taken(advised(better, domain="cnn", scheduler="steps"), "schedule").id == "cnn"
    assert taken(advised(better, domain="other", scheduler="steps"), "schedule").id == "asked-steps"
    assert taken(advised(better, domain="cnn", recipe="steps"), "schedule").id == "steps-as-published"


def test_what_was_measured_is_told() -> None:
    of = {"study": "s", "design": "d", "task": "", "arm": "cosine", "baseline": "step", "metric": "test/accuracy"}
    m = MeasuredContrast(**of, kind="difference", claim={}, verdict="supported", n=9, left_out=0,
                 effect=0.02298, low=0.011619, high=0.030467, level=0.95, agreement=None, fresh=True)  # fmt: skip
    assert measured(m) == "cosine against step: +2.3 points of test/accuracy (+1.2 to +3.0), s"
    assert measured(replace(m, metric="val/loss", task="t")) == (
        "cosine against step, t: +0.023 val/loss (+0.0116 to +0.0305), s"
    )
    assert measured(replace(m, kind="threshold")) == ""  # doublings, which this line does not speak of
    assert measured(replace(m, low=None)) == ""
    name = "cosine-preferred-over-multistep"
    found = advised(Verdicts(KNOWN, {name: Settled(name, "supported", studies=(m,))}), domain="cnn")
    assert "measured: cosine against step: +2.3 points of test/accuracy (+1.2 to" in told(found)


def test_a_rate_is_scaled_unless_that_was_found_wrong() -> None:
    large = {"domain": "cnn", "batch": 4096}
    assert "optimizer.lr=1.6" in taken(advised(**large), "rate").set
    rate = taken(advised(world(linear_lr_scaling_rule="contradicted"), **large), "rate")
    assert rate.set == ("optimizer.lr=0.1",)
    assert "linear-lr-scaling-rule is contradicted" in rate.because


def test_warmup_is_longer_above_4096_unless_that_was_found_wrong() -> None:
    assert taken(advised(domain="cnn", batch=8192), "warmup").set[0] == "warmup=linear10"
    wrong = world(large_batch_longer_warmup_above_4096="contradicted")
    assert taken(advised(wrong, domain="cnn", batch=8192), "warmup").set[0] == "warmup=linear5"


def test_bert_contradictions_are_told_with_the_side() -> None:
    a = advised(model="bert", pretrained=True, epochs=3)
    told = {d.id: d.side for c in a.choices for d in c.disagreements}
    assert told == {
        "fine-tuning-rate": "neither, but 3e-5",
        "fine-tuning-schedule": "the decay",
        "transformer-fine-tuning-warmup": "a warmup",
    }


def test_other_rules_are_told_where_they_say_another_thing() -> None:
    schedule = taken(advised(model="bert", pretrained=True, epochs=3), "schedule")
    assert [(o.rule, o.id) for o in schedule.others] == [
        ("advise.schedule-for-model", "transformer"),
        ("advise.default-schedule", "default"),
    ]
    assert [o.id for o in taken(advised(domain="cnn"), "schedule").others] == ["cnn-steps"]  # the rest say a cosine


def test_an_unstable_run_gets_a_warmup_and_a_bound() -> None:
    a = advised(domain="detr", training="unstable")
    assert "clip=1.0" in a.overrides
    assert "warmup=linear_10pct" in a.overrides


def test_a_stuck_run_is_not_cut_where_cutting_was_found_not_to_help() -> None:
    assert taken(advised(domain="cnn", training="stuck"), "scope").id == "stuck"
    assert advised(world(reduce_lr_breaks_plateau="contradicted"), domain="cnn", training="stuck").of("scope") is None


def test_advice_of_the_ledger_is_shown_with_what_bears_on_it() -> None:
    """`advisor-compute-budget` is contradicted by what the plateau scheduler does, says the ledger."""
    schedule = taken(advised(domain="cnn", budget="open"), "schedule")
    assert "plateau-stops-when-plateaued" in {e.claim for e in schedule.evidence}


def test_facts_that_do_not_go_together_are_refused() -> None:
    assert "resnet50 is a convolutional network" in str(refused(model="resnet50", domain="nlp"))
    assert "only 100 samples" in str(refused(domain="cnn", samples=100))
    assert "not said what is trained" in str(refused(epochs=3))
    assert "no model of this name" in str(refused(model="frobnet"))
    assert advised(model="frobnet", domain="cnn").case.of["words"] == "a convolutional network"


def test_what_nobody_said_is_named() -> None:
    assert advised(model="bert", epochs=3).case.assumed == ("pretrained", "batch", "optimizer", "goal")
    told = {"pretrained": False, "epochs": 1, "batch": 2, "optimizer": "sgd", "goal": "best"}
    assert advised(domain="cnn", **told).case.assumed == ()
