"""Data in memory that all workers of a sweep share: loaded once, by the process that hands the runs out."""

from collections import OrderedDict
from dataclasses import dataclass, field

from lrbench.data import Split, Splits
from lrbench.data.tree import leaves
from lrbench.experiment import Data
from lrbench.sweep.entry import Entry
from lrbench.targets import resolve


@dataclass
class SharedData:
    """The splits of the `size` data sets and seeds asked for last; workers that train on others still hold theirs."""

    size: int
    _held: OrderedDict[str, Splits[Split] | None] = field(default_factory=OrderedDict)

    def splits(self, entry: Entry) -> Splits[Split] | None:
        """The data of a run in shared memory; None where a worker has to load them itself."""
        data, seed = entry.experiment.data, entry.experiment.seed
        key = repr((data.target, data.args, data.fingerprint, seed))
        if key not in self._held:
            self._held[key] = _shared(data, seed)
            if len(self._held) > self.size:
                self._held.popitem(last=False)
        self._held.move_to_end(key)
        return self._held[key]


def _shared(data: Data, seed: int) -> Splits[Split] | None:
    """None for what is not held in tensors (images on disk), for data that cannot be loaded (the run will say why), and
    where the machine has no such memory left (a container often has 64 MB)."""
    try:
        made = resolve(data.target, "data")(**data.args)
        if not getattr(made, "in_memory", True):
            return None
        splits: Splits[Split] = made.load(seed)
        for held in leaves(splits):
            if hasattr(held, "share_memory_"):
                held.share_memory_()
            elif not isinstance(held, int | float | str | None):
                return None
    except Exception:
        return None
    return splits
