"""Errors in somebody's own code that lrbench calls: whose it is, and where in it."""

import sysconfig
import traceback
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from traceback import FrameSummary

OURS = str(Path(__file__).parent)
# Where libraries lie: an error that passed through no other file but lrbench's is not somebody's own.
LIBRARIES = tuple({*(sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib", "purelib", "platlib"))})
ENDING = {"argparse", "hydra"}  # modules whose business it is to end the process, after --help and on bad usage
SHOWN = 4  # frames, the last ones


def blame(error: BaseException) -> str | None:
    """What to say of an error in somebody's own code: the file, the line, the error, and the way to it through their
    files. None for an error of lrbench's or a library's that none of theirs led to."""
    frames = list(_theirs(error))
    if isinstance(error, SyntaxError) and error.filename and _is_theirs(error.filename):
        frames.append(FrameSummary(error.filename, error.lineno or 0, "<module>", line=(error.text or "").strip()))
    if not frames:
        return None
    last = frames[-1]
    where = f"{_shown(last.filename)}, line {last.lineno}{_within(last.name)}"
    return f"{where}: {named(error)}\n{''.join(traceback.format_list(frames[-SHOWN:])).rstrip()}"


def ended_by_target(end: SystemExit) -> bool:
    """Whether something without Python code that lrbench called raised it (`sys.exit` as a `_target_`): lrbench itself
    raises none, and argparse and Hydra have modules of theirs. (The last frame need not be of the one who ended: wandb
    leaves a function of its own in the place of `sys.exit`.)"""
    modules = [str(frame.f_globals.get("__name__")) for frame, _ in traceback.walk_tb(end.__traceback__)]
    beyond_ours = takewhile(lambda module: not module.startswith("lrbench"), reversed(modules))
    return len(modules) > 1 and not any(module.partition(".")[0] in ENDING for module in beyond_ours)


def named(error: BaseException) -> str:
    """`ValueError: three channels are expected`."""
    said = str(error).strip()
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def _within(function: str) -> str:
    return "" if function == "<module>" else f", in {function}"


def _theirs(error: BaseException) -> Iterator[FrameSummary]:
    """The frames of their files that lrbench led to. (What called lrbench, a script say, is not the error's.)"""
    called = False
    for frame in traceback.extract_tb(error.__traceback__):
        called = called or frame.filename.startswith(OURS)
        if called and _is_theirs(frame.filename):
            yield frame


def _is_theirs(file: str) -> bool:
    packaged = {"site-packages", "dist-packages"} & {*Path(file).parts}
    return not (packaged or file.startswith((OURS, "<", *LIBRARIES)))


def _shown(file: str) -> str:
    """As it is typed here."""
    path = Path(file)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else file
