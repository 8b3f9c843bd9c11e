"""`lrbench claims`: what the guide claims, and what became of each claim."""

import argparse
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import track

from lrbench.claims.ledger import KINDS, SETTLED_BY, TIERS, Claim, claim_of, claims, own_claim
from lrbench.claims.settled import Settled, changes, drop, keep, keep_designs, stored
from lrbench.claims.terminal import listing, one
from lrbench.claims.words import NOT_YET, counts, standing
from lrbench.commands import Parser
from lrbench.errors import ConfigError, did_you_mean
from lrbench.store.folder import results_folder
from lrbench.store.store import Store

COMMANDS = ("show", "run", "designs")

if TYPE_CHECKING:
    from lrbench.config.claim import ClaimDesign

EPILOG = """examples
  lrbench claims                                  every claim in a line, and how many have which verdict
  lrbench claims --kind trace --verdict false     those that can be computed, and are wrong
  lrbench claims plateau                          those in whose id or text there is a word
  lrbench claims show plateau-patience-semantics  one, with its evidence and the command that runs it again
  lrbench claims run --kind trace,api,behaviour   compute them again, and say what has changed
  lrbench claims designs                          every study that claims name, its runs and its hours

Verdicts lie in RESULTS/claims/ID/verdict.json; `run --check` writes none, and ends with 1 where one is another.

Exit codes: 0 fine, 1 a verdict has changed under --check, 2 bad usage."""


def run(arguments: Sequence[str]) -> int:
    options = _parser().parse_intermixed_args(arguments)
    ledger, store = claims(), Store(results_folder(options.results))
    own = _own(options.config_dir, ledger, store)
    known = {**ledger, **{name: own_claim(name, design.says) for name, design in own.items()}}
    if options.words[:1] == ["show"]:
        if len(options.words) != 2:
            raise ConfigError("claims show", " ".join(options.words[1:]), "give the id of one claim")
        claim = claim_of(known, options.words[1])
        others = (*claim.supported_by, *claim.contradicted_by)
        print(one(claim, known, stored(store.claims_folder, [claim.id, *others]), own.get(claim.id)))
        return 0
    if options.words[:1] == ["run"]:
        chosen = [claim_of(known, name) for name in options.words[1:]] or [*known.values()]
        verdicts = stored(store.claims_folder, [c.id for c in chosen])
        return _run(_filtered(chosen, options, known, verdicts), verdicts, store, own, options.check)
    if options.words == ["designs"]:
        return _designs(store)
    if options.check:
        raise ConfigError("--check", "", "it goes with `lrbench claims run`")
    verdicts = stored(store.claims_folder, known)
    found = _filtered(known.values(), options, known, verdicts)
    if options.words and not found and (near := get_close_matches(options.words[0], COMMANDS, n=1, cutoff=0.8)):
        raise ConfigError("claims", options.words[0], "no claim has this word", f"Did you mean '{near[0]}'?")
    print(listing(found, verdicts))
    return 0


def _own(config_dir: str | None, ledger: Mapping[str, Claim], store: Store) -> "Mapping[str, ClaimDesign]":
    """Raises ConfigError for one that has the id of a claim of the guide, or names a study that there is not."""
    if config_dir is None:
        return {}
    from lrbench.config.claim import own_designs  # with scipy, which a listing does not need
    from lrbench.config.study_files import study_files

    found = own_designs(config_dir)
    studies = {*study_files(config_dir), *(p.parent.name for p in store.studies_folder.glob("*/design.json"))}
    for name, design in found.items():
        if name in ledger:
            raise ConfigError(f"claim/{name}.yaml", "", "the guide has a claim of this id", "give it another name")
        for study in (study for part in design.parts for study in part.studies):
            if study not in studies:
                raise ConfigError(
                    f"claim/{name}.yaml: studies", study, "there is no such study", did_you_mean(study, sorted(studies))
                )
    return found


def _run(
    chosen: Sequence[Claim], before: Mapping[str, Settled], store: Store, own: "Mapping[str, ClaimDesign]", check: bool
) -> int:
    """Settle what can be settled; tell what is another than before."""
    from lrbench.claims.settle import settle  # with torch, which a listing does not need
    from lrbench.claims.studies import Studies

    changed, verdicts, studies = list[str](), Counter[str](), Studies(store)
    console = Console(stderr=True)
    for claim in track(chosen, "settling", console=console, transient=True, disable=not console.is_terminal):
        found = settle(claim, studies, own.get(claim.id))
        verdicts[found.verdict if found else NOT_YET] += 1
        if found is None:
            changed += _without(claim, before, store, check)
            continue
        changed += changes(before, found)
        if check and claim.id not in before:
            changed.append(f"{claim.id}: no verdict is stored, now {found.verdict}")
        if not check:
            keep(store.claims_folder, found)
    print(counts(verdicts))
    print("\n".join(changed), end="\n" if changed else "", file=sys.stderr)
    return 1 if check and changed else 0


def _without(claim: Claim, before: Mapping[str, Settled], store: Store, check: bool) -> list[str]:
    """Of a claim that nothing settles: a verdict that is stored is nobody's, and is not kept."""
    if claim.id not in before:
        return []
    if not check:
        drop(store.claims_folder, claim.id)
    return [f"{claim.id}: {before[claim.id].verdict} is stored, and nothing says so now"]


def _designs(store: Store) -> int:
    """Every study that claims name: its runs and hours, kept beside the verdicts."""
    from lrbench.claims.planned import plan

    found = plan(store.results)
    keep_designs(store.claims_folder, found)
    for study, p in found.items():
        hours = "done" if p.done else "time unknown" if p.hours is None else f"{p.hours:.1f} h"
        print(f"  {study:28} {p.runs:5} runs  {hours:>12}  {', '.join(p.claims)}")
    return 0


def _filtered(
    some: Iterable[Claim], options: argparse.Namespace, known: Mapping[str, Claim], verdicts: Mapping[str, Settled]
) -> list[Claim]:
    kinds, tiers = _listed("--kind", options.kind, KINDS), _listed("--tier", options.tier, TIERS)
    domains = _listed("--domain", options.domain, sorted({c.domain for c in known.values()}))
    wanted = _verdicts(options.verdict, known, verdicts)
    words = [] if options.words[:1] == ["run"] else [w.lower() for w in options.words]

    def chosen(c: Claim) -> bool:
        text = f"{c.id} {c.says}".lower()
        return (
            c.kind in kinds
            and c.tier in tiers
            and c.domain in domains
            and (not wanted or standing(c, verdicts) in wanted)
            and all(w in text for w in words)
        )

    return [c for c in some if chosen(c)]


def _verdicts(given: str | None, known: Mapping[str, Claim], verdicts: Mapping[str, Settled]) -> Sequence[str]:
    """Those that some claim has, and those that a study may come to."""
    there = {standing(c, verdicts) for c in known.values()}
    if given is None or {*given.split(",")} <= there:
        return given.split(",") if given else ()
    from lrbench.claims.measured import VERDICTS as OF_EFFECTS  # with scipy, which a listing does not need

    return _listed("--verdict", given, sorted({*there, "true", "partly", "false", "not found", *OF_EFFECTS}))


def _listed(option: str, given: str | None, known: Sequence[str]) -> Sequence[str]:
    if given is None:
        return known
    for word in given.split(","):
        if word not in known:
            raise ConfigError(option, word, "there is none such", did_you_mean(word, known))
    return given.split(",")


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="lrbench claims",
        description="What the guide claims about learning-rate schedules, and what became of each claim.",
        epilog=EPILOG,
    )
    words = "what to do; or words that the claims have"
    parser.add_argument("words", nargs="*", metavar="show ID | run [ID ...] | WORD", help=words)
    parser.add_argument("--kind", help=f"of {', '.join(SETTLED_BY)}; several with commas")
    parser.add_argument("--tier", help=f"of {', '.join(TIERS)}: what settling it costs")
    parser.add_argument("--domain", help="such as cnn, vit, nlp, any")
    parser.add_argument("--verdict", help="such as true, partly, false, 'not yet run'")
    parser.add_argument("--check", action="store_true", help="with run: write nothing, fail where a verdict is another")
    own = "a folder with claims of your own: DIR/claim/ID.yaml, and their studies in DIR/study/"
    parser.add_argument("--config-dir", "-cd", metavar="DIR", help=own)
    parser.add_results("results")
    return parser
