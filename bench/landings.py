"""How many landings per second become runs, with Azurite on this machine.

A landing takes a few small storage requests, so the unit is the time of one plain write of a small blob,
which compares across machines. A landing, a duplicate event and a landing in a sweep each have a budget.
"""

import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from dev.azurite import Azurite
from pipeline.clock import utc_now
from pipeline.engine import StepStatus
from pipeline.flow.context import Context
from pipeline.flow.submit import Outcome, submit_landing
from pipeline.flow.sweep import sweep
from pipeline.published.documents import PublishedPipeline
from pipeline.published.publish import publish
from pipeline.runs.record import RunRecord, RunState, RunStatus
from pipeline.settings import Settings
from pipeline.storage.account import Store, in_parallel

if TYPE_CHECKING:
    from pipeline.published.documents import Documents

LANDINGS = 200
BUDGET_WRITES = {"one landing": 11.0, "a duplicate event": 6.0, "one of many in a sweep": 4.0}
"""Budgets in plain writes; they take 6, 3 and 2 requests, a sweep many in parallel."""


class NoEngine:
    """An engine that accepts every run and does nothing, so that only the way to the engine is measured."""

    def processors(self) -> int:
        """One."""
        return 1

    def publish(self, documents: "Documents") -> PublishedPipeline:
        """Accept the documents."""
        return PublishedPipeline(version=documents.version, engine="local")

    def submit(self, record: RunRecord, published: PublishedPipeline) -> None:
        """Accept the run."""

    def status(self, record: RunRecord) -> RunStatus:  # noqa: ARG002
        """Return `submitted` for every run."""
        return RunStatus(state=RunState.SUBMITTED)

    def steps(self, run: str) -> list[StepStatus]:  # noqa: ARG002
        """Return no steps."""
        return []

    def logs(self, run: str, known: Collection[str] = ()) -> Iterator[tuple[str, str]]:  # noqa: ARG002
        """Return no logs."""
        return iter(())

    def cancel(self, record: RunRecord) -> None:
        """Do nothing."""


def main() -> int:
    """Measure and print; returns 1 if a landing exceeds its budget."""
    with Azurite() as azurite, tempfile.TemporaryDirectory() as folder:
        context = _context(azurite.connection_string, Path(folder))
        names = [f"2018/08/28/{number:05}.csv" for number in range(LANDINGS)]
        in_parallel(lambda name: context.store.data.put(name, b"TS,Device,Sensor,Value\n"), names)
        submit_landing(context, names.pop())  # opens connections and fills caches
        write = _seconds(lambda: [context.store.preds.put(name, b"{}") for name in names]) / len(names)
        took = {
            "one landing": _each(context, names, Outcome.SUBMITTED),
            "a duplicate event": _each(context, names, Outcome.ALREADY),
        }
        rate = _at_once(context, [f"at-once/{number:05}.csv" for number in range(LANDINGS)])
        took["one of many in a sweep"] = _swept(
            context, [f"swept/{number:05}.csv" for number in range(LANDINGS)]
        )
        context.store.close()
    print(f"a plain write of a small blob: {1000 * write:.1f} ms")
    kept = True
    for what, seconds in took.items():
        writes, budget = seconds / write, BUDGET_WRITES[what]
        kept &= writes <= budget
        print(f"{what}: {1 / seconds:,.0f} per second, {writes:.1f} writes (budget {budget:.0f})")
    print(f"landings submitted by 8 threads: {rate:,.0f} per second")
    return 0 if kept else 1


def _context(connection_string: str, folder: Path) -> Context:
    settings = Settings.from_environment(
        {"ScoringStorage": connection_string, "SCORING_MAX_ACTIVE_RUNS": "10000"}
    )
    store = Store.connect(settings)
    for container in (store.data, store.models, store.preds, store.runs):
        container.ensure()
    (folder / "model").write_bytes(b"a model that is never read")
    store.models.upload("model_1_3.skops", folder / "model")
    context = Context(settings, store, NoEngine(), utc_now)
    publish(context.store, context.settings, context.engine)
    return context


def _each(context: Context, names: list[str], outcome: Outcome) -> float:
    """Seconds per event, one event at a time."""

    def submit_all() -> None:
        assert {submit_landing(context, name).outcome for name in names} == {outcome}

    return _seconds(submit_all) / len(names)


def _at_once(context: Context, names: list[str]) -> float:
    """Landings per second in eight threads, as in one function host."""
    in_parallel(lambda name: context.store.data.put(name, b"TS"), names)
    with ThreadPoolExecutor(8) as threads:
        seconds = _seconds(lambda: list(threads.map(lambda name: submit_landing(context, name), names)))
    return len(names) / seconds


def _swept(context: Context, names: list[str]) -> float:
    """Seconds per landing of a sweep that finds and claims them.

    A sweep without new landings takes a part of it that is as small as the noise, so it is not subtracted.
    """
    sweep(context, None, random_hex="000000")
    in_parallel(lambda name: context.store.data.put(name, b"TS"), names)
    return _seconds(lambda: sweep(context, None, random_hex="000001")) / len(names)


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    sys.exit(main())
