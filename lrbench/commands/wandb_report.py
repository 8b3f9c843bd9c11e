"""`--wandb` of commands that conclude: a W&B report beside the page, published where it can be."""

import argparse
from pathlib import Path

from lrbench.errors import ConfigError
from lrbench.report.wandb import WandBReport, require_installed
from lrbench.store.files import write_json

SPEC = "wandb.json"


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--wandb",
        action="store_true",
        help="a W&B report too: its spec beside the page, published when a server and a key are there",
    )
    parser.add_argument("--project", default="lrbench", help="the W&B project that the runs are in (lrbench)")
    parser.add_argument("--entity", help="the W&B entity (default: $WANDB_ENTITY, else your own)")


def require(dry_run: bool) -> None:
    """Before anything is trained for it. Raises ConfigError where no report could be made."""
    if dry_run:
        raise ConfigError("--wandb", "", "a dry run has nothing to report", "leave one of the two out")
    require_installed()


def keep(report: WandBReport, folder: Path) -> Path:
    """Where its spec lies, to be published from. Raises OSError."""
    write_json(folder / SPEC, report.spec)
    return folder / SPEC
