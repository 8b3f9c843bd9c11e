"""Labelled schedules: what is known to be wrong with each, told by people and committed before the rule that finds it.

A file a theme, an entry a schedule:

- `id`: of its own.
- `source`: the address of a public thread, paper or file where it stands, or `ours`.
- `why`: what is wrong with it, or why it is right, in our words.
- `set`: overrides that make it. Images are scikit-learn's digits: 1,077 in 16 updates of 64 an epoch. What is larger is
  scaled down, and `why` says so.
- `expects`: the ids of the rules that must find something, errors, warnings or notes. None: a schedule that is right.
- `also`: rules that may warn as well, because they have a case (a `T_max` that is too short lets the rate end high).
  Any other error or warning is a false alarm; a note never is.
- `refused`: lrbench itself refuses it with a ConfigError, which is a catch too.

A third lies in `held_out/`, drawn by a hash of the id: nobody looks at it while a rule is written, and the first report
of precision and recall tells both parts apart.

Not here, since no schedule shows them: `check.too-few-seeds`, `check.no-dry-run`, `check.rate-not-logged`,
`check.paper-recipe-as-is`, `check.scratch-without-warmup` (which is every training from random weights), and
`check.manual-edit-overwritten`, which only a live loop has.
"""

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import yaml

HERE = Path(__file__).parent
SALT = "lrbench's corpus of schedules"


@dataclass(frozen=True, kw_only=True)
class Entry:
    id: str
    source: str
    why: str
    set: tuple[str, ...]
    expects: frozenset[str]
    also: frozenset[str] = frozenset()
    refused: bool = False
    held_out: bool = False
    theme: str = ""

    @property
    def bad(self) -> bool:
        return self.refused or bool(self.expects)

    @property
    def public(self) -> bool:
        """Whether it stands somewhere that anybody can look up."""
        return self.source.startswith("https://")


def drawn(id_: str) -> bool:
    """Whether an entry belongs to the third that is held out."""
    return int(sha256(f"{SALT}: {id_}".encode()).hexdigest(), 16) % 3 == 0


def entries() -> list[Entry]:
    """All of them, those held out last."""
    return [e for folder in (HERE, HERE / "held_out") for path in sorted(folder.glob("*.yaml")) for e in read(path)]


def read(path: Path) -> list[Entry]:
    """Raises TypeError for a key that no entry has."""
    found = []
    for plain in yaml.safe_load(path.read_text()):
        sets = {k: frozenset(plain.pop(k, ())) for k in ("expects", "also")}
        made = {**plain, **sets, "set": tuple(plain["set"])}
        found.append(Entry(**made, theme=path.stem, held_out=path.parent.name == "held_out"))
    return found
