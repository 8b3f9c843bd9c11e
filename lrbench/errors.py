"""The one error a user can cause, and how near-misses are suggested."""

import difflib
from collections.abc import Iterable


class ConfigError(Exception):
    """Bad input: the message names the option, its value and the cure. Exit code 2, nothing written."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """' Did you mean ...?' for the nearest known word, else the list of what is known."""
    known = sorted(known)
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    listing = f" Known: {', '.join(known)}." if known else ""
    return (f" Did you mean '{near[0]}'?" if near else "") + listing
