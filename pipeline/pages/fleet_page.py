"""`fleet.html` in the preds container: every sensor over days, rendered from the fleet state.

The page says which version of the state it shows. Concurrent writers are safe: each reads the ETag of the
page first, then the state, and replaces only that version of the page.
"""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import NotFound
from pipeline.pages.shared_page import keep_updated, write_over
from pipeline.storage.account import Store
from scoring.formats import FLEET_HTML, FLEET_STATE

if TYPE_CHECKING:
    from pipeline.fleet.store import Stored


def update_fleet_page(store: Store, current: str | None, written: "Stored | None" = None) -> None:
    """Update the page of the fleet, if it is outdated. An error is logged and harms no run.

    `current` is the ETag of the state as the caller has just found it, or has `written` it.
    """
    keep_updated(store.preds, FLEET_HTML, lambda: _updated(store, current, written))


def fetch_fleet_page(store: Store, folder: Path) -> str | None:
    """Download the page to `folder`; returns its name there, or None if no run has made it yet."""
    if not store.preds.exists(FLEET_HTML):
        return None
    folder.mkdir(parents=True, exist_ok=True)
    store.preds.download(FLEET_HTML, folder / FLEET_HTML)
    return FLEET_HTML


def _updated(store: Store, current: str | None, written: "Stored | None") -> bool:
    """Write the page once, if it is outdated; False if another process was faster."""
    before = store.preds.find(FLEET_HTML)
    shown = before.metadata.get("state") if before else None
    if shown and shown == current:
        return True
    if written and written.etag and shown == written.replaced:
        # The page shows what `written` has replaced. Who writes a later state writes the page after that.
        etag, data = written.etag, written.data
    else:
        try:
            content = store.preds.read(FLEET_STATE)  # after the page: it can have changed since
        except NotFound:
            return True
        etag, data = content.etag, content.data
        if shown == etag:
            return True
    from scoring.report.fleet import write_fleet
    from scoring.report.fleet_state import FleetState

    with tempfile.TemporaryDirectory(prefix="fleet-page-") as folder:
        document, page = Path(folder) / "state.json.gz", Path(folder) / FLEET_HTML
        document.write_bytes(data)
        write_fleet(FleetState.read(document), page)
        html = page.read_bytes()
    return write_over(store.preds, FLEET_HTML, before, html, {"state": etag})
