"""Runs as they stand in storage: records, markers, manifests and claims, all on conditional writes.

What is where, in the runs container:

    open/<run>           marker: this run may still need attention; metadata state=active|left|failed.
                         It is made before all else and deleted last. The local engine's worker holds a
                         lease on it while it lives.
    <run>/record.json    what the run is and how it stands (`pipeline.runs.record`)
    <run>/manifest.json  the landings that it scores (`pipeline.runs.landing`)
    <run>/cancel         somebody wants it to stop
    landings/<32 hex>    claim on one landing: the name of the run that scores it
    ended/<time>-<run>   it is over: its row on the page of runs (`pipeline.runs.history`)

A claim exists only where the marker of its run existed before it; so no claimed landing is out of the
sweep's sight until its run is over.
"""

import logging
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from pipeline import alerts
from pipeline.errors import (
    Changed,
    IllegalTransition,
    LeaseHeld,
    NotFound,
    PipelineError,
    RunDocumentError,
    StorageError,
    UnknownRun,
)
from pipeline.redact import hushed
from pipeline.runs import claims, history
from pipeline.runs.landing import Landing, Manifest
from pipeline.runs.names import RESERVED, RUN_NAME, landing_key
from pipeline.runs.record import Cause, CauseKind, RunRecord, RunState, RunStatus
from pipeline.storage.account import Store, in_parallel
from pipeline.storage.container import Lease
from scoring.formats import MANIFEST_JSON

__all__ = ["Cause", "CauseKind", "Marker", "RunRecord", "RunState", "RunStatus", "Runs"]

LEASE_SECONDS = 30
"""How long after its last sign of life a worker counts as dead."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Marker:
    """The marker `open/<run>` as a listing shows it."""

    run: str
    failed: bool
    """The run has failed and may be tried again; otherwise it is under way."""
    left: bool
    """Its submitter met an error and gave up: whoever comes next may go on at once."""
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
        new = replace(record, token=_token())
        return replace(new, etag=self.store.runs.create(_record(record.run), new.to_bytes()))

    def load(self, run: str) -> RunRecord:
        """The record of `run`.

        Raises:
            UnknownRun: there is none.
        """
        content = self._read(run, _record(run))
        return RunRecord.from_bytes(content.data, f"{self.store.runs.name}/{_record(run)}", content.etag)

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
        now = self.clock()
        if changes.get("error"):  # somebody else's words, as often as not
            changes["error"] = hushed(changes["error"])
        while True:
            if not record.state.leads_to(state):
                raise IllegalTransition(f"run {record.run} is {record.state}, it cannot become {state}")
            new = _timed(replace(record, state=state, token=_token(), **changes), now)
            try:
                etag = self.store.runs.replace(_record(record.run), new.to_bytes(), record.etag or "")
                break
            except Changed:
                record = self.load(record.run)
        why = f": {new.error}" if new.error else ""
        logger.info("run %s is %s%s", new.run, state, why, extra={"run": new.run})
        new = replace(new, etag=etag)
        if state is RunState.FAILED and not new.retry:
            tell_failed(new)
        if state.final:
            self.note_end(new)
            self.settle(new, lease)
        return new

    def advance_to(self, record: RunRecord, status: RunStatus, *, lease: Lease | None = None) -> RunRecord:
        """Bring a run to the state that its engine or summary reports, with its counts and error.

        Raises:
            IllegalTransition: the run is in a state that does not lead there.
        """
        return self.advance(
            record,
            status.state,
            lease=lease,
            error=status.error,
            retry=status.retry,
            counts=status.counts,
        )

    def note_end(self, record: RunRecord) -> None:
        """Write down for the page of runs that a run is over; one that cannot be noted is over, too."""
        try:
            history.note(self.store.runs, record)
        except PipelineError as error:
            logger.warning("the end of run %s is not noted: %s", record.run, error, extra={"run": record.run})

    def restart(self, record: RunRecord) -> RunRecord | None:
        """Note that a run's dead worker is replaced; None where somebody else was faster."""
        new = replace(
            record,
            state=RunState.SUBMITTED,
            submitted=self.clock(),
            restarts=record.restarts + 1,
            token=_token(),
        )
        try:
            etag = self.store.runs.replace(_record(record.run), new.to_bytes(), record.etag or "")
        except Changed:
            return None
        return replace(new, etag=etag)

    def settle(self, record: RunRecord, lease: Lease | None = None) -> None:
        """Let the marker of a run that is over go, or say `failed` where another try may help."""
        try:
            if record.state is RunState.FAILED and record.retry:
                self.store.runs.annotate(_marker(record.run), {"state": "failed"}, lease=lease)
                if lease is not None:
                    lease.release()
            else:
                self.unmark(record.run, lease)
        except NotFound:
            pass
        except LeaseHeld:  # its worker still breathes: the marker is the worker's, or the next sweep's
            logger.info(
                "run %s is %s; its worker is still there", record.run, record.state, extra={"run": record.run}
            )

    def newest(self, limit: int | None = None) -> list[RunRecord]:
        """All records, or the `limit` newest, newest first; a damaged one is told in the log and left out."""

        def load(run: str) -> RunRecord | None:
            try:
                return self.load(run)
            except UnknownRun:
                return None
            except RunDocumentError as error:
                logger.warning("%s", error, extra={"run": run})
                return None

        names = [name for name in self.store.runs.folders() if name not in RESERVED]
        records = [record for record in in_parallel(load, names) if record is not None]
        records.sort(key=lambda record: (record.created, record.run), reverse=True)
        return records[:limit]

    # Markers

    def open(self) -> list[Marker]:
        """All runs that may still need attention: one listing."""
        return [
            Marker(
                run=found.name.removeprefix(_marker("")),
                failed=found.metadata.get("state") == "failed",
                left=found.metadata.get("state") == "left",
                held=found.leased,
                touched=found.last_modified,
            )
            for found in self.store.runs.list(_marker(""), metadata=True)
        ]

    def mark(self, run: str) -> bool:
        """Make the marker of `run`; False where it is there already, or was made by an attempt before."""
        return self.store.runs.touch(_marker(run), metadata={"state": "active"})

    def is_marked(self, run: str) -> bool:
        """Whether `run` may still need attention."""
        return self.store.runs.exists(_marker(run))

    def leave(self, run: str) -> None:
        """Note that its submitter gave up; where that fails too, it is taken up when it is old enough."""
        with suppress(StorageError):
            self.store.runs.annotate(_marker(run), {"state": "left"})

    def is_left(self, run: str) -> bool:
        """Whether its submitter gave up, and said so."""
        marker = self.store.runs.find(_marker(run))
        return marker is not None and marker.metadata.get("state") == "left"

    def unmark(self, run: str, lease: Lease | None = None) -> None:
        """Delete the marker of `run`, if it is there."""
        self.store.runs.delete(_marker(run), lease=lease)

    def hold(self, run: str, seconds: int = LEASE_SECONDS) -> Lease:
        """Lease the marker of `run`: only one worker can.

        Raises:
            LeaseHeld: another worker holds it.
            NotFound: the run is over, its marker is gone.
        """
        return self.store.runs.lease(_marker(run), seconds)

    # Manifests, cancellation

    def create_manifest(self, manifest: Manifest) -> None:
        """Store the first manifest of a run.

        Raises:
            AlreadyExists: it has another one.
        """
        self.store.runs.create(_manifest(manifest.run), manifest.to_bytes())

    def write_manifest(self, manifest: Manifest) -> None:
        """Store the manifest of a run over the one that is there."""
        self.store.runs.put(_manifest(manifest.run), manifest.to_bytes())

    def manifest(self, run: str) -> Manifest:
        """The manifest of `run`.

        Raises:
            UnknownRun: there is none.
        """
        return Manifest.from_bytes(
            self._read(run, _manifest(run)).data, f"{self.store.runs.name}/{_manifest(run)}"
        )

    def request_cancel(self, run: str) -> None:
        """Ask whoever works on `run` to stop."""
        self.store.runs.put(_cancel(run), b"")

    def cancel_requested(self, run: str) -> bool:
        """Whether somebody asked `run` to stop."""
        return self.store.runs.exists(_cancel(run))

    # Claims

    def key(self, landing: Landing) -> str:
        """The landing's key: it names its claim, and its run where it has one of its own."""
        return landing_key(self.store.account, self.store.data.name, landing.name, landing.etag)

    def claim(self, landings: Sequence[Landing], run: str) -> tuple[Landing, ...]:
        """Claim landings for `run`, many at a time; returns those that are its own now, in their order.

        A claim that already holds this name counts; one of an earlier try of the same run is taken over.
        """
        ours = claims.take(self.store.runs, [self.key(landing) for landing in landings], run)
        return tuple(landing for landing, won in zip(landings, ours, strict=True) if won)

    def unclaimed(self, landings: Sequence[Landing]) -> tuple[Landing, ...]:
        """Those of `landings` that no run has claimed, in their order."""
        taken = claims.held(self.store.runs, [self.key(landing) for landing in landings])
        return tuple(landing for landing, claimed in zip(landings, taken, strict=True) if not claimed)

    def _read(self, run: str, path: str) -> Any:
        unknown = UnknownRun(
            f"there is no run {run[:80]!r} in container {self.store.runs.name!r}: "
            "python -m pipeline runs lists them"
        )
        if not RUN_NAME.fullmatch(run):
            raise unknown
        try:
            return self.store.runs.read(path)
        except NotFound as error:
            raise unknown from error


def tell_failed(record: RunRecord) -> None:
    """Log that a run has failed and has no try left."""
    logger.error(
        "%s run %s: %s",
        alerts.RUN_FAILED,
        record.run,
        record.error or "see its steps",
        extra={"run": record.run},
    )


def _token() -> str:
    return uuid.uuid4().hex


def _timed(record: RunRecord, now: datetime) -> RunRecord:
    """`record` with the times that its state implies; an engine may have skipped a state."""
    state = record.state
    return replace(
        record,
        submitted=record.submitted or (None if state is RunState.EMPTY else now),
        started=record.started or (now if state is RunState.RUNNING else None),
        ended=record.ended or (now if state.final else None),
    )


def _marker(run: str) -> str:
    return f"open/{run}"


def _record(run: str) -> str:
    return f"{run}/record.json"


def _manifest(run: str) -> str:
    return f"{run}/{MANIFEST_JSON}"


def _cancel(run: str) -> str:
    return f"{run}/cancel"
