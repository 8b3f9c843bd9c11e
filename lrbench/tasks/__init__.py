"""Tasks: the loss that is minimised and the metrics that are measured.

A task is a class whose constructor takes the options under `args` of its config level (`Task`). The model and the data
it goes with agree with it on what a batch is: any tree of tensors that the data's stream gives (`lrbench.data`). The
task calls the model, so a model may take whatever it likes.

The loss of an update is the sum of `loss` over all its parts, divided by the sum of `weight` over all of them: micro-
batches and ranks change nothing. A task whose loss has several normalisers, such as a detector's (one mean over the
anchors, another over the boxes), gives their sum times the samples, and the samples as its weight, and says
`ghost_normaliser = True`: its record then tells over how many samples at once the means were taken.

A language model's, for instance, where id 0 is padding:

    class NextToken:
        def metrics(self, spec):
            return (Metric("perplexity", higher_is_better=False, low=1.0, chance=spec["vocab_size"]),)

        def loss(self, model, batch):
            x, y = batch["tokens"][:, :-1], batch["tokens"][:, 1:]
            return cross_entropy(model(x).mT, y, ignore_index=0, reduction="sum")

        def weight(self, batch):
            return (batch["tokens"][:, 1:] != 0).sum()

        def meter(self):
            return Perplexity(self)  # sums loss and weight; its result is exp(loss / weight)

A metric of one's own, measured beside those of any task, has `metrics` and `meter` alone, and is named by
`own_metrics=[my_module.Top3]`:

    class Top3:
        def metrics(self, spec):
            return (Metric("top3", "%", higher_is_better=True, low=0.0, high=1.0, chance=3 / spec["num_classes"]),)

        def meter(self):
            return Top3Meter()  # add(model, batch) asks the model itself; result() is {"top3": share}

A module of this package says `NUMERICS = 1`, and raises it with every change of a number that it gives: it is part of
the runs' identity. Of a module of yours the source is, so that it needs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from lrbench.metrics import Metric

if TYPE_CHECKING:
    from torch import Tensor

Model = Callable[..., Any]


class Meter(Protocol):
    """Measures a split, however its metrics come about: means, ratios of sums, what needs all predictions at once."""

    def add(self, model: Model, batch: Any) -> None:
        """Measure a batch. The model is in evaluation mode, and no gradients are kept."""
        ...

    def result(self) -> dict[str, float]:
        """Every metric that the task declares, over all that was added."""
        ...


class Task(Protocol):
    """What a task offers; see the text above."""

    def metrics(self, spec: Mapping[str, Any]) -> tuple[Metric, ...]:
        """What is measured, declared for data of this spec (chance depends on the number of classes). Names have no
        slash. Raises `ConfigError` for data that this task is not for.
        """
        ...

    def loss(self, model: Model, batch: Any) -> Tensor:
        """The loss to minimise, summed over what `weight` counts: a scalar."""
        ...

    def weight(self, batch: Any) -> Tensor | float:
        """What the sum is divided by: samples, tokens that are no padding, pixels that are not ignored."""
        ...

    def meter(self) -> Meter:
        """A new one, for one evaluation."""
        ...
