"""A sweep whose first runs all fail for one reason: the others would too."""

import re
from dataclasses import dataclass, field

FIRST = 3  # runs that have ended, all of them failed alike, after which a sweep stops


@dataclass
class Alike:
    """Told how every run ended, in their order; it says when to stop, and why."""

    _reasons: list[str | None] = field(default_factory=list)  # of the first runs; None of one that did not fail

    def __call__(self, how: str, why: str) -> str | None:
        """What to say when the sweep is to stop: at its FIRST-th run, if all so far failed for the same reason, numbers
        and paths in it aside."""
        if len(self._reasons) >= FIRST:
            return None
        self._reasons.append(_kind(why) if how == "failed" else None)
        first = self._reasons[0]
        if len(self._reasons) < FIRST or first is None or {*self._reasons} != {first}:
            return None
        return (
            f"the first {FIRST} runs all failed alike, so the sweep stops: {why}\n"
            "Mend that, then give the same command again, with retry=true where a run has begun."
        )


def _kind(why: str) -> str:
    """A reason without what differs from run to run: ids, numbers."""
    return re.sub(r"\b[0-9a-f]{8,}\b|\d+", "#", why)
