"""`lrbench [command] [overrides...]`: the first word is a command, else `train`; what follows is Hydra's grammar.

Hydra composes; its errors are turned into one paragraph and exit code 2. Nothing here imports torch.
"""

import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from typing import Any, NoReturn

from lrbench import __version__
from lrbench.blame import blame, ended_by_target, named
from lrbench.cli.flags import (
    COMMANDS,
    FLAGS,
    PLAIN,
    VALUED,
    Flags,
    command_of,
    config_dir_of,
    module_of,
    take_flags,
    take_own,
    take_sweep,
    words_of,
)
from lrbench.cli.task import HydraTask
from lrbench.errors import INTERRUPTED, ConfigError, did_you_mean


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """The console script. Exit codes: 0 fine, 1 a run diverged or failed, 2 bad usage, 130 stopped by a signal."""
    sys.exit(run(sys.argv[1:] if argv is None else argv))


def run(argv: Sequence[str]) -> int:
    """Run a command; its exit code. Bad usage is said on stderr in one paragraph."""
    try:
        _require_here()
        code = _run(list(argv))
        sys.stdout.flush()  # so that a reader that has gone is met here and not at the interpreter's end
        return code
    except ConfigError as error:
        print(f"lrbench: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("lrbench: stopped.", file=sys.stderr)
        return INTERRUPTED
    except SystemExit as end:
        if said := blame(end):
            return _theirs(said)
        if ended_by_target(end):
            print(
                f"lrbench: a _target_ ended the process ({named(end)}); name one that gives something back.",
                file=sys.stderr,
            )
            return 1
        return int(end.code or 0) if isinstance(end.code, int | None) else 1  # Hydra's --help and argparse's
    except BrokenPipeError:  # `lrbench show RUN | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if said := blame(error):
            return _theirs(said)
        raise


def _require_here() -> None:
    try:
        os.getcwd()
    except OSError as error:
        raise ConfigError(
            "", "", f"the folder you are in is gone ({error.strerror})", "cd into one that exists"
        ) from error


def _theirs(said: str) -> int:
    """Tell of an error in somebody's own code."""
    where, _, frames = said.partition("\n")
    print(f"lrbench: {where}. That is in code of yours:\n{frames}", file=sys.stderr)
    return 1


def _run(argv: list[str]) -> int:
    if "COMP_LINE" in os.environ and {"-sc", "--shell-completion"} & {*argv}:
        return _complete(argv)
    command, rest = command_of(argv)
    if rest and rest == argv and re.fullmatch(r"[\w-]*\w", argv[0]) and not argv[0].startswith("-"):
        raise ConfigError(argv[0], "", "neither a command nor key=value", did_you_mean(argv[0], COMMANDS))
    if command in PLAIN:
        return int(import_module(f"lrbench.commands.{module_of(command)}").run(rest))
    if command == "check" and any(word.partition("=")[0] == "--rates" for word in rest):
        return int(import_module("lrbench.commands.check_rates").run(rest))
    helps = {"--help", "-h"} & {*rest}
    alone = len([word for word in rest if word not in VALUED]) == 1  # no value: help is asked for instead
    if helps and (alone or command == "sweep"):  # with overrides, Hydra's own: the composed config too
        from lrbench.cli.help import help_of

        print(help_of(command, config_dir_of(rest)))
        return 0
    if rest == ["--version"]:  # Hydra's own stands in `--hydra-help`
        print(f"lrbench {__version__}")
        return 0
    own, rest = take_own(command, rest)
    flags, rest = take_flags(rest)
    if flags != Flags() and command not in ("train", "sweep"):
        raise ConfigError(command, "", f"{', '.join(FLAGS)} are for training", "leave them out")
    if command == "sweep":
        if not words_of(rest):
            from lrbench.config.named import listing

            print(listing(config_dir_of(rest)))
            return 0
        flags, rest = _named(flags, rest)
        command = "train"
    if not {"-m", "--multirun"} & {*rest}:
        for flag, given in (("--arm", flags.arms), ("--name", flags.name), ("--skip-invalid", flags.skip_invalid)):
            if given:
                raise ConfigError(flag, "", "this is of a sweep, and here is one run", "add -m, or leave it out")
    _require_nothing_for_hydra(rest)
    return _through_hydra(command, rest, flags, own)


def _require_nothing_for_hydra(arguments: Sequence[str]) -> None:
    """Refuse a folder for Hydra's own output, of which there is none: Hydra would make it before it checks anything."""
    for word in arguments:
        key, _, value = word.lstrip("+~").partition("=")
        if key in ("hydra.run.dir", "hydra.sweep.dir", "hydra.sweep.subdir", "hydra.output_subdir", "hydra.job.chdir"):
            raise ConfigError(key, value, "Hydra writes nothing here", "results=FOLDER says where records lie")


def _named(flags: Flags, arguments: list[str]) -> tuple[Flags, list[str]]:
    """What is asked for by a sweep's file, and what stands beside its name."""
    from lrbench.config.arms import checked
    from lrbench.config.named import named_sweep

    name, rest = take_sweep(arguments)
    found = named_sweep(name, config_dir_of(rest))
    arms = checked((*found.arms, *flags.arms), f"sweep {name}")
    return replace(flags, name=flags.name or name, arms=arms), [*found.overrides, *rest, "-m"]


def _through_hydra(command: str, arguments: list[str], ours: Flags, own: Mapping[str, Any] | None = None) -> int:
    """Let Hydra compose the job, or all jobs of a multirun, and hand them to the command."""
    os.environ["HYDRA_FULL_ERROR"] = "1"  # so that errors reach us instead of being printed by Hydra
    import hydra

    from lrbench import CONF
    from lrbench.config.hydra_errors import explain

    overrides, flags = _overrides_and_flags(arguments)
    _refuse_folders(overrides)
    to_hydra, to_sweeper = _shared_out(overrides, flags)
    task = HydraTask(command, ours, to_sweeper, own)
    before = sys.argv
    sys.argv = [before[0], *to_hydra, *flags]
    try:
        hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")(task)()
    except ConfigError:
        raise
    except Exception as error:  # the task keeps its own errors, so this one is from composing
        raise explain(error, overrides) from error
    finally:
        sys.argv = before
    if task.error is not None:
        raise task.error
    return task.code


def _overrides_and_flags(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Apart, since Hydra's parser takes overrides in one place only, so that `a=1 -m b=2,3` fails.

    Raises ConfigError for a flag that is none.
    """
    from hydra._internal.utils import get_args_parser

    def refuse(message: str) -> NoReturn:
        raise ConfigError("", "", message, "--hydra-help lists the flags")

    parser = get_args_parser()
    parser.error = refuse  # type: ignore[method-assign]
    known, rest = parser.parse_known_args(arguments)
    for word in rest:
        if word.startswith("-"):
            from lrbench.config.hydra_errors import without_dashes

            flags = [*FLAGS, *(f for f in parser._option_string_actions if f.startswith("--"))]
            raise ConfigError(word, "", "there is no such flag", without_dashes(word) or did_you_mean(word, flags))
    overrides = [*known.overrides, *rest]
    flags = [a for a in arguments if a not in overrides]
    modes = ("help", "hydra_help", "cfg", "run", "multirun", "shell_completion", "info", "experimental_rerun")
    if not any(getattr(known, mode) for mode in modes) and not any("hydra.mode" in o for o in overrides):
        flags.append("--run")  # else Hydra composes everything once more to see which mode is asked for: 0.1 s
    return [a for a in arguments if a in overrides], flags


def _refuse_folders(overrides: list[str]) -> None:
    """Hydra makes its own folders before anything is looked at: a command that is refused would leave them. Raises
    ConfigError. (Launchers of somebody else's keep their files there.)"""
    keys = {o: o.lstrip("+~").partition("=")[0] for o in overrides}
    chosen = {key: o.partition("=")[2] for o, key in keys.items() if key in ("hydra/launcher", "hydra/sweeper")}
    others = bool(set(chosen.values()) - {"slurm", "local"})
    for override, key in keys.items():
        if key.startswith("hydra.run") or (key.startswith("hydra.sweep.") and not others):
            why = "Hydra writes nothing here, and would make a folder of this name"
            cure = "leave it out; results=FOLDER says where records lie"
            raise ConfigError(key, override.partition("=")[2], why, cure)


def _shared_out(overrides: list[str], flags: list[str]) -> tuple[list[str], list[str]]:
    """What Hydra composes before it sweeps, and what only the jobs are composed from. Hydra would try a sweep's other
    overrides on the default levels, and refuse `scheduler=step,multistep scheduler.args.gamma=0.5` for the cosine."""
    if set(flags) not in ({"-m"}, {"--multirun"}) or any("hydra/sweeper" in o for o in overrides):
        return overrides, []
    own = [o for o in overrides if o.lstrip("+~").startswith(("hydra.", "hydra/"))]
    return own, [o for o in overrides if o not in own]


def _complete(argv: list[str]) -> int:
    """Print what may stand at the end of the line that is being typed. What is wrong earlier in it is not said here."""
    from lrbench.cli.completion import offers

    line = os.environ["COMP_LINE"]
    line = line[: int(os.environ.get("COMP_POINT", len(line)))]  # up to the cursor
    folder = config_dir_of(line.split()[:-1])  # levels of the user's own
    try:
        offered, for_hydra = offers(line)
        print(*offered, sep="\n", end="\n" if offered else "")
        if for_hydra is None:
            return 0
        os.environ["COMP_LINE"] = for_hydra
        return _through_hydra("train", [*argv, *(["--config-dir", folder] if folder else [])], Flags())
    except ConfigError:
        return 2
