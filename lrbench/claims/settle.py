"""A claim's verdict, from what there is: computed, from citations, or from the rows of studies."""

from torch import __version__

from lrbench.claims import cited, measured
from lrbench.claims.exact import parts_of
from lrbench.claims.ledger import Claim
from lrbench.claims.said import verdict_of
from lrbench.claims.settled import Settled
from lrbench.claims.studies import Studies
from lrbench.config.claim import FOLDER, ClaimDesign, read_claim

EXACT = ("trace", "api", "behaviour")


def settle(claim: Claim, studies: Studies, own: ClaimDesign | None = None) -> Settled | None:
    """The claim's verdict from what there is, studies among it; None where nothing settles it yet. own: the design of a
    claim that is not the ledger's. Raises ConfigError."""
    if claim.kind in EXACT and (claim.rates or claim.code):
        parts = parts_of(claim)
        return Settled(claim.id, verdict_of(parts), parts, torch=__version__.partition("+")[0])
    if claim.kind == "literature" and claim.citations:
        return Settled(claim.id, cited.verdict_of(claim))
    if claim.kind == "effect":
        return _by_studies(claim, studies, own)
    return None


def _by_studies(claim: Claim, studies: Studies, own: ClaimDesign | None) -> Settled | None:
    design = own or read_claim(FOLDER / f"{claim.id}.yaml")
    found = measured.measured(design, studies)
    return Settled(claim.id, measured.verdict_of(found, design), studies=found) if found else None
