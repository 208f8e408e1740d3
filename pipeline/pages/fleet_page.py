"""`fleet.html` in the preds container: every sensor over days, rendered from the fleet state.

The page says which version of the state it shows. Concurrent writers are safe: each reads the ETag of the
page first, then the state, and replaces only that version of the page.
"""

import logging
import tempfile
from pathlib import Path

from pipeline.errors import AlreadyExists, Changed, NotFound
from pipeline.pages.run_scoring import write_fleet
from pipeline.storage.account import Store
from scoring.formats import FLEET_HTML, FLEET_STATE

TRIES = 10
"""After this number of tries the next run that finishes updates the page."""

logger = logging.getLogger(__name__)


def update_fleet_page(store: Store) -> None:
    """Update the page of the fleet, if it is outdated. An error is logged and harms no run."""
    page = f"{store.preds.name}/{FLEET_HTML}"
    try:
        if not any(_updated(store) for _ in range(TRIES)):
            logger.info("%s is not updated: other processes keep writing it, and the next run does too", page)
    except Exception as error:  # noqa: BLE001 - no error of the page may fail a run
        logger.warning("%s is not updated: %s", page, error)


def _updated(store: Store) -> bool:
    """Write the page once, if it is outdated; False if another process was faster."""
    before = store.preds.find(FLEET_HTML)
    stored = store.preds.find(FLEET_STATE)
    if stored is None or (before and before.metadata.get("state") == stored.etag):
        return True
    try:
        state = store.preds.read(FLEET_STATE)
    except NotFound:
        return True
    with tempfile.TemporaryDirectory(prefix="fleet-page-") as folder:
        document, page = Path(folder) / "state.json.gz", Path(folder) / FLEET_HTML
        document.write_bytes(state.data)
        write_fleet(document, page)
        data = page.read_bytes()
    metadata = {"state": state.etag}
    try:
        if before:
            store.preds.replace(FLEET_HTML, data, before.etag, metadata=metadata)
        else:
            store.preds.create(FLEET_HTML, data, metadata=metadata)
    except (AlreadyExists, Changed):
        return False
    return True
