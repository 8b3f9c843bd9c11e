"""The direction of imports (design, section 3), read off the source: nothing imports what stands above it."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "lrbench"

# From the ground up. A module imports its own package and the rows below its own. A new one needs a place here.
LAYERS = (
    ("lrbench", "errors"),
    ("randomness", "lease", "flags", "metrics", "stats"),
    ("locks", "horizon", "targets", "trackers", "models", "tasks", "param_groups", "grid", "schema"),
    ("experiment", "plugins"),
    ("schedules", "record", "progress", "optim", "data"),
    ("plots", "evidence"),
    ("index",),
    ("engine", "levels"),
    ("runs",),
    ("sweep",),
    ("report",),
    ("config", "hydra_errors"),  # the one pair that knows each other: a fork's parent is composed inside `config`
    ("composer",),
    ("commands",),
    ("completion", "help"),
    ("cli",),
    ("__main__",),
)
LAYER = {name: i for i, row in enumerate(LAYERS) for name in row}
PAIR = {"config", "hydra_errors"}

# library: which of ours may import it
ONLY = {
    ("hydra", "omegaconf"): {
        "config",
        "schema",
        "hydra_errors",
        "composer",
        "grid",
        "cli",
        "commands",
        "completion",
        "plugins",
    },
    ("matplotlib", "plotext"): {"plots"},
    ("pandas", "pyarrow"): {"runs"},
    ("rich",): {"progress", "sweep", "commands"},
    ("submitit",): {"sweep"},
    ("wandb",): {"trackers", "report"},
    ("tensorboard",): {"trackers"},
    ("wandb_workspaces",): {"report"},
    ("scipy",): {"stats"},
    ("torchvision", "sklearn", "timm"): {"data", "models", "param_groups"},
}
KNOW_CONFIG = {"commands", "cli", "hydra_errors", "composer"}
NO_TORCH = ("errors", "locks", "horizon", "experiment", "lease", "record", "evidence", "index", "levels", "runs",
            "targets", "randomness", "trackers", "progress", "data", "data.digits", "data.fashion_mnist", "data.cifar",
            "data.image_folder", "data.local", "schema", "config", "hydra_errors", "composer", "grid", "flags",
            "sweep.named", "cli", "completion", "help", "commands", "commands.runs", "report.compare", "report.html",
            "report.markdown", "report.wandb", "report.selection", "stats.intervals", "stats.paired", "sweep.slurm.job",
            "sweep.slurm.jobs", "sweep.slurm.options", "sweep.slurm.states",
            "plugins.hydra_plugins.lrbench_local", "plugins.hydra_plugins.lrbench_slurm")  # fmt: skip


def files() -> dict[str, Path]:
    """Every module of lrbench, by its name without `lrbench.`; the package itself is `lrbench`."""
    names = {}
    for path in sorted(ROOT.rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix("__init__").removesuffix(".")
        names[name or "lrbench"] = path
    return names


FILES = files()


def skipped_at_import(node: ast.AST) -> bool:
    if isinstance(node, ast.If):
        return "TYPE_CHECKING" in ast.unparse(node.test)
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)


def statements(path: Path, always: bool) -> Iterator[ast.Import | ast.ImportFrom]:
    """The import statements of a file; with `always`, those that run when it is imported."""

    def walk(node: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import | ast.ImportFrom):
                yield child
            elif not (always and skipped_at_import(child)):
                yield from walk(child)

    return walk(ast.parse(path.read_text()))


def imported(module: str, always: bool = False) -> set[str]:
    """What a module imports: full names, of ours as far as they are modules."""
    found = set()
    for statement in statements(FILES[module], always):
        if isinstance(statement, ast.Import):
            found |= {alias.name for alias in statement.names}
            continue
        assert statement.level == 0, f"{module}: imports are absolute"
        assert statement.module is not None
        for alias in statement.names:
            inner = f"{statement.module}.{alias.name}"
            found.add(inner if inner.removeprefix("lrbench.") in FILES else statement.module)
    return found


def ours(names: set[str]) -> set[str]:
    return {n.removeprefix("lrbench.") for n in names if n.split(".")[0] == "lrbench"}


def top(module: str) -> str:
    return module.split(".")[0]


@pytest.mark.parametrize("module", FILES)
def test_imports_point_down(module: str) -> None:
    assert top(module) in LAYER, f"give {top(module)} a place among the layers"
    for other in ours(imported(module)):
        if top(other) == top(module) or {top(other), top(module)} == PAIR:
            continue
        assert LAYER[top(other)] < LAYER[top(module)], f"{module} imports {other}, which does not stand below it"


@pytest.mark.parametrize("module", FILES)
def test_libraries_stay_in_their_corner(module: str) -> None:
    names = {top(n) for n in imported(module)}
    for libraries, corner in ONLY.items():
        assert top(module) in corner or not names & set(libraries), f"{module} imports {names & set(libraries)}"


@pytest.mark.parametrize("module", FILES)
def test_only_commands_know_the_configuration(module: str) -> None:
    if top(module) not in KNOW_CONFIG and module != "config":
        assert not {"config", "schema", "commands"} & {top(n) for n in ours(imported(module))} - {top(module)}


@cache
def at_import(module: str) -> frozenset[str]:
    """All libraries that importing a module imports, through others of ours and their packages too."""
    seen, waiting, libraries = set(), [module], set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        waiting += [".".join(name.split(".")[:i]) for i in range(1, name.count(".") + 1)]
        if name not in FILES:  # a namespace, such as hydra_plugins
            continue
        names = imported(name, always=True)
        libraries |= {top(n) for n in names}
        waiting += ours(names)
    return frozenset(libraries)


@pytest.mark.parametrize("module", NO_TORCH)
def test_without_torch(module: str) -> None:
    assert not at_import(module) & {"torch", "torchvision"}


def test_timm_waits_until_a_model_of_its_is_built() -> None:
    """It takes seconds to import."""
    assert not [module for module in FILES if "timm" in at_import(module)]


def test_what_help_needs_is_the_standard_library() -> None:
    assert at_import("cli") <= {*sys.stdlib_module_names, "lrbench"}
    assert at_import("__main__") <= {*sys.stdlib_module_names, "lrbench"}


def test_the_walk_sees_what_python_does() -> None:
    """In a fresh interpreter, the modules above import no torch either; and those that need it do."""
    plugins = [n for n in NO_TORCH if not n.startswith("plugins.")]
    script = (
        "import importlib, sys\n"
        f"for name in {plugins}: importlib.import_module('lrbench.' + name)\n"
        "assert 'torch' not in sys.modules\n"
        "import lrbench.schedules\n"
        "assert 'torch' in sys.modules and 'matplotlib' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
    assert "torch" in at_import("schedules")
    assert "torch" in at_import("engine.train")


def test_the_walk_would_notice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = tmp_path / "bad.py"
    bad.write_text("def f():\n    from lrbench.engine import train\nimport torch.nn\n")
    monkeypatch.setitem(FILES, "horizon", bad)
    assert imported("horizon") == {"lrbench.engine.train", "torch.nn"}
    assert imported("horizon", always=True) == {"torch.nn"}
    with pytest.raises(AssertionError, match=r"horizon imports engine\.train"):
        test_imports_point_down("horizon")
