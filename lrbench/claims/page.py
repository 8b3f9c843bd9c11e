"""All claims on one self-contained page that can be searched, each with its evidence and how to run it again."""

from collections.abc import Iterable, Iterator
from html import escape
from itertools import groupby
from pathlib import Path
from string import Template

from lrbench.claims.ledger import Claim
from lrbench.claims.published import Published
from lrbench.claims.summary import OPENING, TITLE
from lrbench.claims.words import again, counted
from lrbench.report.page import page, section, tabled
from lrbench.report.tables import Table

FILTER = Path(__file__).with_name("filter.html")


def render(p: Published) -> str:
    """The whole page."""
    many = escape(counted(p.claims.values(), p.verdicts))
    head = f"<h1>{TITLE}</h1>\n<p>{escape(OPENING)}</p>\n<p><strong>{many}.</strong></p>"
    told = "".join(f"<li>{_headline(p, p.claims[name])}</li>" for name in p.first)
    parts = [head, section("What to know first", f"<ol>{told}</ol>") if told else "", _filter(p)]
    for name, some in groupby(p.claims.values(), lambda c: c.section):
        parts.append(section(name, "".join(_claim(p, c) for c in some)))
    return page(TITLE, parts)


def _headline(p: Published, claim: Claim) -> str:
    link = f'<a href="#{claim.id}">{claim.id}</a>'
    return f'{escape(claim.advice)} <span class="soft">{escape(p.finding(claim))}</span> {link}'


def _filter(p: Published) -> str:
    """A line in which to search, and its script: without it every claim is there."""
    given = {
        "verdicts": {p.standing(c) for c in p.claims.values()},
        "kinds": {c.kind for c in p.claims.values()},
        "domains": {c.domain for c in p.claims.values()},
    }
    return Template(FILTER.read_text()).substitute({k: _options(v) for k, v in given.items()})


def _options(values: Iterable[str]) -> str:
    return "".join(f"<option>{escape(v)}</option>" for v in sorted(values))


def _claim(p: Published, claim: Claim) -> str:
    verdict, found = p.standing(claim), p.finding(claim)
    facts = f'data-verdict="{escape(verdict)}" data-kind="{claim.kind}" data-domain="{escape(claim.domain)}"'
    head = f'<span class="verdict {verdict.split()[0]}">{escape(verdict)}</span> {escape(claim.says)}'
    told = f'<p class="soft">{escape(found)}</p>' if found else ""
    body = "".join(_details(p, claim))
    return f'<details class="entry" id="{claim.id}" {facts}><summary>{head}{told}</summary>{body}</details>'


def _details(p: Published, claim: Claim) -> Iterator[str]:
    settled = p.verdicts.get(claim.id)
    if claim.advice:
        yield f"<p>{escape(claim.advice)}</p>"
    if settled and settled.parts:
        rows = tuple((p.what, p.said, p.found, "yes" if p.agrees else "no") for p in settled.parts)
        yield tabled(Table(("what", "said", "found", "agrees"), rows))
    if claim.citations:
        cited = [
            f"{c.who} {c.year}, {c.where}: {c.found} (supports it: {c.supports}; {c.seen})" for c in claim.citations
        ]
        yield f"<ul>{''.join(f'<li>{escape(c)}</li>' for c in cited)}</ul>"
    for words, text in (("Not found", claim.missing), ("Note", claim.note)):
        if text:
            yield f'<p class="soft">{words}: {escape(text)}</p>'
    where = f"{claim.id}; {claim.kind}, {claim.tier}, {claim.domain}"
    on = f"; torch {settled.torch}" if settled and settled.torch else ""
    yield f'<p class="soft">{escape(where + on)}</p>'
    if settled:
        yield f"<pre>{escape(again(claim))}</pre>"
