"""The sweep: whatever broke off or never began, here it ends in a run."""

from dataclasses import dataclass
from datetime import datetime

from pipeline.context import Context


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepReport:
    """What one sweep found and did; `str()` is one line."""

    run: str | None
    """The run that it submitted, if there was anything to score."""
    landings: int = 0
    """Landings in that run."""
    taken_up: int = 0
    """Runs found pending for too long, that are submitted now."""
    retried: int = 0
    """Failed runs that are tried again under a new name."""
    restarted: int = 0
    """Runs whose worker was dead, that have a new one now."""
    closed: int = 0
    """Markers of runs that are over, or never began."""
    left: int = 0
    """What could not be done now and is left to the next sweep; each is in the log with its reason."""

    def __str__(self) -> str:
        raise NotImplementedError


def sweep(context: Context, tick: datetime | None, *, random_hex: str) -> SweepReport:
    """Submit what no run has claimed, take up pending runs, retry failed ones, replace dead workers.

    `tick` is the scheduled time of a timer's tick, which names the run; None where a person asks, then
    `random_hex` (six hex digits) helps to name it. Two sweeps at once are safe.
    """
    raise NotImplementedError
