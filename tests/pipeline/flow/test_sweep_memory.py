"""What a sweep holds in memory: one page of a listing, and little for each landing that it checks."""

import tracemalloc
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, cast

import pytest

from dev.azurite import ACCOUNT
from dev.memory_storage import Blob, MemoryStorage
from pipeline.clock import utc_now
from pipeline.flow.context import Context
from pipeline.flow.sweep import WATERMARK, Watermark, sweep
from pipeline.runs import claims
from pipeline.runs.names import landing_key
from pipeline.settings import Settings
from pipeline.storage.account import Store
from pipeline.storage.listing import PAGE

if TYPE_CHECKING:
    from pipeline.engine import Engine

NO_ENGINE = cast("Engine", None)
"""No run is submitted: each landing has its run already."""


def peak(blobs: int, arrived: timedelta) -> int:
    """Most bytes that Python held during a sweep of a container in which all blobs arrived so long ago."""
    now = datetime.now(UTC)
    names = [f"{number:06}.csv" for number in range(blobs)]
    data = {name: Blob(b"TS", modified=now - arrived) for name in names}
    keys = [landing_key(ACCOUNT, "data", name, blob.etag) for name, blob in data.items()]
    runs = {claims.path(key): Blob(b"x", {"run": "x"}) for key in keys}
    runs[WATERMARK] = Blob(Watermark(f"{ACCOUNT}/data", now - timedelta(hours=1)).to_bytes())
    with MemoryStorage({"data": data, "runs": runs, "preds": {}, "models": {}}) as storage:
        settings = Settings.from_environment({"ScoringStorage": storage.connection_string})
        store = Store.connect(settings)
        assert not list(store.preds.list())  # imports what a listing needs
        tracemalloc.start()
        try:
            report = sweep(Context(settings, store, NO_ENGINE, utc_now), now, random_hex="123456")
            most = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
            store.close()
    assert report.landings == 0
    return most


@pytest.mark.parametrize(
    ("arrived", "most"), [(timedelta(minutes=1), 800), (timedelta(days=1), 250)], ids=["to check", "earlier"]
)
def test_more_pages_of_blobs_need_little_more_than_one(arrived, most):
    """In bytes for each blob. It was 1,500 and 700 when the page before was kept."""
    assert (peak(4 * PAGE, arrived) - peak(PAGE, arrived)) / (3 * PAGE) < most
