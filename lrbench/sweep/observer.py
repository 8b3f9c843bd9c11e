"""Who hears of a sweep as it goes."""

from lrbench.progress import View
from lrbench.sweep.entry import Entry
from lrbench.sweep.plan import Plan


class Observer:
    """Hears everything and does nothing; one that shows it, say, overrides what it needs.

    `place` = a worker's number, from 0; a run under way has one, and gives it free when it ends or is given back.
    """

    def planned(self, plan: Plan) -> None:
        """This plan is carried out from now on: a sweep in stages has several, one after the other."""

    def say(self, text: str) -> None:
        """A remark for a person."""

    def began(self, place: int, entry: Entry) -> None:
        """A run begins, or goes on."""

    def view(self, place: int, view: View) -> None:
        """A moment of the run there."""

    def gave_back(self, place: int, entry: Entry, why: str) -> None:
        """A run waits again: its worker died, say."""

    def ended(self, place: int, entry: Entry, how: str, why: str) -> None:
        """A run ended: `finished`, `diverged`, `failed` or `stopped`."""

    def refresh(self) -> None:
        """Some time has gone by: called every moment while runs are under way."""


SILENT = Observer()
