"""Runs that need attention: what a sweep does about each marker that it finds."""

import logging
from collections import Counter
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
from pipeline.flow.submit import Outcome, submit, take_up
from pipeline.runs.names import next_try, split_try
from pipeline.runs.store import Cause, CauseKind, Marker, RunRecord, RunState, tell_failed

logger = logging.getLogger(__name__)


class Care(StrEnum):
    """What became of one marker."""

    NONE = "none"  # it is well, or too young to tell
    TAKEN_UP = "taken up"  # pending for too long, submitted now
    RETRIED = "retried"  # failed, tried again under its next name
    RESTARTED = "restarted"  # its worker was dead, it has a new one
    ENDED = "ended"  # the engine had ended it, its record says so now
    CLOSED = "closed"  # it was over, or never began
    LEFT = "left"  # it could not be helped now: the next sweep tries again


@dataclass(frozen=True, slots=True, kw_only=True)
class Attended:
    """How many runs got which care; `str()` tells of those that got any."""

    active: int = 0
    """Runs under way that need nothing."""
    taken_up: int = 0
    retried: int = 0
    restarted: int = 0
    ended: int = 0
    closed: int = 0
    left: int = 0
    """Runs that could not be helped now; each is in the log with its reason."""

    def __str__(self) -> str:
        counts = (
            (self.active, "active"),
            (self.taken_up, "taken up"),
            (self.retried, "tried again"),
            (self.restarted, "with a new worker"),
            (self.ended, "ended"),
            (self.closed, "closed"),
            (self.left, "left to the next sweep"),
        )
        return ", ".join(f"{count:,} {what}" for count, what in counts if count) or "no run needs attention"


def attend(context: Context, now: datetime) -> Attended:
    """Look at each marker and do what its run needs; `now` is the server's clock.

    What fails for one run is logged and left to the next sweep; storage that is gone ends the sweep.
    """
    # Failed runs first: what becomes of them may already have a marker of its own.
    markers = sorted(context.runs.open(), key=lambda marker: (not marker.failed, marker.run))
    counts: Counter[Care] = Counter()
    for marker in markers:
        try:
            counts[_care(context, marker, now)] += 1
        except (StorageUnreachable, StorageDenied, ContainerMissing):
            raise
        except PipelineError as error:
            logger.warning(
                "run %s is left to the next sweep: %s", marker.run, error, extra={"run": marker.run}
            )
            counts[Care.LEFT] += 1
    return Attended(
        active=counts[Care.NONE],
        taken_up=counts[Care.TAKEN_UP],
        retried=counts[Care.RETRIED],
        restarted=counts[Care.RESTARTED],
        ended=counts[Care.ENDED],
        closed=counts[Care.CLOSED],
        left=counts[Care.LEFT],
    )


def _care(context: Context, marker: Marker, now: datetime) -> Care:
    if marker.held:
        return Care.NONE
    is_old = now - marker.touched > context.settings.pending_after
    try:
        record = context.runs.load(marker.run)
    except UnknownRun:
        return _close_unborn(context, marker.run) if is_old else Care.NONE
    if record.state.final:
        context.runs.note_end(record)  # whoever ended it may have died before
    if record.state is RunState.FAILED and record.retry:
        return _retry(context, record)
    if record.state.final:
        context.runs.unmark(record.run)
        return Care.CLOSED
    context.check_engine(record)
    if record.state is RunState.PENDING:
        return _take_up(context, record) if is_old or marker.left else Care.NONE
    return _follow(context, record)


def _close_unborn(context: Context, run: str) -> Care:
    """End a run whose submitter died before it wrote the record; writing it stops one that is only slow."""
    if split_try(run)[1] > 1:
        return Care.NONE  # the run that failed still has its marker, and begins this try again
    record = RunRecord(
        run=run,
        cause=Cause(CauseKind.MANUAL, "unknown: its submission broke off before it was written down"),
        state=RunState.EMPTY,
        published="",
        created=context.clock(),
        ended=context.clock(),
        error="its submission broke off before it began; its landings are left to the sweep",
    )
    with suppress(AlreadyExists):  # it was only slow
        context.runs.create(record)
        context.runs.unmark(run)
        return Care.CLOSED
    return Care.NONE


def _take_up(context: Context, record: RunRecord) -> Care:
    submission = take_up(context, record)
    logger.info("taken up: %s", submission, extra={"run": record.run})
    return Care.TAKEN_UP if submission.outcome is Outcome.SUBMITTED else Care.CLOSED


def _retry(context: Context, record: RunRecord) -> Care:
    """Try a failed run again under its next name, unless it had its tries or somebody canceled it."""
    has_no_try = record.tries >= context.settings.max_tries
    if has_no_try or context.runs.cancel_requested(record.run):
        if has_no_try:
            tell_failed(record)
        context.runs.unmark(record.run)
        return Care.CLOSED
    run = next_try(record.run)
    submission = submit(
        context,
        run,
        Cause(CauseKind.RETRY, record.run),
        context.runs.manifest(record.run).landings,
        tries=record.tries + 1,
        claims=record.claims,
    )
    # The next try has its own marker now, so this one has done its duty.
    context.runs.unmark(record.run)
    logger.info("run %s failed, tried again: %s", record.run, submission, extra={"run": run})
    return Care.RETRIED if submission.outcome is Outcome.SUBMITTED else Care.CLOSED


def _follow(context: Context, record: RunRecord) -> Care:
    """Ask the engine about a run that nobody holds here."""
    status = context.engine.status(record.run)
    if status.state.final:
        with suppress(IllegalTransition):
            context.runs.advance_to(record, status)
        return Care.ENDED
    if context.runs.cancel_requested(record.run):  # whoever asked for it may have come no further
        context.engine.cancel(record.run)
        return Care.NONE
    if status.lost:
        return _restart(context, record)
    if status.state is RunState.RUNNING and record.state is RunState.SUBMITTED:
        with suppress(IllegalTransition):
            context.runs.advance(record, RunState.RUNNING)
    return Care.NONE


def _restart(context: Context, record: RunRecord) -> Care:
    """Replace a dead worker; one that dies again and again is not a matter of bad luck."""
    from pipeline.published.publish import load

    if record.restarts >= context.settings.max_tries:
        error = f"its worker died {record.restarts + 1} times: see its log, and how much memory steps need"
        with suppress(IllegalTransition):
            context.runs.advance(record, RunState.FAILED, error=error)
        return Care.ENDED
    published = load(context.store, record.published)
    restarted = context.runs.restart(record)
    if restarted is None:  # another sweep does it
        return Care.NONE
    context.engine.submit(restarted, published)
    logger.warning("run %s: its worker was dead and is replaced", record.run, extra={"run": record.run})
    return Care.RESTARTED
