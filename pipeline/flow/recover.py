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
from pipeline.flow.submit import Outcome, resume, submit
from pipeline.runs.names import next_try, split_try
from pipeline.runs.store import Cause, CauseKind, Marker, RunRecord, RunState, log_failed

logger = logging.getLogger(__name__)


class Action(StrEnum):
    """What became of one marker."""

    NONE = "none"  # it is well, or too young to tell
    RESUMED = "resumed"  # pending for too long, submitted now
    RETRIED = "retried"  # failed, tried again under its next name
    RESTARTED = "restarted"  # its worker was dead, it has a new one
    FINISHED = "finished"  # the engine had ended it, its record says so now
    CLOSED = "closed"  # it was over, or never began
    POSTPONED = "postponed"  # it could not be helped now: the next sweep tries again


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """How many runs got which care; `str()` tells of those that got any."""

    active: int = 0
    """Runs under way that need nothing."""
    resumed: int = 0
    retried: int = 0
    restarted: int = 0
    finished: int = 0
    closed: int = 0
    postponed: int = 0
    """Runs that could not be helped now; each is in the log with its reason."""

    def __str__(self) -> str:
        counts = (
            (self.active, "active"),
            (self.resumed, "resumed"),
            (self.retried, "tried again"),
            (self.restarted, "with a new worker"),
            (self.finished, "finished"),
            (self.closed, "closed"),
            (self.postponed, "postponed to the next sweep"),
        )
        return ", ".join(f"{count:,} {what}" for count, what in counts if count) or "no run needs attention"


def recover(context: Context, now: datetime) -> Recovered:
    """Look at each marker and do what its run needs; `now` is the server's clock.

    What fails for one run is logged and left to the next sweep; storage that is gone ends the sweep.
    """
    # Failed runs first: what becomes of them may already have a marker of its own.
    markers = sorted(context.runs.open(), key=lambda marker: (not marker.failed, marker.run))
    counts: Counter[Action] = Counter()
    for marker in markers:
        try:
            counts[_recover(context, marker, now)] += 1
        except (StorageUnreachable, StorageDenied, ContainerMissing):
            raise
        except PipelineError as error:
            logger.warning(
                "run %s is postponed to the next sweep: %s", marker.run, error, extra={"run": marker.run}
            )
            counts[Action.POSTPONED] += 1
    return Recovered(
        active=counts[Action.NONE],
        resumed=counts[Action.RESUMED],
        retried=counts[Action.RETRIED],
        restarted=counts[Action.RESTARTED],
        finished=counts[Action.FINISHED],
        closed=counts[Action.CLOSED],
        postponed=counts[Action.POSTPONED],
    )


def _recover(context: Context, marker: Marker, now: datetime) -> Action:
    if marker.held:
        return Action.NONE
    is_old = now - marker.touched > context.settings.pending_after
    try:
        record = context.runs.load(marker.run)
    except UnknownRun:
        return _close_unborn(context, marker.run) if is_old else Action.NONE
    if record.state.final:
        context.runs.add_to_history(record)  # whoever ended it may have died before
    if record.state is RunState.FAILED and record.retry:
        return _retry(context, record)
    if record.state.final:
        context.runs.unmark(record.run)
        return Action.CLOSED
    context.check_engine(record)
    if record.state is RunState.PENDING:
        return _resume(context, record) if is_old or marker.abandoned else Action.NONE
    return _follow(context, record)


def _close_unborn(context: Context, run: str) -> Action:
    """End a run whose submitter died before it wrote the record; writing it stops one that is only slow."""
    if split_try(run)[1] > 1:
        return Action.NONE  # the run that failed still has its marker, and begins this try again
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
        return Action.CLOSED
    return Action.NONE


def _resume(context: Context, record: RunRecord) -> Action:
    submission = resume(context, record)
    logger.info("resumed: %s", submission, extra={"run": record.run})
    return Action.RESUMED if submission.outcome is Outcome.SUBMITTED else Action.CLOSED


def _retry(context: Context, record: RunRecord) -> Action:
    """Try a failed run again under its next name, unless it had its tries or somebody canceled it."""
    has_no_try = record.tries >= context.settings.max_tries
    if has_no_try or context.runs.cancel_requested(record.run):
        if has_no_try:
            log_failed(record)
        context.runs.unmark(record.run)
        return Action.CLOSED
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
    return Action.RETRIED if submission.outcome is Outcome.SUBMITTED else Action.CLOSED


def _follow(context: Context, record: RunRecord) -> Action:
    """Ask the engine about a run that nobody holds here."""
    status = context.engine.status(record.run)
    if status.state.final:
        with suppress(IllegalTransition):
            context.runs.advance_to(record, status)
        return Action.FINISHED
    if context.runs.cancel_requested(record.run):  # whoever asked for it may have come no further
        context.engine.cancel(record.run)
        return Action.NONE
    if status.lost:
        return _restart(context, record)
    if status.state is RunState.RUNNING and record.state is RunState.SUBMITTED:
        with suppress(IllegalTransition):
            context.runs.advance(record, RunState.RUNNING)
    return Action.NONE


def _restart(context: Context, record: RunRecord) -> Action:
    """Replace a dead worker; one that dies again and again is not a matter of bad luck."""
    from pipeline.published.publish import load

    if record.restarts >= context.settings.max_tries:
        error = f"its worker died {record.restarts + 1} times: see its log, and how much memory steps need"
        with suppress(IllegalTransition):
            context.runs.advance(record, RunState.FAILED, error=error)
        return Action.FINISHED
    published = load(context.store, record.published)
    restarted = context.runs.restart(record)
    if restarted is None:  # another sweep does it
        return Action.NONE
    context.engine.submit(restarted, published)
    logger.warning("run %s: its worker was dead and is replaced", record.run, extra={"run": record.run})
    return Action.RESTARTED
