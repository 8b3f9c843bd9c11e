"""What to try, as overrides that compose, and the command that tries it."""

import shlex
from collections.abc import Sequence

from lrbench.diagnose.diagnosis import Try
from lrbench.diagnose.series import Series

GROUPS = ("scheduler", "warmup", "optimizer", "param_groups", "weight_decay")
PARTS = ("start", "horizon", "seed")  # what a fork gives anew


def lower_rate(series: Series, lr: float, share: float) -> Try:
    """The whole run with a share of a rate for its peak: of the one at which it broke, which may lie below the peak; 0
    where that is not known."""
    peak = peak_of(series)
    if not lr or not peak:
        return Try(says=f"lower the rate to {'a tenth' if share == 0.1 else 'a third'}")
    says = f"lower the peak of the rate to {rate(share * lr)}, {share:g} of where it broke"
    if series.experiment is None:
        return Try(says=says)
    return Try(says=says, changes=(f"optimizer.lr={rate(series.experiment.optimizer.lr * share * lr / peak)}",))


def peak_of(series: Series) -> float:
    """The peak that was asked for, else the highest rate that was seen; 0 where there is none."""
    if series.experiment is not None:
        return max(series.experiment.peaks.values())
    return float(series.rate.value.max()) if series.rate else 0.0


def warm_up(series: Series, share: float = 0.1) -> Try | None:
    """A linear warmup per update; None under a schedule that warms up by itself, or hears no warmup."""
    says = f"warm up over the first {share:.0%} of the updates"
    if series.experiment is None:
        return Try(says=says)
    if series.experiment.scheduler.own_warmup:
        return None
    length = () if share == 0.1 else (f"warmup.length={share:.0%}",)
    return Try(says=says, changes=("warmup=linear_10pct", *length))


def clip(series: Series) -> Try | None:
    """Clipping, where there is none."""
    if series.experiment is None:
        return Try(says="clip the gradients' norm at 1")
    return None if series.experiment.clip else Try(says="clip the gradients' norm at 1", changes=("clip=1.0",))


def fork(series: Series, at: float, lr: float, says: str, scheduler: str = "cosine") -> Try | None:
    """The rest of the run from an update on, from a rate down a schedule; None where there is no such update."""
    experiment, update = series.experiment, int(at)
    if experiment is None:
        return Try(says=says)
    if not 0 < update <= series.end:
        return None
    rest = max(int(series.planned) - update, experiment.clock.per_eval)
    lr_scaled = lr / (max(experiment.peaks.values()) / experiment.optimizer.lr)
    changes = (
        f"scheduler={scheduler}",
        *(("scheduler.interval=batch",) if scheduler in ("cosine", "linear") else ()),
        "warmup=none",
        f"optimizer.lr={rate(lr_scaled)}",
    )
    return Try(says=says, changes=changes, at=update, horizon=length(rest, experiment.clock.per_epoch))


def command(series: Series, what: Try) -> list[str] | None:
    """The words of the command that tries something; None where it takes no overrides, or those of the run are not
    known."""
    if series.experiment is None or series.overrides is None or not what.changes:
        return None
    seed = f"seed={series.experiment.seed}"
    if what.at is None:
        return ["lrbench", *changed(series.overrides, what.changes), seed]
    own = [o for o in changed(series.overrides, what.changes) if key(o).partition(".")[0] not in PARTS]
    parent = f"start.of=[{','.join(map(quoted, series.overrides))}]"
    return ["lrbench", *own, seed, parent, f"start.at={what.at}ba", f"horizon={what.horizon}"]


def changed(overrides: Sequence[str], changes: Sequence[str]) -> list[str]:
    """A command's overrides with some changed: of a group that gets another level nothing is kept, and of a key that
    gets another value the old one goes."""
    swapped = {key(c) for c in changes if key(c) in GROUPS}
    given = {key(c) for c in changes}

    def goes(override: str) -> bool:
        name = key(override)
        return name in given or name.partition(".")[0] in swapped

    return [*(o for o in overrides if not goes(o)), *changes]


def key(override: str) -> str:
    """What an override sets: `scheduler.args.T_max` of `+scheduler.args.T_max=9`."""
    return override.lstrip("+~").partition("=")[0].replace("/", ".")


def quoted(override: str) -> str:
    """An override as an element of a list in Hydra's grammar."""
    escaped = override.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def shown(words: Sequence[str]) -> str:
    """As it is typed in a shell."""
    return shlex.join(words)


def rate(value: float) -> str:
    """A rate as a person writes it: two significant digits."""
    return f"{float(f'{value:.2g}'):g}"


def length(updates: int, per_epoch: int | None) -> str:
    return f"{updates // per_epoch}ep" if per_epoch and updates % per_epoch == 0 else f"{updates}ba"
