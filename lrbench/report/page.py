"""The parts of a page that every report is laid out with; a page loads nothing, and is read without its script."""

from collections.abc import Sequence
from html import escape
from pathlib import Path
from string import Template

from lrbench.report.svg import BANDS, swatch
from lrbench.report.tables import Table

PAGE = Path(__file__).with_name("page.html")
STYLE = Path(__file__).with_name("figure.css")  # of figures, on a page and alone


def page(title: str, sections: Sequence[str]) -> str:
    """A whole document."""
    parts = {"title": escape(title), "body": "\n".join(sections), "bands": BANDS, "figures": STYLE.read_text()}
    return Template(PAGE.read_text()).substitute(parts)


def alone(figure: str) -> str:
    """A figure as a file of its own, on white."""
    head, tag, rest = figure.partition(">")
    style = f"<style>{STYLE.read_text()}</style>"
    ground = '<rect width="100%" height="100%" fill="#fff"/>'
    return f'{head} xmlns="http://www.w3.org/2000/svg" font-family="system-ui, sans-serif"{tag}{style}{ground}{rest}\n'


def section(title: str, body: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{body}</section>"


def items(lines: Sequence[str]) -> str:
    return "".join(f"<li>{escape(line)}</li>" for line in lines)


def tabled(t: Table) -> str:
    def cell(i: int, text: str, tag: str = "td", mark: str = "") -> str:
        shown = f'<span class="key">{mark}{escape(text)}</span>' if mark else escape(text)
        return f"<{tag}{' class=name' if i < t.names else ''}>{shown}</{tag.split()[0]}>"

    head = "".join(cell(i, text, "th scope=col") for i, text in enumerate(t.header))
    marks = [swatch(arm) for arm in t.arms] or [""] * len(t.rows)
    body = "".join(
        f"<tr>{cell(0, row[0], 'th scope=row', mark)}{''.join(cell(i, text) for i, text in enumerate(row) if i)}</tr>"
        for mark, row in zip(marks, t.rows, strict=True)
    )
    return f'<div class="wide" tabindex="0"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def beside_each_other(table: Table, figure: str) -> str:
    return f'<div class="side">{tabled(table)}{figure}</div>'


def captioned(title: str, figure: str, told: str) -> str:
    """A figure with its caption; nothing where there was nothing to draw."""
    if not figure:
        return ""
    head = f"<h3>{escape(title)}</h3>" if title else ""
    readout = '<div class="readout" aria-live="polite"></div>' if "data-x" in figure else ""
    return f"<figure>{head}{figure}{readout}<figcaption>{escape(told)}</figcaption></figure>"
