"""From a cause to a submitted run, in steps that can be repeated after any interruption.

    1  marker      open/<run>                   so that the sweep finds the run
    2  record      <run>/record.json, pending   If-None-Match: *; one delivery of a cause gets it
    3  manifest    <run>/manifest.json          If-None-Match: *; candidate landings
    4  claims      landings/<hash>              If-None-Match: *; landings of other runs leave the manifest
    5  submission  to the engine, under the name of the run, which it accepts once
    6  record      submitted

If a process dies between 1 and 2, there is a marker without a record, between 2 and 3 a record without a
manifest: nothing is claimed yet, and the sweep closes the run. From 3 on the sweep resumes the run under its
own name. It always creates the next blob first, so a process that was only slow finds that blob, and stops. A
process that fails marks the run as abandoned, and raises: the next delivery of the same cause resumes it.
"""

import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from pipeline.errors import (
    AlreadyExists,
    IllegalTransition,
    PipelineError,
    PublishError,
    UnknownRun,
)
from pipeline.flow.context import Context
from pipeline.flow.expected import expected_sensors
from pipeline.runs.landing import Landing, Manifest, skipped_because
from pipeline.runs.names import blob_run
from pipeline.runs.record import Cause, CauseKind, RunRecord, RunState
from pipeline.storage.listing import BlobInfo

if TYPE_CHECKING:
    from pipeline.published.documents import PublishedPipeline

logger = logging.getLogger(__name__)


class Outcome(StrEnum):
    """What happened to a cause."""

    SUBMITTED = "submitted"
    ALREADY = "already"  # this cause, or this landing, has its run
    EMPTY = "empty"  # other runs had claimed all of its landings
    DEFERRED = "deferred"  # too many active runs: a later run takes it along, or the next sweep
    CANCELED = "canceled"  # canceled before it started
    SKIPPED = "skipped"  # this blob cannot be a landing
    GONE = "gone"  # the blob was deleted


@dataclass(frozen=True, slots=True)
class Submission:
    """The result of a submission; `str()` is one line for logs and people."""

    outcome: Outcome
    run: str | None
    reason: str
    landings: int = 0
    """Number of landings that the run scores."""
    resumed: bool = False
    """Whether an earlier delivery had begun the run."""

    def __str__(self) -> str:
        return self.reason


def submit_landing(context: Context, name: str) -> Submission:
    """Score the current version of the blob `name` in the data container, unless it has its run already.

    Safe to repeat, on any machine. Raises transient errors (storage, engine, nothing published), so that the
    host of the caller retries; what can never succeed is an outcome.
    """
    if reason := skipped_because(name):
        return Submission(Outcome.SKIPPED, None, f"{name!r} is skipped: {reason}")
    blob = context.store.data.find(name)
    if blob is None:
        return Submission(Outcome.GONE, None, f"{name!r} does not exist")
    if reason := skipped_because(name, blob.size):
        return Submission(Outcome.SKIPPED, None, f"{name!r} is skipped: {reason}")
    landing = to_landing(blob)
    return _claimed(context, landing) or _submit_landing(context, landing)


def _claimed(context: Context, landing: Landing) -> Submission | None:
    """The result of another event for a claimed landing, without a record or a slot; None if it is free."""
    holder = context.runs.holder(landing)
    if holder == blob_run(context.runs.key(landing)):
        with suppress(UnknownRun):
            return _known(context, context.runs.load(holder), [landing])
    elif holder is not None:
        return Submission(Outcome.ALREADY, holder, f"{landing.name!r} is in run {holder} already")
    return None


def _submit_landing(context: Context, landing: Landing) -> Submission:
    if not context.acquire_slot():
        context.defer(landing)
        return Submission(
            Outcome.DEFERRED,
            None,
            f"{landing.name!r} waits for a later run, or for the next sweep: "
            f"{context.settings.max_active_runs} runs are active (SCORING_MAX_ACTIVE_RUNS)",
        )
    others = [one for one in context.deferred.take() if one.name != landing.name]
    return _submit_first(context, [landing, *others])


def submit_deferred(context: Context) -> Submission | None:
    """Submit the landings that this process deferred, if a slot is free, as the run of the first one."""
    if not len(context.deferred) or not context.acquire_slot():
        return None
    landings = context.deferred.take()
    if not landings:  # another thread was faster
        context.release_slot()
        return None
    try:
        return _submit_first(context, landings)
    except Exception:
        context.deferred.put_back(landings[:1])  # no event of its own tries it again
        raise


def _submit_first(context: Context, landings: Sequence[Landing]) -> Submission:
    """Submit the run of the first landing, which has a slot; it takes the others along."""
    first, *others = landings
    if others:
        context.fill_slots()
    outcome = None
    try:
        submission = submit(
            context, blob_run(context.runs.key(first)), Cause(CauseKind.BLOB, first.name), landings
        )
        outcome = submission.outcome
    finally:
        if outcome is not Outcome.SUBMITTED:
            context.release_slot()
        if outcome not in {Outcome.SUBMITTED, Outcome.EMPTY}:
            context.deferred.put_back(others)
    if submission.resumed:  # with the landings that it had before
        context.deferred.put_back(context.runs.unclaimed(others))
    return submission


def to_landing(blob: BlobInfo) -> Landing:
    """The landing of the current version of a blob."""
    return Landing(blob.name, blob.etag, blob.size, blob.md5)


def submit(
    context: Context,
    run: str,
    cause: Cause,
    landings: Sequence[Landing],
    *,
    tries: int = 1,
    claims: bool = True,
    sensors: tuple[str, ...] | None = None,
) -> Submission:
    """Take all steps for a new run; ALREADY if there is a run of this name.

    `sensors` are the encoded keys of the only sensors to score; None for all.

    Raises:
        PublishError: the steps of the published pipeline would score all sensors again.
    """
    published = context.published()
    if sensors is not None and not published.lists_sensors:
        raise PublishError(
            f"{run} is to score {len(sensors):,} sensors only, and the steps of version {published.version}, "
            "which an earlier release published, would score all again: run python -m pipeline publish"
        )
    record = RunRecord(
        run=run,
        cause=cause,
        state=RunState.PENDING,
        published=published.version,
        engine=published.engine,
        created=context.clock(),
        tries=tries,
        claims=claims,
    )
    marked = context.runs.markers.create(run)
    if not marked:
        try:
            known = context.runs.load(run)
        except UnknownRun:
            pass  # the creator of the marker is about to write the record: one of the two will
        else:
            return _known(context, known, landings)
    try:
        record = context.runs.create(record)
    except AlreadyExists:
        if marked and context.runs.load(run).state.final:
            context.runs.markers.delete(run)  # this marker was created after its end
        return _already(run, cause)
    except PipelineError:
        context.runs.markers.abandon(run)  # it can have been written, and only the response was lost
        raise
    try:
        manifest = Manifest(run, tuple(landings), sensors, expected_sensors(context, landings))
        try:
            context.runs.create_manifest(manifest)
        except AlreadyExists:
            return replace(_already(run, cause), reason=f"a sweep has resumed run {run}")
        return _claim_and_submit(context, record, manifest, published)
    except PipelineError:
        context.runs.markers.abandon(run)
        raise


def _known(context: Context, record: RunRecord, landings: Sequence[Landing]) -> Submission:
    """The result of another delivery of its cause, which resumes the run if its submitter gave up."""
    if record.state is RunState.PENDING and context.runs.markers.is_abandoned(record.run):
        return replace(resume(context, record, landings), resumed=True)
    return _already(record.run, record.cause)


def _already(run: str, cause: Cause) -> Submission:
    return Submission(Outcome.ALREADY, run, f"run {run} exists already ({cause.kind}: {cause.detail})")


def resume(context: Context, record: RunRecord, landings: Sequence[Landing] = ()) -> Submission:
    """Repeat the steps of a pending run, from the manifest on, under its own name.

    `landings` are those of its cause, if they are known: the run scores them if it has no manifest yet.
    """
    from pipeline.published.publish import load

    manifest = _found_manifest(context, record, landings)
    if context.runs.cancel_requested(record.run):
        if record.claims:
            context.runs.claim(manifest.landings, record.run)  # so that no other run scores them
        with suppress(IllegalTransition):
            context.runs.advance(record, RunState.CANCELED)
        return _canceled(record.run)
    return _claim_and_submit(context, record, manifest, load(context.store, record.published))


def _found_manifest(context: Context, record: RunRecord, landings: Sequence[Landing]) -> Manifest:
    """The manifest of an abandoned run; if it has none, create one."""
    try:
        return context.runs.manifest(record.run)
    except UnknownRun:
        pass
    # Nothing is claimed yet. The landings of a retry still belong to the earlier try; those of other causes
    # are free for any run. Creating a manifest stops the submitter, if it is only slow.
    if record.cause.kind is CauseKind.RETRY:
        manifest = next_manifest(context, context.runs.load(record.cause.detail), record.run)
    else:
        manifest = Manifest(record.run, tuple(landings))
    try:
        context.runs.create_manifest(manifest)
    except AlreadyExists:
        return context.runs.manifest(record.run)
    return manifest


def next_manifest(context: Context, earlier: RunRecord, run: str) -> Manifest:
    """The manifest of `run`, the try after `earlier`: the same landings, only the missing sensors.

    If the earlier try has no results, the sensors are also the same.
    """
    before = context.runs.manifest(earlier.run)
    return Manifest(run, before.landings, earlier.missing or before.sensors)


def _claim_and_submit(
    context: Context, record: RunRecord, manifest: Manifest, published: "PublishedPipeline"
) -> Submission:
    run, runs = record.run, context.runs
    landings = runs.claim(manifest.landings, run) if record.claims else manifest.landings
    if not landings:
        return _empty(context, record, manifest)
    if landings != manifest.landings:
        runs.write_manifest(replace(manifest, landings=landings))
    context.engine.submit(record, published)
    try:
        runs.advance(record, RunState.SUBMITTED)
    except IllegalTransition:  # the engine, or another process that resumed the run, was faster
        record = runs.load(run)
        if record.state is RunState.CANCELED:
            context.engine.cancel(record)
            return _canceled(run)
    count = len(landings)
    what = landings[0].name if count == 1 else f"{count:,} landings"
    return Submission(Outcome.SUBMITTED, run, f"run {run} is submitted: {what}", count)


def _empty(context: Context, record: RunRecord, manifest: Manifest) -> Submission:
    count = len(manifest.landings)
    reason = (
        f"other runs have claimed all of its landings ({count:,})"
        if count
        else "its submission was interrupted; the sweep scores its landings"
    )
    with suppress(IllegalTransition):  # another process that resumed it was faster, or it was canceled
        context.runs.advance(record, RunState.EMPTY, error=reason)
    return Submission(Outcome.EMPTY, record.run, f"run {record.run} is empty: {reason}")


def _canceled(run: str) -> Submission:
    return Submission(Outcome.CANCELED, run, f"run {run} was canceled before it started")
