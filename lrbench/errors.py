"""The one error a user can cause, and how near-misses are suggested."""

import difflib
import re
from collections.abc import Collection


class ConfigError(Exception):
    """Bad input, as a value. Exit code 2, nothing written.

    option: what is wrong by the name it is known by, such as `warmup.length`, a flag, a file or a run's id; value: what
    was given for it, "" where there is nothing to show; why: what is wrong with that; cure: what would be right. The
    last two are clauses without a full stop, or whole sentences. As text it is one paragraph.
    """

    def __init__(self, option: str, value: object, why: str, cure: str = "") -> None:
        super().__init__(option, value, why, cure)  # its arguments are what pickle carries to another process
        self.option, self.value, self.why, self.cure = option, value, why, cure

    def __str__(self) -> str:
        head = self.option if self.value == "" else f"{self.option}={as_typed(self.value)}"
        why, cure = self.why.strip(), self.cure.strip()
        joint = "" if not cure else " " if why.endswith((".", "?")) else ". " if cure[0].isupper() else "; "
        text = f"{head}: {why}{joint}{cure}" if head else f"{why}{joint}{cure}"
        return text if text.endswith((".", "?", ".)")) else f"{text}."


def as_typed(value: object) -> str:
    """A value as the command line and YAML have it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(as_typed, value))}]"
    return "null" if value is None else str(value)


def did_you_mean(word: str, known: Collection[str]) -> str:
    """' Did you mean ...?' for the nearest known word, else the list of what is known.

    A name of which the word is the last part is nearer than any other (`lr`: optimizer.lr); of several the first.
    """
    ends = [name for name in known if re.split("[./]", name)[-1] == word]
    known = sorted(known)
    near = ends or difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    listing = f" Known: {', '.join(known)}." if known else ""
    return (f" Did you mean '{near[0]}'?" if near else "") + listing
