"""`fleet.html` in the preds container: every sensor over days, rendered from the fleet state.

The page says which version of the state it shows. Concurrent writers are safe: each reads the ETag of the
page first, then the state, and replaces only that version of the page.
"""

import tempfile
from pathlib import Path

from pipeline.errors import NotFound
from pipeline.fleet.store import Stored
from pipeline.pages.shared_page import keep_updated, write_over
from pipeline.storage.account import Store
from scoring.formats import FLEET_HTML, FLEET_STATE


def update_fleet_page(store: Store, written: Stored | None = None) -> None:
    """Update the page of the fleet, if it is outdated. An error is logged and harms no run.

    `written` is the state as the caller has just written it: if it is the current one, it is not read again.
    """
    keep_updated(store.preds, FLEET_HTML, lambda: _updated(store, written))


def _updated(store: Store, written: Stored | None) -> bool:
    """Write the page once, if it is outdated; False if another process was faster."""
    before = store.preds.find(FLEET_HTML)
    stored = store.preds.find(FLEET_STATE)
    if stored is None or (before and before.metadata.get("state") == stored.etag):
        return True
    try:
        state = written if written and written.etag == stored.etag else store.preds.read(FLEET_STATE)
    except NotFound:
        return True
    from scoring.report.fleet import write_fleet
    from scoring.report.fleet_state import FleetState

    with tempfile.TemporaryDirectory(prefix="fleet-page-") as folder:
        document, page = Path(folder) / "state.json.gz", Path(folder) / FLEET_HTML
        document.write_bytes(state.data)
        write_fleet(FleetState.read(document), page)
        data = page.read_bytes()
    return write_over(store.preds, FLEET_HTML, before, data, {"state": state.etag or ""})
