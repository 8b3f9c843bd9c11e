"""What claims asked of a study when it was frozen: `claims.json` beside its design, so that no range moves unseen after
the data."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lrbench.config.claim import ClaimDesign
from lrbench.errors import ConfigError
from lrbench.store.files import write_json

ASKED = "claims.json"


def keep_asked(folder: Path, designs: Mapping[str, ClaimDesign]) -> None:
    """Before the study is frozen there; nothing where no claim names it. Raises ConfigError where the disk refuses."""
    asked = {name: plain for name, design in designs.items() if (plain := _asked(design, folder.name))}
    if not asked:
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / ASKED, asked)
    except OSError as error:
        why = f"what claims ask of the study cannot be written ({error.strerror or error}); nothing was trained"
        raise ConfigError(str(folder / ASKED), "", why, "make room, or give another results folder") from error


def was_asked(folder: Path, design: ClaimDesign) -> bool:
    """Whether the claim asked this of the study when it was frozen. Raises ConfigError for a file that is none."""
    path = folder / ASKED
    try:
        plain = json.loads(path.read_text()) if path.exists() else {}
        return bool(plain.get(design.id) == _asked(design, folder.name))
    except (OSError, ValueError, AttributeError) as error:
        cure = "take it from the commit that froze the study"
        raise ConfigError(str(path), "", f"this is not what claims asked ({error})", cure) from error


def _asked(design: ClaimDesign, study: str) -> dict[str, Any]:
    """Of a study, without words; nothing where it is not named."""
    parts = [
        {"contrasts": [f"{c.arm} against {c.against}" for c in part.contrasts], "claim": dict(part.claim),
         "kind": part.kind, "tasks": list(part.tasks)}
        for part in design.parts if study in part.studies
    ]  # fmt: skip
    return {"holds": design.holds, "parts": parts} if parts else {}
