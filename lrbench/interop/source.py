"""Source that stands alone: of lrbench's own shapes, cut out so that each formula is written once, and around them."""

import ast
import inspect
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from lrbench.errors import ConfigError
from lrbench.schedules import shapes
from lrbench.targets import MARKS, first_parameter, is_target, named_parameters, optimizer_parameter

ONE_GROUP = '''
class OneGroup(Optimizer):
    """A stand-in for the optimizer with a copy of one group at a rate of its own, for a scheduler to write to."""

    def __init__(self, optimizer: Optimizer, group: dict, lr: float) -> None:
        self.defaults, self.state, self.param_groups = optimizer.defaults, {}, [{**group, "lr": lr}]

    def step(self, closure: object = None) -> None:
        """Trains nothing; torch only wants to see it before a scheduler's step."""

    @property
    def lr(self) -> float:
        return self.param_groups[0]["lr"]
'''


@dataclass
class Cut:
    """What some functions of a module need: the names it imports, by module, and the definitions in order."""

    imports: dict[str, set[str]] = field(default_factory=dict)
    definitions: list[str] = field(default_factory=list)


def cut_out(module: ModuleType, names: Collection[str]) -> Cut:
    """The functions `names` of a module with everything of it that they use.

    Guards (an `if` that ends in a refusal) are left out: what is exported has passed them.
    """
    text = inspect.getsource(module)
    lines, tree = text.splitlines(), ast.parse(text)
    own = {name: node for node in tree.body for name in _defines(node)}
    offered = {
        a.asname or a.name: node.module or ""
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for a in node.names
    }
    cut, needed, waiting = Cut(), set[str](), [*names]
    while waiting:
        name = waiting.pop()
        if name in needed or name not in own:
            continue
        needed.add(name)
        used = {n.id for n in ast.walk(_without_guards(own[name])) if isinstance(n, ast.Name)}
        waiting += sorted(used & own.keys())
        for found in used & offered.keys():
            cut.imports.setdefault(offered[found], set()).add(found)
    chosen = dict.fromkeys(node for name, node in own.items() if name in needed)
    cut.definitions = ["\n".join(_kept(node, lines)) for node in chosen]
    return cut


@dataclass
class Source:
    """What a module's code names, as it comes up: the names to import, by module, and definitions that it holds."""

    taken: dict[str, set[str]] = field(default_factory=dict)
    definitions: list[str] = field(default_factory=list)

    def name_of(self, path: str) -> str:
        """What a dotted path is called in the code, which has its import, or its source where it is a shape of ours.
        Raises ConfigError where another module's is called so."""
        module, _, name = path.rpartition(".")
        if other := next((m for m, names in self.taken.items() if name in names and m != module), None):
            why = f"{other}.{name} is in this schedule too, and in code both would be called {name}"
            raise ConfigError("export", path, why, "take `lrbench.schedule`, or give one of them another name")
        cut = cut_out(shapes, [name]) if module == shapes.__name__ else Cut({module: {name}})
        for source, names in cut.imports.items():
            self.taken.setdefault(source, set()).update(names)
        self.definitions += [d for d in cut.definitions if d not in self.definitions]
        return name

    def literal(self, value: Any, optimizer: str) -> str:
        """An argument as code; what is to be built is built as `schedules.build` does, on an optimizer of this name."""
        if isinstance(value, list | tuple):
            return f"[{', '.join(self.literal(each, optimizer) for each in value)}]"
        if not is_target(value):
            return json.dumps(value) if isinstance(value, str) else repr(value)
        path, given = value["_target_"], {k: v for k, v in value.items() if k not in MARKS}
        args = [f"{name}={self.literal(each, optimizer)}" for name, each in given.items()]
        if value.get("_partial_"):
            return f"{self.name_of('functools.partial')}({', '.join([self.name_of(path), *args])})"
        if "optimizer" in named_parameters(path, "scheduler"):
            args = [optimizer_given(path, optimizer), *args]
        return f"{self.name_of(path)}({', '.join(args)})"


def optimizer_given(path: str, optimizer: str) -> str:
    """How a call hands the optimizer on: by name where its parameter is not the first (torch's ChainedScheduler)."""
    first = first_parameter(path, "scheduler")
    return optimizer if optimizer_parameter(path, "scheduler") == first else f"optimizer={optimizer}"


def import_lines(taken: Mapping[str, Collection[str]]) -> list[str]:
    """Of exported code, which imports these names beside its own: torch's after the standard library's."""
    wanted = {"collections.abc": {"Generator"}, "torch.optim": {"Optimizer"}}
    for module, names in taken.items():
        wanted[module] = wanted.get(module, set()) | {*names}
    lines = {module: f"from {module} import {', '.join(sorted(names))}" for module, names in wanted.items()}
    torchs = sorted(m for m in wanted if m.startswith("torch"))
    return [*(lines[m] for m in sorted({*wanted} - {*torchs})), "", *(lines[m] for m in torchs)]


def _defines(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    target = node.target if isinstance(node, ast.AnnAssign) else None
    return [target.id] if isinstance(target, ast.Name) else []


def _is_guard(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.body[-1], ast.Raise) and not node.orelse


def _without_guards(node: ast.stmt) -> ast.Module:
    """A definition as the statements that are kept of it."""
    if not isinstance(node, ast.FunctionDef):
        return ast.Module([node], [])
    inner: list[ast.stmt] = [s for s in node.body if not _is_guard(s)]
    signature = [ast.Expr(a.annotation) for a in node.args.args if a.annotation]
    returns = [ast.Expr(node.returns)] if node.returns else []
    defaults = [ast.Expr(d) for d in node.args.defaults]
    return ast.Module([*signature, *returns, *defaults, *inner], [])


def _kept(node: ast.stmt, lines: list[str]) -> Iterator[str]:
    """The lines of a definition without its guards."""
    left_out = {
        line for s in getattr(node, "body", []) if _is_guard(s) for line in range(s.lineno, (s.end_lineno or 0) + 1)
    }
    assert node.end_lineno is not None
    for number in range(node.lineno, node.end_lineno + 1):
        if number not in left_out:
            yield lines[number - 1]
