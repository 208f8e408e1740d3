"""Removing the results of old runs. Readings and models are never touched.

A claim says that a landing has been scored, so it is kept as long as its landing exists: without it the next
sweep would score the landing again. If all landings of a run are deleted, or it claimed none, everything of
the run is removed, with its claims. Otherwise its record, manifest and claims stay, which are small, and the
rest is removed. The run also leaves the page of runs, because it has no report any more. A run that can be
retried, or that the next sweep still has to check, is not touched.

Listings of the containers show which runs have something to remove; only of these the documents are read.
"""

import logging
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from pipeline.errors import NotFound, RunDocumentError, UnknownRun
from pipeline.flow.context import Context
from pipeline.flow.submit import to_landing
from pipeline.runs import claims, history
from pipeline.runs.names import RESERVED, split_try
from pipeline.runs.record import RECORD_JSON, RunRecord
from pipeline.storage.account import in_parallel
from pipeline.storage.listing import BlobInfo
from scoring.formats import MANIFEST_JSON, SUCCESS

logger = logging.getLogger(__name__)


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
    listed = _listed(context, now - age)
    records = [record for run in listed.candidates() if (record := _loaded(context, run))]
    records.sort(key=lambda record: (record.created, record.run), reverse=True)
    for record in records:
        if record.state.final and record.ended is not None and now - record.ended > age:
            removal = _removal(context, record, listed)
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


@dataclass(frozen=True, slots=True)
class _Listed:
    """What the containers hold of all runs that have no marker and did not finish lately."""

    preds: dict[str, list[BlobInfo]]
    """By run, as the two that follow."""
    runs: dict[str, list[str]]
    rows: dict[str, str]
    """The rows of runs that finished long ago."""
    keys: frozenset[str]
    """The keys of all landings that exist."""
    holders: frozenset[str]
    """Runs that hold the claim on a landing that exists, without the number of the try."""

    def candidates(self) -> list[str]:
        """The runs that can have something to remove: more than the documents that stay with a landing."""
        return [
            run
            for run in self.runs.keys() | self.rows.keys()
            if run in self.rows
            or run in self.preds
            or split_try(run)[0] not in self.holders
            or not _kept(run).issuperset(self.runs[run])
        ]


def _listed(context: Context, before: datetime) -> _Listed:
    """Everything that a cleanup needs to know of runs that finished before this time.

    The landings come last: one that arrives in the meantime belongs to a run that has not finished long ago.
    """
    store = context.store
    rows, skipped = {}, {marker.run for marker in context.runs.markers.all()}
    for run, ended, name in history.names(store.runs):
        if ended > before:
            skipped.add(run)
        else:
            rows[run] = name
    preds: dict[str, list[BlobInfo]] = {}
    for blob in store.preds.list(metadata=True):
        if (run := blob.name.partition("/")[0]) not in skipped:
            preds.setdefault(run, []).append(blob)
    runs: dict[str, list[str]] = {}
    claimed: dict[str, str] = {}
    for blob in store.runs.list(metadata=True):
        run, slash, _ = blob.name.partition("/")
        if blob.name.startswith(claims.FOLDER):
            claimed[blob.name] = blob.metadata.get("run", "")
        elif slash and run not in skipped and run not in RESERVED:
            runs.setdefault(run, []).append(blob.name)
    keys = frozenset(context.runs.key(to_landing(blob)) for blob in store.data.list())
    held = (claimed.get(claims.path(key)) for key in keys)
    holders = frozenset(split_try(run)[0] for run in held if run)
    return _Listed(
        preds, runs, {run: name for run, name in rows.items() if run not in skipped}, keys, holders
    )


def _loaded(context: Context, run: str) -> RunRecord | None:
    try:
        return context.runs.load(run)
    except UnknownRun:
        return None
    except RunDocumentError as error:
        logger.warning("%s", error, extra={"run": run})
        return None


def _kept(run: str) -> frozenset[str]:
    """Documents of a run that stay as long as one of its landings exists."""
    return frozenset({f"{run}/{RECORD_JSON}", f"{run}/{MANIFEST_JSON}"})


def _removal(context: Context, record: RunRecord, listed: _Listed) -> Removal:
    found = listed.preds.get(record.run, [])
    preds = tuple(blob.name for blob in found if not blob.is_folder)
    folders = tuple(sorted((blob.name for blob in found if blob.is_folder), reverse=True))
    blobs = list(listed.runs.get(record.run, []))
    if row := listed.rows.get(record.run):
        blobs.append(row)
    keys: list[str] = []
    if record.claims:
        with suppress(UnknownRun):
            keys = [context.runs.key(landing) for landing in context.runs.manifest(record.run).landings]
    if not listed.keys.isdisjoint(keys):
        kept = _kept(record.run)
        return Removal(record.run, preds, tuple(name for name in blobs if name not in kept), folders)
    paths = [claims.path(key) for key in keys]
    held = in_parallel(lambda path: _holder(context, path) == record.run, paths)
    ours = [path for path, is_ours in zip(paths, held, strict=True) if is_ours]
    return Removal(record.run, preds, (*ours, *blobs), folders)


def _holder(context: Context, claim: str) -> str | None:
    try:
        return context.store.runs.read(claim).data.decode(errors="replace")
    except NotFound:
        return None
