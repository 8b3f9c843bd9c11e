"""All claims on one self-contained page that can be searched, each with its evidence and how to run it again."""

import re
from base64 import b64encode
from collections.abc import Iterable, Iterator
from html import escape
from itertools import groupby
from pathlib import Path
from string import Template

from lrbench.claims.ledger import Claim
from lrbench.claims.published import Published
from lrbench.claims.summary import OPENING, TITLE
from lrbench.claims.words import again, cited, counted, gained, rerun
from lrbench.report.page import items, page, section, tabled
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
    methods = "".join(f"<li><strong>{escape(of)}.</strong> {_code(says)}</li>" for of, says in p.methods.items())
    parts += [section("Methods", f"<ul>{methods}</ul>"), section("Provenance", tabled(p.provenance))]
    return page(TITLE, parts)


def _code(text: str) -> str:
    return re.sub("`([^`]*)`", r"<code>\1</code>", escape(text))


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
    for m in settled.studies if settled else ():
        yield f'<p>{escape(gained(m))} (<a href="studies/{m.study}/index.html">the study</a>)</p>'
        yield f'<ul class="soft">{items([*m.remarks, *([rerun(m)] if m.agreement is not None else [])])}</ul>'
    for study in p.studies(claim):
        if study in p.figures:
            drawn = b64encode(p.figures[study].encode()).decode()
            yield f'<img src="data:image/svg+xml;base64,{drawn}" alt="The gains of {study} and their intervals">'
    if claim.citations:
        yield f"<ul>{items(list(map(cited, claim.citations)))}</ul>"
    if bearing := p.bearing(claim):
        yield f'<ul class="soft">{items(bearing)}</ul>'
    for words, text in (("Confidence", claim.confidence), ("Not found", claim.missing), ("Note", claim.note)):
        if text:
            yield f'<p class="soft">{words}: {escape(text)}</p>'
    where = f"{claim.id}; {claim.kind}, {claim.tier}, {claim.domain}"
    on = f"; torch {settled.torch}" if settled and settled.torch else ""
    yield f'<p class="soft">{escape(where + on)}</p>'
    if settled:
        yield f"<pre>{escape(again(claim))}</pre>"
