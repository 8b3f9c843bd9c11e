"""`lrbench [command] [overrides...]`: the first word is a command, else `train`; what follows is Hydra's grammar.

Hydra composes; its errors are turned into one paragraph and exit code 2. Nothing here imports torch.
"""

import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from lrbench.errors import ConfigError

COMMANDS = ("train", "plot", "show")
INTERRUPTED = 130  # 128 + SIGINT, as shells have it


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """The console script. Exit codes: 0 fine, 1 a run diverged or failed, 2 bad usage, 130 stopped by a signal."""
    sys.exit(run(sys.argv[1:] if argv is None else argv))


def run(argv: Sequence[str]) -> int:
    """Run a command; its exit code. Bad usage is said on stderr in one paragraph."""
    _drop_command_from_completion()
    command, rest = (argv[0], argv[1:]) if argv and argv[0] in COMMANDS else ("train", argv)
    try:
        if command == "show":
            return int(import_module("lrbench.commands.show").run(rest))
        return _through_hydra(command, list(rest))
    except ConfigError as error:
        print(f"lrbench: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("lrbench: stopped.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # `lrbench show RUN | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _through_hydra(command: str, arguments: list[str]) -> int:
    """Let Hydra compose the job, or all jobs of a multirun, and hand them to the command."""
    os.environ["HYDRA_FULL_ERROR"] = "1"  # so that errors reach `run` instead of being printed by Hydra
    sys.path.append(str(Path(__file__).parent / "plugins"))
    import hydra
    from hydra.core.hydra_config import HydraConfig
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    from lrbench.commands import Job, job_of
    from lrbench.config import CONF
    from lrbench.hydra_errors import explain

    codes: list[int] = []

    def execute(jobs: list[Job]) -> None:
        codes.append(import_module(f"lrbench.commands.{command}").run(jobs))

    task = _Task(execute, lambda config: job_of(config, HydraConfig.get()), lambda config: job_of(config, config.hydra))
    before = sys.argv
    sys.argv = [before[0], *arguments]
    try:
        hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")(task)()
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(explain(error, arguments)) from error
    finally:
        sys.argv = before
    return max(codes, default=0)


class _Task:
    """What Hydra calls with one composed job, and the local launcher with all of them."""

    def __init__(
        self, execute: Callable[[list[Any]], None], single: Callable[[Any], Any], one_of_many: Callable[[Any], Any]
    ) -> None:
        self._execute, self._single, self._one_of_many = execute, single, one_of_many
        self._refusal: ConfigError | None = None

    def __call__(self, config: Any) -> None:
        self._execute([self._single(config)])

    def run_all(self, configs: list[Any]) -> None:
        self._execute([self._one_of_many(c) for c in configs])


def _drop_command_from_completion() -> None:
    """Hydra completes overrides after the program's name; a command between the two is none of its business."""
    line = os.environ.get("COMP_LINE", "")
    words = line.split(" ")
    place = next((i for i, w in enumerate(words[1:], 1) if w), None)
    if place is None or words[place] not in COMMANDS or place == len(words) - 1:
        return
    kept = " ".join([*words[:place], *words[place + 1 :]])
    os.environ["COMP_LINE"] = kept
    os.environ["COMP_POINT"] = str(max(0, int(os.environ.get("COMP_POINT", len(line))) - len(line) + len(kept)))
