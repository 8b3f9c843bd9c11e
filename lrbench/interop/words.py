"""What was watched and found, as lines for people, within 80 columns."""

import textwrap

import numpy as np

from lrbench.check.finding import Finding
from lrbench.interop.seen import WatchedLoop
from lrbench.plural import plural

WIDTH = 80


def told(finding: Finding) -> str:
    """A finding: its severity and rule, what is the matter, and what to do."""
    lines = _wrapped(f"{finding.severity:<8} {finding.rule}: {finding.says}.")
    if finding.otherwise:
        lines += _wrapped(f"{'cure':<8} {finding.otherwise}.")
    if finding.cure:
        lines += _wrapped(f"{'cure':<8} {' '.join(finding.cure)}")
    if finding.claim:
        lines += _wrapped(f"{'claim':<8} lrbench claims show {finding.claim}")
    return "\n".join(lines)


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, subsequent_indent=" " * 9, break_on_hyphens=False)


def summary(seen: WatchedLoop, found: int) -> str:
    """What a loop used, in one or two lines."""
    if not seen.n:
        return "watched  no update"
    rates = seen.rates[:, 0]
    top = rates[np.isfinite(rates)].max(initial=0.0)
    said = f" of {seen.updates}" if seen.updates else ""
    text = f"watched  {plural(seen.n, 'update')}{said}: rate {rates[0]:.4g}, at most {top:.4g}, last {rates[-1]:.4g}"
    if seen.nature is not None:
        often = f", every {seen.every:g} updates" if len(seen.steps) > 1 and seen.every > 1 else ""
        text += f"; {seen.nature.name} stepped {len(seen.steps)} times{often}"
    return "\n".join(_wrapped(f"{text}; {'nothing found' if not found else f'found: {found}'}."))
