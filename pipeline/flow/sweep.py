"""The sweep: recovers interrupted runs, and submits the landings that no trigger submitted.

First the runs that have markers: it resumes abandoned ones, retries failed ones, replaces dead workers and
closes finished ones. Then the data container: all unclaimed landings since the watermark become one run. Only
the clock of the server counts: the watermark is the time of its response to the last complete sweep, minus a
grace period for clock differences and long listings. Claims decide what is new; the watermark only saves
checking old blobs. Where the container has cold ranges of names, most sweeps list what is outside of them,
and have a watermark of their own.
"""

import json
import logging
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from operator import attrgetter

from pipeline import alerts
from pipeline.clock import in_utc, utc_text
from pipeline.errors import AlreadyExists, Changed, NotFound
from pipeline.flow.cold_ranges import WHOLE_EVERY, ColdRange, ColdRanges, list_outside
from pipeline.flow.context import FRESH, Context
from pipeline.flow.freed_memory import give_back
from pipeline.flow.recover import Recovered, recover
from pipeline.flow.submit import Outcome, submit, to_landing
from pipeline.json_documents import read_document, to_json
from pipeline.runs import last
from pipeline.runs.landing import Landing, skipped_because
from pipeline.runs.names import manual_run, timer_run
from pipeline.runs.record import Cause, CauseKind
from pipeline.storage.listing import BlobInfo

WATERMARK = "sweep.json"
VERSION = 1

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepReport:
    """What one sweep found and did; `str()` is one line."""

    run: str | None
    """The run that it submitted, if there were landings to score."""
    landings: int
    """Number of landings that the run scores."""
    recovered: Recovered
    """What it did about runs that had markers."""
    reason: str
    """Why there is no run, or what it scores."""

    def __str__(self) -> str:
        return f"{alerts.SWEEP_FINISHED} {self.reason}; {self.recovered}"


@dataclass(frozen=True, slots=True)
class OutsideCold:
    """What sweeps between two whole listings list: all but the cold ranges."""

    watermark: datetime
    """All landings outside the cold ranges until this time are claimed."""
    cold: tuple[ColdRange, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "watermark", in_utc(self.watermark))


@dataclass(frozen=True, slots=True)
class Watermark:
    """The stored document of the container that `source` names."""

    source: str
    watermark: datetime | None
    """All landings of the whole container until this time are claimed; None before the first such sweep."""
    outside_ranges: OutsideCold | None = None
    """None where there are no cold ranges.

    Releases that noted cold folders have another field, `outside_cold`: each ignores that of the other, and
    lists the whole container first.
    """

    def __post_init__(self) -> None:
        if self.watermark is not None:
            object.__setattr__(self, "watermark", in_utc(self.watermark))

    def to_bytes(self) -> bytes:
        """The stored document."""
        document = {"version": VERSION, **to_json(self)}
        if self.outside_ranges is None:
            del document["outside_ranges"]
        return json.dumps(document).encode() + b"\n"


@dataclass(frozen=True, slots=True)
class _Start:
    """The start of a sweep: the watermark, and the clock of the server."""

    watermark: Watermark
    etag: str
    now: datetime
    listed: OutsideCold | None
    """What this sweep lists; None for the whole container."""

    @property
    def since(self) -> datetime | None:
        """All that arrived before is claimed, in what this sweep lists."""
        return self.listed.watermark if self.listed else self.watermark.watermark


def sweep(context: Context, tick: datetime | None, *, random_hex: str) -> SweepReport:
    """Submit unclaimed landings, resume pending runs, retry failed ones, replace dead workers.

    `tick` is the scheduled time of the timer, which names the run; it is None if a person starts the sweep,
    and then `random_hex` (six hex digits) is part of the name, and the whole container is listed. Concurrent
    sweeps are safe.
    """
    everything = context.settings.timer_mode == "all"
    start = _start(context, whole=everything or tick is None)
    recovered = recover(context, start.now)
    ranges = ColdRanges(start.now)
    data = context.store.data
    blobs = list_outside(data, start.listed.cold) if start.listed else ranges.record(data.list())
    found: Iterable[BlobInfo] = _arrived(blobs, None if everything else start.since)
    if not everything:
        found = context.runs.unclaimed(found)
        _report_missing_events(context, start, found)
    landings = sorted(map(to_landing, found), key=attrgetter("name"))
    done = True
    if landings:
        report, done = _submit(context, tick, random_hex, landings, recovered)
    else:
        what = "nothing to score" if everything else "nothing new"
        report = SweepReport(run=None, landings=0, recovered=recovered, reason=what)
    if done and not everything:
        _move_watermark(context, start, ranges)
    last.note(context.store.runs, last.SWEEP)
    ended = bool(recovered.finished or recovered.closed)
    context.conclusions.announce(runs_ended=ended)
    give_back()
    return report


def _report_missing_events(context: Context, start: _Start, unclaimed: Iterable[BlobInfo]) -> None:
    """Log which landings should have had a run by an event long before this sweep found them.

    The first sweep expects nothing, and what was deferred had its event: all that arrived before the last
    deferral counts as deferred, so that a burst never raises an alarm.
    """
    if start.since is None:
        return
    late = [blob for blob in unclaimed if start.now - blob.last_modified > context.settings.late_event]
    if late and (deferral := last.when(context.store.runs, last.DEFERRAL)):
        late = [blob for blob in late if blob.last_modified > deferral + FRESH]
    if late:
        oldest = min(late, key=attrgetter("last_modified"))
        logger.warning(
            "%s %s landings had no run when the sweep found them, the oldest since %s: %r. Check that the "
            "event subscription exists, and what score_on_blob logs",
            alerts.EVENTS_MISSING,
            f"{len(late):,}",
            utc_text(oldest.last_modified),
            oldest.name,
        )


def _submit(
    context: Context, tick: datetime | None, random_hex: str, landings: list[Landing], recovered: Recovered
) -> tuple[SweepReport, bool]:
    """Submit `landings`; also returns whether all of them are claimed now."""
    everything = context.settings.timer_mode == "all"
    if tick is None:
        run, cause = manual_run(context.clock(), random_hex), Cause(CauseKind.MANUAL, "sweep")
    else:
        run, cause = timer_run(tick), Cause(CauseKind.TIMER, tick.isoformat())
    submission = submit(context, run, cause, landings, claims=not everything)
    context.deferred.forget(landings)
    report = SweepReport(
        run=run if submission.outcome is Outcome.SUBMITTED else None,
        landings=submission.landings,
        recovered=recovered,
        reason=str(submission),
    )
    if submission.outcome is Outcome.ALREADY:  # the second delivery of a tick
        report = replace(report, reason=f"{submission}; {len(landings):,} landings wait for the next sweep")
        return report, False
    return report, True


def _arrived(blobs: Iterable[BlobInfo], since: datetime | None) -> Iterator[BlobInfo]:
    """The landings since then; some can come twice."""
    for blob in blobs:
        if (since is None or blob.last_modified >= since) and not skipped_because(blob.name, blob.size):
            yield blob


def _start(context: Context, *, whole: bool) -> _Start:
    runs, source = context.store.runs, _source(context)
    try:
        content = runs.read(WATERMARK)
    except NotFound:
        with suppress(AlreadyExists):  # another sweep was faster
            runs.create(WATERMARK, Watermark(source, None).to_bytes())
        content = runs.read(WATERMARK)
    watermark = read_watermark(content.data, f"{runs.name}/{WATERMARK}")
    if watermark.source != source:
        watermark = Watermark(source, None)
    swept = watermark.watermark
    whole = whole or swept is None or content.served - swept > WHOLE_EVERY
    return _Start(watermark, content.etag, content.served, None if whole else watermark.outside_ranges)


def _source(context: Context) -> str:
    """The container that a watermark is valid for."""
    return f"{context.store.account}/{context.store.data.name}"


def read_watermark(data: bytes, where: str) -> Watermark:
    """The watermark in `data`, read from `where`.

    Raises:
        RunDocumentError: it is not a watermark, or has an unknown version.
    """
    hint = "delete it, and the next sweep checks all blobs"
    return read_document(data, Watermark, version=VERSION, where=where, what="a watermark", hint=hint)


def _move_watermark(context: Context, start: _Start, ranges: ColdRanges) -> None:
    """Save that all landings from before this sweep are claimed, so that the next one skips them.

    If it listed the whole container, `ranges` has found the cold ones.
    """
    moved = start.now - context.settings.grace
    if start.since is not None and moved <= start.since:
        return
    if start.listed:
        new = replace(start.watermark, outside_ranges=replace(start.listed, watermark=moved))
    else:
        cold = ranges.found()
        new = Watermark(start.watermark.source, moved, OutsideCold(moved, cold) if cold else None)
    try:
        context.store.runs.replace(WATERMARK, new.to_bytes(), start.etag)
    except Changed:
        logger.info("another sweep moved the watermark")
