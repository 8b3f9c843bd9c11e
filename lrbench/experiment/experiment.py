"""Everything that determines the numbers of one training run, as frozen values (its name: `identity`).

No torch and no Hydra here: an Experiment can be made and read anywhere.
"""

from collections.abc import Iterator, Mapping
from copy import copy
from dataclasses import dataclass, field, is_dataclass, replace
from functools import cached_property
from typing import Any, Literal

from lrbench.errors import ConfigError, printable
from lrbench.experiment.components import (
    Component,
    Data,
    EarlyStop,
    LRScaling,
    Optimizer,
    ParamGroups,
    Scheduler,
    Warmup,
    WeightDecay,
    require_positive,
)
from lrbench.experiment.schedule_plan import SchedulePlan, require_fit
from lrbench.horizon import Clock, horizon_updates, moment, whole_updates
from lrbench.metrics import Mode
from lrbench.plural import plural

# What leaving a field out means: it is None then and not in the identity, which so is that of before the field was.
NEUTRAL = {"accumulate": 1, "ranks": 1, "channels_last": False, "compile": False}
MOST_THREADS = 1024  # above it the library of threads may end the process for want of memory


@dataclass(frozen=True, kw_only=True)
class Start:
    """Begin from another run's state at an update: its model, and what else is carried.

    `at` is an update of the parent (`30ep`, `500ba`), `end`, or `plateau` (where its feedback schedule first cut).
    `carry`: `optimizer`, its moments; `stream`, its place in the batches and the noise of its seed, where data, batch
    and seed are the same: a run cut in two so equals the uncut one.
    `new_head`: the classifier is not carried but begins anew, as in fine-tuning on other classes; `head_names`: a
    regular expression that the names of the head's parameters match from their beginning, None for the classifier.
    """

    of: "Experiment"
    at: str
    carry: tuple[str, ...] = ("model", "optimizer", "stream")
    new_head: Literal[True] | None = None
    head_names: str | None = None

    def __post_init__(self) -> None:
        if self.head_names is not None and not self.new_head:
            why = "the head is carried, so that nobody asks for its names"
            raise ConfigError("start.head_names", self.head_names, why, "add start.new_head=true, or leave it out")
        if self.new_head and "optimizer" in self.carry:
            why = "the parent's moments are those of the old head too, and mean nothing to a new one"
            raise ConfigError("start.carry", self.carry, why, "use start.carry=[model]")
        if "model" not in self.carry or set(self.carry) - {"model", "optimizer", "stream"}:
            cure = "carry [model], with optimizer, stream or both"
            raise ConfigError("start.carry", self.carry, "a fork carries the model", cure)

    @property
    def update(self) -> int | None:
        """The parent's update that `at` means; None for `plateau`, which only the parent's record knows."""
        return None if self.at == "plateau" else moment(self.at, self.of.clock, "start.at")


@dataclass(frozen=True, kw_only=True)
class Experiment:
    model: Component
    data: Data
    task: Component
    optimizer: Optimizer
    scheduler: Scheduler
    warmup: Warmup | None = None
    weight_decay: WeightDecay | None = None  # None where it stays the optimizer's
    horizon: str
    batch_size: int
    seed: int
    eval_every: str = "1ep"
    monitor: str | None = None
    monitor_mode: Mode | None = None  # which way its task declares it better, where its name does not tell
    clip: float | None = None
    param_groups: ParamGroups | None = None  # None for one group, `all`
    lr_scaling: LRScaling | None = None
    threads: int = 1
    accumulate: int | None = None  # micro-batches an update on each rank, None for 1
    ranks: int | None = None  # processes, None for 1
    amp: Literal["bf16", "fp16"] | None = None
    channels_last: Literal[True] | None = None
    compile: Literal[True] | None = None
    start: Start | None = None
    own_metrics: tuple[Component, ...] | None = None  # measured beside the task's, None for none
    early_stop: EarlyStop | None = None  # None where the run goes to the end of its horizon
    numerics: Mapping[str, int] = field(default_factory=dict)  # of the loop, the batches, the optimizer groups

    def __post_init__(self) -> None:
        """Refuse what can be refused without loading anything; clock and phases are made once, here."""
        self._require_printable()
        require_positive("batch_size", self.batch_size, "give the samples of one update, such as 64")
        require_positive("threads", self.threads, "give a number of CPU threads, such as 1")
        if self.threads > MOST_THREADS:
            cure = "give those of one run, such as 1"
            raise ConfigError("threads", self.threads, "no machine has so many cores", cure)
        self._require_seed()
        if self.clip is not None:
            require_positive("clip", self.clip, "give the largest gradient norm, such as 1.0, or null")
        if self.data.n_train is not None and self.batch_size > self.data.n_train:
            why = f"the training set has only {self.data.n_train} samples"
            raise ConfigError("batch_size", self.batch_size, why, "take a batch no larger than that")
        self._require_even_parts()
        per_epoch = None if self.data.n_train is None else self.data.n_train // self.batch_size
        require_fit(self.scheduler, self.warmup, per_epoch)
        _ = self.schedule.main
        _ = self.start and self.start.update
        _ = self.patience
        if self.start is not None and self.start.of.early_stop is not None:
            why = "the parent may stop early, so that nobody knows beforehand which of its updates there will be"
            raise ConfigError("start.of", "", why, "fork from a run without early_stop")

    def of_seed(self, seed: int) -> "Experiment":
        """The same of another seed. It shares what was made of the other fields, and what was looked at in them is not
        looked at again: a sweep has thousands. Raises ConfigError for a seed that is none."""
        made = copy(self)
        vars(made)["seed"] = seed
        made._require_seed()
        return made

    def _require_seed(self) -> None:
        if self.seed < 0:
            raise ConfigError("seed", self.seed, "a seed is a whole number from 0")

    def _require_printable(self) -> None:
        """An experiment's texts are told wherever it is: in a terminal, in pages."""
        everything = " ".join(_texts(vars(self)))
        if printable(everything) != everything:
            text = next(text for text in _texts(vars(self)) if printable(text) != text)
            why = "it holds characters that a terminal obeys instead of showing them"
            raise ConfigError("experiment", text, why, "write it without")

    def _require_even_parts(self) -> None:
        for option in ("accumulate", "ranks"):
            parts = getattr(self, option)
            if parts is not None:
                require_positive(option, parts, "give how many equal parts a batch is cut into")
        if self.batch_size % self.parts:
            why = (
                f"batch_size={self.batch_size} is cut into {self.parts} equal parts ({self.micro_batches} "
                f"micro-batches on each of {self.ranks or 1} ranks), and they must come out even"
            )
            cure = "change one of the three. (batch_size counts all samples of an update.)"
            raise ConfigError("accumulate", self.micro_batches, why, cure)

    @property
    def micro_batches(self) -> int:
        """How many of them each rank accumulates the gradient of, in one update."""
        return self.accumulate or 1

    @property
    def parts(self) -> int:
        """Into how many equal parts each update's batch is cut, over ranks and micro-batches."""
        return self.micro_batches * (self.ranks or 1)

    @cached_property
    def clock(self) -> Clock:
        """Updates of the whole run, of an epoch (the tail of each permutation left out), and between evaluations."""
        n_train = self.data.n_train
        per_epoch = None if n_train is None else n_train // self.batch_size
        clock = Clock(0, per_epoch, 0, self.batch_size, self.data.tokens)
        clock = replace(clock, updates=horizon_updates(self.horizon, clock))
        per_eval = whole_updates(self.eval_every, clock, "eval_every")
        if per_eval > clock.updates:
            why = f"that is {per_eval} updates and the horizon only {clock.updates}: nothing would be measured underway"
            raise ConfigError("eval_every", self.eval_every, why, "evaluate more often or lengthen `horizon`")
        return replace(clock, per_eval=per_eval)

    @cached_property
    def patience(self) -> int | None:
        """After how many evaluations in a row that are no better the run ends; None where it does not end early. Raises
        ConfigError for a time that is none, or after which nothing would be left to stop."""
        if self.early_stop is None:
            return None
        option, given = "early_stop.patience", self.early_stop.patience
        updates, every = whole_updates(given, self.clock, option), self.clock.per_eval
        if updates % every:
            why = f"this is {plural(updates, 'update')}, and the model is evaluated every {every}"
            near = sorted({max(1, updates // every) * every, -(-updates // every) * every})
            raise ConfigError(option, given, why, f"give {' or '.join(f'{n}ba' for n in near)}, or change eval_every")
        if updates + every >= self.clock.updates:
            why = f"the first evaluation and {updates} updates after it reach the end of the run ({self.clock.updates})"
            raise ConfigError(option, given, why, "give less patience, or lengthen `horizon`")
        return updates // every

    @property
    def continues(self) -> bool:
        """Whether the streams of batches and noise go on where the parent's were at `start.at`."""
        start = self.start
        return (
            start is not None
            and "stream" in start.carry
            and (start.of.data, start.of.batch_size, start.of.seed) == (self.data, self.batch_size, self.seed)
        )

    @cached_property
    def peaks(self) -> dict[str, float]:
        """The peak rate of every parameter group, in the optimizer's order."""
        peak = self.optimizer.lr * (self.lr_scaling.factor(self.batch_size) if self.lr_scaling else 1.0)
        scales = self.param_groups.lr_scales if self.param_groups else {"all": 1.0}
        return {name: peak * scale for name, scale in scales.items()}

    @cached_property
    def schedule(self) -> SchedulePlan:
        """What the table of rates depends on, as a value of its own."""
        return SchedulePlan(
            clock=self.clock,
            peaks=self.peaks,
            optimizer=self.optimizer,
            scheduler=self.scheduler,
            warmup=self.warmup,
            monitor=self.monitor,
            monitor_mode=self.monitor_mode,
            weight_decay=self.weight_decay,
            decays=self.decays if self.weight_decay else None,
        )

    @property
    def decays(self) -> dict[str, float]:
        """The weight decay that a schedule of it begins with, of every parameter group. Raises ConfigError."""
        given = self.optimizer.args.get("weight_decay")
        if not (isinstance(given, int | float) and given > 0):
            why = f"a schedule of {self.optimizer.name}'s weight decay begins with it, and what has none keeps none"
            cure = "give a value above 0, of an optimizer that takes one, such as adamw; or leave weight_decay=constant"
            raise ConfigError("optimizer.args.weight_decay", given, why, cure)
        spared = (self.param_groups and self.param_groups.no_decay) or ()
        return {group: 0.0 if group in spared else float(given) for group in self.peaks}


def _texts(value: Any) -> Iterator[str]:
    """Every text in an experiment's parts; a parent has looked at its own."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield str(key)
            yield from _texts(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner)
    elif is_dataclass(value) and not isinstance(value, Start):
        yield from _texts(vars(value))
