"""`lrbench [command] [overrides...]`: the first word is a command, else `train`; what follows is Hydra's grammar.

Hydra composes; its errors are turned into one paragraph and exit code 2. Nothing here imports torch.
"""

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from lrbench.errors import ConfigError

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from lrbench.commands import Job

COMMANDS = ("train", "plot", "show")
INTERRUPTED = 130  # 128 + SIGINT, as shells have it


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """The console script. Exit codes: 0 fine, 1 a run diverged or failed, 2 bad usage, 130 stopped by a signal."""
    sys.exit(run(sys.argv[1:] if argv is None else argv))


def run(argv: Sequence[str]) -> int:
    """Run a command; its exit code. Bad usage is said on stderr in one paragraph."""
    _complete_command()
    command, rest = (argv[0], argv[1:]) if argv and argv[0] in COMMANDS else ("train", argv)
    try:
        if command == "show":
            return int(import_module("lrbench.commands.show").run(rest))
        if list(rest) in (["--help"], ["-h"]):  # with overrides, Hydra's own: the same text and the composed config
            print(help_text())
            return 0
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


def help_text() -> str:
    """What `--help` says, put together without Hydra, which needs a second for it."""
    import yaml

    from lrbench import CONF

    told = yaml.safe_load((CONF / "hydra/help/lrbench.yaml").read_text())
    groups = sorted(p for p in CONF.iterdir() if p.is_dir() and p.name != "hydra")
    levels = [f"{g.name}: {', '.join(sorted(f.stem for f in g.glob('*.yaml')))}" for g in groups]
    _, _, options = (CONF / "config.yaml").read_text().partition("\n\n")
    return "\n".join(
        [
            told["header"],
            "Groups (group=level)\n",
            *levels,
            "\nOptions (key=value; `--cfg job` shows those of the groups too)\n",
            options.partition("\nhydra:")[0],
            told["footer"].replace("$$", "$"),
        ]
    )


def _through_hydra(command: str, arguments: list[str]) -> int:
    """Let Hydra compose the job, or all jobs of a multirun, and hand them to the command."""
    os.environ["HYDRA_FULL_ERROR"] = "1"  # so that errors reach us instead of being printed by Hydra
    sys.path.append(str(Path(__file__).parent / "plugins"))
    import hydra

    from lrbench import CONF
    from lrbench.hydra_errors import explain

    task = _Task(command)
    before = sys.argv
    sys.argv = [before[0], *arguments]
    try:
        hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")(task)()
    except Exception as error:  # the task keeps its own errors, so this one is from composing
        raise ConfigError(explain(error, arguments)) from error
    finally:
        sys.argv = before
    if task.error is not None:
        raise task.error
    return task.code


class _Task:
    """What Hydra calls with one composed job, and the local launcher with all of them.

    It keeps the command's exit code, and its error, which Hydra would wrap and announce in its own words.
    """

    def __init__(self, command: str) -> None:
        self._command, self.code = command, 0
        self.error: BaseException | None = None

    def __call__(self, config: "DictConfig") -> None:
        from hydra.core.hydra_config import HydraConfig

        from lrbench.commands import job_of

        self._execute([job_of(config, HydraConfig.get())])

    def run_all(self, configs: "list[DictConfig]") -> None:
        from lrbench.commands import job_of

        self._execute([job_of(config, config.hydra) for config in configs])

    def _execute(self, jobs: "list[Job]") -> None:
        try:
            self.code = max(self.code, import_module(f"lrbench.commands.{self._command}").run(jobs))
        except BaseException as error:
            self.error = error


def _complete_command() -> None:
    """Tab completion of the command itself. Hydra completes the overrides, and takes the word before them for the
    program's name: a command between the two is taken out of the line that it sees."""
    line = os.environ.get("COMP_LINE", "")
    words = line.split(" ")
    if len(words) < 2:
        return
    place = next((i for i, w in enumerate(words[1:], 1) if w), len(words) - 1)
    if place == len(words) - 1:  # still being typed
        print(*(c for c in COMMANDS if c.startswith(words[place])))
    elif words[place] in COMMANDS:
        kept = " ".join([*words[:place], *words[place + 1 :]])
        os.environ["COMP_LINE"] = kept
        os.environ["COMP_POINT"] = str(max(0, int(os.environ.get("COMP_POINT", len(line))) - len(line) + len(kept)))
