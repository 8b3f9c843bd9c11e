"""A settings file as plain data: YAML, JSON, assignments of Python that are read and never run, a command line."""

import ast
import json
import operator
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lrbench.config.files import LOADER
from lrbench.errors import ConfigError

ARITHMETIC: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
}


@dataclass(frozen=True)
class NotLiteral:
    """A value that only running the file would tell: its source, and the line it stands in."""

    source: str
    line: int


def text_of(path: str) -> str:
    """Raises ConfigError for what is no text that can be read."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(path, "", f"it cannot be read ({error.strerror})", "name a settings file") from error
    except UnicodeDecodeError as error:
        raise ConfigError(path, "", "this is no text", "name a settings file") from error


def mapping_of(path: str) -> dict[str, Any]:
    """What a file of YAML or JSON says, by its keys. Raises ConfigError for one that is neither."""
    text = text_of(path)
    try:
        plain = json.loads(text) if path.endswith(".json") else yaml.load(text, LOADER)
    except (ValueError, yaml.YAMLError) as error:
        kind = "JSON" if path.endswith(".json") else "YAML"
        raise ConfigError(path, "", f"this is no {kind} ({' '.join(str(error).split())})") from error
    if not isinstance(plain, dict) or not all(isinstance(key, str) for key in plain):
        raise ConfigError(path, "", "it holds no settings by their names", "give one with lines such as `lr: 0.1`")
    return plain


def words_of(path: str) -> list[str]:
    """The words of a command line that stands in a file, over several lines that end in a backslash if need be; lines
    of comment and the prompt before it are left out. Raises ConfigError for one that no shell would take."""
    lines = [line for line in text_of(path).splitlines() if not line.lstrip().startswith("#")]
    try:
        return shlex.split("\n".join(lines).replace("\\\n", " ").strip().removeprefix("$ "))
    except ValueError as error:
        raise ConfigError(path, "", f"no shell would take this line ({error})") from error


def assignments_of(path: str) -> dict[str, Any]:
    """The values that a Python file assigns to names: literals, dict(...), arithmetic and names from above; what is
    anything else is `NotLiteral`. Nothing is run.

    Raises ConfigError for a file that is no Python, that builds on another one, and for statements that may change a
    value after it was assigned.
    """
    try:
        body = ast.parse(text_of(path)).body
    except (SyntaxError, ValueError) as error:
        raise ConfigError(path, "", f"this is no Python ({error})") from error
    values: dict[str, Any] = {}
    for statement in body:
        _require_plain(path, statement)
        if isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value is not None:
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            for target in targets:
                if isinstance(target, ast.Name):
                    values[target.id] = _value(statement.value, values)
    if "_base_" in values:
        why = f"it builds on other files ({values['_base_']}), which may set rates"
        raise ConfigError(path, "", why, "give the whole one, which mmengine writes into the work folder of a run")
    return values


def _require_plain(path: str, statement: ast.stmt) -> None:
    """Raises ConfigError for a statement that may change what was assigned."""
    where = f"line {statement.lineno}"
    if isinstance(statement, ast.Assign | ast.AnnAssign):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        if all(isinstance(target, ast.Name) for target in targets):
            return
    elif isinstance(
        statement, ast.Import | ast.ImportFrom | ast.FunctionDef | ast.ClassDef | ast.Pass | ast.Delete
    ) or (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)):
        return
    elif isinstance(statement, ast.With) and "read_base" in ast.unparse(statement.items[0]):
        why = f"it builds on other files ({where}), which may set rates"
        raise ConfigError(path, "", why, "give the whole one, which mmengine writes into the work folder of a run")
    source = ast.unparse(statement).partition("\n")[0]
    why = f"{where}, `{source}`, may change a value, and nothing is run to see it"
    raise ConfigError(path, "", why, "give the whole config, which mmengine writes into the work folder of a run")


def _value(node: ast.expr, known: Mapping[str, Any]) -> Any:
    """What an expression comes to, as far as that can be said without running it."""
    try:
        return _plain(node, known)
    except (LookupError, TypeError, ValueError, ArithmeticError):
        return NotLiteral(ast.unparse(node), node.lineno)


def _plain(node: ast.expr, known: Mapping[str, Any]) -> Any:
    """Raises LookupError for what has to be run; containers hold what could be read beside what could not."""
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Name):
        return known[node.id]
    if isinstance(node, ast.List | ast.Tuple):
        if any(isinstance(item, ast.Starred) for item in node.elts):
            raise LookupError
        return [_value(item, known) for item in node.elts]
    if isinstance(node, ast.Dict):
        if any(key is None for key in node.keys):
            raise LookupError
        return {
            _plain(key, known): _value(item, known) for key, item in zip(node.keys, node.values, strict=True) if key
        }
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "dict" and not node.args:
        if any(word.arg is None for word in node.keywords):
            raise LookupError
        return {str(word.arg): _value(word.value, known) for word in node.keywords}
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_plain(node.operand, known)
    if isinstance(node, ast.BinOp) and type(node.op) in ARITHMETIC:
        return ARITHMETIC[type(node.op)](_plain(node.left, known), _plain(node.right, known))
    raise LookupError
