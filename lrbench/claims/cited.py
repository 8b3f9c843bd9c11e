"""Claims that only publications can settle: the verdict follows from what each citation is found to say."""

from lrbench.claims.ledger import Citation, Claim
from lrbench.errors import ConfigError

SUPPORTS = ("yes", "no", "partly")
CONFIDENCE = ("high", "medium", "low")
UNSEEN = "general knowledge"


def verdict_of(claim: Claim) -> str:
    """`true` where every citation supports it, `false` where none does, else `partly`; `not found` where all that there
    is to say is general knowledge. Raises ConfigError for a word that is none of SUPPORTS or CONFIDENCE."""
    for word, known in [(claim.confidence, CONFIDENCE), *((c.supports, SUPPORTS) for c in claim.citations)]:
        if word not in known:
            raise ConfigError(f"claim {claim.id}", word, f"say one of {', '.join(known)}")
    seen: list[Citation] = [c for c in claim.citations if c.seen != UNSEEN]
    if not seen:
        return "not found"
    said = {c.supports for c in seen}
    return {frozenset({"yes"}): "true", frozenset({"no"}): "false"}.get(frozenset(said), "partly")
