"""`index.html` in the preds container: the runs that are over, renewed as runs end.

Whoever ends a run renews the page. Writers may meet: each looks which page is there, then which runs are
over, and writes only over the page that it saw; where another was faster it looks again. So the page that
stays was made from a listing that no other page is ahead of.
"""

import hashlib
import json
import logging
import tempfile
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from pipeline.errors import AlreadyExists, Changed, NotFound
from pipeline.pages.run_scoring import write_index
from pipeline.runs import history
from pipeline.runs.last import LastSweep, last_sweep
from pipeline.runs.record import RunRecord
from pipeline.storage.account import Store, in_parallel
from pipeline.storage.container import BlobInfo
from scoring.formats import INDEX_HTML

MOST_RUNS = 1000
TRIES = 10
"""So often another may be faster; then the page is left to the next run that ends."""

logger = logging.getLogger(__name__)


def renew(store: Store, late_sweep: timedelta, *, runs_ended: bool = True) -> None:
    """Bring the page up to the runs that are over. What goes wrong is logged and harms no run.

    Where no run ended, a page is renewed only if it is about to call a sweep late that has finished.
    """
    page = f"{store.preds.name}/{INDEX_HTML}"
    try:
        if not runs_ended and _shows_sweep(store.preds.find(INDEX_HTML), last_sweep(store.runs, late_sweep)):
            return
        if not any(_renewed(store, late_sweep) for _ in range(TRIES)):
            logger.info("%s is left to the next run that ends: others write it", page)
    except Exception as error:  # noqa: BLE001 - a page is never worth a run, whatever it is that is wrong
        logger.warning("%s is not renewed: %s", page, error)


def write_page(store: Store, records: Sequence[RunRecord], page: Path, late_sweep: timedelta) -> None:
    """Write a page of these runs to a file; their reports are fetched beside it.

    One that is there already is fetched again only if it is from before its run was over.

    Raises:
        ReportError: it cannot be written.
    """

    def row(record: RunRecord) -> dict[str, Any]:
        told = history.row(record)
        found = told["report"] and record.ended and _fetched(store, told["report"], record.ended, page.parent)
        return told if found else told | {"report": None}

    rows = in_parallel(row, records)
    page.parent.mkdir(parents=True, exist_ok=True)
    write_index(rows, page, last_sweep(store.runs, late_sweep))


def _renewed(store: Store, late_sweep: timedelta) -> bool:
    """Write the page once, if it is not up to date; False where another was faster."""
    there = store.preds.find(INDEX_HTML)  # before the listing: see above
    swept = last_sweep(store.runs, late_sweep)
    rows = history.noted(store.runs, MOST_RUNS)
    version = hashlib.sha256(json.dumps(rows).encode()).hexdigest()
    if there and there.metadata.get("rows") == version and _shows_sweep(there, swept):
        return True
    with tempfile.TemporaryDirectory(prefix="fleet-runs-") as folder:
        page = Path(folder) / INDEX_HTML
        note = f"The {MOST_RUNS:,} runs that ended last." if len(rows) == MOST_RUNS else None
        write_index(rows, page, swept, note)
        data = page.read_bytes()
    metadata = {"rows": version, "swept": swept.finished.isoformat() if swept.finished else ""}
    try:
        if there:
            store.preds.replace(INDEX_HTML, data, there.etag, metadata=metadata)
        else:
            store.preds.create(INDEX_HTML, data, metadata=metadata)
    except (AlreadyExists, Changed):
        return False
    return True


def _shows_sweep(page: BlobInfo | None, swept: LastSweep) -> bool:
    """Whether the page, if there is one, shows a sweep that is recent enough not to be called late."""
    if page is None or swept.finished is None:
        return True
    shown = page.metadata.get("swept", "")
    return shown != "" and swept.finished - datetime.fromisoformat(shown) < swept.late_after / 3


def _fetched(store: Store, report: str, ended: datetime, folder: Path) -> bool:
    path = folder / report
    if path.is_file() and path.stat().st_mtime >= ended.timestamp():
        return True
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        store.preds.download(report, path)
    except NotFound:  # cleaned up
        return False
    return True
