"""The tracker of one attempt: handed the record's rows as they come, and closed however the attempt ends."""

from lrbench.engine.legs import Leg
from lrbench.engine.log import LogRow
from lrbench.engine.state import State
from lrbench.experiment import Experiment, Settings
from lrbench.experiment.identity import arm_id, title, to_plain
from lrbench.progress import Say
from lrbench.store.record import Record
from lrbench.targets import resolve
from lrbench.trackers import Mirror, Mirrored

PROMPT = 5.0  # seconds at most that a stopped run waits for its mirror


class Mirroring:
    """Starts the tracker after the first leg, so that the first updates do not wait for it.

    rows: those of the whole record, which grow: after a resume the mirror begins with the rows of earlier attempts.
    """

    def __init__(
        self, experiment: Experiment, settings: Settings, record: Record, rows: list[LogRow], say: Say
    ) -> None:
        self._experiment, self._tracker, self._record, self._say = experiment, settings.tracker, record, say
        self._mirror: Mirror | None = None
        self._rows, self._sent = rows, 0

    def __call__(self, state: State, leg: Leg) -> None:
        self.send()

    def send(self) -> None:
        """Those rows that were not sent yet."""
        if self._tracker is None:
            return
        self._mirror = self._mirror or self._start()
        for row in self._rows[self._sent :]:
            self._mirror.row(row)
        self._sent = len(self._rows)

    def _start(self) -> Mirror:
        assert self._tracker is not None
        tracker = resolve(self._tracker.target, "tracker")(**self._tracker.args)
        experiment, record = self._experiment, self._record
        about = Mirrored(record.run_id, arm_id(experiment), title(experiment), to_plain(experiment), record.folder)
        return Mirror(tracker, about, say=self._say)

    def close(self, summary: dict[str, object]) -> None:
        """The run is done: wait until all is mirrored."""
        if self._mirror is not None:
            self._mirror.close(summary)
            self._mirror = None

    def __enter__(self) -> "Mirroring":
        return self

    def __exit__(self, *_: object) -> None:
        """A run that stopped or failed on the way leaves a mirror that is whole as far as it goes."""
        if self._mirror is not None:
            self._mirror.close({"state": "stopped"}, timeout=PROMPT)
