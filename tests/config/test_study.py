"""From a study as it is written to its design: what is compiled, what its hash depends on, what is refused."""

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest

from lrbench.config.experiments import experiment
from lrbench.config.plain import require_fractions
from lrbench.config.study import compile_study
from lrbench.config.study_files import read_study
from lrbench.config.typed_study import apart, typed_study
from lrbench.errors import ConfigError
from lrbench.experiment.identity import run_id
from lrbench.metrics import Metric
from lrbench.stats.verdict import ClaimedEffect
from lrbench.study.cells import Cell
from lrbench.study.design import from_plain_design
from lrbench.study.store import existing
from lrbench.study.tuning_rules import TuningRules

SHARED = ["model=mlp", "data=digits", "horizon=2ep"]
ARMS = {"constant": ["scheduler=constant"], "cosine": ["scheduler=cosine"]}
ASKED = {"set": SHARED, "arms": ARMS}


def made(**given):
    return compile_study({**ASKED, **given}, "study")


@pytest.mark.slow
def test_a_cell_is_the_run_that_its_overrides_make():
    design = made()
    for value in (None, 0.05, 0.8):
        typed = [] if value is None else [f"optimizer.lr={value}"]
        cell = Cell("", "cosine", value if value is not None else 0.025, 7, True)
        wanted = experiment(*SHARED, "scheduler=cosine", *(typed or ["optimizer.lr=0.025"]), "seed=7")
        assert run_id(design.experiment(cell)) == run_id(wanted)


def test_what_is_not_said_follows_from_the_task_and_the_baseline():
    rules = made().rules
    assert (rules.metric, rules.judge, rules.higher, rules.chance) == ("test/accuracy", "val/accuracy", True, 0.1)
    assert (rules.baseline, rules.pairs, rules.looks, rules.estimand) == ("constant", 10, 2, "tuned")
    assert [rules.tuning.value(k) for k in range(5)] == [0.025, 0.05, 0.1, 0.2, 0.4]  # around the optimizer's 0.1


def test_a_loss_is_better_when_lower():
    rules = made(metric="val/loss").rules
    assert (rules.metric, rules.judge, rules.higher) == ("val/loss", "val/loss", False)


def test_gains_of_a_share_may_be_given_in_points():
    rules = made(detect="0.5%", claims={"cosine": {"low": "1%", "high": None, "margin": 0.002}}).rules
    assert (rules.detect, rules.claims["cosine"]) == (0.005, ClaimedEffect(0.01, None, 0.002))


def test_a_fraction_may_be_given_in_percent_and_differ_in_budget():
    arms = {**ARMS, "short": ["scheduler=cosine", "horizon=1ep"]}
    claims = {"cosine": {"low": 0.5}, "short": {"low": "90%", "high": 0.95}}
    rules = made(kind="fraction", arms=arms, budget="differs", claims=claims, detect="2%").rules
    assert (rules.claims["short"], rules.detect) == (ClaimedEffect(0.9, 0.95), 0.02)


def test_a_fraction_is_of_what_cannot_be_below_0():
    with pytest.raises(ConfigError, match="test/score has no lower bound of 0"):
        require_fractions("test/score", Metric("score", higher_is_better=True))
    require_fractions("test/loss", Metric("loss", low=0.0))


def test_a_design_survives_its_file():
    claims = {"cosine": {"low": 0.005, "high": 0.02, "margin": 0.002}}
    design = made(claims=claims, pairs=20, tuning={"first": 0.05}, question="Why?")
    again = from_plain_design(json.loads(json.dumps(design.to_plain())))
    assert again == design
    assert again.rules.claims == {"cosine": ClaimedEffect(0.005, 0.02, 0.002)}
    assert again.rules.tuning == TuningRules(first=0.05)


def test_a_design_says_which_of_its_runs_existed():
    """Another study had the constant rate as its baseline, on two of the first ten seeds."""
    design = made(estimand="swap")
    assert existing(design, SimpleNamespace(done=lambda run_id: None)) == {}
    there = {run_id(design.experiment(Cell("", "constant", None, seed, True))) for seed in (2_000_000, 2_000_009)}
    existed = existing(design, SimpleNamespace(done=lambda run_id: run_id if run_id in there else None))
    assert existed == {"": {"constant": {"": 2}}}
    shared = replace(design, fresh=False, existed=existed)
    assert (shared.seen, shared.hash) == ({}, design.hash)
    assert from_plain_design(json.loads(json.dumps(shared.to_plain()))) == shared
    plain = {k: v for k, v in shared.to_plain().items() if k != "existed"}  # as it was frozen by an lrbench of before
    assert from_plain_design(plain).seen == {"": ("cosine",)}


def test_a_design_that_was_changed_by_hand_is_not_believed():
    plain = made().to_plain()
    plain["rules"]["pairs"] = 11
    with pytest.raises(ValueError, match="hashes to"):
        from_plain_design(plain)


@pytest.mark.slow
def test_the_hash_is_of_what_decides_the_answer():
    design = made()
    same = [made(question="?", reasons={"x": "y"}), replace(design, name="other"), made(replicate=2)]
    others = [
        made(pairs=11),
        made(baseline="cosine"),
        made(set=[*SHARED, "batch_size=32"]),
        made(tuning={"first": 0.2}),
    ]
    assert {d.hash for d in same} == {design.hash}
    assert len({d.hash for d in [design, *others]}) == 5


def test_what_is_tuned_may_be_another_option():
    design = made(tuning={"key": "batch_size", "first": 16, "points": 3, "at_most": 3})
    assert sorted(design.arms[""]["cosine"]) == ["16", "32", "64"]
    cell = Cell("", "cosine", 32.0, 3, False)
    wanted = experiment(*SHARED, "scheduler=cosine", "batch_size=32", "seed=3")
    assert run_id(design.experiment(cell)) == run_id(wanted)


def test_a_fork_may_be_tuned_by_its_parents_rate():
    fork = ["start.of=['model=mlp','data=digits','horizon=2ep']"]
    arms = {"own": {"set": ["scheduler=constant", *fork]}, "parents": {"set": ["scheduler=cosine", *fork],
            "tuned": "start.of.optimizer.lr"}}  # fmt: skip
    design = made(arms=arms)
    child = design.experiment(Cell("", "parents", 0.3, 5, False))
    assert (child.optimizer.lr, child.start.of.optimizer.lr, child.start.of.seed) == (0.1, 0.3, 5)


def test_tasks_share_the_arms():
    design = made(set=["model=mlp"], tasks={"short": ["horizon=1ep"], "long": ["horizon=3ep"]})
    assert design.rules.tasks == ("short", "long")
    assert design.experiment(Cell("long", "cosine", 0.1, 0, False)).horizon == "3ep"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"arms": {"a": ["scheduler=cosine"]}}, ["one arm is compared with nothing"]),
        ({"arms": {"a": ["scheduler=cosine"], "b": ["scheduler=cosine"]}}, ["arm b", "same experiment as a"]),
        ({"arms": {"a": "scheduler=cosine"}}, ["arms.a", "list of overrides"]),
        ({"arms": {"a": ["scheduler=cosinus"], "b": ["scheduler=step"]}}, ["cosinus"]),
        ({"arms": {**ARMS, "c": ["scheduler=linear", "horizon=3ep"]}}, ["horizon", "budget: differs"]),
        ({"set": [*SHARED, "seed=1"]}, ["seed=1", "--replicate"]),
        ({"metric": "test/f1"}, ["metric=test/f1", "test/accuracy"]),
        ({"claims": {"cosine": {"low": 0.01, "margin": 0.02}}}, ["claims.cosine", "margin as large as the claim"]),
        ({"claims": {"cosine": {"size": 1}}}, ["claims.cosine", "low"]),
        ({"tuning": {"start": 1}}, ["tuning.start"]),
        ({"tuning": {"key": "batch_size"}}, ["tuning.first"]),
        ({"set": [*SHARED, "optimizer.args.weight_decay=${optimizer.lr}"]}, ["arm constant", "optimizer.lr", "share"]),
        ({"tasks": []}, ["tasks"]),
        ({"pairs": 9}, ["pairs=9", "10"]),
        ({"detect": 0.5}, ["detect=0.5", "50 points", "0.5%"]),
        ({"claims": {"cosine": {"low": 0.5}}}, ["claims.cosine.low=0.5", "0.5%"]),
        ({"detect": "half"}, ["detect=half", "0.5%"]),
        ({"detect": "1%", "metric": "val/loss"}, ["detect=1%"]),
        ({"kind": "fraction"}, ["claims=cosine"]),
    ],
)
def test_what_cannot_be_meant_is_refused(given, words):
    with pytest.raises(ConfigError) as error:
        made(**given)
    assert all(word in str(error.value) for word in words), str(error.value)


def test_a_budget_that_differs_may_be_declared():
    arms = {**ARMS, "long": ["scheduler=cosine", "horizon=3ep"]}
    assert made(arms=arms, budget="differs").rules.arms == ("constant", "cosine", "long")


def test_a_study_that_is_typed():
    asked = typed_study(["model=mlp", "scheduler=constant,cosine", "horizon=2ep"])
    assert asked == {"set": ["model=mlp", "horizon=2ep"], "arms": {n: [f"scheduler={n}"] for n in ARMS}}
    two = typed_study(["scheduler=constant,cosine", "warmup=none,linear5"])["arms"]
    assert list(two) == ["constant-none", "constant-linear5", "cosine-none", "cosine-linear5"]
    with pytest.raises(ConfigError, match="one arm"):
        typed_study(["scheduler=cosine"])


def test_where_and_how_is_no_part_of_the_question():
    words = ["scheduler=a,b", "device=cpu", "hydra/launcher=slurm", "hydra.launcher.time=1:00:00", "tracker=none"]
    assert apart(words) == (["scheduler=a,b"], ["device=cpu", "tracker=none"], words[2:4])


@pytest.mark.parametrize(
    ("text", "words"),
    [("[1, 2]", ["no mapping"]), ("arms: {a: [", ["no YAML"]), ("armes: {}", ["armes", "arms"]), ("\x00", ["no YAML"])],
)
def test_a_file_that_is_no_study_is_refused(tmp_path, text, words):
    path = tmp_path / "x.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as error:
        read_study(path)
    assert all(word in str(error.value) for word in words)


@pytest.mark.parametrize(
    ("given", "option"),
    [
        ({"set": "model=mlp"}, "set"),
        ({"set": None}, "set"),
        ({"pairs": "20"}, "pairs"),
        ({"pairs": 20.5}, "pairs"),
        ({"primary": "cosine"}, "primary"),
        ({"tuning": [1, 2]}, "tuning"),
        ({"tuning": {"first": "much"}}, "tuning.first"),
        ({"tuning": {"points": 5.0}}, "tuning.points"),
        ({"tuning": {"seeds": 600, "more": 600}}, "tuning.more"),
        ({"detect": 0.01, "most_pairs": 1001}, "most_pairs"),
        ({"detect": 0.01, "kind": "success"}, "detect"),
    ],
)
def test_what_is_no_study_is_refused_by_its_option(given, option):
    with pytest.raises(ConfigError) as error:
        made(**given)
    assert error.value.option == option


def test_yaml_takes_1e_3_for_a_text_and_it_is_meant_as_a_number():
    assert made(tuning={"first": "1e-3"}).rules.tuning == TuningRules(first=0.001)


@pytest.mark.slow
def test_without_a_loss_the_first_metric_counts():
    asked = typed_study(["recipe=noisy_quadratic", "scheduler=constant,cosine"])
    rules = compile_study(asked, "study").rules
    assert (rules.metric, rules.judge, rules.higher) == ("test/excess", "val/excess", False)


def test_a_study_like_another_says_only_what_differs(tmp_path):
    first = "set: [model=mlp, horizon=5ep]\narms: {a: [], b: [warmup=linear1]}\nreasons: {set: Small., pairs: Few.}"
    (tmp_path / "first.yaml").write_text(f"{first}\npairs: 12\n")
    second = "like: first\nset: [horizon=9ep, +model.args.dropout=0.1]\nreasons: {set: Longer.}\n"
    (tmp_path / "second.yaml").write_text(second)
    assert read_study(tmp_path / "second.yaml") == {
        "set": ["model=mlp", "horizon=9ep", "+model.args.dropout=0.1"],
        "arms": {"a": [], "b": ["warmup=linear1"]},
        "reasons": {"set": "Longer.", "pairs": "Few."},
        "pairs": 12,
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("like: frist", "no study beside it is called so.* first"),
        ("like: second", "like another one itself"),
        ("like: first\nset: model=mlp", "this is no list of texts"),
        ("like: first\nreasons: [x]", "reasons.*this is no mapping"),
    ],
)
def test_a_study_like_nothing_is_refused(tmp_path, text, said):
    (tmp_path / "first.yaml").write_text("set: [model=mlp]\narms: {a: [], b: [warmup=linear1]}\n")
    (tmp_path / "second.yaml").write_text(text)
    with pytest.raises(ConfigError, match=said):
        read_study(tmp_path / "second.yaml")
