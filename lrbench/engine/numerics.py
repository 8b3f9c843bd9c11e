"""Which numbers the code of this moment computes, and whether a frozen experiment asked for them."""

from lrbench import engine, optim
from lrbench.data import batches
from lrbench.errors import ConfigError
from lrbench.experiment import Component, Experiment
from lrbench.experiment.identity import run_id
from lrbench.targets import numerics_with


def of_the_loop() -> dict[str, int]:
    """The numbers of what every run uses, beside its components."""
    return {"engine": engine.NUMERICS, "batches": batches.NUMERICS, "optim": optim.NUMERICS}


def require_current(experiment: Experiment) -> None:
    """Refuse an experiment that was made under other code: training it now would give it another run's numbers.

    Raises ConfigError.
    """
    e = experiment
    parts: dict[str, Component | None] = {
        "model": e.model, "data": e.data, "task": e.task, "optimizer": e.optimizer, "scheduler": e.scheduler,
        "warmup": e.warmup, "weight_decay": e.weight_decay, "param_groups": e.param_groups,
    }  # fmt: skip
    there = {name: part for name, part in parts.items() if part is not None}
    found: dict[str, tuple[int | str | None, ...]] = {
        name: (part.numerics, numerics_with(part.target, part.args if name == "scheduler" else {}, name))
        for name, part in there.items()
    }
    found |= {name: (e.numerics.get(name), now) for name, now in of_the_loop().items()}
    changed = [name for name, (then, now) in found.items() if then != now]
    if changed:
        raise ConfigError(
            run_id(e),
            "",
            f"the code of {', '.join(changed)} has changed since this run was planned, so it would not "
            "compute what was asked",
            "give the sweep's command again, which plans it anew",
        )
    if e.start is not None:
        require_current(e.start.of)
