"""Where the time from a landing to its predictions goes, by the times of blobs and records."""

from collections.abc import Sequence
from datetime import datetime

from dev.soak.contents import Blob, Run

PARTS = ("waiting for a run", "submission and start", "killed workers", "execution", "waiting for a retry")


def parts(blob: Blob, tries: Sequence[Run]) -> dict[str, float]:
    """Seconds of each part, from the landing to the end of the last of its `tries`."""
    found, since, waiting = dict.fromkeys(PARTS, 0.0), blob.arrived, "waiting for a run"
    for run in tries:
        created, submitted, started, ended = (
            datetime.fromisoformat(run.record[name] or run.record["created"])
            for name in ("created", "submitted", "started", "ended")
        )
        # A restart sets the first anew, and not the second. A worker killed before that counts as a start.
        begun = max(submitted, started)
        ended = run.finished or ended
        times = (created, started, begun, ended)
        for part, time in zip((waiting, *PARTS[1:4]), times, strict=True):
            found[part] += (time - since).total_seconds()
            since = time
        waiting = "waiting for a retry"
    return found
