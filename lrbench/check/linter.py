"""All rules, and what they find in an Experiment.

Where the guide's pitfalls (P), red flags (R) and the rules beyond it are:

| of the guide | rule | where it is seen |
|---|---|---|
| P1, R1 transformer without warmup | transformer-without-warmup | here |
| P2, R3 stepped per batch | epoch-schedule-stepped-by-batch, onecycle-stepped-by-epoch | here; a cosine is refused |
| P3 order of the steps | scheduler-steps-first | here, of `scheduler.first_row`; in loops of others |
| P4, R4 plateau without a metric | plateau-without-metric | refused when the plan is made |
| P5 OneCycle for long | onecycle-for-long | here |
| P6, R6 a guessed max_lr | onecycle-peak-untuned | here, where the guess is far off |
| P7, R12 T_max and the warmup | schedule-ends-elsewhere, past-t-max | here; of a cosine level the latter is refused |
| P8, R13 one rate for all groups | pretrained-and-new-at-one-rate | here |
| P9, R11 no monitoring | rate-not-logged | in loops of others: lrbench logs every group's rate |
| P10, R14 no dry run | no-dry-run | in loops of others: lrbench traces before it trains |
| R2 the loss is NaN | | in a record: the run ends as diverged |
| R5 long at a constant rate | long-training-at-constant-rate | here |
| R7 large batch without warmup | large-batch-without-warmup | here |
| R8, R10 constant rate of a ViT, a CNN | vit-at-constant-rate, cnn-at-constant-rate | here |
| R9 a plateau of the loss | | in a record: no schedule shows it |
| eta_min above a group's rate | floor-above-peak | here; above any peak it is refused |
| inverse sqrt and the base rate | inverse-sqrt-base-rate | here |
| milestones behind a warmup | milestones-shifted-by-warmup | here |
| lambda past its horizon | lambda-past-horizon | refused: a rate that is complex or negative |
| OneCycle: groups, momentum, steps | onecycle-one-peak-for-groups, -brings-momentum, -steps-differ | here |
| finder on the training optimizer | | in loops of others |
| rate edited by hand | | in loops of others: a fork does it here |
| 'rel' threshold below zero | rel-threshold-negative-metric | here |
| last_epoch and the epochs done | | in loops of others |
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from lrbench.check import constant, decay, onecycle, plateau, practice, remarks, stepping, warmup
from lrbench.check.case import Case
from lrbench.check.finding import SEVERITIES, Finding
from lrbench.check.proposed import Proposed, Rule, id_of, summary_of
from lrbench.check.traits import Traits, traits_of
from lrbench.experiment import Experiment

RULES: tuple[Rule, ...] = (
    stepping.epoch_schedule_stepped_by_batch,
    stepping.scheduler_steps_first,
    onecycle.onecycle_stepped_by_epoch,
    onecycle.onecycle_steps_differ,
    remarks.never_moves,
    plateau.patience_too_long,
    warmup.transformer_without_warmup,
    warmup.large_batch_without_warmup,
    warmup.large_model_or_adamw_without_warmup,
    warmup.high_rate_without_warmup,
    warmup.jump_at_seam,
    remarks.warmup_never_climbs,
    remarks.warmup_ends_early,
    remarks.warmup_above_peak,
    warmup.warmup_length,
    warmup.warmup_shorter_than_adam_memory,
    decay.past_t_max,
    decay.schedule_ends_elsewhere,
    remarks.milestones_shifted_by_warmup,
    remarks.drops_beyond_horizon,
    decay.restart_cut_short,
    constant.long_training_at_constant_rate,
    constant.vit_at_constant_rate,
    constant.cnn_at_constant_rate,
    decay.final_rate_high,
    practice.floor_above_peak,
    practice.inverse_sqrt_base_rate,
    practice.rate_for_another_batch,
    practice.pretrained_and_new_at_one_rate,
    practice.ghost_batch,
    onecycle.onecycle_for_long,
    onecycle.onecycle_peak_untuned,
    onecycle.onecycle_brings_momentum,
    onecycle.onecycle_one_peak_for_groups,
    plateau.rel_threshold_negative_metric,
    remarks.weight_decay_schedule,
)

# One thing is said once: a rule is silent where one of these has spoken.
SAID_BY: Mapping[str, tuple[str, ...]] = {
    "check.onecycle-steps-differ": ("check.onecycle-stepped-by-epoch",),
    "check.large-model-or-adamw-without-warmup": (
        "check.transformer-without-warmup",
        "check.large-batch-without-warmup",
        "check.high-rate-without-warmup",
    ),
    "check.high-rate-without-warmup": (
        "check.transformer-without-warmup",
        "check.large-batch-without-warmup",
    ),
    "check.warmup-shorter-than-adam-memory": ("check.warmup-ends-early", "check.warmup-never-climbs"),
    "check.schedule-ends-elsewhere": (
        "check.epoch-schedule-stepped-by-batch",
        "check.onecycle-stepped-by-epoch",
        "check.onecycle-steps-differ",
    ),
    "check.vit-at-constant-rate": ("check.never-moves",),
    "check.cnn-at-constant-rate": ("check.never-moves",),
    "check.long-training-at-constant-rate": ("check.never-moves",),
    "check.final-rate-high": (
        "check.never-moves",
        "check.past-t-max",
        "check.drops-beyond-horizon",
        "check.floor-above-peak",
    ),
    "check.inverse-sqrt-base-rate": ("check.never-moves", "check.onecycle-stepped-by-epoch"),
    "check.restart-cut-short": ("check.past-t-max",),
    "check.jump-at-seam": ("check.warmup-never-climbs", "check.warmup-ends-early"),
    "check.past-t-max": ("check.epoch-schedule-stepped-by-batch",),
    "check.floor-above-peak": ("check.onecycle-one-peak-for-groups",),
}

# What is refused already when the plan is made, so that no rule can find it: by what it does.
REFUSED: Mapping[str, str] = {
    "check.plateau-without-metric": "A schedule that waits for a metric is given none.",
    "check.mode-against-monitor": "A schedule takes a metric's getting better for its getting worse.",
    "check.lambda-past-horizon": "A formula is stepped past its end, where it gives no rate.",
}

# What the ledger or an issue names and no static schedule shows: why.
ELSEWHERE: Mapping[str, str] = {
    "check.rate-not-logged": "needs a loop: lrbench logs the rate of every group",
    "check.no-dry-run": "needs a loop: lrbench traces every schedule before it trains",
    "check.paper-recipe-as-is": "an intention, which no schedule shows: a recipe says what it `accepts`",
    "check.too-few-seeds": "needs several runs: a comparison says how many seeds it rests on",
    "check.scratch-without-warmup": "so wide that it would speak of every default: the other rules on warmups say when",
}

IDS: Mapping[str, str] = {**{id_of(rule): summary_of(rule) for rule in RULES}, **REFUSED}  # what each finds

AGAINST = ("false", "contradicted", "practically null")  # verdicts on a claim that a rule must not rest on


Verdicts = Callable[[str], str | None]  # what became of a claim, by its id; None where that is not known


def unsettled(claim: str) -> None:
    """The verdicts of someone who has none."""


def checked(
    experiment: Experiment, verdicts: Verdicts = unsettled, look: Callable[[Experiment], Traits] = traits_of
) -> list[Proposed]:
    """What the rules find, the gravest first, then in the order of the rules; cures are proposed, not tried.

    verdicts: on the claims that rules rest on. A rule whose claim did not hold gives a note, which says so.
    Raises ConfigError for a plan or a model that cannot be built.
    """
    case = Case(experiment=experiment, look=look)
    found = [replace(finding, rule=id_of(rule)) for rule in RULES for finding in rule(case)]
    spoken = {finding.rule for finding in found}
    kept = [_held(f, verdicts) for f in found if not spoken & {*SAID_BY.get(f.rule, ())}]
    return sorted(kept, key=lambda f: SEVERITIES.index(f.severity))


def _held(finding: Proposed, verdicts: Verdicts) -> Proposed:
    verdict = verdicts(finding.claim) if finding.claim else None
    if verdict not in AGAINST:
        return finding
    says = f"{finding.says} (A note only: the claim {finding.claim} was found {verdict}.)"
    return replace(finding, severity="note", says=says)


def grave(findings: Iterable[Finding], accepts: Mapping[str, str]) -> list[Finding]:
    """Errors and warnings that are not accepted: those that `strict` stops on."""
    return [f for f in findings if f.severity != "note" and f.rule not in accepts]


class Linter:
    """Call it with an Experiment; it keeps what it found of equal ones, seeds apart, and of equal models: the runs of a
    sweep share both."""

    def __init__(self, verdicts: Verdicts = unsettled) -> None:
        self.verdicts = verdicts
        self._found: dict[str, tuple[Proposed, ...]] = {}
        self._traits: dict[str, Traits] = {}

    def __call__(self, e: Experiment) -> tuple[Proposed, ...]:
        """Raises ConfigError as `checked` does."""
        seen = (e.model, e.data, e.optimizer, e.param_groups, e.lr_scaling, e.batch_size, e.parts, e.task, e.monitor)
        key = repr((e.schedule.digest, e.start is None, seen))
        if key not in self._found:
            self._found[key] = tuple(checked(e, self.verdicts, self._look))
        return self._found[key]

    def _look(self, e: Experiment) -> Traits:
        key = repr((e.model, e.data))
        if key not in self._traits:
            self._traits[key] = traits_of(e)
        return self._traits[key]
