"""`index.html` in the preds container: finished runs, updated as runs finish.

The process that finishes a run updates the page. Concurrent writers are safe: each reads the ETag of the page
first, then lists the finished runs, and replaces only that version of the page; if another was faster, it
starts again. So the last page is always made from the latest listing.
"""

import hashlib
import json
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from pipeline.clock import in_utc
from pipeline.errors import NotFound, ReportError
from pipeline.pages.fleet_page import fetch_fleet_page
from pipeline.pages.shared_page import keep_updated, write_over
from pipeline.runs import history
from pipeline.runs.last import LastSweep, last_sweep
from pipeline.runs.record import RunRecord
from pipeline.storage.account import Store, in_parallel
from pipeline.storage.listing import BlobInfo
from scoring.formats import FLEET_HTML, INDEX_HTML

MOST_RUNS = 1000


def update_index(store: Store, late_sweep: timedelta, now: datetime, *, runs_ended: bool = True) -> None:
    """Update the page of finished runs. An error is logged and harms no run.

    If no run has ended, it changes only if it would soon call the last sweep late.
    """
    keep_updated(store.preds, INDEX_HTML, lambda: _updated(store, late_sweep, now, runs_ended=runs_ended))


def write_page(store: Store, records: Sequence[RunRecord], page: Path, late_sweep: timedelta) -> None:
    """Write a page of these runs to a file, and download their reports and the page of the fleet beside it.

    A report that exists already is downloaded again only if it is older than the end of its run.

    Raises:
        ReportError: it cannot be written.
    """
    if page.name.casefold() == FLEET_HTML:
        raise ReportError(f"{page}: the page of the fleet has this name: give another to the page of runs")

    def with_report(record: RunRecord) -> dict[str, Any]:
        row = history.row(record)
        found = row["report"] and record.ended and _fetched(store, row["report"], record.ended, page.parent)
        return row if found else row | {"report": None}

    rows = in_parallel(with_report, records)
    page.parent.mkdir(parents=True, exist_ok=True)
    fleet = fetch_fleet_page(store, page.parent)
    write_index(rows, page, last_sweep(store.runs, late_sweep), fleet=fleet)


def write_index(
    rows: Sequence[dict[str, Any]],
    page: Path,
    swept: LastSweep,
    note: str | None = None,
    fleet: str | None = None,
) -> None:
    """Write the page of runs, in this order; `fleet` is the address of the page of the fleet.

    Raises:
        ReportError: it cannot be written.
    """
    import msgspec

    from scoring.errors import ScoringError
    from scoring.report import index

    finished = swept.finished.isoformat() if swept.finished else None
    late_after = swept.late_after.total_seconds()
    try:
        known = msgspec.convert(rows, list[index.RunRow])
        index.write_index(known, page, note, finished, late_after, fleet=fleet)
    except ScoringError as error:
        raise ReportError(str(error)) from error


def _updated(store: Store, late_sweep: timedelta, now: datetime, *, runs_ended: bool) -> bool:
    """Write the page once, if it is outdated; False if another process was faster."""
    page_before = store.preds.find(INDEX_HTML)  # before the listing: see above
    shown = _shown_sweep(page_before, late_sweep)
    swept = shown if _is_near(shown, now) else last_sweep(store.runs, late_sweep)
    if not runs_ended and (page_before is None or _is_near(shown, swept.finished)):
        return True
    rows = history.newest(store.runs, MOST_RUNS)
    linked = page_before and page_before.metadata.get("fleet")  # once written, the page of the fleet stays
    fleet = FLEET_HTML if linked or store.preds.find(FLEET_HTML) else None
    version = hashlib.sha256(json.dumps([fleet, rows]).encode()).hexdigest()
    if page_before and page_before.metadata.get("rows") == version and shown == swept:
        return True
    with tempfile.TemporaryDirectory(prefix="fleet-runs-") as folder:
        page = Path(folder) / INDEX_HTML
        note = f"The {MOST_RUNS:,} runs that finished last." if len(rows) == MOST_RUNS else None
        write_index(rows, page, swept, note, fleet)
        data = page.read_bytes()
    metadata = {"rows": version, "swept": swept.finished.isoformat() if swept.finished else ""}
    if fleet:
        metadata["fleet"] = fleet
    return write_over(store.preds, INDEX_HTML, page_before, data, metadata)


def _is_near(shown: LastSweep, time: datetime | None) -> bool:
    """Whether the page shows a sweep so close to that time that it will not soon call it late."""
    if shown.finished is None or time is None:
        return False
    return abs(time - shown.finished) < shown.late_after / 3


def _shown_sweep(page: BlobInfo | None, late_sweep: timedelta) -> LastSweep:
    """The last sweep as the page shows it; none if it shows no such time."""
    shown = None
    with suppress(ValueError, OverflowError):
        shown = in_utc(datetime.fromisoformat(page.metadata.get("swept", "") if page else ""))
    return LastSweep(shown, late_sweep)


def _fetched(store: Store, report: str, ended: datetime, folder: Path) -> bool:
    path = folder / report
    if path.is_file() and path.stat().st_mtime >= ended.timestamp():
        return True
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        store.preds.download(report, path)
    except NotFound:  # removed by a cleanup
        return False
    return True
