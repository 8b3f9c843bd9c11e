"""Source that stands alone: of lrbench's own shapes, cut out so that each formula is written once, and around them."""

import ast
import inspect
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from types import ModuleType

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
