"""From a study as a person writes it to a frozen Design: every arm composed once, under every task."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lrbench.config.arms import SweepArm, checked
from lrbench.config.auto import found_rate, is_auto, with_rate
from lrbench.config.components import Grouped
from lrbench.config.composer import Composer, composer
from lrbench.config.experiments import experiment_from, measured
from lrbench.config.hydra_errors import explain
from lrbench.config.plain import claim_of, gain_of, require_fractions, texts, tuning_of, whole
from lrbench.config.study_files import RULES
from lrbench.errors import ConfigError, did_you_mean
from lrbench.experiment import Experiment
from lrbench.experiment.identity import run_id
from lrbench.metrics import Metric
from lrbench.study.cells import Cell
from lrbench.study.design import RATE, Arms, Design, key_of, plain_arm
from lrbench.study.rules import Rules


def compile_study(
    asked: Mapping[str, Any], name: str, config_dir: str | None = None, results: Path | None = None
) -> Design:
    """Compose and check every arm under every task, and fix the rules. results: where the range tests are kept whose
    rates stand for `optimizer.lr=auto`. Raises ConfigError."""
    arms = _arms(asked.get("arms", {}))
    tasks = _tasks(asked)
    keys = {arm.name: arm.key or _tuning_key(asked) for arm in arms}
    search = [f"hydra.searchpath=[file://{Path(config_dir).absolute()}]"] if config_dir else []
    with composer(search) as composed:
        made = _Made(composed, [], results)
        given = {task: {arm.name: made([*shared, *arm.overrides], task, arm.name) for arm in arms}
                 for task, shared in tasks.items()}  # fmt: skip
        rules = _rules(asked, [a.name for a in arms], given)
        _require_given(rules, keys, made.found)
        compiled = {
            task: {
                arm.name: dict(_values(made, rules, keys, [*shared, *arm.overrides], task, arm.name)) for arm in arms
            }
            for task, shared in tasks.items()
        }
    _require_apart(compiled)
    if asked.get("budget", "same") != "differs":
        _require_one_budget(given)
    return Design(name, asked.get("question", ""), rules, compiled, keys, dict(asked))


@dataclass(frozen=True)
class _Arm:
    name: str
    overrides: tuple[str, ...]
    key: str | None  # what is tuned in it, if not what is tuned in all


@dataclass(frozen=True)
class _Made:
    """Composes an arm under a task, and says which one is refused."""

    composed: Composer
    grouped: list[Grouped]
    results: Path | None = None
    found: set[str] = field(default_factory=set)  # the arms whose rate a range test found

    def __call__(self, overrides: Sequence[str], task: str, arm: str) -> Experiment:
        for override in overrides:
            if override.lstrip("+~").partition("=")[0] in ("seed", "test", "results"):
                why = "a study has seeds and a results folder of its own, and says itself when the test set is asked"
                raise ConfigError(f"arm {arm}", override, why, "leave it out (--replicate 1 gives other seeds)")
        try:
            plain = self.composed(overrides).plain
            if is_auto(plain) and self.results is not None:
                self.found.add(arm)
                plain = with_rate(plain, found_rate({**plain, "results": str(self.results)}, None))
            return _to_the_end(experiment_from(plain, self.grouped))
        except ConfigError as error:
            where = f"arm {arm}" if task == "" else f"arm {arm} of task {task}"
            raise ConfigError(where, "", str(error)) from error
        except Exception as error:
            raise explain(error, list(overrides)) from error


def _to_the_end(experiment: Experiment) -> Experiment:
    """The experiment. Raises ConfigError where it may stop early: arms are compared at one budget."""
    if experiment.early_stop is not None:
        why = "arms are compared at one budget, and runs that stop early each have their own"
        raise ConfigError("early_stop.patience", experiment.early_stop.patience, why, "leave it out")
    return experiment


def _require_given(rules: Rules, keys: Mapping[str, str], found: Collection[str]) -> None:
    """Raises ConfigError for an arm whose rate is a range test's, and which the study would give others."""
    for arm in rules.arms if rules.varies else ():
        if arm in found and keys[arm] == RATE:
            why = "a range test finds its rate, and the study tunes it"
            cure = "give the rate, or compare the arms as they are given (--swap; estimand: swap, rate: as given)"
            raise ConfigError(f"arm {arm}", "optimizer.lr=auto", why, cure)


def _arms(content: Any) -> list[_Arm]:
    """`{name: [overrides]}`, or `{name: {set: [overrides], tuned: key}}` where an arm's own key is tuned."""
    if not isinstance(content, Mapping):
        raise ConfigError("arms", content, "arms are a mapping from names to lists of overrides")
    found = []
    for name, given in content.items():
        own = given if isinstance(given, Mapping) else {"set": given}
        overrides = own.get("set")
        if (
            set(own) - {"set", "tuned"}
            or not isinstance(overrides, list)
            or not all(isinstance(o, str) for o in overrides)
        ):
            cure = "give a list of overrides, or {set: [overrides], tuned: start.of.optimizer.lr}"
            raise ConfigError(f"arms.{name}", given, "this is no list of overrides", cure)
        found.append(_Arm(str(name), tuple(overrides), own.get("tuned")))
    checked([SweepArm(a.name, a.overrides) for a in found], "arms")
    return found


def _tasks(asked: Mapping[str, Any]) -> dict[str, list[str]]:
    """The overrides that all arms share, by the name of the task; '' for the only one, which needs none."""
    shared = texts("set", asked.get("set", []), "model=mlp, data=digits")
    tasks = asked.get("tasks")
    if tasks is None:
        return {"": shared}
    if not isinstance(tasks, Mapping) or not tasks or not all(isinstance(o, list) for o in tasks.values()):
        raise ConfigError("tasks", tasks, "tasks are a mapping from names to lists of overrides")
    return {str(name): [*shared, *own] for name, own in tasks.items()}


def _tuning_key(asked: Mapping[str, Any]) -> str:
    plain = asked.get("tuning") or {}
    if not isinstance(plain, Mapping):
        raise ConfigError("tuning", plain, "this is no mapping", "as in tuning: {first: 0.05, points: 5}")
    return str(plain.get("key", RATE))


def _values(
    made: _Made, rules: Rules, keys: Mapping[str, str], overrides: list[str], task: str, arm: str
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The arm's Experiments by value: one for any value where it can be set, else one for each that may be reached."""
    key, t = keys[arm], rules.tuning
    if t is None or not rules.varies:
        yield "", plain_arm(made(overrides, task, arm))
        return
    if not key.endswith(RATE):
        for k in range(t.points - t.at_most, t.at_most):
            yield key_of(t.value(k)), plain_arm(made([*overrides, f"{key}={key_of(t.value(k))}"], task, arm))
        return
    base = made(overrides, task, arm)
    design = Design("", "", rules, {task: {arm: {"": plain_arm(base)}}}, keys)
    if key == RATE:
        other = made([*overrides, f"{key}={t.first}"], task, arm)
        if run_id(design.experiment(Cell(task, arm, t.first, other.seed, False))) != run_id(other):
            why = f"other options follow {key} by ${{...}}, so it cannot be tuned by itself"
            raise ConfigError(f"arm {arm}", key, why, "give those as a share (0.01x) of the rate")
    yield "", plain_arm(design.experiment(Cell(task, arm, t.first, base.seed, False)))


def _rules(asked: Mapping[str, Any], arms: Sequence[str], given: Mapping[str, Mapping[str, Experiment]]) -> Rules:
    metric, judge, declared = _metric(asked, given)
    if declared.higher_is_better is None and "higher" not in asked:
        why = "its task does not say which way is better"
        raise ConfigError("metric", metric, why, "add higher: true, or false, to the design")
    rules = {name: asked[name] for name in RULES if name in asked}
    if "primary" in rules:
        rules["primary"] = tuple(texts("primary", rules["primary"], arms[-1] if arms else "cosine"))
    for name in ("pairs", "most_pairs", "looks", "replicate"):
        if name in rules:
            whole(name, rules[name])
    if "pairs" not in rules and "detect" not in rules:
        rules["pairs"] = 10
    kind = str(rules.get("kind", "difference"))
    if kind == "fraction":
        require_fractions(metric, declared)
    if "detect" in rules:
        rules["detect"] = gain_of("detect", rules["detect"], declared, kind)
    if "within" in rules:
        rules["within"] = gain_of("within", rules["within"], declared, "difference")
    baseline = rules.pop("baseline", arms[0] if arms else "")
    if arms and baseline not in arms:
        raise ConfigError("baseline", baseline, "no arm is called so", did_you_mean(baseline, arms))
    return Rules(
        arms=tuple(arms), baseline=baseline, tasks=tuple(given), metric=metric, judge=judge,
        higher=asked.get("higher", declared.higher_is_better), chance=declared.chance,
        unit=declared.unit,
        claims={str(arm): claim_of(arm, claim, declared, kind) for arm, claim in (asked.get("claims") or {}).items()},
        tuning=tuning_of(asked, next(iter(given.values())).get(baseline)), **rules,
    )  # fmt: skip


def _metric(asked: Mapping[str, Any], given: Mapping[str, Mapping[str, Experiment]]) -> tuple[str, str, Metric]:
    """What is concluded from, what is tuned by, and what its task says of it; by default the test set's first metric
    that judges (see `lrbench.metrics`), else its loss, else the first there is."""
    common: dict[str, Metric] | None = None
    for experiment in (e for arms in given.values() for e in arms.values()):
        own = {k: m for k, m in measured(experiment).items() if k.startswith("val/")}
        common = own if common is None else {k: m for k, m in common.items() if k in own}
    known = common or {}
    judging = [k for k, m in known.items() if None not in (m.low, m.high, m.chance, m.higher_is_better)]
    losses = [k for k in known if k == "val/loss"]
    default = "test/" + [*judging, *losses, *known, "val/loss"][0].removeprefix("val/")
    metric = str(asked.get("metric", default))
    split, _, own_name = metric.rpartition("/")
    judge = f"val/{own_name}"
    if split not in ("test", "val") or judge not in known:
        listed = [f"{s}/{k.removeprefix('val/')}" for s in ("test", "val") for k in known]
        raise ConfigError("metric", metric, "not every arm measures it", f"choose one of {', '.join(listed)}")
    return metric, judge, known[judge]


def _require_apart(compiled: Arms) -> None:
    """Raises ConfigError for two arms that are one experiment."""
    for arms in compiled.values():
        seen: dict[str, str] = {}
        for arm, made in arms.items():
            key = repr(sorted(made.items()))
            if key in seen:
                why = f"it is the same experiment as {seen[key]}, so there is nothing to compare"
                raise ConfigError(f"arm {arm}", "", why, "change or leave out one of the two")
            seen[key] = arm


def _require_one_budget(given: Mapping[str, Mapping[str, Experiment]]) -> None:
    """Raises ConfigError where arms of a task do not see as many samples."""
    for arms in given.values():
        budgets = {arm: e.clock.updates * e.batch_size for arm, e in arms.items()}
        if len(set(budgets.values())) > 1:
            told = ", ".join(f"{arm} {many:,}" for arm, many in budgets.items())
            why = f"the arms do not see as many samples ({told}), so a difference may be the budget's"
            raise ConfigError("horizon", "", why, "give all one horizon, or say budget: differs, with the reason")
