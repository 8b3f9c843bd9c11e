"""All claims on one self-contained page that can be searched, each with its evidence and how to run it again."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from itertools import groupby
from pathlib import Path
from string import Template

from lrbench.claims.ledger import Claim
from lrbench.claims.settled import Settled
from lrbench.claims.summary import OPENING
from lrbench.claims.words import again, counted, finding, standing
from lrbench.report.page import page, section, tabled
from lrbench.report.tables import Table

FILTER = Path(__file__).with_name("filter.html")


def render(
    known: Mapping[str, Claim], verdicts: Mapping[str, Settled], first: Sequence[str], figures: Mapping[str, str]
) -> str:
    """The whole page. first: as in `summary.render`. figures: of studies, by their names, as SVG files have them."""
    title = "What is known about learning-rate schedules"
    many = escape(counted(known.values(), verdicts))
    head = f"<h1>{title}</h1>\n<p>{escape(OPENING)}</p>\n<p><strong>{many}.</strong></p>"
    told = "".join(f"<li>{_headline(known[name], verdicts.get(name))}</li>" for name in first)
    parts = [head, section("What to know first", f"<ol>{told}</ol>") if told else "", _filter(known, verdicts)]
    for name, some in groupby(known.values(), lambda c: c.section):
        parts.append(section(name, "".join(_claim(c, verdicts.get(c.id), figures) for c in some)))
    return page(title, parts)


def _headline(claim: Claim, settled: Settled | None) -> str:
    found = finding(claim, settled)
    told = f' <span class="soft">{escape(found)}</span>' if found else ""
    return f'{escape(claim.advice or claim.says)}{told} <a href="#{claim.id}">{claim.id}</a>'


def _filter(known: Mapping[str, Claim], verdicts: Mapping[str, Settled]) -> str:
    """A line in which to search, and its script: without it every claim is there."""
    given = {
        "verdicts": dict.fromkeys(standing(c, verdicts) for c in known.values()),
        "kinds": dict.fromkeys(c.kind for c in known.values()),
        "domains": dict.fromkeys(c.domain for c in known.values()),
    }
    return Template(FILTER.read_text()).substitute({k: _options(v) for k, v in given.items()})


def _options(values: Iterable[str]) -> str:
    return "".join(f"<option>{escape(v)}</option>" for v in sorted(values))


def _claim(claim: Claim, settled: Settled | None, figures: Mapping[str, str]) -> str:
    verdict, found = standing(claim, {claim.id: settled} if settled else {}), finding(claim, settled)
    facts = f'data-verdict="{escape(verdict)}" data-kind="{claim.kind}" data-domain="{escape(claim.domain)}"'
    head = f'<span class="verdict {verdict.split()[0]}">{escape(verdict)}</span> {escape(claim.says)}'
    told = f'<p class="soft">{escape(found)}</p>' if found else ""
    body = "".join(_details(claim, settled, figures))
    return f'<details class="claim" id="{claim.id}" {facts}><summary>{head}{told}</summary>{body}</details>'


def _details(claim: Claim, settled: Settled | None, figures: Mapping[str, str]) -> Iterator[str]:
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
    for words, text in (("Not found", claim.missing), ("Note", claim.note), ("Rule", claim.rule)):
        if text:
            yield f'<p class="soft">{words}: {escape(text)}</p>'
    where = f"{claim.id}; {claim.kind}, {claim.tier}, {claim.domain}"
    on = f"; torch {settled.torch}" if settled and settled.torch else ""
    yield f'<p class="soft">{escape(where + on)}</p>'
    if claim.kind != "advice":
        yield f"<pre>{escape(again(claim))}</pre>"
