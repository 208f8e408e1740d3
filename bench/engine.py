"""What a run of the local engine costs beside scoring the same landing in one process.

A landing of 15 sensors is submitted, once to an engine that has no model on its machine yet, and once more.
Requests to storage are counted by a proxy in front of Azurite. Processor time is that of the worker with all
of its steps.

A machine fetches 1,000 models, once as a new one and once more, with a pack beside them and without one.
Storage is in memory; processor time is that of the machine and of the process that reads the pack.

Returns 1 if a budget is exceeded.
"""

import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from bench.listing import Counting
from bench.score import packed_copies
from dev.azurite import Azurite, connection_string
from dev.memory_storage import Blob, MemoryStorage
from dev.proxy import FaultProxy
from pipeline.clock import utc_now
from pipeline.engines.local.engine import LocalEngine
from pipeline.engines.local.models import fetch_models
from pipeline.flow.context import Context
from pipeline.flow.submit import submit_landing
from pipeline.flow.sweep import sweep
from pipeline.published.publish import publish
from pipeline.runs.record import RunState
from pipeline.runs.store import Runs
from pipeline.settings import Settings
from pipeline.step_environment import ROOT
from pipeline.storage.account import Store
from scoring.formats import PACK_NAME

SENSORS = 15
FILES = SENSORS + 8
"""What a run stores for its readers: predictions, summaries, rejects, episodes, report, _SUCCESS ..."""
BUDGET_REQUESTS = FILES + 27
"""25, of which 8 are for the fleet state and both pages; and two for each two seconds that the run takes."""
FIRST = 8
"""More that the first run of a fleet takes, beside its models: documents, pages that do not exist yet."""
BUDGET_RATIO = 7.0
"""Processor time of a run, in those of one process that scores everything."""


MODELS = 1_000
BUDGET_NEW, BUDGET_KNOWN = 2, 1
"""Requests of a fetch with a pack: a listing, and the pack where the machine is new."""
BUDGET_NEW_RATIO, BUDGET_KNOWN_RATIO = 0.5, 1.25
"""Processor time of a fetch with a pack, in that of one without."""


def main() -> int:
    """Measure and print; returns 1 if a budget is exceeded."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        make_fleet(place)
        alone = processor_seconds(lambda: score_alone(place))
        print(f"one process that scores everything: {alone:.2f} CPU s")
        kept = True
        with Azurite() as azurite, FaultProxy(azurite.ports["Blob"], lambda _: None) as proxy:
            context = open_context(connection_string(proxy.port), place)
            for new in (SENSORS, 0):
                name = f"{new}-new-models.csv"
                context.store.data.upload(name, place / "readings.csv")
                before = proxy.requests
                seconds = processor_seconds(partial(run, context, name))
                requests = proxy.requests - before - 1  # the last one is ours
                budget = BUDGET_REQUESTS + (new and new + FIRST)
                kept &= requests <= budget and seconds <= BUDGET_RATIO * alone
                print(
                    f"a run that fetches {new} models: {requests} requests, {FILES} of them for its results "
                    f"(budget {budget}); {seconds:.2f} CPU s, {seconds / alone:.1f} times as "
                    f"long as one process (budget {BUDGET_RATIO:g})"
                )
            context.store.close()
        kept &= fetches(place)
    return 0 if kept else 1


def fetches(place: Path) -> bool:
    """Measure and print what models cost that a machine fetches; False if a budget is exceeded."""
    fleet = place / "fleet"
    packed_copies(place / "models", fleet, MODELS)
    blobs = {path.name: Blob(path.read_bytes()) for path in fleet.iterdir()}
    with_pack = fetch_twice(blobs, place / "with")
    del blobs[PACK_NAME]
    without = fetch_twice(blobs, place / "without")
    kept = True
    budgets = (BUDGET_NEW, BUDGET_NEW_RATIO), (BUDGET_KNOWN, BUDGET_KNOWN_RATIO)
    lines = zip(("new", "known"), with_pack, without, budgets, strict=True)
    for what, one, other, (most, most_ratio) in lines:
        ratio = one[1] / other[1]
        kept &= one[0] <= most and ratio <= most_ratio
        print(
            f"{MODELS:,} {what} models with a pack: {one[0]} requests (budget {most}), without {other[0]}; "
            f"{ratio:.2f} of the processor time (budget {most_ratio:g})"
        )
    return kept


def fetch_twice(blobs: dict[str, Blob], place: Path) -> list[tuple[int, float]]:
    """Requests and processor seconds of a new machine, and of the same one for its next run."""
    counting, found = Counting(), []
    with MemoryStorage({"models": blobs}) as storage:
        settings = Settings.from_environment({"ScoringStorage": storage.connection_string})
        store = Store.connect(settings, transport=counting)
        store.models.exists(PACK_NAME)  # connects
        for which in ("new", "known"):
            (models := place / which).mkdir(parents=True)
            counting.count, own = 0, time.process_time()
            child = processor_seconds(partial(fetch_models, store, place / "cache", models, ROOT))
            found.append((counting.count, time.process_time() - own + child))
        store.close()
    return found


def make_fleet(place: Path) -> None:
    """Simulate readings, and train a model for each sensor."""
    readings, models = str(place / "readings.csv"), str(place / "models")
    size = ["--devices", "3", "--sensors", str(SENSORS // 3), "--readings", "720"]
    scoring("simulate", *size, "--out", readings)
    scoring("train", "--data", readings, "--models", models)


def score_alone(place: Path) -> None:
    """Score all readings in one process, with a report."""
    given = ["--data", str(place / "readings.csv"), "--models", str(place / "models")]
    scoring("score", *given, "--out", str(place / "out"))


def open_context(connection: str, place: Path) -> Context:
    """An engine with a pipeline that has a step per sensor."""
    settings = Settings.from_environment({"ScoringStorage": connection, "SCORING_LOCAL_PROCESSES": "2"})
    store = Store.connect(settings)
    for container in (store.data, store.models, store.preds, store.runs):
        container.ensure()
    for model in (place / "models").iterdir():
        store.models.upload(model.name, model)
    engine = LocalEngine(settings, store, Runs(store, utc_now), folder=place / "machine")
    publish(store, settings, engine)
    context = Context(settings, store, engine, utc_now)
    sweep(context, None, random_hex="000000")
    return context


def run(context: Context, name: str) -> None:
    """Submit a landing, and wait until its worker has ended."""
    others = threading.active_count()
    found = submit_landing(context, name).run
    assert found is not None
    while threading.active_count() > others:  # a thread of the engine waits for the worker
        time.sleep(0.05)
    record = context.runs.load(found)
    assert record.state is RunState.SUCCEEDED, record


def scoring(*words: str) -> None:
    """Run a command of `scoring`."""
    subprocess.run([sys.executable, "-m", "scoring", *words], check=True, capture_output=True)


def processor_seconds(work: Callable[[], object]) -> float:
    """Processor seconds of the processes that `work` starts and waits for, with those that they wait for."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    work()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # bytecode is cached, as on a machine that is in use
    sys.exit(main())
