"""Recovery: what a sweep does about the run of each marker.

A finished run keeps its marker while the sweep has work with it. A run without results is tried again as a
whole, and loses its `_SUCCESS`, if it has one. A run that has results and lost steps is tried again for what
is missing: the next try has the same landings, and its manifest lists the sensors. So no reading is predicted
in two folders that have `_SUCCESS`. A run that has failed for good, or has no try left, is final: the sweep
logs that, because its log is the app's, which the alert searches.
"""

import logging
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pipeline.errors import (
    AlreadyExists,
    ContainerMissing,
    IllegalTransition,
    PipelineError,
    StorageDenied,
    StorageUnreachable,
    UnknownRun,
)
from pipeline.flow.context import Context
from pipeline.flow.submit import Outcome, next_manifest, resume, submit
from pipeline.runs.markers import Marker
from pipeline.runs.names import earlier_try, next_try
from pipeline.runs.record import Cause, CauseKind, RunRecord, RunState, RunStatus
from pipeline.runs.store import log_failed
from pipeline.storage.account import in_parallel
from scoring.formats import SUCCESS

CONCLUDE_WAITS = (2.0, 5.0, 10.0, 20.0)
"""Seconds between checks of a run that has written `_SUCCESS`."""

logger = logging.getLogger(__name__)


class Action(StrEnum):
    """What the sweep did about one run."""

    NONE = "none"  # it is active, or too young to judge
    RESUMED = "resumed"  # was pending for too long, submitted now
    RETRIED = "retried"  # failed or lost steps, submitted again under its next name
    RESTARTED = "restarted"  # its worker had died, it has a new one
    FINISHED = "finished"  # had finished in the engine, its record is updated
    CLOSED = "closed"  # had finished before, or never started
    POSTPONED = "postponed"  # recovery failed: the next sweep tries again


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """How many runs needed which action; `str()` omits actions without runs."""

    active: int = 0
    """Active runs that need nothing."""
    resumed: int = 0
    retried: int = 0
    restarted: int = 0
    finished: int = 0
    closed: int = 0
    postponed: int = 0
    """Runs whose recovery failed; each is logged with its reason."""

    def __str__(self) -> str:
        counts = (
            (self.active, "active"),
            (self.resumed, "resumed"),
            (self.retried, "retried"),
            (self.restarted, "restarted"),
            (self.finished, "finished"),
            (self.closed, "closed"),
            (self.postponed, "postponed to the next sweep"),
        )
        return ", ".join(f"{count:,} {what}" for count, what in counts if count) or "no run needs recovery"


def recover(context: Context, now: datetime) -> Recovered:
    """Check each marker and do what its run needs; `now` is the clock of the server.

    If this fails for one run, it is logged and postponed to the next sweep; if storage fails, the sweep ends.
    """

    def check(marker: Marker) -> Action:
        try:
            return _recover(context, marker, now)
        except (StorageUnreachable, StorageDenied, ContainerMissing):
            raise
        except PipelineError as error:
            logger.warning(
                "run %s is postponed to the next sweep: %s", marker.run, error, extra={"run": marker.run}
            )
            return Action.POSTPONED
        except Exception:  # one run must not keep the others and new landings waiting
            logger.exception("run %s is postponed to the next sweep", marker.run, extra={"run": marker.run})
            return Action.POSTPONED

    markers = sorted(context.runs.markers.all(), key=lambda marker: marker.run)
    # Runs to retry first: their retries can have markers already.
    counts = Counter(check(marker) for marker in markers if marker.failed)
    counts.update(in_parallel(check, (marker for marker in markers if not marker.failed)))
    return Recovered(
        active=counts[Action.NONE],
        resumed=counts[Action.RESUMED],
        retried=counts[Action.RETRIED],
        restarted=counts[Action.RESTARTED],
        finished=counts[Action.FINISHED],
        closed=counts[Action.CLOSED],
        postponed=counts[Action.POSTPONED],
    )


def conclude(context: Context, run: str, waits: Sequence[float] = CONCLUDE_WAITS) -> str:
    """Do at once what the next sweep would do about a run that wrote `_SUCCESS`; returns what it was.

    The engine can be a little behind, so it is asked again after `waits`, in seconds. Safe to repeat. Nothing
    depends on it: where its event is lost, the sweep concludes the run.
    """
    action = Action.NONE
    for wait in (0.0, *waits):
        time.sleep(wait)
        marker = context.runs.markers.find(run)
        if marker is None:
            return f"run {run} is concluded already, or is not one of ours"
        if marker.held:
            return f"run {run} is concluded by its worker"
        action = _recover(context, marker, context.clock())
        if action is not Action.NONE:
            context.conclusions.announce(runs_ended=action is Action.FINISHED)
            break
    return f"run {run}: {action}"


def _recover(context: Context, marker: Marker, now: datetime) -> Action:
    if marker.held:
        return Action.NONE
    is_old = now - marker.touched > context.settings.pending_after
    try:
        record = context.runs.load(marker.run)
    except UnknownRun:
        return _close_without_record(context, marker.run) if is_old else Action.NONE
    if record.state.final:
        record = context.runs.publish_end(record)  # the process that finished it can have died before this
    if record.awaits_retry:
        return _retry(context, record)
    if record.state.final:
        return _close(context, record)
    context.check_engine(record)
    if record.state is RunState.PENDING:
        return _resume(context, record) if is_old or marker.abandoned else Action.NONE
    return _check_engine_status(context, record)


def _close_without_record(context: Context, run: str) -> Action:
    """Close a run whose submitter died before it wrote the record; writing it stops one that is only slow."""
    earlier = earlier_try(run)
    if earlier and context.runs.markers.exists(earlier):
        return Action.NONE  # the recovery of the earlier try submits this one
    record = RunRecord(
        run=run,
        cause=Cause(CauseKind.MANUAL, "unknown: its submission was interrupted before it wrote a record"),
        state=RunState.EMPTY,
        published="",
        created=context.clock(),
        ended=context.clock(),
        error="its submission was interrupted"
        + (f", and {earlier} was canceled" if earlier else "; the sweep scores its landings"),
    )
    with suppress(AlreadyExists):  # its submitter was only slow
        context.runs.create(record)
        context.runs.markers.delete(run)
        return Action.CLOSED
    return Action.NONE


def _resume(context: Context, record: RunRecord) -> Action:
    submission = resume(context, record)
    logger.info("resumed: %s", submission, extra={"run": record.run})
    return Action.RESUMED if submission.outcome is Outcome.SUBMITTED else Action.CLOSED


def _close(context: Context, record: RunRecord) -> Action:
    """Log the alert if the run has failed for good, and delete its marker."""
    if record.failed_for_good:
        log_failed(record)
    context.runs.markers.delete(record.run)
    return Action.CLOSED


def _retry(context: Context, record: RunRecord) -> Action:
    """Retry a run under its next name, unless it has no try left or was canceled."""
    if context.runs.cancel_requested(record.run):
        context.runs.markers.delete(record.run)
        return Action.CLOSED
    if record.tries >= context.settings.max_tries:
        return _close(context, context.runs.give_up(record))
    if not record.missing:
        # `collect` can have been lost after its last write, and the next try predicts all of it again.
        context.store.preds.delete(f"{record.run}/{SUCCESS}")
    run = next_try(record.run)
    manifest = next_manifest(context, record, run)
    submission = submit(
        context,
        run,
        Cause(CauseKind.RETRY, record.run),
        manifest.landings,
        tries=record.tries + 1,
        claims=record.claims,
        sensors=manifest.sensors,
    )
    # The next try has its own marker now.
    context.runs.markers.delete(record.run)
    what = f"lost steps ({record.missing_count})" if record.missing else "failed"
    logger.info("run %s %s and is retried: %s", record.run, what, submission, extra={"run": run})
    return Action.RETRIED if submission.outcome is Outcome.SUBMITTED else Action.CLOSED


def _check_engine_status(context: Context, record: RunRecord) -> Action:
    """Ask the engine about a run whose lease no worker holds."""
    status = context.engine.status(record)
    if status.state.final:
        return _finish(context, record, status)
    if context.runs.cancel_requested(record.run):  # the requester can have died before it reached the engine
        context.engine.cancel(record)
        return Action.NONE
    if status.lost:
        return _restart(context, record)
    if status.state is RunState.RUNNING and record.state is RunState.SUBMITTED:
        with suppress(IllegalTransition):
            context.runs.advance(record, RunState.RUNNING)
    return Action.NONE


def _finish(context: Context, record: RunRecord, status: RunStatus) -> Action:
    """Record how a run ended; its retry is for the next sweep, the alert about a failure for this one."""
    with suppress(IllegalTransition):
        new = context.runs.advance_to(record, status)
        if new.needs_sweep and not new.awaits_retry:
            _close(context, new)
    return Action.FINISHED


def _restart(context: Context, record: RunRecord) -> Action:
    """Replace a dead worker; a worker that keeps dying has a cause, so the run fails."""
    from pipeline.published.publish import load

    if record.restarts >= context.settings.max_tries:
        error = f"its worker died {record.restarts + 1} times: see its log, and how much memory steps need"
        return _finish(context, record, RunStatus(state=RunState.FAILED, error=error))
    published = load(context.store, record.published)
    restarted = context.runs.restart(record)
    if restarted is None:  # another sweep restarts it
        return Action.NONE
    context.engine.submit(restarted, published)
    logger.warning("run %s: its worker died and is replaced", record.run, extra={"run": record.run})
    return Action.RESTARTED
