"""When something last happened, whichever host did it: the time at which storage wrote an empty blob.

runs/last-sweep       the last sweep finished
runs/last-deferral    the last landing was deferred, because too many runs were active
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from pipeline.clock import utc_text
from pipeline.storage.container import Container

SWEEP = "last-sweep"
DEFERRAL = "last-deferral"


def note(runs: Container, what: str) -> None:
    """Record that it happened now."""
    runs.put(what, b"")


def when(runs: Container, what: str) -> datetime | None:
    """When it last happened, by the server's clock; None where it never did."""
    blob = runs.find(what)
    return None if blob is None else blob.last_modified


@dataclass(frozen=True, slots=True)
class LastSweep:
    """When the last sweep finished, and when the next one is late."""

    finished: datetime | None
    late_after: timedelta

    def is_late(self, now: datetime) -> bool:
        """Whether the next sweep should have finished long ago; before the first one nothing is known."""
        return self.finished is not None and now - self.finished > self.late_after

    def sentence(self, now: datetime) -> str:
        """What to say of it, and what to do where it is late."""
        if self.finished is None:
            return "no sweep has finished yet"
        last = f"the last sweep finished at {utc_text(self.finished)}"
        if not self.is_late(now):
            return last
        minutes = f"{self.late_after.total_seconds() / 60:,.4g}"
        return (
            f"{last}, more than {minutes} minutes ago (SCORING_LATE_SWEEP_MINUTES): check the log of the "
            "function app, and sweep now with python -m pipeline sweep"
        )


def last_sweep(runs: Container, late_after: timedelta) -> LastSweep:
    """The last sweep that finished."""
    return LastSweep(when(runs, SWEEP), late_after)
