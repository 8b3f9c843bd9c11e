"""What a claim says of a value, as text, and whether the value that was found agrees. Fixed before anything is run."""

import math
import re
from dataclasses import dataclass

from lrbench.errors import ConfigError

Found = bool | int | float | str

NEAR = 0.01  # a number that is said plainly: within this share of it, and within half a unit of its last digit
ABOUT = 0.05  # one that is said with a ~
NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"


@dataclass(frozen=True)
class Statement:
    """One thing that a claim says, and what was found."""

    what: str
    said: str
    found: str
    agrees: bool


def part(what: str, said: str, found: Found) -> Statement:
    return Statement(what, said, shown(found), agrees(said, found))


def verdict_of(parts: tuple[Statement, ...]) -> str:
    """`true` where everything agrees, `false` where nothing does, else `partly`."""
    agreeing = sum(p.agrees for p in parts)
    return "true" if agreeing == len(parts) else "partly" if agreeing else "false"


def agrees(said: str, found: Found) -> bool:
    """Whether what was found is what is said.

    said: `yes` or `no`; a number such as `0.0599`, held to half a unit of its last digit and to 1 %; `~0.05`, held to
    5 %; `0.1..0.3`, both ends included; `>2`, `<2`, `>=2`, `<=2`; any other text, which is held to the letter.
    Raises ConfigError for a kind of value that was not found, such as `yes` where a number was.
    """
    if isinstance(found, bool):
        _require(said in ("yes", "no"), said, found)
        return found == (said == "yes")
    if isinstance(found, str):
        return said == found
    if match := re.fullmatch(rf"({NUMBER})\.\.({NUMBER})", said):
        return float(match[1]) <= found <= float(match[2])
    if match := re.fullmatch(rf"(>=|<=|>|<)\s*({NUMBER})", said):
        end = float(match[2])
        return {">": found > end, "<": found < end, ">=": found >= end, "<=": found <= end}[match[1]]
    match = re.fullmatch(rf"(~?)({NUMBER})", said)
    _require(match is not None, said, found)
    assert match is not None
    value = float(match[2])
    within = abs(value) * ABOUT if match[1] else min(abs(value) * NEAR, half_a_unit(match[2]))
    return abs(found - value) <= within * (1 + 1e-9) + 1e-15  # half a unit is 0.00005000000000000001 in binary


def half_a_unit(number: str) -> float:
    """Of the last digit that is written: 0.00005 of 0.0599, 0.5 of 30, 5e-06 of 1e-05."""
    digits, _, exponent = number.lower().partition("e")
    return 0.5 * 10.0 ** (int(exponent or 0) - len(digits.partition(".")[2]))


def shown(found: Found) -> str:
    """As it stands in a verdict: yes or no, and six digits of a number."""
    if isinstance(found, bool):
        return "yes" if found else "no"
    if isinstance(found, float) and math.isfinite(found):
        return f"{found:.6g}"
    return str(found)


def _require(fits: bool, said: str, found: Found) -> None:
    if not fits:
        raise ConfigError("said", said, f"what was found is {shown(found)}, which is of another kind")
