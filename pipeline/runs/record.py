"""The run record: what a run is, why it was started and its state.

    pending ──► submitted ──► running ──► succeeded | partly | failed | canceled
       │            ▲            │
       │            └────────────┘  its worker died: it is submitted again
       └──► empty                   other runs had claimed all of its landings

Each state also leads directly to any later one, because an engine can be faster than the record: a
worker can report `running` before its submitter reports `submitted`. The last five states are final.

The record is stored, so its format has a version. To change it: raise `VERSION`, let
`RunRecord.from_bytes` read the old version too, and keep a sample of it in `tests/pipeline/samples`.
"""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Self

from pipeline.clock import in_utc, utc_text
from pipeline.json_documents import read_document, to_json
from scoring.printable import counted

VERSION = 1
RECORD_JSON = "record.json"


class RunState(StrEnum):
    """The state of a run."""

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
        """Whether it is a final state."""
        return self not in {RunState.PENDING, RunState.SUBMITTED, RunState.RUNNING}

    def leads_to(self, state: "RunState") -> bool:
        """Whether a run can advance from this state to that one; a restart is not an advance."""
        if state is RunState.EMPTY:
            return self is RunState.PENDING
        order = list(RunState)
        return not self.final and order.index(state) > order.index(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStatus:
    """The state of a run as its engine or summary reports it, and its result if it has finished."""

    state: RunState
    error: str | None = None
    """What went wrong, in one line."""
    retry: bool = False
    """Whether another try can help: of all of it if it failed, of what is `missing` if steps were lost."""
    missing: tuple[str, ...] = ()
    """Encoded keys of the sensors whose steps were lost."""
    note: str | None = None
    """What is worth knowing but not a failure, in one line: landings deleted before they were read."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """The totals of its summary, if it has finished and they are known."""
    lost: bool = False
    """It has not finished, but has no worker or job any more: submitting it again restarts it."""


class CauseKind(StrEnum):
    """Why a run was started."""

    BLOB = "blob"
    TIMER = "timer"
    MANUAL = "manual"
    RETRY = "retry"


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a run was started; `detail` is the name of the blob, the tick, the request, or the failed run."""

    kind: CauseKind
    detail: str

    @property
    def sentence(self) -> str:
        """The cause as a person reads it."""
        if self.kind is CauseKind.BLOB:
            return f"{self.detail} arrived"
        if self.kind is CauseKind.RETRY:
            return f"{self.detail} failed or lost steps, and is retried"
        if self.kind is CauseKind.TIMER:
            with suppress(ValueError):
                tick = datetime.fromisoformat(self.detail).astimezone(UTC)
                return f"a sweep by the timer at {utc_text(tick)}"
            return f"a sweep by the timer at {self.detail}"
        return f"requested manually: {self.detail}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """What a run is, why it was started and its state; the fields are in the order of the document."""

    run: str
    cause: Cause
    state: RunState
    published: str
    """Version of the published pipeline that it runs."""
    engine: str | None = None
    """Name of the engine that runs it; None if it is not known."""
    created: datetime
    submitted: datetime | None = None
    started: datetime | None = None
    ended: datetime | None = None
    tries: int = 1
    """The number of this try of its cause: 2 for `<name>-2`."""
    restarts: int = 0
    """How often a dead worker was replaced."""
    claims: bool = True
    """Whether it scores only landings that it has claimed; not in `all` mode or with `--again`."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """The totals of its summary."""
    error: str | None = None
    """What went wrong, in one line."""
    retry: bool = False
    """Whether the sweep tries it again: all of it if it failed, what is `missing` if steps were lost."""
    missing: tuple[str, ...] = ()
    """Encoded keys of the sensors whose steps were lost: the next try scores only these."""
    note: str | None = None
    """What is worth knowing but not a failure, in one line."""
    applied: bool = False
    """Whether the fleet state has its results; not recorded where its marker ends at once."""
    token: str = ""
    """Random text of each write: distinguishes our own write, whose response was lost, from an equal one."""
    etag: str | None = field(default=None, compare=False)
    """ETag of the blob that this was read from; not part of the document."""

    def __post_init__(self) -> None:
        for name in ("created", "submitted", "started", "ended"):
            if (time := getattr(self, name)) is not None:
                object.__setattr__(self, name, in_utc(time))

    @property
    def status(self) -> RunStatus:
        """Its state and result."""
        return RunStatus(
            state=self.state,
            error=self.error,
            retry=self.retry,
            missing=self.missing,
            note=self.note,
            counts=self.counts,
        )

    @property
    def missing_count(self) -> str:
        """How many sensors are missing, for people."""
        return counted(len(self.missing), "sensor")

    @property
    def awaits_retry(self) -> bool:
        """Whether the sweep has to try it again."""
        return self.retry and self.state in {RunState.FAILED, RunState.PARTLY}

    @property
    def needs_sweep(self) -> bool:
        """Whether the sweep still has work with this finished run: a retry, or the alert about a failure."""
        return self.state is RunState.FAILED or self.awaits_retry

    @property
    def failed_for_good(self) -> bool:
        """Whether it has failed or lost steps, and is not tried again."""
        return not self.retry and (self.state is RunState.FAILED or bool(self.missing))

    def to_json(self) -> dict[str, Any]:
        """The stored document, as `--json` shows it."""
        document = {"version": VERSION, **to_json(self)}
        del document["etag"]
        return document

    def to_bytes(self) -> bytes:
        """The stored document."""
        return json.dumps(self.to_json(), ensure_ascii=False, indent=1).encode() + b"\n"

    @classmethod
    def from_bytes(cls, data: bytes, where: str, etag: str | None = None) -> Self:
        """The record in `data`, which was read from `where`.

        Raises:
            RunDocumentError: it is not a record, or has an unknown version.
        """
        record = read_document(data, cls, version=VERSION, where=where, what="a run record")
        return replace(record, etag=etag)
