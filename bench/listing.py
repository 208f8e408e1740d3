"""What the work costs beside a long history: requests to storage, and processor time as a ratio.

Storage is in memory and in a process of its own, so that a history of years fits. Each line is measured with
one length of the history and with twice that: what grows only with the work costs the same, but for its
listings, which take a request for each 5,000 blobs.
"""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import TYPE_CHECKING, Any, cast

from azure.core.pipeline.transport import RequestsTransport
from azure.storage.blob import BlobServiceClient

from dev.azurite import ACCOUNT
from dev.memory_storage import Blob, MemoryStorage
from pipeline.clock import utc_now
from pipeline.flow.cleanup import old_runs
from pipeline.flow.context import Context
from pipeline.flow.sweep import WATERMARK, Watermark, sweep
from pipeline.pages.index import update_index
from pipeline.runs import claims, history
from pipeline.runs.landing import Landing, Manifest
from pipeline.runs.names import blob_run, landing_key
from pipeline.runs.record import Cause, CauseKind, RunRecord, RunState
from pipeline.settings import Settings
from pipeline.storage.account import Store
from scoring.formats import FLEET_HTML, FLEET_STATE, INDEX_HTML

if TYPE_CHECKING:
    from pipeline.engine import Engine

PAGE = 5000
DAILY = 1000
"""Blobs that arrive in a day."""
SENSORS = 12
"""Sensors that send into one folder."""
SDK_BUDGET = 0.5
"""Largest part of the processor time that the SDK takes to list the same blobs."""
NOW = datetime(2026, 11, 23, 5, tzinfo=UTC)
ETAG = Blob().etag
COUNTS = {"scored": 720, "anomalies": 36, "sensors": 15}

NO_ENGINE = cast("Engine", None)
"""No run is submitted."""

Containers = dict[str, dict[str, Blob]]


class Counting(RequestsTransport):  # type: ignore[misc]  # exported by a module __getattr__
    """Counts requests."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0
        self._lock = Lock()

    def send(self, request: Any, **kwargs: Any) -> Any:
        """Count and send a request."""
        with self._lock:
            self.count += 1
        return super().send(request, **kwargs)


@dataclass(frozen=True)
class Case:
    """Work beside a history of a length; its budget is a number of requests and a listing of containers."""

    what: str
    length: int
    build: Callable[[int], Containers]
    work: Callable[[Context], None]
    fixed: int
    lists: tuple[str, ...]


def main() -> int:
    """Measure and print; returns 1 if the work exceeds its budget."""
    kept = True
    for case in CASES:
        for length in (case.length, 2 * case.length):
            containers = case.build(length)
            requests, seconds = measured(containers, case.work)
            budget = case.fixed + sum(len(containers[name]) // PAGE for name in case.lists)
            kept &= requests <= budget
            print(f"{case.what} {length:,}: {requests} requests (budget {budget}), {seconds:.2f} CPU s")
    ratio = beside_the_sdk(old_blobs(20_000))
    print(f"a listing: {ratio:.2f} of the processor time of the SDK (budget {SDK_BUDGET})")
    return 0 if kept and ratio <= SDK_BUDGET else 1


def measured(containers: Containers, work: Callable[[Context], None]) -> tuple[int, float]:
    """Requests and processor seconds of the work, when it is done for the second time."""
    counting = Counting()
    with MemoryStorage(containers) as storage:
        settings = Settings.from_environment({"ScoringStorage": storage.connection_string})
        context = Context(settings, Store.connect(settings, transport=counting), NO_ENGINE, utc_now)
        work(context)
        counting.count = 0
        seconds = _processor(lambda: work(context))
        context.store.close()
    return counting.count, seconds


def beside_the_sdk(containers: Containers) -> float:
    """Processor time of our listing, as a part of that of the SDK's own."""
    with MemoryStorage(containers) as storage:
        store = Store.connect(Settings.from_environment({"ScoringStorage": storage.connection_string}))
        with BlobServiceClient.from_connection_string(storage.connection_string) as service:
            client = service.get_container_client("data")
            theirs = _processor(lambda: sum(1 for _ in client.list_blobs(results_per_page=PAGE)))
        ours = _processor(lambda: sum(1 for _ in store.data.list()))
        store.close()
    return ours / theirs


def old_blobs(number: int) -> Containers:
    """Blobs that arrived before the watermark."""
    watermark = Watermark(f"{ACCOUNT}/data", datetime(2026, 11, 1, tzinfo=UTC))
    data = {f"2025/{one // 100:06}/{one:08}.csv": Blob(b"TS") for one in range(number)}
    return _containers(data=data, preds=_pages(), runs={WATERMARK: Blob(watermark.to_bytes())})


def dated_blobs(number: int) -> Containers:
    """Blobs of one site, a folder for each day until today; all were swept before."""
    now = datetime.now(UTC)
    data: dict[str, Blob] = {}
    for one in range(number):
        arrived = now - timedelta(days=one // DAILY, hours=2)
        data[f"site-a/{arrived:%Y/%m/%d}/{one:08}.csv"] = Blob(b"TS", modified=arrived)
    watermark = Watermark(f"{ACCOUNT}/data", now - timedelta(hours=1))
    return _containers(data=data, preds=_pages(), runs={WATERMARK: Blob(watermark.to_bytes())})


def blobs_in_one_folder(number: int) -> Containers:
    """Blobs whose names grow with time; all were swept before."""
    return _growing(["readings"], number, timedelta(days=1) / DAILY)


def sensors_in_one_folder(number: int) -> Containers:
    """A blob an hour of each sensor, whose names grow with time; all were swept before."""
    return _growing([f"pump-{sensor}" for sensor in range(SENSORS)], number, timedelta(hours=1))


def _growing(sensors: Sequence[str], number: int, interval: timedelta) -> Containers:
    now = datetime.now(UTC)
    data: dict[str, Blob] = {}
    for one in range(number // len(sensors)):
        arrived = now - one * interval - timedelta(hours=2)
        data |= {
            f"{sensor}-{arrived:%Y-%m-%dT%H%M%S}.csv": Blob(b"TS", modified=arrived) for sensor in sensors
        }
    watermark = Watermark(f"{ACCOUNT}/data", now - timedelta(hours=1))
    return _containers(data=data, preds=_pages(), runs={WATERMARK: Blob(watermark.to_bytes())})


def old_claims(number: int) -> Containers:
    """Claims on landings."""
    keys = [_key(f"old/{one}.csv") for one in range(number)]
    return _containers(runs={claims.path(key): Blob(b"x", {"run": blob_run(key)}) for key in keys})


def hourly_runs(number: int) -> Containers:
    """Finished runs, one an hour; those older than a week have been cleaned up."""
    data: dict[str, Blob] = {}
    preds: dict[str, Blob] = {}
    runs: dict[str, Blob] = {}
    for one in range(number):
        ended = NOW - timedelta(hours=one)
        name = f"2026/{one:06}.csv"
        run = blob_run(_key(name))
        landing = Landing(name, ETAG, 2, None)
        record = succeeded(run, name, ended)
        data[name] = Blob(b"TS")
        runs[claims.path(_key(name))] = Blob(run.encode(), {"run": run})
        runs[f"{run}/record.json"] = Blob(record.to_bytes())
        runs[f"{run}/manifest.json"] = Blob(Manifest(run, (landing,)).to_bytes())
        if NOW - ended <= timedelta(days=7):
            runs |= row(record)
            preds |= {f"{run}/{file}": Blob(b"x") for file in ("_SUCCESS", "preds_1_3.csv", "summary.json")}
    return _containers(data=data, preds=preds, runs=runs)


def listed_runs(number: int) -> Containers:
    """The rows of finished runs, one an hour."""
    runs: dict[str, Blob] = {}
    for one in range(number):
        name = f"2026/{one:06}.csv"
        runs |= row(succeeded(blob_run(_key(name)), name, NOW - timedelta(hours=one)))
    return _containers(runs=runs)


def succeeded(run: str, name: str, ended: datetime) -> RunRecord:
    """The record of a run that scored one landing."""
    return RunRecord(
        run=run,
        cause=Cause(CauseKind.BLOB, name),
        state=RunState.SUCCEEDED,
        published="v1",
        created=ended - timedelta(seconds=30),
        ended=ended,
        counts=COUNTS,
    )


def row(record: RunRecord) -> dict[str, Blob]:
    """The row of a finished run in the runs container."""
    return {str(history.blob_name(record)): Blob(b"", history.metadata(record))}


def sweep_again(context: Context) -> None:
    """A sweep of the whole container that finds nothing new."""
    assert sweep(context, None, random_hex="000000").landings == 0


def tick_again(context: Context) -> None:
    """A sweep by a timer that finds nothing new."""
    assert sweep(context, utc_now(), random_hex="000000").landings == 0


def list_newest(context: Context) -> None:
    """The 20 newest runs."""
    assert len(context.runs.newest_rows(20)) == 20


def clean_up(context: Context) -> None:
    """A cleanup that finds nothing to remove."""
    assert not list(old_runs(context, timedelta(days=7, minutes=1), NOW))


def renew_page(context: Context) -> None:
    """A run ends: its row is added, and the page of runs is renewed."""
    history.add(context.store.runs, succeeded(f"manual-{time.monotonic_ns()}", "a.csv", utc_now()))
    update_index(context.store, context.settings.late_sweep, utc_now())


def find_unclaimed(context: Context) -> None:
    """The question of a sweep: which of 1,000 landings are new?"""
    landings = [Landing(f"new/{one}.csv", ETAG, 2, None) for one in range(1000)]
    assert len(context.runs.unclaimed(landings)) == len(landings)


def _pages() -> dict[str, Blob]:
    """The fleet state and the pages after a sweep, none outdated; their content is not read."""
    state = Blob(b"", {"waiting": "0"})
    return {
        FLEET_STATE: state,
        FLEET_HTML: Blob(b"", {"state": state.etag}),
        INDEX_HTML: Blob(b"", {"swept": utc_now().isoformat()}),
    }


def _containers(**containers: dict[str, Blob]) -> Containers:
    return {"data": {}, "models": {}, "preds": {}, "runs": {}} | containers


def _key(name: str) -> str:
    return landing_key(ACCOUNT, "data", name, ETAG)


def _processor(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


CASES = (
    Case("sweep with nothing new, old blobs:", 50_000, old_blobs, sweep_again, 7, ("data",)),
    Case("tick with nothing new, dated blobs:", 500_000, dated_blobs, tick_again, 9, ()),
    Case("tick with nothing new, blobs in one folder:", 50_000, blobs_in_one_folder, tick_again, 9, ()),
    Case(
        "tick with nothing new, a dozen sensors in one folder:",
        100_000,
        sensors_in_one_folder,
        tick_again,
        20,
        (),
    ),
    Case("20 newest runs, of", 17_520, hourly_runs, list_newest, 2, ()),
    Case("cleanup with nothing to remove, runs:", 900, hourly_runs, clean_up, 5, ("data", "preds", "runs")),
    Case("page of runs at the end of a run, runs:", 1_000, listed_runs, renew_page, 6, ()),
    Case("1,000 new landings, old claims:", 20_000, old_claims, find_unclaimed, 1, ("runs",)),
)

if __name__ == "__main__":
    sys.exit(main())
