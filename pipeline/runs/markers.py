"""The markers `open/<run>`: one for each run that the sweep still has to check.

A marker is created before anything else of its run, and deleted last; so the sweep finds every claimed
landing until its run has finished. The worker of the local engine holds a lease on it while it is alive.

The metadata `state` is `active`; `left`, if its submitter gave up; or `failed`, if the run has finished and
waits for its retry or for its alert.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from pipeline.errors import StorageError
from pipeline.storage.container import Container, Lease
from pipeline.storage.listing import BlobInfo

LEASE_SECONDS = 30
"""A worker that has not renewed its lease for this long counts as dead."""

_FOLDER = "open/"


@dataclass(frozen=True, slots=True)
class Marker:
    """The marker of one run, as a listing shows it."""

    run: str
    failed: bool
    """The run has finished, and waits for its retry or for its alert; otherwise it is active."""
    abandoned: bool
    """Its submitter failed and gave up: another process can resume the run at once."""
    held: bool
    """A worker of the local engine holds the lease."""
    touched: datetime
    """When it was last written, by the clock of the server."""

    @classmethod
    def of(cls, found: BlobInfo) -> Self:
        """The marker that a blob is."""
        return cls(
            run=found.name.removeprefix(_FOLDER),
            failed=found.metadata.get("state") == "failed",
            abandoned=found.metadata.get("state") == "left",
            held=found.leased,
            touched=found.last_modified,
        )


class Markers:
    """The markers in one runs container."""

    def __init__(self, container: Container) -> None:
        self._container = container
        self._abandoned: set[str] = set()
        """Runs that this process gave up on while it could not record that."""

    def all(self) -> list[Marker]:
        """The markers of all runs that the sweep still has to check: one listing."""
        return [Marker.of(found) for found in self._container.list(_FOLDER, metadata=True)]

    def find(self, run: str) -> Marker | None:
        """The marker of `run`; None if the sweep has no work with it, or there is no such run."""
        found = self._container.find(_path(run))
        return None if found is None else Marker.of(found)

    def create(self, run: str) -> bool:
        """Create the marker of `run`; False if it exists already, also from an earlier attempt."""
        return self._container.touch(_path(run), metadata={"state": "active"})

    def exists(self, run: str) -> bool:
        """Whether the sweep still has to check `run`."""
        return self.find(run) is not None

    def abandon(self, run: str) -> None:
        """Record that its submitter gave up; if that fails too, this process and later the sweep know."""
        try:
            self._container.annotate(_path(run), {"state": "left"})
        except StorageError:
            self._abandoned.add(run)

    def is_abandoned(self, run: str) -> bool:
        """Whether its submitter recorded that it gave up, or did so in this process."""
        if run in self._abandoned:
            return True
        marker = self.find(run)
        return marker is not None and marker.abandoned

    def leave_to_sweep(self, run: str, lease: Lease | None = None) -> None:
        """Record that `run` has finished and the sweep still has work with it; releases `lease`.

        Raises:
            LeaseHeld: another process holds the lease.
            NotFound: the marker is deleted.
        """
        self._container.annotate(_path(run), {"state": "failed"}, lease=lease)
        if lease is not None:
            lease.release()

    def delete(self, run: str, lease: Lease | None = None) -> None:
        """Delete the marker of `run`, if it exists; `lease` ends with it.

        Raises:
            LeaseHeld: another process holds the lease.
        """
        self._container.delete(_path(run), lease=lease)

    def hold(self, run: str, lease_id: str | None = None) -> Lease:
        """Lease the marker of `run`: only one worker can. With a known id, others can release it.

        Raises:
            LeaseHeld: another worker holds it.
            NotFound: the run has finished, and its marker is deleted.
        """
        return self._container.lease(_path(run), LEASE_SECONDS, lease_id)

    def release(self, run: str, lease_id: str) -> None:
        """Release the lease of a worker that is known to be dead; no error if another worker holds one."""
        self._container.lease_of(_path(run), lease_id).release()


def _path(run: str) -> str:
    return f"{_FOLDER}{run}"
