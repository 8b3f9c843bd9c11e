"""What is asked: an Experiment and its Settings as frozen values, and what follows from them without training anything.

`components` are its parts, `experiment` the whole, `schedule_plan` what its schedule depends on and `arguments` how the
words of a scheduler's arguments become numbers; `identity` names an Experiment by its content, with `hashing`. No torch
and no Hydra here: an Experiment can be made, read and hashed anywhere.
"""

from lrbench.experiment.components import (
    Augment,
    Component,
    Data,
    EarlyStop,
    LRScaling,
    Optimizer,
    ParamGroups,
    Scheduler,
    Warmup,
    WeightDecay,
    class_name,
)
from lrbench.experiment.experiment import NEUTRAL, Experiment, Start
from lrbench.experiment.settings import Settings

__all__ = [
    "NEUTRAL", "Augment", "Component", "Data", "EarlyStop", "Experiment", "LRScaling", "Optimizer", "ParamGroups",
    "Scheduler", "Settings", "Start", "Warmup", "WeightDecay", "class_name",
]  # fmt: skip
