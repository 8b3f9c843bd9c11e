"""Advice in words: for a terminal of 80 columns, every command in it ready to be pasted."""

import re
import shlex
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from textwrap import wrap

from lrbench.advise.choose import Advice, Choice, Disagreement
from lrbench.advise.evidence import REFUTED, Bears, ClaimEvidence, Verdicts
from lrbench.advise.excuses import Answer, Excuse
from lrbench.advise.facts import AdviceCase
from lrbench.advise.next_steps import WIDTH, code, steps
from lrbench.advise.sentence import Understood
from lrbench.advise.table import Option
from lrbench.plural import plural

INDENT = 11  # columns: where what is said of a choice begins
MOST = 2  # contrasts of a claim that are told
LEGEND = (
    "Names with hyphens are claims: `lrbench claims show NAME` has the evidence. What is measured is measured on small "
    "networks and data; conf/study/STUDY.yaml says which."
)
BEARS: Mapping[Bears, str] = {"for": "rests on", "against": "falls with", "beside": "see also"}
SPELLED = {True: "yes", False: "no"}


def told(advice: Advice, sentence: Understood | None = None) -> str:
    """Everything: what was understood, the overrides, a paragraph for each choice, and what to do next."""
    lines = [*(_understood(sentence) if sentence else ()), *_case(advice.case), ""]
    lines += [*_command("look at it, by the overrides that are advised", ("lrbench", "plot", *advice.overrides)), ""]
    shown: set[str] = set()  # a claim that stands beside several choices is told once
    for choice in advice.choices:
        lines += _choice(choice, shown)
        shown |= {e.claim for e in choice.evidence}
    return "\n".join([*lines, "", *next_steps(advice), "", *_indented(LEGEND, 0)])


def _understood(sentence: Understood) -> Iterator[str]:
    by = "; ".join(f"{words} ({name} {_spelled(getattr(sentence.facts, name))})" for name, words in sentence.by.items())
    yield from _paragraph("understood", by or "nothing")
    if sentence.not_understood:
        yield from _paragraph("not understood", ", ".join(sentence.not_understood))


def _case(case: AdviceCase) -> Iterator[str]:
    of = case.of
    name = f"{of['model']}, {of['words']}" if of["model"] else of["words"]
    size = f"{short(of['size'])} parameters" if of["size"] else ""
    weights = "from pretrained weights" if of["pretrained"] else "from scratch"
    updates = plural(of["updates"], "update", ",") if of["updates"] else ""
    parts = (name, size, weights, plural(of["epochs"], "epoch"), f"{of['batch']:,} samples an update", updates)
    yield from _paragraph("for", ", ".join(p for p in parts if p))
    if case.assumed:
        assumed = ", ".join(f"--{n} {_spelled(of[n])}" for n in case.assumed if n != "pretrained")
        scratch = "" if "pretrained" not in case.assumed else "no --pretrained"
        yield from _paragraph("assumed", ", ".join(p for p in (scratch, assumed) if p))


def _choice(c: Choice, shown: Collection[str]) -> Iterator[str]:
    yield from _paragraph(c.question, c.take)
    if c.set:
        yield from _indented(" ".join(map(shlex.quote, c.set)))
    yield from _indented(c.because)
    yield from _indented(f"source: {c.source}")
    for bears, words in BEARS.items():
        if some := [e for e in c.evidence if e.bears == bears and not (bears == "beside" and e.claim in shown)]:
            yield from _indented(f"{words}: {evidence(some)}")
    for e in (e for e in c.evidence if e.claim not in shown):
        for line in e.measured[:MOST]:
            yield from _indented(f"measured: {line}")
        if e.bears == "beside" and e.standing in REFUTED:
            yield from _indented(f"NOT FOLLOWED, as {e.claim} is {e.standing}: {e.advice}")
    for passed in c.not_followed:
        yield from _indented(f"NOT FOLLOWED: {passed.take}; {passed.why}")
    for other in c.others[:2]:
        yield from _indented(f"{other.rule.removeprefix('advise.')} says: {other.take}; but {other.why}")
    for d in c.disagreements:
        yield from _indented(disagreement(d))


def disagreement(d: Disagreement) -> str:
    two = f"THE GUIDE CONTRADICTS ITSELF: {d.one}; {d.other}"
    return f"{two}. Taken: {d.side}, because {d.because} ({evidence(d.evidence)})."


def evidence(some: Iterable[ClaimEvidence]) -> str:
    """Claims by their verdicts: `partly: a, b; not yet run: c`."""
    by = dict[str, list[str]]()
    for e in some:
        by.setdefault(e.standing, []).append(e.claim)
    return "; ".join(f"{standing}: {', '.join(names)}" for standing, names in by.items())


def next_steps(advice: Advice) -> list[str]:
    """Commands that go on from here, and what they need of the person's own."""
    lines = [line for words, command in steps(advice) for line in _command(words, command)]
    if (own := code(advice)) is not None:
        lines += [*_indented(f"{own[0]}:", 0), *(f"  {line}" for line in own[1].splitlines())]
    return lines


def answered(a: Answer) -> str:
    """An excuse with its answer."""
    lines = [f"{a.n}. {a.excuse}", *_indented(a.text, 3), *_indented(f"evidence: {evidence(a.evidence)}", 3)]
    found = dict.fromkeys(line for e in a.evidence for line in e.measured[:MOST])
    lines += [part for line in found for part in _indented(f"measured: {line}", 3)]
    return "\n".join([*lines, f"   see it: {a.see}"])


def excuse_list(some: Sequence[Excuse]) -> str:
    told = [f"{e.n:3}. {e.excuse}{' (ours)' if e.ours else ''}" for e in some]
    return "\n".join([*told, "", "lrbench advise --excuse N answers one."])


def short(number: float) -> str:
    """22M, 1.28M, 175B."""
    for unit, size in (("B", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= size:
            return f"{number / size:.3g}{unit}"
    return f"{number:g}"


def _spelled(value: object) -> str:
    return SPELLED[value] if isinstance(value, bool) else short(value) if isinstance(value, float) else str(value)


def _paragraph(head: str, text: str) -> list[str]:
    first = f"{head:{INDENT - 1}} "
    return wrap(text, WIDTH, initial_indent=first, subsequent_indent=" " * INDENT, break_on_hyphens=False) or [first]


def _indented(text: str, by: int = INDENT) -> list[str]:
    space = " " * by
    return wrap(
        text, WIDTH, initial_indent=space, subsequent_indent=space, break_on_hyphens=False, break_long_words=False
    )


def _command(words: str, command: Sequence[str]) -> list[str]:
    """A command over as many lines as it needs, joined so that it can be pasted."""
    lines = wrap(shlex.join(command), WIDTH - 8, break_on_hyphens=False, break_long_words=False)
    joined = " \\\n    ".join(lines)
    return [*_indented(f"{words}:", 0), f"  {joined}"]


def rule_told(rule: str, options: Sequence[tuple[str, Option]], verdicts: Verdicts) -> str:
    """A rule of the ledger: the entries that name it, and its options in order, with what became of their claims."""
    entries = [c for c in verdicts.known.values() if c.rule == rule]
    lines = [rule, *(line for c in entries for line in _indented(f"{c.id}: {c.says}", 2)), ""]
    for question, o in options:
        when = ", ".join(f"{name} {_condition(value)}" for name, value in o.when.items()) or "always"
        lines += _indented(f"{question}: {_open(o.take)}", 2)
        lines += _indented(f"when {when}", 4)
        named = (*verdicts.of("for", o.rests_on), *verdicts.of("against", o.against), *verdicts.of("beside", o.about))
        lines += _indented(f"evidence: {evidence(named)}", 4) if named else []
    return "\n".join(lines)


def _open(text: str) -> str:
    """Of no case yet: what the facts would fill in is left open, in capitals."""
    return re.sub(r"\{(\w+)\}", lambda name: "N" if name[1] == "epochs" else name[1].upper(), text)


def _condition(value: object) -> str:
    return " or ".join(map(_spelled, value)) if isinstance(value, list | tuple) else _spelled(value)
