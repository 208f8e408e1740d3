"""From a cause to a submitted run, in steps that can be taken again wherever they broke off.

    1  marker      open/<run>                   so that the sweep finds what follows
    2  record      <run>/record.json, pending   If-None-Match: *; one delivery of a cause gets it
    3  manifest    <run>/manifest.json          If-None-Match: *; candidate landings
    4  claims      landings/<hash>              If-None-Match: *; what others hold leaves the manifest
    5  submission  to the engine, under the run's name, which it takes once
    6  record      submitted

A process that dies between 1 and 2 leaves a marker without a record, between 2 and 3 a record without a
manifest: nothing is claimed yet, and the sweep closes the run. From 3 on it takes the run up again under
its own name. Whatever it does, it does by creating what comes next; so a process that was only slow finds
that, and stops. A process that meets an error says so on the marker, and raises: whoever is told of the same
cause again goes on where it was.
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
    UnknownRun,
    UsageError,
)
from pipeline.flow.context import Context
from pipeline.runs.landing import Landing, Manifest, is_text, skipped_because
from pipeline.runs.names import blob_run, given_run, manual_run
from pipeline.runs.store import Cause, CauseKind, RunRecord, RunState
from pipeline.storage.account import in_parallel
from pipeline.storage.container import BlobInfo

if TYPE_CHECKING:
    from pipeline.published.documents import PublishedPipeline

logger = logging.getLogger(__name__)


class Outcome(StrEnum):
    """What became of a cause."""

    SUBMITTED = "submitted"
    ALREADY = "already"  # this very cause has its run
    EMPTY = "empty"  # other runs had claimed all of its landings
    DEFERRED = "deferred"  # too many active runs: left to the next sweep
    CANCELED = "canceled"  # somebody canceled it before it began
    SKIPPED = "skipped"  # this blob is never a landing
    GONE = "gone"  # the blob is not there any more


@dataclass(frozen=True, slots=True)
class Submission:
    """The answer to a cause; `str()` is one line for logs and people."""

    outcome: Outcome
    run: str | None
    reason: str
    landings: int = 0
    """How many the run scores."""

    def __str__(self) -> str:
        return self.reason


def submit_landing(context: Context, name: str) -> Submission:
    """Score the blob `name` of the data container as it is now, unless it has its run already.

    Safe to call again, anywhere, any number of times. Raises what may pass (storage, engine, nothing
    published), so that the caller's host tries again; what can never succeed is an outcome.
    """
    if reason := skipped_because(name):
        return Submission(Outcome.SKIPPED, None, f"{name!r} is skipped: {reason}")
    blob = context.store.data.find(name)
    if blob is None:
        return Submission(Outcome.GONE, None, f"{name!r} is not there any more")
    if reason := skipped_because(name, blob.size):
        return Submission(Outcome.SKIPPED, None, f"{name!r} is skipped: {reason}")
    if not context.take_place():
        context.note_deferral()
        return Submission(
            Outcome.DEFERRED,
            None,
            f"{name!r} is left to the next sweep: {context.settings.max_active_runs} runs are active "
            "(SCORING_MAX_ACTIVE_RUNS)",
        )
    landing = to_landing(blob)
    submission = submit(context, blob_run(context.runs.key(landing)), Cause(CauseKind.BLOB, name), [landing])
    if submission.outcome is not Outcome.SUBMITTED:
        context.give_place_back()
    return submission


def submit_manual(
    context: Context,
    *,
    blobs: Sequence[str] = (),
    prefix: str | None = None,
    name: str | None = None,
    again: bool = False,
    random_hex: str,
) -> Submission:
    """Score the blobs that a person names, or all that start with `prefix` ("" for everything), as one run.

    `name` is the run's name, made from the time and `random_hex` (six hex digits) where it is None; a run of
    that name that exists is the answer. `again` scores landings that other runs have claimed, too. There is
    no limit of active runs here: a person asked for it.

    Raises:
        UsageError: a named blob is not there or is never a landing, or nothing starts with `prefix`.
        InvalidRunName: `name` cannot name a run.
    """
    run = manual_run(context.clock(), random_hex) if name is None else given_run(name)
    if prefix is not None and not is_text(prefix):
        raise UsageError(f"no blob has a name that starts with {prefix!r}")
    if prefix is None:
        landings = _named(context, blobs)
        detail = blobs[0] if len(blobs) == 1 else f"{len(blobs):,} blobs"
    else:
        found = context.store.data.list(prefix)
        landings = [to_landing(blob) for blob in found if not skipped_because(blob.name, blob.size)]
        detail = f"all that starts with {prefix!r}" if prefix else "everything"
        if not landings:
            raise UsageError(f"there is nothing to score in container {context.store.data.name!r}: {detail}")
    return submit(context, run, Cause(CauseKind.MANUAL, detail), landings, claims=not again)


def to_landing(blob: BlobInfo) -> Landing:
    """The landing that a blob is at this moment."""
    return Landing(blob.name, blob.etag, blob.size, blob.md5)


def submit(
    context: Context,
    run: str,
    cause: Cause,
    landings: Sequence[Landing],
    *,
    tries: int = 1,
    claims: bool = True,
) -> Submission:
    """Take all steps for a new run; ALREADY where there is one of its name."""
    published = context.published()
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
    already = Submission(Outcome.ALREADY, run, f"run {run} exists already ({cause.kind}: {cause.detail})")
    marked = context.runs.mark(run)
    if not marked:
        try:
            known = context.runs.load(run)
        except UnknownRun:
            pass  # whoever made the marker is about to write the record: one of us will
        else:
            is_left = known.state is RunState.PENDING and context.runs.is_left(run)
            return take_up(context, known, landings) if is_left else already
    try:
        record = context.runs.create(record)
    except AlreadyExists:
        if marked and context.runs.load(run).state.final:
            context.runs.unmark(run)  # ours came after its end
        return already
    manifest = Manifest(run, tuple(landings))
    try:
        try:
            context.runs.create_manifest(manifest)
        except AlreadyExists:
            return replace(already, reason=f"run {run} was taken up by a sweep meanwhile")
        return _claim_and_submit(context, record, manifest, published)
    except PipelineError:
        context.runs.leave(run)
        raise


def take_up(context: Context, record: RunRecord, landings: Sequence[Landing] = ()) -> Submission:
    """Take a pending run's steps again, from the manifest on, under its own name.

    `landings` are those of its cause, where they are known: it scores them if it has no manifest yet.
    """
    from pipeline.published.publish import load

    manifest = _found_manifest(context, record, landings)
    if context.runs.cancel_requested(record.run):
        if record.claims:
            context.runs.claim(manifest.landings, record.run)  # nor shall another run score them
        with suppress(IllegalTransition):
            context.runs.advance(record, RunState.CANCELED)
        return _canceled(record.run)
    return _claim_and_submit(context, record, manifest, load(context.store, record.published))


def _found_manifest(context: Context, record: RunRecord, landings: Sequence[Landing]) -> Manifest:
    """The manifest of a run that was left; where it has none, the one that it may have."""
    try:
        return context.runs.manifest(record.run)
    except UnknownRun:
        pass
    # Nothing is claimed yet. A retry's landings are still held by the run that failed; those of others are
    # free for any run. Creating a manifest stops the submitter, if it is only slow.
    if record.cause.kind is CauseKind.RETRY:
        landings = context.runs.manifest(record.cause.detail).landings
    manifest = Manifest(record.run, tuple(landings))
    try:
        context.runs.create_manifest(manifest)
    except AlreadyExists:
        return context.runs.manifest(record.run)
    return manifest


def _claim_and_submit(
    context: Context, record: RunRecord, manifest: Manifest, published: "PublishedPipeline"
) -> Submission:
    run, runs = record.run, context.runs
    landings = runs.claim(manifest.landings, run) if record.claims else manifest.landings
    if not landings:
        return _empty(context, record, manifest)
    if landings != manifest.landings:
        runs.write_manifest(Manifest(run, landings))
    context.engine.submit(record, published)
    try:
        runs.advance(record, RunState.SUBMITTED)
    except IllegalTransition:  # the engine, or another that took the run up, was faster
        if runs.load(run).state is RunState.CANCELED:
            context.engine.cancel(run)
            return _canceled(run)
    count = len(landings)
    what = landings[0].name if count == 1 else f"{count:,} landings"
    return Submission(Outcome.SUBMITTED, run, f"run {run} is submitted: {what}", count)


def _empty(context: Context, record: RunRecord, manifest: Manifest) -> Submission:
    count = len(manifest.landings)
    reason = (
        f"other runs have claimed what there was to score ({count:,})"
        if count
        else "its submission broke off before it began; its landings are left to the sweep"
    )
    with suppress(IllegalTransition):  # another that took the run up says the same, or it was canceled
        context.runs.advance(record, RunState.EMPTY, error=reason)
    return Submission(Outcome.EMPTY, record.run, f"run {record.run} is empty: {reason}")


def _canceled(run: str) -> Submission:
    return Submission(Outcome.CANCELED, run, f"run {run} was canceled before it began")


def _named(context: Context, blobs: Sequence[str]) -> list[Landing]:
    def find(name: str) -> Landing | str:
        if reason := skipped_because(name):
            return f"{name!r} is never scored: {reason}"
        blob = context.store.data.find(name)
        if blob is None:
            return f"{name!r} is not there"
        reason = skipped_because(name, blob.size)
        return f"{name!r} is never scored: {reason}" if reason else to_landing(blob)

    if not blobs:
        raise UsageError("name at least one blob")
    found = in_parallel(find, dict.fromkeys(blobs))
    if problems := [answer for answer in found if isinstance(answer, str)]:
        raise UsageError(f"in container {context.store.data.name!r}: {'; '.join(problems)}")
    return [landing for landing in found if isinstance(landing, Landing)]
