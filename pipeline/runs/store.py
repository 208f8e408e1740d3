"""Runs in storage: records, manifests and claims, all written conditionally.

Layout of the runs container:

    open/<run>           marker: the sweep still has to check this run (`pipeline.runs.markers`)
    <run>/record.json    what the run is, and its state (`pipeline.runs.record`)
    <run>/manifest.json  the landings that it scores (`pipeline.runs.landing`)
    <run>/steps.json     its steps and its result, by the worker of the local engine (`step_states` there)
    <run>/cancel         cancellation was requested
    landings/<32 hex>    claim on one landing: the name of the run that scores it
    ended/<time>-<run>   it has finished: its row on the page of runs (`pipeline.runs.history`)
"""

import logging
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
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
    UnknownRun,
)
from pipeline.redact import redacted
from pipeline.runs import claims, history
from pipeline.runs.landing import Landing, Manifest
from pipeline.runs.markers import Markers
from pipeline.runs.names import RESERVED, RUN_NAME, landing_key
from pipeline.runs.record import RECORD_JSON, RunRecord, RunState, RunStatus
from pipeline.storage.account import Store, in_parallel
from pipeline.storage.container import Lease
from pipeline.storage.listing import BlobInfo
from scoring.formats import MANIFEST_JSON

logger = logging.getLogger(__name__)


class Runs:
    """The runs in one runs container."""

    def __init__(
        self,
        store: Store,
        clock: Callable[[], datetime],
        add_to_fleet: Callable[[RunRecord], bool] = lambda _: False,
    ) -> None:
        """`add_to_fleet` adds what a finished run has found to the fleet state; False if it found nothing."""
        self.store = store
        self.clock = clock
        self.add_to_fleet = add_to_fleet
        self.markers = Markers(store.runs)

    # Records

    def create(self, record: RunRecord) -> RunRecord:
        """Write a new record; returns it with its ETag.

        Raises:
            AlreadyExists: another process created a run of this name.
        """
        new = replace(record, token=_token())
        return replace(new, etag=self.store.runs.create(_record(record.run), new.to_bytes()))

    def load(self, run: str) -> RunRecord:
        """The record of `run`.

        Raises:
            UnknownRun: there is no such run.
        """
        content = self._read(run, _record(run))
        return RunRecord.from_bytes(content.data, f"{self.store.runs.name}/{_record(run)}", content.etag)

    def exists(self, run: str) -> bool:
        """Whether there is a run of this name."""
        return self.store.runs.exists(_record(run))

    def advance(
        self, record: RunRecord, state: RunState, *, lease: Lease | None = None, **changes: Any
    ) -> RunRecord:
        """Bring a run to `state`, with other fields changed as named; returns the new record.

        If another process has changed the record, it is read again and changed again, if its state still
        leads to `state`. Times (`submitted`, `started`, `ended`) are filled in. The marker of a final run is
        deleted, or set to `failed` if the sweep has to retry it or to log the alert; `lease` is the caller's
        lease on the marker, which ends with it.

        Raises:
            IllegalTransition: the run is in a state that does not lead there.
            PipelineError: it has finished, and the fleet state does not have it: the next sweep adds it.
        """
        now = self.clock()
        if changes.get("error"):  # often a message of other software
            changes["error"] = redacted(changes["error"])
        while True:
            if not record.state.leads_to(state):
                raise IllegalTransition(f"run {record.run} is {record.state}, it cannot become {state}")
            new = self._swap(_timed(replace(record, state=state, **changes), now))
            if new:
                return self._advanced(new, lease)
            record = self.load(record.run)

    def cancel_unstarted(self, record: RunRecord) -> bool:
        """Cancel a run that no worker has started; False if another process has changed its record."""
        new = self._swap(_timed(replace(record, state=RunState.CANCELED), self.clock()))
        if new:
            self._advanced(new, None)
        return new is not None

    def _advanced(self, record: RunRecord, lease: Lease | None) -> RunRecord:
        why = f": {record.error}" if record.error else ""
        logger.info("run %s is %s%s", record.run, record.state, why, extra={"run": record.run})
        return self._conclude(record, lease) if record.state.final else record

    def _swap(self, record: RunRecord, **changes: Any) -> RunRecord | None:
        """Write a changed record over the version that it was read from; None if that is no longer stored."""
        new = replace(record, token=_token(), **changes)
        try:
            etag = self.store.runs.replace(_record(record.run), new.to_bytes(), record.etag or "")
        except Changed:
            return None
        return replace(new, etag=etag)

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
            missing=status.missing,
            note=status.note,
            counts=status.counts,
        )

    def publish_end(self, record: RunRecord, *, by_worker: bool = False) -> RunRecord:
        """Show what a finished run has found: on the page of runs and in the fleet state. Safe to repeat.

        Raises:
            PipelineError: the fleet state does not have it; it must be tried again.
        """
        self._add_to_history(record, by_worker=by_worker)
        if self.add_to_fleet(record) and record.needs_sweep and not record.applied:
            # If others are faster: the names in the fleet state keep it from being applied twice.
            return self._swap(record, applied=True) or self.load(record.run)
        return record

    def _conclude(self, record: RunRecord, lease: Lease | None) -> RunRecord:
        """Publish the end of a run, then settle its marker; where that fails, the marker is for the sweep."""
        try:
            record = self.publish_end(record, by_worker=lease is not None)
        except PipelineError:
            self._keep_marker(record, lease)
            raise
        self.settle(record, lease)
        return record

    def _add_to_history(self, record: RunRecord, *, by_worker: bool) -> None:
        """Add a finished run to the page of runs; if that fails, the run has finished nevertheless.

        A browser shows a report only with the content type of a page. A worker of the local engine has stored
        it so; a mount of Azure ML does not set it.
        """
        try:
            if not by_worker and (report := history.report(record)):
                with suppress(NotFound):  # it has none, or was cleaned up
                    self.store.preds.set_content_type(report)
            history.add(self.store.runs, record)
        except PipelineError as error:
            logger.warning(
                "run %s is not on the page of runs: %s", record.run, error, extra={"run": record.run}
            )

    def restart(self, record: RunRecord) -> RunRecord | None:
        """Record that the dead worker of a run is replaced; None if another process was faster."""
        return self._swap(
            record, state=RunState.SUBMITTED, submitted=self.clock(), restarts=record.restarts + 1
        )

    def give_up(self, record: RunRecord) -> RunRecord:
        """Record that a finished run is not tried again, because it has no try left."""
        error = f"{record.error or 'see its steps'}; it is not tried again after {record.tries:,} tries"
        new = self._swap(record, retry=False, error=error)
        return self.publish_end(new) if new else self.load(record.run)  # another sweep was faster

    def settle(self, record: RunRecord, lease: Lease | None = None) -> None:
        """Delete the marker of a finished run, or set it to `failed` if the sweep still has work with it."""
        if record.needs_sweep:
            self._keep_marker(record, lease)
            return
        with self._marker_of_finished(record):
            self.markers.delete(record.run, lease)

    def _keep_marker(self, record: RunRecord, lease: Lease | None) -> None:
        """Leave a finished run to the sweep; it is not active any more."""
        with self._marker_of_finished(record):
            self.markers.leave_to_sweep(record.run, lease)

    @contextmanager
    def _marker_of_finished(self, record: RunRecord) -> Iterator[None]:
        try:
            yield
        except NotFound:
            pass
        except LeaseHeld:  # its worker is still alive: it deletes the marker, or the next sweep does
            logger.info(
                "run %s is %s; its worker is still alive", record.run, record.state, extra={"run": record.run}
            )

    def newest(self, limit: int | None = None) -> list[RunRecord]:
        """All records, or the `limit` newest, newest first; a damaged one is logged and omitted."""
        names = self._names() if limit is None else [row["run"] for row in self.newest_rows(limit)]
        records = self._load_each(names)
        records.sort(key=lambda record: (record.created, record.run), reverse=True)
        return records

    def newest_rows(self, limit: int | None = None) -> list[dict[str, Any]]:
        """The rows of all runs, or of the `limit` newest, newest first.

        A few listings, and a request for each run that has not finished: finished ones have their rows in the
        history. The records of those that do not, such as cleaned-up ones, are read only to fill the list.
        """
        unfinished = self._load_each(marker.run for marker in self.markers.all())
        rows = history.latest(self.store.runs, unfinished, limit)
        if limit is None or len(rows) < limit:
            listed = {row["run"] for row in rows}
            others = self._load_each(name for name in self._names() if name not in listed)
            rows = history.newest_first([*rows, *map(history.full_row, others)])[:limit]
        return rows

    def _names(self) -> list[str]:
        return [
            name.rstrip("/")
            for name in self.store.runs.list_folder()
            if isinstance(name, str) and name.rstrip("/") not in RESERVED
        ]

    def _load_each(self, names: Iterable[str]) -> list[RunRecord]:
        """The records of these runs; a damaged one is logged and omitted."""

        def load(run: str) -> RunRecord | None:
            try:
                return self.load(run)
            except UnknownRun:
                return None
            except RunDocumentError as error:
                logger.warning("%s", error, extra={"run": run})
                return None

        return [record for record in in_parallel(load, names) if record is not None]

    # Manifests, cancellation

    def create_manifest(self, manifest: Manifest) -> None:
        """Store the first manifest of a run.

        Raises:
            AlreadyExists: it has another manifest.
        """
        self.store.runs.create(_manifest(manifest.run), manifest.to_bytes())

    def write_manifest(self, manifest: Manifest) -> None:
        """Overwrite the manifest of a run."""
        self.store.runs.put(_manifest(manifest.run), manifest.to_bytes())

    def manifest(self, run: str) -> Manifest:
        """The manifest of `run`.

        Raises:
            UnknownRun: there is no such run.
        """
        return Manifest.from_bytes(
            self._read(run, _manifest(run)).data, f"{self.store.runs.name}/{_manifest(run)}"
        )

    def request_cancel(self, run: str) -> None:
        """Request that `run` stops."""
        self.store.runs.put(_cancel(run), b"")

    def cancel_requested(self, run: str) -> bool:
        """Whether the cancellation of `run` was requested."""
        return self.store.runs.exists(_cancel(run))

    # Claims

    def key(self, landing: Landing | BlobInfo) -> str:
        """The key of a landing: the name of its claim, and of its run if it is the only landing."""
        return landing_key(self.store.account, self.store.data.name, landing.name, landing.etag)

    def claim(self, landings: Sequence[Landing], run: str) -> tuple[Landing, ...]:
        """Claim landings for `run`, many at a time; returns those that it has now, in order.

        A claim that has the name of `run` counts; a claim of an earlier try of the same run passes to it.
        """
        ours = claims.take(self.store.runs, [self.key(landing) for landing in landings], run)
        return tuple(landing for landing, won in zip(landings, ours, strict=True) if won)

    def holder(self, landing: Landing) -> str | None:
        """The run that has claimed a landing; None if no run has."""
        return claims.holder(self.store.runs, self.key(landing))

    def unclaimed[Version: (Landing, BlobInfo)](self, landings: Iterable[Version]) -> tuple[Version, ...]:
        """The landings that no run has claimed, each once, in order."""
        by_key = {self.key(landing): landing for landing in landings}
        free = claims.unheld(self.store.runs, by_key.keys())
        return tuple(landing for key, landing in by_key.items() if key in free)

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


def log_failed(record: RunRecord) -> None:
    """Log that a run has failed for good."""
    sensors = f" for {record.missing_count}" if record.state is RunState.PARTLY else ""
    logger.error(
        "%s run %s%s: %s",
        alerts.RUN_FAILED,
        record.run,
        sensors,
        record.error or "see its steps",
        extra={"run": record.run},
    )


def _token() -> str:
    return uuid.uuid4().hex


def _timed(record: RunRecord, now: datetime) -> RunRecord:
    """`record` with the times that its state implies; an engine can skip states."""
    state = record.state
    return replace(
        record,
        submitted=record.submitted or (None if state is RunState.EMPTY else now),
        started=record.started or (now if state is RunState.RUNNING else None),
        ended=record.ended or (now if state.final else None),
    )


def _record(run: str) -> str:
    return f"{run}/{RECORD_JSON}"


def _manifest(run: str) -> str:
    return f"{run}/{MANIFEST_JSON}"


def _cancel(run: str) -> str:
    return f"{run}/cancel"
