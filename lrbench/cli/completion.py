"""Tab completion. A shell's hook, which is Hydra's, calls `lrbench -sc query=SHELL` with the line in $COMP_LINE.

Offered here, without torch: commands, flags, named sweeps, and what lies in the results folder. Hydra offers overrides.
"""

import shlex
from argparse import Action
from collections.abc import Mapping, Sequence
from itertools import pairwise

from lrbench.cli.flags import COMMANDS, FLAGS, OWN, PLAIN, VALUED, command_of, config_dir_of, value_of

# Flags of the commands without overrides; = for one that takes a value. Their parsers would say it, but importing those
# takes seconds; a test holds the two equal.
PLAIN_FLAGS = {
    "compare": "--arm= --baseline= --config-dir= --detect= --dry-run --entity= --metric= --name= --new-design --noise= "
    "--pairs= --project= --replicate= --swap --wandb",
    "find-lr": "--config-dir= --json",
    "claims": "--check --config-dir= --domain= --kind= --results= --tier= --verdict=",
    "advise": "--batch= --budget= --domain= --epochs= --excuse --goal= --json --model= --optimizer= --pretrained "
    "--recipe= --results= --rule= --samples= --scheduler= --size= --training=",
    "diagnose": "--column= --json --reported= --results=",
    "export": "--out= --per-epoch= --torch --updates=",
    "import": "--batch-size= --devices= --json --samples= --updates-per-epoch=",
    "show": "--json --results= --rows=",
    "eval": "--config-dir= --device= --json --results= --split= --trust= --weights= --workers=",
    "runs": "--columns= --committed --csv --export= --json --keys --limit= --parquet= --results= --reverse --sort=",
    "report": "--baseline= --claims --entity= --higher-is-better --json --lower-is-better --metric= --name= --out= "
    "--project= --results= --wandb --where=",
    "wandb": "--entity= --project= --results= --tag= --where=",
    "status": "--json --once --results=",
    "wait": "--results= --trust=",
    "cancel": "--results=",
    "verify": "--json --results= --seal",
}
TAKING_OVERRIDES = ("compare", "export", "find-lr")  # of the commands that are not Hydra's
STATES = ("running", "interrupted", "finished", "diverged", "failed", "corrupt")


def offers(line: str) -> tuple[list[str], str | None]:
    """What lrbench offers for the last word of a line, and the line that Hydra is to complete as well, in which
    overrides and `-m` are all that is left; None where Hydra has nothing to offer."""
    words = _words(line)[1:]
    word = words.pop() if words and not line[-1].isspace() else ""
    command, given = command_of(words)
    flags = _flags(command)
    plain = [w for before, w in pairwise(["", *given]) if not w.startswith("-") and not flags.get(before)]
    for_hydra = None
    if given and flags.get(given[-1]):
        found = _values(command, given[-1], word)
    elif word.startswith("-"):
        found = [f for f in flags if f.startswith("--")]
    elif "=" in word and (values := _choices(word)):
        found = values
    elif command in TAKING_OVERRIDES and "," not in word:
        found = _studies(given) if command == "compare" and not plain else []
        for_hydra = " ".join(["lrbench", *(w for w in plain if " " not in w), word])
    elif command in PLAIN and command not in TAKING_OVERRIDES:
        found = _names(command, plain, value_of(["--results"], given), word)
    elif command == "sweep" and not plain:
        from lrbench.config.named import sweep_files

        found = [f"name={n}" if word.startswith("name=") else n for n in sweep_files(config_dir_of(given))]
    elif "," in word:
        found = _levels(word)
    else:
        found = [] if len(given) < len(words) or plain else [*COMMANDS]
        multirun = ["-m"] if command == "sweep" or {"-m", "--multirun"} & {*given} else []
        overrides = [w for w in plain[command == "sweep" :] if " " not in w]  # Hydra cuts its line at spaces
        for_hydra = " ".join(["lrbench", *multirun, *overrides, word])
    return [f for f in found if f.startswith(word)], for_hydra


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError:  # a quote is still open
        return line.split()


def _flags(command: str) -> dict[str, bool]:
    """The flags of a command, and whether each takes a value."""
    if command in PLAIN:
        return {"--help": False, **{f.rstrip("="): f.endswith("=") for f in PLAIN_FLAGS[command].split()}}
    ours = FLAGS if command in ("train", "sweep") else OWN.get(command, {})
    return {**{name: name in VALUED for name in ours}, **{name: a.nargs != 0 for name, a in _hydra_flags().items()}}


def _hydra_flags() -> Mapping[str, Action]:
    from hydra._internal.utils import get_args_parser

    return get_args_parser()._option_string_actions


def _values(command: str, flag: str, word: str) -> list[str]:
    """What may stand after a flag that takes a value; where nothing is offered, a shell offers files."""
    if command not in PLAIN:
        return [] if flag in VALUED else list(_hydra_flags()[flag].choices or ())
    if command == "advise":
        from lrbench.advise.facts import CHOICES, MODELS

        return [*CHOICES.get(flag.removeprefix("--"), MODELS if flag == "--model" else ())]
    if flag == "--split":
        return ["train", "val", "test"]
    if flag == "--noise":
        return _studies(())
    if flag == "--where":
        return _filters(word)
    return [key.removesuffix("=") for key in _filters("")] if flag in ("--sort", "--columns") else []


def _names(command: str, given: Sequence[str], results: str | None, word: str) -> list[str]:
    """What a command without overrides takes: sweeps and runs of the results folder, or filters."""
    if command == "runs":
        return _filters(word)
    if command == "wandb" and not given:
        return ["export", "sync"]
    if command == "claims":
        return _claims(given)
    if command == "import":
        return [] if given else ["timm", "transformers", "torchvision", "lightning", "mmengine"]
    if command == "advise":  # a sentence, which nobody can know
        return []
    from lrbench.store.folder import results_folder
    from lrbench.store.store import Store

    store = Store(results_folder(results))
    sweeps = sorted(folder.name for folder in store.sweeps())
    if command in ("status", "wait", "cancel"):
        return sweeps
    runs = [record.run_id for record in store.records()]
    return runs if command in ("show", "eval", "diagnose") else [*sweeps, *runs]


def _studies(given: Sequence[str]) -> list[str]:
    """Those that have a file, and those of the results folder."""
    from lrbench.config.study_files import study_files
    from lrbench.store.folder import results_folder
    from lrbench.store.store import Store

    kept = Store(results_folder(None)).studies_folder.glob("*/design.json")
    return sorted({*study_files(config_dir_of(given)), *(path.parent.name for path in kept)})


def _claims(given: Sequence[str]) -> list[str]:
    from lrbench.claims.ledger import claims

    return [*claims()] if given else ["show", "run"]


def _filters(word: str) -> list[str]:
    """Keys of a filter, or the values of one that has few."""
    if "=" in word:
        return [f"state={s}" for s in STATES] if word.startswith("state=") else _levels(word)
    from lrbench.store.runs import always

    return [f"{key}=" for key in always()]


def _choices(word: str) -> list[str]:
    """The values of an option that has few, for the last of several too; none for any other."""
    from lrbench.config.schema import choices
    from lrbench.find_lr.names import RULES

    option, _, values = word.partition("=")
    before = values[: values.rfind(",") + 1]
    known = RULES if option == "find_lr.rule" else choices(option)
    return [f"{option}={before}{value}" for value in known]


def _levels(word: str) -> list[str]:
    """The levels of a group, for the last of several values too."""
    from lrbench.config.levels import levels

    group, _, values = word.partition("=")
    before = values[: values.rfind(",") + 1]
    return [f"{group}={before}{level}" for level in levels(group)] if group else []
