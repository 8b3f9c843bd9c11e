"""The words of the command line that are no part of a configuration: the commands, and lrbench's own flags."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from keyword import iskeyword

from lrbench.config.arms import SweepArm, arm_from, checked
from lrbench.errors import ConfigError

# These take no overrides, so that Hydra is left out.
PLAIN = (
    "compare", "find-lr", "claims", "export", "import", "advise", "diagnose", "show", "eval", "runs", "report", "wandb",
    "status", "wait", "cancel", "verify",
)  # fmt: skip
COMMANDS = ("train", "sweep", "check", "plot", *PLAIN)

# Beside Hydra's: how a sweep is treated.
FLAGS = {
    "--dry-run": "plan only: what is done, new, refused, and what it would cost; nothing is trained or written",
    "--yes": "do not ask before a very large sweep",
    "--skip-invalid": "leave refused jobs of a sweep out, and list them, instead of refusing the sweep",
    "--arm": "'NAME: OVERRIDE OVERRIDE': an arm with options of its own, times the grid; once for each arm",
    "--name": "NAME: what a sweep is called (`lrbench sweep NAME` says it already), else by a hash of its runs",
}
# Of a command that takes overrides: how it tells what it found. Handed to its `run` by name.
OWN = {
    "plot": {"--json": "the numbers that are drawn, on stdout; a picture only with out=FILE"},
    "check": {
        "--json": "the findings, on stdout, for a program",
        "--rates": "FILE: rates that any training logged, as CSV, instead (lrbench check --rates FILE --help)",
        "--sarif": "FILE: the findings as SARIF 2.1.0, which code scanning of GitHub and others shows beside the code",
    },
}
VALUED = ("--arm", "--name", "--rates", "--sarif")  # those that take a value
CONFIG_DIR = ("--config-dir", "-cd")


@dataclass(frozen=True)
class Flags:
    dry_run: bool = False
    yes: bool = False
    skip_invalid: bool = False
    name: str | None = None  # of the sweep
    arms: tuple[SweepArm, ...] = ()


def take_flags(arguments: Sequence[str]) -> tuple[Flags, list[str]]:
    """lrbench's flags, and the other arguments. Raises ConfigError for a name that no folder can have, and for an arm
    that is none."""
    name = value_of(["--name"], arguments)
    if name is not None and not re.fullmatch(r"[\w.-]*\w", name):
        why = "a sweep's name is made of letters, digits, - and _, as in --name my-sweep"
        raise ConfigError(f"--name {name}", "", why)
    arms = checked(map(arm_from, values_of(["--arm"], arguments)), "--arm")
    rest = [a for before, a in pairwise(["", *arguments]) if before not in VALUED]
    flags = Flags("--dry-run" in rest, "--yes" in rest, "--skip-invalid" in rest, name, arms)
    return flags, [a for a in rest if a.partition("=")[0] not in FLAGS]


def take_own(command: str, arguments: Sequence[str]) -> tuple[dict[str, bool | str], list[str]]:
    """The flags of its own that a command was given, by their names as parameters, and the other arguments. Raises
    ConfigError for one without its value."""
    known, given, rest = OWN.get(command, {}), dict[str, bool | str](), list[str]()
    words = iter(arguments)
    for word in words:
        flag, joint, value = word.partition("=")
        if flag not in known:
            rest.append(word)
        elif flag in VALUED:
            given[flag.removeprefix("--")] = value if joint else next(words, "")
            if not given[flag.removeprefix("--")]:
                raise ConfigError(flag, "", "it takes a value", f"{flag} {known[flag]}")
        else:
            given[flag.removeprefix("--").replace("-", "_")] = True
    return given, rest


def command_of(arguments: Sequence[str]) -> tuple[str, list[str]]:
    """The command, which may stand behind flags, and the other arguments."""
    rest = list(arguments)
    if rest and rest[0].startswith("-"):
        place = next((i for i, word in enumerate(rest) if word in COMMANDS), None)
    else:
        place = 0 if rest and rest[0] in COMMANDS else None
    return ("train", rest) if place is None else (rest[place], rest[:place] + rest[place + 1 :])


def module_of(command: str) -> str:
    """Of `lrbench.commands`; a word of Python's own has a line behind it."""
    return f"{command.replace('-', '_')}{'_' * iskeyword(command)}"


def words_of(arguments: Sequence[str]) -> list[str]:
    """The arguments without flags: a sweep's name, and overrides."""
    return [a for before, a in pairwise(["", *arguments]) if not (a.startswith("-") or before in CONFIG_DIR)]


def take_sweep(arguments: Sequence[str]) -> tuple[str, list[str]]:
    """The word that names a sweep (`tour`, or `name=tour`), and the other arguments; '' where there is none."""
    words = words_of(arguments)
    named = next((w for w in words if w.startswith("name=")), next(iter(words), ""))
    rest = list(arguments)
    if named:
        rest.remove(named)
    return named.removeprefix("name="), rest


def value_of(flags: Sequence[str], arguments: Sequence[str]) -> str | None:
    """The value of a flag, the first where it is given several times; None where it is not given."""
    return next(iter(values_of(flags, arguments)), None)


def values_of(flags: Sequence[str], arguments: Sequence[str]) -> list[str]:
    """The values of a flag in any of its spellings, each behind it or behind a `=`."""
    found = []
    for word, following in pairwise([*arguments, ""]):
        if word in flags:
            found.append(following)
        elif word.partition("=")[0] in flags:
            found.append(word.partition("=")[2])
    return found


def config_dir_of(arguments: Sequence[str]) -> str | None:
    """Hydra's additional folder of option files."""
    return value_of(CONFIG_DIR, arguments)
