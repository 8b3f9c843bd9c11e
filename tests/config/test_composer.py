"""Composed fast, and equal to what Hydra composes: the configuration, the errors, the files."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from lrbench.config import composer as module
from lrbench.config.compose import compose, resolved
from lrbench.config.composer import composer
from lrbench.config.experiments import experiment, experiment_from
from lrbench.config.hydra_errors import explain
from lrbench.errors import ConfigError

PLAIN = (
    "seed=1", "seed=2", "seed=two", "horizon=5ep", "horizon=100ba", "horizon=???", "optimizer.lr=0.2",
    "optimizer.lr=1e-3", "optimizer.lr=high", "optimizer.args.momentum=0.5", "optimizer.args.nesterov=true",
    "batch_size=32", "clip=1", "clip=null", "param_groups=no_decay_norm_bias", "param_groups=nine", "amp=bf16",
    "lr_scaling.rule=sqrt", "keep=[10ep,end]", "keep=[]", "scheduler.interval=batch", "scheduler.args.T_max=20",
    "scheduler.args.gamma=0.5", "warmup.length=2ep", "model.args.width=8", "model.args.hidden=[8,8]",
    "start.of=[scheduler=constant]", "monitor=val/accuracy", "tracker.args.mode=online", "out=x.png",
    "data.augment.crop=1", "results=here", "force=1",
)  # fmt: skip
UNUSUAL = (
    "log_every=$\\{eval_every\\}",
    "seed=1,2", "scheduler=cosine,step", "hydra/job_logging=none", "hydra.verbose=true", "seed=range(3)",
    "+model.args.depth=3", "++optimizer.args.momentum=0.1", "~clip", "~optimizer.args.momentum",
    "optimizer.args={momentum:0.3}", "optimizer={lr:0.7}", "optimizer.args.momentum={a:1}",
    "checkpoint_every=${eval_every}", "log_every=${horizon}", "eval_every=${checkpoint_every}",
    "horizon='${batch_size}ba'", "optimizer.args=null", "keep.0=3ep", "batchsize=3", "+scheduler.args.x=${seed}",
    "model=null", "start=null", "scheduler.args.milestones.0=@20%", "hydra.job.name=me", "a@b=3",
    "results=${oc.env:HOME}", "seed=", "'horizon=6ep'", "seed==3", "scheduler.args=[1]",
)  # fmt: skip
GROUPS = (
    "scheduler=step", "scheduler=onecycle", "scheduler=custom", "scheduler=multistep", "scheduler=cosin",
    "optimizer=adamw", "warmup=linear5", "warmup=none", "model=mlp", "recipe=cnn_modern_tiny",
    "data=fashion_mnist_14px_5k", "tracker=none", "+model=mlp", "~warmup", "sweep=tour",
)  # fmt: skip


def by_hydra(overrides):
    """The resolved configuration, or the refusal in lrbench's words, as a single run has it."""
    try:
        return resolved(compose(overrides))
    except ConfigError as error:
        return str(error)
    except Exception as error:
        return str(explain(error, overrides))


def ours(composed, overrides):
    try:
        return composed(overrides).plain
    except ConfigError as error:
        return str(error)


# One key stands once in a job: the grid sees to that.
jobs = st.lists(
    st.one_of(st.sampled_from(PLAIN), st.sampled_from(PLAIN), st.sampled_from(UNUSUAL), st.sampled_from(GROUPS)),
    max_size=6,
).map(lambda chosen: list({o.lstrip("+~").partition("=")[0]: o for o in chosen}.values()))


@pytest.fixture(scope="module")
def composed():
    with composer() as made:
        yield made


@pytest.mark.slow
@settings(max_examples=settings.default.max_examples // 3)
@given(jobs)
def test_any_job_is_what_hydra_composes(composed, overrides):
    expected = by_hydra(overrides)
    assert ours(composed, overrides) == expected
    assert ours(composed, overrides) == expected  # from what was found out the first time


@pytest.mark.full
@settings(max_examples=500)
@given(jobs)
def test_very_many_jobs_are_what_hydra_composes(composed, overrides):
    assert ours(composed, overrides) == by_hydra(overrides)


# Values that are right and change what they name alone: on every change together with a random few, each with `full`.
ALIKE = {o for o in PLAIN if o not in ("seed=two", "optimizer.lr=high", "param_groups=nine", "horizon=???", "seed=1")}
ALIKE |= {"scheduler=onecycle", "scheduler=custom", "scheduler=multistep", "optimizer=adamw", "warmup=linear5",
          "data=fashion_mnist_14px_5k", "tracker=none", "seed=range(3)", "optimizer.args.momentum={a:1}", "keep.0=3ep",
          "log_every=${horizon}", "eval_every=${checkpoint_every}", "scheduler=cosine,step"}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(
    "override",
    [pytest.param(o, marks=[pytest.mark.full] if o in ALIKE else []) for o in (*PLAIN, *UNUSUAL, *GROUPS)],
)
def test_each_override_alone(composed, override):
    assert ours(composed, [override]) == by_hydra([override])


def test_an_option_that_follows_another_one(composed):
    """What looks independent is not, once a base has an interpolation of its own."""
    both = ["checkpoint_every=${eval_every}", "eval_every=2ep"]
    assert composed(both).plain["checkpoint_every"] == "2ep"
    assert composed(both[::-1]).plain["checkpoint_every"] == "2ep"
    assert composed(both).typed["checkpoint_every"] == "${eval_every}"


def test_a_level_whose_options_follow_others(tmp_path):
    """Such a level makes every override of what it follows change more than one option."""
    (tmp_path / "recipe").mkdir()
    (tmp_path / "recipe" / "follows.yaml").write_text("# @package _global_\ncheckpoint_every: ${eval_every}\n")
    with composer([f"hydra.searchpath=[file://{tmp_path}]"]) as composed:
        for times in ("2ep", "3ep"):
            job = composed(["recipe=follows", "eval_every=" + times, "seed=1"])
            assert job.plain["checkpoint_every"] == times
            assert job.typed["checkpoint_every"] == "${eval_every}"


def test_two_overrides_that_only_together_change_a_third_option(tmp_path):
    (tmp_path / "recipe").mkdir()
    (tmp_path / "recipe" / "points.yaml").write_text(
        "# @package _global_\nout: eval_every\nlog_every: 1ep\ncheckpoint_every: ${${out}}\n"
    )
    with composer([f"hydra.searchpath=[file://{tmp_path}]"]) as composed:
        for overrides, expected in ((["out=log_every"], "1ep"), (["log_every=2ep"], "1ep"),
                                    (["out=log_every", "log_every=2ep"], "2ep")):  # fmt: skip
            assert composed(["recipe=points", *overrides]).plain["checkpoint_every"] == expected


def test_hydra_composes_once_for_each_choice_of_groups(monkeypatch):
    calls = []
    monkeypatch.setattr(module, "compose", lambda *a, **k: calls.append(a) or compose(*a, **k))
    with composer() as composed:
        for scheduler in ("cosine", "step"):
            for seed in range(20):
                for lr in (0.1, 0.2):
                    job = composed([f"scheduler={scheduler}", f"seed={seed}", f"optimizer.lr={lr}"])
                    assert (job.plain["seed"], job.plain["optimizer"]["lr"]) == (seed, lr)
    assert len(calls) == 2


def test_what_is_kept_is_what_hydra_keeps():
    with composer(["hydra.job.name=mine"]) as composed:
        job = composed(["scheduler=step", "seed=3"])
    whole = compose(["scheduler=step", "seed=3"])
    assert job.typed == OmegaConf.to_container(whole, resolve=False, enum_to_str=True)
    assert job.typed["results"].startswith("${oc.env:")
    assert job.hydra["runtime"]["choices"]["scheduler"] == "step"
    assert job.hydra["job"]["name"] == "mine"


def test_experiments_are_the_same(composed):
    typed = ["scheduler=onecycle", "optimizer.lr=0.3", "horizon=7ep", "seed=5"]
    assert experiment_from(composed(typed).plain) == experiment(*typed)


def test_jobs_that_differ_in_their_seed_are_traced_once(monkeypatch, composed):
    from lrbench.schedules import compose

    traced = []
    real = compose.traced
    monkeypatch.setattr(compose, "traced", lambda plan, metrics: traced.append(plan) or real(plan, metrics))
    for seed in range(10):
        for lr in ("0.123", "0.124"):
            experiment_from(composed([f"seed={seed}", f"optimizer.lr={lr}"]).plain)
    assert [plan.optimizer.lr for plan in traced] == [0.123, 0.124]
