"""Removing what old runs left. Readings and models are never touched.

A claim says that a landing has been scored, so it is kept as long as its landing is there: without it the
next sweep would score the landing again. Where all of a run's landings are gone, everything of it goes,
claims included, and so it does where a run claimed nothing. Otherwise its record, manifest and claims stay,
which are small, and the rest goes. Either way it goes from the page of runs: it has no report any more.
A run that may be tried again, or that the next sweep has still to look at, is not touched.
"""

from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from pipeline.errors import NotFound, UnknownRun
from pipeline.flow.context import Context
from pipeline.runs import claims, history
from pipeline.runs.landing import Landing
from pipeline.runs.record import RunRecord
from pipeline.storage.account import in_parallel
from scoring.formats import MANIFEST_JSON, SUCCESS


@dataclass(frozen=True, slots=True)
class Removal:
    """What goes of one run: names of blobs in the preds and in the runs container."""

    run: str
    preds: tuple[str, ...]
    runs: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.run}: {len(self.preds):,} blobs of predictions, {len(self.runs):,} of the run"


def old_runs(context: Context, age: timedelta, now: datetime) -> Iterator[Removal]:
    """What would go of each run that ended longer than `age` ago, oldest last."""
    rows = {blob.name for blob in context.store.runs.list(f"{history.FOLDER}/")}
    marked = {marker.run for marker in context.runs.open()}
    for record in context.runs.newest():
        is_over = record.state.final and record.run not in marked
        if is_over and record.ended is not None and now - record.ended > age:
            removal = _removal(context, record, rows)
            if removal.preds or removal.runs:
                yield removal


def remove(context: Context, removal: Removal) -> None:
    """Remove it: predictions first, the record last, so that one that breaks off is found again."""
    # `_SUCCESS` first of all: what is half removed must not look finished.
    preds = sorted(removal.preds, key=lambda name: not name.endswith(f"/{SUCCESS}"))
    for name in preds[:1]:
        context.store.preds.delete(name)
    in_parallel(context.store.preds.delete, preds[1:])
    records = [name for name in removal.runs if name.endswith("/record.json")]
    in_parallel(context.store.runs.delete, [name for name in removal.runs if name not in records])
    in_parallel(context.store.runs.delete, records)


def _removal(context: Context, record: RunRecord, rows: Collection[str]) -> Removal:
    store = context.store
    preds = tuple(blob.name for blob in store.preds.list(f"{record.run}/"))
    blobs = [blob.name for blob in store.runs.list(f"{record.run}/")]
    if (row := history.blob_name(record)) and row in rows:
        blobs.append(row)
    landings: tuple[Landing, ...] = ()
    if record.claims:
        with suppress(UnknownRun):
            landings = context.runs.manifest(record.run).landings
    if any(in_parallel(lambda landing: _is_there(context, landing), landings)):
        kept = {f"{record.run}/record.json", f"{record.run}/{MANIFEST_JSON}"}
        return Removal(record.run, preds, tuple(name for name in blobs if name not in kept))
    paths = [claims.path(context.runs.key(landing)) for landing in landings]
    held = in_parallel(lambda path: _holder(context, path) == record.run, paths)
    ours = [path for path, is_ours in zip(paths, held, strict=True) if is_ours]
    return Removal(record.run, preds, (*ours, *blobs))


def _is_there(context: Context, landing: Landing) -> bool:
    found = context.store.data.find(landing.name)
    return found is not None and found.etag == landing.etag


def _holder(context: Context, claim: str) -> str | None:
    try:
        return context.store.runs.read(claim).data.decode(errors="replace")
    except NotFound:
        return None
