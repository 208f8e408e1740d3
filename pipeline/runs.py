"""Runs as they stand in storage: records, markers, manifests and claims, all on conditional writes.

    pending ──► submitted ──► running ──► succeeded | partly | failed | canceled
       │            ▲            │
       │            └────────────┘  its worker died: it is submitted again
       └──► empty                   other runs had claimed all of its landings

Each state also leads straight to any later one, because an engine may be faster than the record: a
worker can say `running` before its submitter says `submitted`. The last five never change again.

What is where, in the runs container:

    <run>/record.json    what the run is and how it stands
    <run>/manifest.json  the landings that it scores
    <run>/cancel         somebody wants it to stop
    open/<run>           marker: this run may still need attention; metadata state=active|failed.
                         It is made before all else and deleted last. The local engine's worker holds a
                         lease on it while it lives.
    landings/<32 hex>    claim on one landing: the name of the run that scores it

The record is stored, so its format has a version. To change it: raise `VERSION`, let
`RunRecord.from_bytes` read the old one too, and keep a sample of it in `tests/pipeline/samples`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Self

from pipeline.landings import Landing, Manifest
from pipeline.store import Lease, Store

VERSION = 1


class RunState(StrEnum):
    """How a run stands."""

    PENDING = "pending"
    SUBMITTED = "submitted"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    PARTLY = "partly"
    FAILED = "failed"
    CANCELED = "canceled"
    EMPTY = "empty"

    @property
    def final(self) -> bool:
        """Whether it never changes again."""
        raise NotImplementedError

    def leads_to(self, state: "RunState") -> bool:
        """Whether a run in this state may take that one next."""
        raise NotImplementedError


class CauseKind(StrEnum):
    """Why a run was started."""

    BLOB = "blob"
    TIMER = "timer"
    MANUAL = "manual"
    RETRY = "retry"


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a run was started; `detail` is the blob's name, the tick, what was asked for, or the failed run."""

    kind: CauseKind
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """What a run is, why it was started and how it stands."""

    run: str
    cause: Cause
    state: RunState
    published: str
    """Version of the published pipeline that it runs."""
    created: datetime
    submitted: datetime | None = None
    started: datetime | None = None
    ended: datetime | None = None
    tries: int = 1
    """Which try of its cause this is: 2 for `<name>-2`."""
    restarts: int = 0
    """How often a dead worker was replaced."""
    claims: bool = True
    """Whether it scores only landings that it has claimed; `all` mode and `--again` do without."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """The totals of its summary."""
    error: str | None = None
    """What went wrong, in one line."""
    retry: bool = False
    """Whether another try may help, where it failed."""
    token: str = ""
    """Random text of the process that made it: tells our own record from another's of the same name."""
    etag: str | None = field(default=None, compare=False)
    """Of the blob that this was read from; not part of the document."""

    def to_bytes(self) -> bytes:
        """The document as it is stored."""
        raise NotImplementedError

    @classmethod
    def from_bytes(cls, data: bytes, where: str, etag: str | None = None) -> Self:
        """The record in `data`, which was read from `where`.

        Raises:
            RunDocumentError: it is not a record, or of a version that is not known here.
        """
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Marker:
    """The marker `open/<run>` as a listing shows it."""

    run: str
    failed: bool
    """The run has failed and may be tried again; otherwise it is under way."""
    held: bool
    """Somebody (a worker of the local engine) holds the lease."""
    touched: datetime
    """When it was last written, by the server's clock."""


class Runs:
    """The runs in one runs container."""

    def __init__(self, store: Store, clock: Callable[[], datetime]) -> None:
        self.store = store
        self.clock = clock

    # Records

    def create(self, record: RunRecord) -> RunRecord:
        """Write a new record; returns it with its ETag.

        Raises:
            AlreadyExists: there is a run of this name, made by somebody else.
        """
        raise NotImplementedError

    def load(self, run: str) -> RunRecord:
        """The record of `run`.

        Raises:
            UnknownRun: there is none.
        """
        raise NotImplementedError

    def advance(
        self, record: RunRecord, state: RunState, *, lease: Lease | None = None, **changes: Any
    ) -> RunRecord:
        """Bring a run to `state`, with other fields changed as named; returns the new record.

        Where somebody else changed the record meanwhile it is read again, and the change made to what it is
        now, if that still leads to `state`. Times (`submitted`, `started`, `ended`) are filled in. Once the
        record is final its marker goes too, or says `failed` where another try may help; `lease` is the
        caller's own lease on the marker, which ends with it.

        Raises:
            IllegalTransition: the run is in a state that does not lead there.
        """
        raise NotImplementedError

    def newest(self, limit: int | None = None) -> list[RunRecord]:
        """All records, or the `limit` newest, newest first."""
        raise NotImplementedError

    # Markers

    def open(self) -> list[Marker]:
        """All runs that may still need attention: one listing."""
        raise NotImplementedError

    def mark(self, run: str) -> bool:
        """Make the marker of `run`; False where it is there already."""
        raise NotImplementedError

    def unmark(self, run: str, lease: Lease | None = None) -> None:
        """Delete the marker of `run`, if it is there."""
        raise NotImplementedError

    def hold(self, run: str, seconds: int = 30) -> Lease:
        """Lease the marker of `run`: only one worker can.

        Raises:
            LeaseHeld: another worker holds it.
            NotFound: the run is over, its marker is gone.
        """
        raise NotImplementedError

    # Manifests, cancellation

    def write_manifest(self, manifest: Manifest) -> None:
        """Store the manifest of a run, over the one that may be there."""
        raise NotImplementedError

    def manifest(self, run: str) -> Manifest:
        """The manifest of `run`.

        Raises:
            UnknownRun: there is none.
        """
        raise NotImplementedError

    def request_cancel(self, run: str) -> None:
        """Ask whoever works on `run` to stop."""
        raise NotImplementedError

    def cancel_requested(self, run: str) -> bool:
        """Whether somebody asked `run` to stop."""
        raise NotImplementedError

    # Claims

    def key(self, landing: Landing) -> str:
        """The landing's key: it names its claim, and its run where it has one of its own."""
        raise NotImplementedError

    def claim(self, landings: Sequence[Landing], run: str) -> tuple[Landing, ...]:
        """Claim landings for `run`, many at a time; returns those that are its own now, in their order.

        A claim that already holds this name counts; one of an earlier try of the same run is taken over.
        """
        raise NotImplementedError

    def unclaimed(self, landings: Sequence[Landing]) -> tuple[Landing, ...]:
        """Those of `landings` that no run has claimed, in their order."""
        raise NotImplementedError
