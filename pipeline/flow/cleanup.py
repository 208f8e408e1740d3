"""Removing the results of old runs. Readings and models are never touched.

A claim says that a landing has been scored, so it is kept as long as its landing exists: without it the next
sweep would score the landing again. If all landings of a run are deleted, or it claimed none, everything of
the run is removed, with its claims. Otherwise its record, manifest and claims stay, which are small, and the
rest is removed. The run also leaves the page of runs, because it has no report any more. A run that can be
retried, or that the next sweep still has to check, is not touched.
"""

from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from pipeline.errors import NotFound, UnknownRun
from pipeline.flow.context import Context
from pipeline.runs import claims, history
from pipeline.runs.landing import Landing
from pipeline.runs.record import RECORD_JSON, RunRecord
from pipeline.storage.account import Store, in_parallel
from scoring.formats import MANIFEST_JSON, SUCCESS


@dataclass(frozen=True, slots=True)
class Removal:
    """The blobs of one run to remove: names in the preds and in the runs container."""

    run: str
    preds: tuple[str, ...]
    runs: tuple[str, ...]
    folders: tuple[str, ...] = ()
    """Blobs of the preds container that stand for folders, the innermost first; they go after the others."""

    def __str__(self) -> str:
        return f"{self.run}: {len(self.preds):,} blobs of predictions, {len(self.runs):,} of the run"


def old_runs(context: Context, age: timedelta, now: datetime) -> Iterator[Removal]:
    """What to remove of each run that finished longer than `age` ago, oldest last."""
    rows = {blob.name for blob in context.store.runs.list(f"{history.FOLDER}/")}
    marked = {marker.run for marker in context.runs.open()}
    for record in context.runs.newest():
        has_finished = record.state.final and record.run not in marked
        if has_finished and record.ended is not None and now - record.ended > age:
            removal = _removal(context, record, rows)
            if removal.preds or removal.runs or removal.folders:
                yield removal


def remove(context: Context, removal: Removal) -> None:
    """Remove it: predictions first, the record last, so that the next cleanup finds an interrupted one."""
    # `_SUCCESS` first: a partly removed run must not look finished.
    preds = sorted(removal.preds, key=lambda name: not name.endswith(f"/{SUCCESS}"))
    for name in preds[:1]:
        context.store.preds.delete(name)
    in_parallel(context.store.preds.delete, preds[1:])
    for name in removal.folders:
        context.store.preds.delete(name)
    records = [name for name in removal.runs if name.endswith(f"/{RECORD_JSON}")]
    in_parallel(context.store.runs.delete, [name for name in removal.runs if name not in records])
    in_parallel(context.store.runs.delete, records)


def _removal(context: Context, record: RunRecord, rows: Collection[str]) -> Removal:
    store = context.store
    preds, folders = _predictions(store, record.run)
    blobs = [blob.name for blob in store.runs.list(f"{record.run}/")]
    if (row := history.blob_name(record)) and row in rows:
        blobs.append(row)
    landings: tuple[Landing, ...] = ()
    if record.claims:
        with suppress(UnknownRun):
            landings = context.runs.manifest(record.run).landings
    if any(in_parallel(lambda landing: _is_there(context, landing), landings)):
        kept = {f"{record.run}/{RECORD_JSON}", f"{record.run}/{MANIFEST_JSON}"}
        return Removal(record.run, preds, tuple(name for name in blobs if name not in kept), folders)
    paths = [claims.path(context.runs.key(landing)) for landing in landings]
    held = in_parallel(lambda path: _holder(context, path) == record.run, paths)
    ours = [path for path, is_ours in zip(paths, held, strict=True) if is_ours]
    return Removal(record.run, preds, (*ours, *blobs), folders)


def _predictions(store: Store, run: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of a run's blobs in the preds container: those that are files, and those that are folders."""
    # Its own folder is a blob beside the others. The prefix finds the further tries of the run, too.
    listed = store.preds.list(run, metadata=True)
    blobs = [blob for blob in listed if f"{blob.name}/".startswith(f"{run}/")]
    files = tuple(blob.name for blob in blobs if not blob.is_folder)
    return files, tuple(sorted((blob.name for blob in blobs if blob.is_folder), reverse=True))


def _is_there(context: Context, landing: Landing) -> bool:
    found = context.store.data.find(landing.name)
    return found is not None and found.etag == landing.etag


def _holder(context: Context, claim: str) -> str | None:
    try:
        return context.store.runs.read(claim).data.decode(errors="replace")
    except NotFound:
        return None
