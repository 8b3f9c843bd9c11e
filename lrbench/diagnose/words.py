"""A diagnosis as text of 80 columns (verdict, evidence, cause, what to try), and as plain data for a program."""

import textwrap
from collections.abc import Sequence
from typing import Any

from lrbench.diagnose.diagnose import Diagnosed
from lrbench.diagnose.diagnosis import Diagnosis, Try
from lrbench.diagnose.remedies import command, shown
from lrbench.diagnose.series import Series

WIDTH = 80
LABEL = 9  # columns
END = " \\"  # of a line that a shell takes together with the next


def text(diagnosed: Diagnosed) -> str:
    """The verdict in a line, then what was found, the likeliest first, then what could not be seen."""
    series, lines = diagnosed.series, [verdict(diagnosed)]
    if series.title:
        lines += _wrapped("", series.title)
    if diagnosed.healthy:
        lines += [line for seen in shows(diagnosed) for line in _wrapped("seen", seen)]
    for i, found in enumerate(diagnosed.found, 1):
        lines += ["", *_one(i, found, series)]
    if series.unseen:
        lines += ["", *_wrapped("not seen", "; ".join(series.unseen))]
    return "\n".join(lines)


def verdict(diagnosed: Diagnosed) -> str:
    """How the run stands, in one line as far as it goes."""
    if diagnosed.healthy:
        notes = f" ({len(diagnosed.found)} to note)" if diagnosed.found else ""
        stands = "too short to judge" if diagnosed.symptoms.thin else "healthy"
        return f"{diagnosed.series.name}: {stands}{notes}"
    first = diagnosed.found[0]
    more = sum(d.finding.severity != "note" for d in diagnosed.found) - 1
    rest = f", and {more} more" if more else ""
    return f"{diagnosed.series.name}: {name(first)} ({first.cause}){rest}"


def name(found: Diagnosis) -> str:
    return found.finding.rule.removeprefix("diagnose.")


def shows(diagnosed: Diagnosed) -> list[str]:
    """What a series shows of a run, a line each: for a healthy one, why it is called so."""
    seen, series, lines = diagnosed.symptoms, diagnosed.series, []
    if seen.levels is not None:
        rise = "; it never rose by more than noise"
        if seen.rise and seen.fell > 0:
            rise = f"; its largest rise was {(seen.rise.top - seen.rise.low) / seen.fell:.0%} of that"
        if seen.thin:
            few = "1 loss" if seen.losses == 1 else f"{seen.losses} losses"
            lines.append(f"{few}, the last {seen.last:.4g}: too few to say how training went")
        else:
            went = "fell" if seen.last < seen.start else "went"
            lines.append(f"the loss {went} from {seen.start:.4g} to {seen.last:.4g}{rise}")
    if seen.gap is not None and series.val_loss is not None:
        lines.append(f"validation ended at {series.val_loss.value[-1]:.4g}, {seen.gap:.4g} from training")
    if seen.rates is not None:
        r = seen.rates
        lines.append(f"the rate began at {r.first:.3g}, was at most {r.peak:.3g}, and ended at {r.last:.3g}")
    return lines


def _one(number: int, found: Diagnosis, series: Series) -> list[str]:
    finding = found.finding
    lines = _wrapped(f"{number}.", f"{finding.rule} ({finding.severity}): {finding.says}")
    for evidence in found.evidence:
        lines += _wrapped("seen", evidence)
    lines += _wrapped("cause", found.because)
    for what in found.tries:
        lines += _tried(what, series)
    return [*lines, f"{'claim':{LABEL}}lrbench claims show {finding.claim}"] if finding.claim else lines


def _tried(what: Try, series: Series) -> list[str]:
    lines, words = _wrapped("try", what.says), command(series, what)
    if words is not None:
        return [*lines, *_typed(words)]
    if what.changes and series.experiment is not None:
        # an id that is all digits would be a number
        fork = (
            [] if what.at is None else [f'start.of="{series.name}"', f"start.at={what.at}ba", f"horizon={what.horizon}"]
        )
        lines += [*_wrapped("", "with this added to its command:"), *_typed([*what.changes, *fork])]
    return lines


def _typed(words: Sequence[str]) -> list[str]:
    """A command, continued with a backslash where a line is full."""
    lines, now = [], ""
    for word in (shown([w]) for w in words):
        if now and len(now) + 1 + len(word) > WIDTH - LABEL - 4:
            lines.append(now)
            now = word
        else:
            now = f"{now} {word}" if now else word
    lines.append(now)
    indent, last = " " * (LABEL + 2), len(lines) - 1
    return [f"{indent}{'  ' * (i > 0)}{line}{END * (i < last)}" for i, line in enumerate(lines)]


def _wrapped(label: str, said: str) -> list[str]:
    indent = " " * LABEL
    return textwrap.wrap(
        said, WIDTH, initial_indent=f"{label:{LABEL}}", subsequent_indent=indent, break_long_words=False,
        break_on_hyphens=False,
    )  # fmt: skip


def plain(diagnosed: Diagnosed) -> dict[str, Any]:
    """For a program: the verdict, and of each finding all there is."""
    series = diagnosed.series
    return {
        "name": series.name,
        "title": series.title,
        "healthy": diagnosed.healthy,
        "too_short": diagnosed.symptoms.thin,
        "shows": shows(diagnosed),
        "found": [_plain(found, series) for found in diagnosed.found],
        "unseen": list(series.unseen),
    }


def _plain(found: Diagnosis, series: Series) -> dict[str, Any]:
    finding = found.finding
    return {
        "rule": finding.rule,
        "severity": finding.severity,
        "says": finding.says,
        "evidence": list(found.evidence),
        "cause": found.cause,
        "because": found.because,
        "tries": [
            {
                "says": t.says,
                "changes": list(t.changes),
                "at": t.at,
                "command": shown(words) if (words := command(series, t)) else None,
            }
            for t in found.tries
        ],
        "claim": finding.claim,
    }
