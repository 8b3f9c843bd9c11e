"""A comparison as Markdown, for a README or a pull request."""

from lrbench.report import tables, words
from lrbench.report.result import Comparison
from lrbench.report.tables import Table


def render(c: Comparison) -> str:
    """The whole report as GitHub-flavoured Markdown."""
    base = escape(c.arms[c.baseline].name)
    parts = [f"# {escape(c.name)}: {escape(c.metric)}"]
    if answer := words.answer(c):
        parts.append(f"**{escape(answer)}**")
    parts.append(escape(words.finding(c)))
    if setting := words.setting(c):
        parts.append(f"All arms: {escape(setting)}.")
    parts += ["## Arms", table(tables.arm_table(c))]
    if c.pairs:
        parts += [f"## Paired differences from {base}", table(tables.pair_table(c))]
        parts += [escape(words.family(c))] if c.tested else []
        if any(p.excluded for p in c.pairs):
            parts += [f"### Successes, paired with {base}", table(tables.success_table(c))]
    if c.sensitivity:
        parts += ["## Sensitivity to the learning rate", table(tables.sensitivity_table(c)), escape(words.marked(c))]
    parts += ["## Other metrics, mean (seed sd)", table(tables.beside_table(c))]
    if said := words.remarks(c):
        parts += ["## Remarks", bullets(said)]
    parts += ["## How it was measured", bullets(words.reading(c))]
    parts += ["## Made with", table(tables.environment_table(c))]
    parts += [escape(unsealed)] if (unsealed := words.unsealed(c)) else []
    parts.append(code(words.commands(c)))
    return "\n\n".join(parts) + "\n"


def table(t: Table) -> str:
    """A pipe table; numbers to the right."""
    rule = ["---" if i < t.names else "--:" for i in range(len(t.header))]
    rows = [map(escape, t.header), rule, *(map(escape, row) for row in t.rows)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def escape(text: str) -> str:
    """Text that Markdown and the HTML in it leave as it is."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\n", " ")
    for sign in "\\`*_[]|#":
        text = text.replace(sign, f"\\{sign}")
    return text


def bullets(lines: list[str]) -> str:
    return "\n".join(f"- {escape(line)}" for line in lines)


def code(lines: list[str]) -> str:
    return "\n".join(f"    {line.replace(chr(10), ' ')}" for line in lines)
