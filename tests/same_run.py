"""Whether two records hold the same bits."""

from collections.abc import Iterator
from typing import Any

import torch

from lrbench.store.record import Record


def require_same_run(one: Record, other: Record) -> None:
    """Fails unless they do: rows without seconds, every rate and loss, weights and moments."""
    assert one.standing() == other.standing()
    assert _rows(one) == _rows(other)
    assert (one.folder / "series.npy").read_bytes() == (other.folder / "series.npy").read_bytes()
    kept, theirs = (sorted(str(p.relative_to(r.folder)) for p in r.folder.rglob("*.pt")) for r in (one, other))
    assert kept == theirs
    for name in kept:
        ours, its = (dict(_flat(torch.load(r.folder / name))) for r in (one, other))
        assert ours.keys() == its.keys()
        for key in ours.keys() - {".seconds"}:
            a, b = ours[key], its[key]
            assert torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b, f"{name}{key}"
    first, second = ({k: v for k, v in r.summary().items() if "second" not in k} for r in (one, other))
    assert first == second


def _rows(record: Record) -> list[dict[str, float]]:
    return [{k: v for k, v in row.items() if k != "seconds"} for row in record.rows()]


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict | list):
        for key, part in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _flat(part, f"{name}.{key}")
    else:
        yield name, value
