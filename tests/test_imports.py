"""The direction of imports (as CONTRIBUTING has it), read off the source: nothing imports what stands above it."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "lrbench"

# From the ground up, rooms and single modules of them. What is not named belongs to its room. A module imports its own
# room and the rows below its own. A new one needs a place here.
LAYERS = (
    ("lrbench", "errors", "blame"),
    ("randomness", "metrics", "numbers", "targets", "trust", "logs", "plural", "stats", "sweep.slurm.options"),
    ("horizon", "trackers", "models", "tasks", "param_groups", "store.folder", "store.files", "store.series",
     "store.checkpoint", "store.seal", "store.lease", "store.locks", "config.grid", "config.schema"),
    ("experiment", "plugins"),
    ("config.compose",),
    ("schedules", "store.record", "store.record_files", "progress", "optim", "data"),
    ("plots", "store.arms", "store.committed", "store.curves", "store.evidence", "store.export", "store.rows",
     "store.run", "store.store"),
    ("store.index",),
    ("config.levels",),
    ("engine", "store", "config.hydra_errors"),
    ("check",),
    ("find_lr", "diagnose"),
    ("sweep",),
    ("study",),
    ("report",),
    ("config",),
    ("interop",),
    ("claims",),
    ("advise",),
    ("commands",),
    ("cli",),
    ("__main__",),
)  # fmt: skip
LAYER = {name: i for i, row in enumerate(LAYERS) for name in row}

# library: which of ours may import it
ONLY = {
    ("hydra", "omegaconf"): {"config", "cli", "commands", "plugins"},
    ("matplotlib", "plotext"): {"plots"},
    ("pandas", "pyarrow"): {"store"},
    ("rich",): {"progress", "sweep", "commands"},
    ("submitit",): {"sweep"},
    ("wandb",): {"trackers", "report"},
    ("tensorboard",): {"trackers"},
    ("wandb_workspaces",): {"report"},
    ("scipy",): {"stats", "models"},
    ("pycocotools",): {"tasks"},
    ("torchvision", "sklearn", "timm"): {"data", "models", "param_groups"},
}
ANYBODY = {"config.levels", "config.files"}  # they read option files, and know no Hydra
KNOW_CONFIG = {"commands", "cli", "config", "claims", "interop"}
NO_TORCH = ("errors", "horizon", "experiment", "experiment.identity", "targets", "trust", "randomness", "trackers",
            "progress", "store", "store.record", "store.record_files", "store.lease",
            "store.locks", "store.evidence", "store.index", "store.filters", "store.runs",
            "store.export", "store.run", "store.store", "store.verify", "commands.verify",
            "data", "data.digits", "data.fashion_mnist", "data.cifar", "data.image_folder", "data.local",
            "data.noisy_quadratic", "data.coco", "data.instances",
            "data.text", "data.text_files", "data.tokenizer", "data.prepared",
            "data.kinds", "data.tree",
            "config.schema", "config.compose", "config.experiments", "config.hydra_errors", "config.composer",
            "config.grid", "config.levels", "cli.flags", "cli.main", "cli.completion", "cli.help",
            "config.named", "config.files", "config.arms", "commands", "commands.runs", "report.compare", "report.html",
            "report.markdown", "report.wandb", "report.selection", "stats.intervals", "stats.paired",
            "logs", "diagnose.diagnose", "diagnose.logs", "commands.diagnose",
            "claims.ledger", "claims.settled", "claims.words", "commands.claims",
            "advise.choose", "advise.excuses", "advise.sentence", "advise.words", "commands.advise", "store.folder",
            "check.finding", "check.report", "check.sarif",
            "study.step", "study.design", "sweep.slurm.job",
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


@cache
def statements(path: Path, always: bool) -> tuple[ast.Import | ast.ImportFrom, ...]:
    """The import statements of a file; with `always`, those that run when it is imported. (Every test walks them.)"""

    def walk(node: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import | ast.ImportFrom):
                yield child
            elif not (always and skipped_at_import(child)):
                yield from walk(child)

    return tuple(walk(ast.parse(path.read_text())))


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


def home(module: str) -> str:
    """What has a place among the layers: the module itself, else its room."""
    return module if module in LAYER else top(module)


def uphill(module: str) -> list[str]:
    """The imports of a module that do not point down."""
    assert home(module) in LAYER, f"give {home(module)} a place among the layers"
    others = [other for other in ours(imported(module)) if top(other) != top(module)]
    return [f"{module} imports {o}" for o in others if LAYER[home(o)] >= LAYER[home(module)]]


def test_imports_point_down() -> None:
    assert not [line for module in FILES for line in uphill(module)]


def test_there_are_no_circles() -> None:
    """Not even inside a room, or by an import that waits in a function. (A package is no part of what lies in it.)"""
    TopologicalSorter({m: (ours(imported(m)) & FILES.keys()) - {m} for m in FILES}).prepare()  # raises CycleError


def test_libraries_stay_in_their_corner() -> None:
    for module in FILES:
        names = {top(n) for n in imported(module)}
        for libraries, corner in ONLY.items():
            assert top(module) in corner or not names & set(libraries), f"{module} imports {names & set(libraries)}"


def test_only_commands_know_the_configuration() -> None:
    for module in FILES:
        known = {n for n in ours(imported(module)) if top(n) in ("config", "commands")} - ANYBODY
        assert top(module) in KNOW_CONFIG or not known or module.startswith("plugins"), f"{module} imports {known}"


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


def test_without_torch() -> None:
    assert not [module for module in NO_TORCH if at_import(module) & {"torch", "torchvision"}]


def test_timm_waits_until_a_model_of_its_is_built() -> None:
    """It takes seconds to import."""
    assert not [module for module in FILES if "timm" in at_import(module)]


def test_what_help_needs_is_the_standard_library() -> None:
    assert at_import("cli.main") <= {*sys.stdlib_module_names, "lrbench"}
    assert at_import("__main__") <= {*sys.stdlib_module_names, "lrbench"}


@pytest.mark.slow
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
    assert uphill("horizon") == ["horizon imports engine.train"]
