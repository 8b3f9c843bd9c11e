"""Batches as trees: tensors in tuples, lists and dicts, nested as a task likes."""

from collections.abc import Callable, Iterator
from typing import Any


def tree_map(change: Callable[[Any], Any], tree: Any) -> Any:
    """The same tree with every leaf changed. A named tuple stays one."""
    if isinstance(tree, dict):
        return {key: tree_map(change, part) for key, part in tree.items()}
    if isinstance(tree, list | tuple):
        parts = [tree_map(change, part) for part in tree]
        return type(tree)(*parts) if hasattr(tree, "_fields") else type(tree)(parts)
    return change(tree)


def leaves(tree: Any) -> Iterator[Any]:
    """What a tree holds, in order."""
    if isinstance(tree, dict | list | tuple):
        for part in tree.values() if isinstance(tree, dict) else tree:
            yield from leaves(part)
    else:
        yield tree
