"""Studies that have come to their results, for the claims that ask of them."""

from dataclasses import dataclass, field

from lrbench.experiment.identity import run_id
from lrbench.store.store import Store
from lrbench.study.bench import Bench
from lrbench.study.cells import Look
from lrbench.study.design import Design
from lrbench.study.result import Result
from lrbench.study.store import frozen


@dataclass(frozen=True)
class Answer:
    """A study that has its result. look: what its cells came to."""

    design: Design
    look: Look
    result: Result


@dataclass
class Studies:
    """Those of a store, each read and analysed once, however many claims ask of it."""

    store: Store
    _answers: dict[str, Answer | None] = field(default_factory=dict)

    def answer(self, name: str) -> Answer | None:
        """None of a study that has no result yet. Raises ConfigError for rows that are not of its design."""
        if name not in self._answers:
            self._answers[name] = self._answer(name)
        return self._answers[name]

    def repeated(self, design: Design) -> Result | None:
        """Of a replicate what the study came to that it repeats; None where that is not here, or has another design."""
        replicate = design.rules.replicate
        first = self.answer(design.name.removesuffix(f"-replicate-{replicate}")) if replicate else None
        return first.result if first is not None and first.design.hash == design.hash else None

    def _answer(self, name: str) -> Answer | None:
        design = frozen(self.store.studies_folder / name)
        if design is None:
            return None
        bench = self.bench(design)
        found = bench.next()
        return Answer(design, bench.look, found) if isinstance(found, Result) else None

    def bench(self, design: Design) -> Bench:
        return Bench(design, lambda e: self.store.done(run_id(e)))
