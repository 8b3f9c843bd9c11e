"""`lrbench [command] [overrides...]`: the first word is a command, else `train`; what follows is Hydra's grammar.

Hydra composes; its errors are turned into one paragraph and exit code 2. Nothing here imports torch.
"""

import os
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, Any, NoReturn

from lrbench import __version__
from lrbench.cli.flags import COMMANDS, FLAGS, PLAIN, Flags, command_of, config_dir_of, take_flags, take_sweep, words_of
from lrbench.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from lrbench.commands import Job
    from lrbench.sweep.slurm.options import Slurm

INTERRUPTED = 130  # 128 + SIGINT, as shells have it


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """The console script. Exit codes: 0 fine, 1 a run diverged or failed, 2 bad usage, 130 stopped by a signal."""
    sys.exit(run(sys.argv[1:] if argv is None else argv))


def run(argv: Sequence[str]) -> int:
    """Run a command; its exit code. Bad usage is said on stderr in one paragraph."""
    sys.path.append(os.getcwd())  # a user's own classes, by `_target_`; `python -m lrbench` has it already
    try:
        code = _run(list(argv))
        sys.stdout.flush()  # so that a reader that has gone is met here and not at the interpreter's end
        return code
    except ConfigError as error:
        print(f"lrbench: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("lrbench: stopped.", file=sys.stderr)
        return INTERRUPTED
    except SystemExit as end:  # Hydra's --help and argparse's
        return int(end.code or 0)
    except BrokenPipeError:  # `lrbench show RUN | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _run(argv: list[str]) -> int:
    if "COMP_LINE" in os.environ and {"-sc", "--shell-completion"} & {*argv}:
        return _complete(argv)
    command, rest = command_of(argv)
    if rest and rest == argv and re.fullmatch(r"[\w-]*\w", argv[0]) and not argv[0].startswith("-"):
        raise ConfigError(argv[0], "", "neither a command nor key=value", did_you_mean(argv[0], COMMANDS))
    if command in PLAIN:
        return int(import_module(f"lrbench.commands.{command}").run(rest))
    helps = {"--help", "-h"} & {*rest}
    if helps and (len(rest) == 1 or command == "sweep"):  # with overrides, Hydra's own: the composed config too
        from lrbench.cli.help import help_of

        print(help_of(command, config_dir_of(rest)))
        return 0
    if rest == ["--version"]:  # Hydra's own stands in `--hydra-help`
        print(f"lrbench {__version__}")
        return 0
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
    if flags.arms and not {"-m", "--multirun"} & {*rest}:
        raise ConfigError("--arm", "", "arms make a sweep", "add -m")
    return _through_hydra(command, rest, flags)


def _named(flags: Flags, arguments: list[str]) -> tuple[Flags, list[str]]:
    """What is asked for by a sweep's file, and what stands beside its name."""
    from lrbench.config.arms import checked
    from lrbench.config.named import named_sweep

    name, rest = take_sweep(arguments)
    found = named_sweep(name, config_dir_of(rest))
    arms = checked((*found.arms, *flags.arms), f"sweep {name}")
    return replace(flags, name=flags.name or name, arms=arms), [*found.overrides, *rest, "-m"]


def _through_hydra(command: str, arguments: list[str], ours: Flags) -> int:
    """Let Hydra compose the job, or all jobs of a multirun, and hand them to the command."""
    os.environ["HYDRA_FULL_ERROR"] = "1"  # so that errors reach us instead of being printed by Hydra
    import hydra

    from lrbench import CONF
    from lrbench.config.hydra_errors import explain

    overrides, flags = _overrides_and_flags(arguments)
    to_hydra, to_sweeper = _shared_out(overrides, flags)
    task = _Task(command, ours, to_sweeper)
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
            flags = [*FLAGS, *(f for f in parser._option_string_actions if f.startswith("--"))]
            raise ConfigError(word, "", "there is no such flag", did_you_mean(word, flags))
    overrides = [*known.overrides, *rest]
    flags = [a for a in arguments if a not in overrides]
    modes = ("help", "hydra_help", "cfg", "run", "multirun", "shell_completion", "info", "experimental_rerun")
    if not any(getattr(known, mode) for mode in modes) and not any("hydra.mode" in o for o in overrides):
        flags.append("--run")  # else Hydra composes everything once more to see which mode is asked for: 0.1 s
    return [a for a in arguments if a in overrides], flags


def _shared_out(overrides: list[str], flags: list[str]) -> tuple[list[str], list[str]]:
    """What Hydra composes before it sweeps, and what only the jobs are composed from. Hydra would try a sweep's other
    overrides on the default levels, and refuse `scheduler=step,multistep scheduler.args.gamma=0.5` for the cosine."""
    if set(flags) not in ({"-m"}, {"--multirun"}) or any("hydra/sweeper" in o for o in overrides):
        return overrides, []
    own = [o for o in overrides if o.lstrip("+~").startswith(("hydra.", "hydra/"))]
    return own, [o for o in overrides if o not in own]


class _Task:
    """What Hydra calls with one composed job, and the local launcher with all of them.

    It keeps the command's exit code, and its error, which Hydra would wrap and announce in its own words.
    """

    def __init__(self, command: str, flags: Flags, overrides: Sequence[str] = ()) -> None:
        self._command, self._flags, self.code = command, flags, 0
        self.overrides, self.yes, self.arms = overrides, flags.yes, flags.arms  # what our sweeper asks for
        self.error: BaseException | None = None
        self._elsewhere = False

    def __call__(self, config: "DictConfig") -> int:
        """One job; its exit code, which nothing else brings home from another process."""
        from hydra.core.hydra_config import HydraConfig

        from lrbench.commands import job_of

        if self._command == "train" and self._flags.dry_run:
            node = HydraConfig.get()
            self.run_all([list(node.overrides.task)], list(node.overrides.hydra), 1, 0)
        else:
            self._keeping(lambda: self._execute([job_of(config, HydraConfig.get())]))
        return self.code

    def hear(self, values: Sequence[Any]) -> None:
        """What became of all jobs of a sweep: exit codes, where a launcher of somebody else's ran them."""
        self.code = max([self.code, *(value for value in values if isinstance(value, int))])

    def run_all(
        self, overrides: Sequence[Sequence[str]], hydra: Sequence[str], workers: "int | Slurm | None", first: int
    ) -> list[Any]:
        """All jobs of a sweep, by their overrides and those of Hydra's own node, numbered from `first`; a value for
        each, or one under each arm."""
        values: list[Any] = [None] * len(overrides)

        def work() -> None:
            if self._command == "train":
                from lrbench.commands.sweep import Asked
                from lrbench.commands.sweep import run as run_sweep

                flags, typed = self._flags, tuple(self.overrides)
                asked = Asked(typed, tuple(hydra), workers, first, flags.arms, flags.skip_invalid, flags.name)
                self.code, values[:] = run_sweep(overrides, asked, flags.dry_run)
            else:
                from lrbench.config.composer import composer

                with composer(hydra) as composed:
                    jobs = [composed(job) for job in overrides]
                self._execute(jobs)

        self._keeping(work)
        return values

    def _execute(self, jobs: "list[Job]") -> None:
        self.code = max(self.code, import_module(f"lrbench.commands.{self._command}").run(jobs))

    def __getstate__(self) -> dict[str, Any]:
        """Carried to another process by a launcher of somebody else's, which has to hear of errors there.

        Raises ConfigError where there is only a plan to be made.
        """
        if self._flags.dry_run:
            why = "this hydra/launcher composes a job only where it is to run, so there is no plan of the sweep before"
            raise ConfigError("--dry-run", "", why, "leave hydra/launcher out to see it")
        return {**self.__dict__, "_elsewhere": True}

    def _keeping(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            if self._elsewhere:
                raise
            self.error = error


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
