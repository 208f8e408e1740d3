"""What a sweep holds in memory: one page of a listing, and little for each landing that it checks."""

import sys
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import TYPE_CHECKING, cast

import psutil
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


@contextmanager
def scored(blobs: int, arrived: timedelta) -> Iterator[Context]:
    """A container in which all blobs arrived so long ago, and have their run."""
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
        yield Context(settings, store, NO_ENGINE, utc_now)
        store.close()


def peak(blobs: int, arrived: timedelta) -> int:
    """Most bytes that Python held during a sweep of such a container."""
    with scored(blobs, arrived) as context:
        tracemalloc.start()
        try:
            assert sweep(context, utc_now(), random_hex="123456").landings == 0
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()


@pytest.mark.parametrize(
    ("arrived", "most"), [(timedelta(minutes=1), 800), (timedelta(days=1), 250)], ids=["to check", "earlier"]
)
def test_more_pages_of_blobs_need_little_more_than_one(arrived, most):
    """In bytes for each blob. It was 1,500 and 700 when the page before was kept."""
    assert (peak(4 * PAGE, arrived) - peak(PAGE, arrived)) / (3 * PAGE) < most


@pytest.mark.skipif(sys.platform != "linux", reason="other C libraries keep nothing for a thread")
def test_a_thread_that_has_swept_keeps_no_memory():
    """A host calls functions in many threads. Each kept 3 to 8 MB until it was given back."""
    with scored(PAGE, timedelta(days=1)) as context, ThreadPoolExecutor(10) as threads:
        list(threads.map(Barrier(10).wait, [None] * 10))  # all of them run
        sizes = []
        for _ in range(10):
            threads.submit(sweep, context, utc_now(), random_hex="123456").result()
            sizes.append(psutil.Process().memory_info().rss)
    assert sizes[-1] - sizes[0] < 10 * 2**20
