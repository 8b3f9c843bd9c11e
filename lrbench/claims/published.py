"""Everything about the claims that summary and page are made of, read from a results folder at once."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lrbench.claims.ledger import Claim, claims, headlines
from lrbench.claims.provenance import provenance
from lrbench.claims.settled import Planned, Settled, designs, stored
from lrbench.claims.words import bearing, finding, standing
from lrbench.config.files import read
from lrbench.report.tables import Table
from lrbench.store.store import Store
from lrbench.study.store import VERDICT

METHODS = Path(__file__).with_name("methods.yaml")


@dataclass(frozen=True)
class Published:
    """claims, verdicts: by id, in the order of the guide. first: the ids of what a practitioner should know first.
    designs: of studies, by name. figures: of studies that have a result, by name, as SVG files have them. methods: how
    verdicts come about, by what is told of, with no markup but `code`. provenance: of studies that have a result."""

    claims: Mapping[str, Claim]
    verdicts: Mapping[str, Settled]
    first: tuple[str, ...]
    designs: Mapping[str, Planned]
    figures: Mapping[str, str]
    methods: Mapping[str, str]
    provenance: Table

    def standing(self, claim: Claim) -> str:
        return standing(claim, self.verdicts)

    def finding(self, claim: Claim) -> str:
        return finding(claim, self.verdicts.get(claim.id), self.designs)

    def studies(self, claim: Claim) -> list[str]:
        """The names of those that measured it."""
        settled = self.verdicts.get(claim.id)
        return list(dict.fromkeys(m.study for m in settled.studies)) if settled else []

    def bearing(self, claim: Claim) -> list[str]:
        return bearing(claim, self.claims, self.verdicts)


def published(store: Store) -> Published:
    """What stands stored. Raises ConfigError for a file that cannot be believed."""
    known, folder = claims(), store.claims_folder
    figures = {path.parent.name: path.read_text() for path in sorted(store.studies_folder.glob("*/figure.svg"))}
    done = [path.parent for path in sorted(store.studies_folder.glob(f"*/{VERDICT}"))]
    methods = {each["of"]: each["says"] for each in read(METHODS)}
    return Published(
        known, stored(folder, known), tuple(headlines(known)), designs(folder), figures, methods, provenance(done)
    )
