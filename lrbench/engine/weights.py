"""A model's weights as a plain file, for use outside of lrbench: `end` at the end of a run, `best` by the monitor.

They are those that are evaluated (the average, of an optimizer that averages), on the CPU, so that they load anywhere:

    model = lrbench.model_of("results/runs/ID")
    model.load_state_dict(torch.load("results/runs/ID/weights/best.pt", weights_only=True))
"""

import json
from collections.abc import Mapping, Sequence
from math import isfinite, nan
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor, nn

from lrbench.engine.averaging import evaluating
from lrbench.engine.evaluation import evaluate
from lrbench.engine.fork import replayed
from lrbench.engine.legs import Leg
from lrbench.engine.measuring import mode_of_monitor
from lrbench.engine.state import Setup, State, build_model, write_tensors
from lrbench.engine.testing import require_same
from lrbench.experiment import Settings
from lrbench.experiment.identity import to_plain
from lrbench.experiment.settings import BEST
from lrbench.metrics import Metric, Mode
from lrbench.progress import Say
from lrbench.store.files import write_json
from lrbench.store.folder import results_folder
from lrbench.store.record import Record
from lrbench.store.store import Store
from lrbench.trust import require_known


def model_of(run: str, results: str | Path | None = None, trust: Sequence[str] = ()) -> nn.Module:
    """The model of a run, by its folder or the beginning of its id, with new weights: those of the run are loaded by
    `load_state_dict`. results: where records live (default: $LRBENCH_RESULTS, else ./results). trust: modules of yours
    that only the record names. Raises ConfigError, for code of another module too."""
    record = Store(results_folder(None if results is None else str(results))).find(str(run))
    experiment = record.experiment()
    cure = "give trust=[MODULE] if you trust it"
    named = [f"{module}." for module in trust]
    require_known(to_plain([experiment.model, experiment.data]), named, "run", record.run_id, cure)
    return build_model(experiment.model, experiment.data)


def evaluated_weights(setup: Setup, state: State) -> dict[str, Tensor]:
    """The weights and buffers of the model as it is evaluated; a copy, on the CPU."""
    with evaluating(setup, state):
        return {name: tensor.detach().clone().cpu() for name, tensor in state.model.state_dict().items()}


class Best(NamedTuple):
    """The evaluation with the best monitor, the first of equals."""

    monitor: str
    update: int
    value: float


def best_of(rows: list[dict[str, float]], monitor: str, mode: Mode) -> Best | None:
    """Of the rows of a record; None where there was no evaluation yet."""
    measured = [row for row in rows if isfinite(row.get(monitor, nan))]
    if not measured:
        return None
    found = (max if mode == "max" else min)(measured, key=lambda row: row[monitor])
    return Best(monitor, int(found["update"]), found[monitor])


def best_in(summary: Mapping[str, Any], monitor: str) -> Best | None:
    """The same, of a run that is done; None where it ended before it was evaluated."""
    name = f"best/{monitor}"
    return Best(monitor, summary[f"{name}_update"], summary[name]) if name in summary else None


def kept_best(record: Record) -> Best | None:
    """Of which evaluation the weights are kept as the best; None where none are."""
    try:
        return Best(**json.loads(record.weights(BEST).with_suffix(".json").read_text()))
    except (OSError, ValueError, TypeError):
        return None


def require_monitor(metrics: Mapping[str, Metric], settings: Settings) -> Mode:
    """Which way the monitor is better that `keep=[best]` goes by. metrics: by their names without a split. Raises
    ConfigError for one that is not evaluated."""
    return mode_of_monitor(settings.best_by, {f"val/{name}": m for name, m in metrics.items()}, "keep=[best]")


class KeepBest:
    """Told of every leg: keeps the weights with the best monitor so far. rows: of the record, which grow.

    Of a resumed run, what it finds on disk may be older than the checkpoint (it was not asked for before) or younger
    (what comes after the checkpoint is trained again, and kept again): `settle` looks at the end.
    """

    def __init__(self, setup: Setup, record: Record, settings: Settings, rows: list[dict[str, float]]) -> None:
        self._setup, self._record, self._rows = setup, record, rows
        self._monitor, self._mode = str(settings.best_by), require_monitor(setup.metrics, settings)

    def __call__(self, state: State, leg: Leg) -> None:
        if leg.metrics is None or leg.bad is not None:
            return
        best = best_of(self._rows, self._monitor, self._mode)
        if best is not None and best.update == state.update:
            keep_best(self._setup, state, best, self._record)

    def settle(self, say: Say) -> None:
        """Where the best weights are not those that are kept, train up to them again."""
        add_best(self._setup, self._record, best_of(self._rows, self._monitor, self._mode), say)


def keep_best(setup: Setup, state: State, best: Best, record: Record) -> None:
    """Of which evaluation they are is written last: a kill in between is mended when the run goes on."""
    path = record.weights(BEST)
    write_tensors(path, evaluated_weights(setup, state), {"run_id": state.run_id, "update": state.update})
    write_json(path.with_suffix(".json"), best._asdict())


def lacks_best(record: Record, settings: Settings) -> bool:
    """Whether a run that is done is asked for its best weights and has none by this monitor."""
    found = kept_best(record)
    return BEST in settings.keep and (found is None or found.monitor != settings.best_by)


def add_best(setup: Setup, record: Record, best: Best | None, say: Say) -> None:
    """Keep the best weights of a run, trained up to there again if they are not there. Raises ConfigError where they
    come out as others than those that were recorded."""
    if best is None or kept_best(record) == best:
        return
    say(f"{record.run_id}: trained again up to update {best.update}, for the weights with the best {best.monitor}.")
    state = replayed(setup.experiment, best.update, record, setup)
    again = evaluate(setup, state, setup.splits.val, "val")[best.monitor]
    require_same(best.monitor, again, best.value, record.run_id)
    keep_best(setup, state, best, record)
