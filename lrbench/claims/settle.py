"""A claim's verdict, from what there is: computed, from citations, or from the rows of studies."""

from torch import __version__

from lrbench.claims import cited, measured
from lrbench.claims.exact import parts_of
from lrbench.claims.ledger import Claim
from lrbench.claims.said import verdict_of
from lrbench.claims.settled import Settled
from lrbench.config.claim import FOLDER, ClaimDesign, read_claim
from lrbench.store.store import Store

EXACT = ("trace", "api", "behaviour")


def settle(claim: Claim, store: Store, own: ClaimDesign | None = None) -> Settled | None:
    """The claim's verdict from what there is, studies in the store among it; None where nothing settles it yet. own:
    the design of a claim that is not the ledger's. Raises ConfigError."""
    if claim.kind in EXACT and (claim.rates or claim.code):
        parts = parts_of(claim)
        return Settled(claim.id, verdict_of(parts), parts, torch=__version__.partition("+")[0])
    if claim.kind == "literature" and claim.citations:
        return Settled(claim.id, cited.verdict_of(claim))
    if claim.kind == "effect":
        return _by_studies(claim, store, own)
    return None


def _by_studies(claim: Claim, store: Store, own: ClaimDesign | None) -> Settled | None:
    design = own or read_claim(FOLDER / f"{claim.id}.yaml")
    found = measured.measured(design, store)
    return Settled(claim.id, measured.verdict_of(found, design), studies=found) if found else None
