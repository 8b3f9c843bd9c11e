"""The one error a user can cause, how near-misses are suggested, and the exit code of what was stopped."""

import difflib
import re
from collections.abc import Collection

INTERRUPTED = 130  # the exit code of what a signal stopped: 128 + SIGINT, as shells have it

# What a terminal, an editor or a browser obeys instead of showing: control characters but for the ends of lines and
# tabs, and those that turn the direction of a text.
_OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")

MANY, SOME = 100, 8  # known words above which a list tells nobody anything; how many are named then


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
        return printable(text if text.endswith((".", "?", ".)")) else f"{text}.")


def printable(text: str) -> str:
    """A text with nothing in it that a terminal obeys: an escape is shown as `\\x1b`."""
    return _OBEYED.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def as_typed(value: object) -> str:
    """A value as the command line and YAML have it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(as_typed, value))}]"
    return "null" if value is None else str(value)


def did_you_mean(word: object, known: Collection[str]) -> str:
    """' Did you mean ...?' for the nearest known word, and the list of what is known, or of what is nearest where that
    would be long. (A key of YAML may be a number.)

    A name of which the word is the last part is nearer than any other (`lr`: optimizer.lr); of several the first.
    """
    word = str(word)
    ends = [name for name in known if re.split("[./]", name)[-1] == word]
    known = sorted(known)
    near = ends or difflib.get_close_matches(word, known, n=1, cutoff=0.65)
    listing = f" Known: {', '.join(known)}." if known else ""
    if len(known) > MANY:
        some = difflib.get_close_matches(word, known, n=SOME, cutoff=0.0)
        listing = f" Known are {len(known)}; nearest to it: {', '.join(some)}."
    return (f" Did you mean '{near[0]}'?" if near else "") + listing
