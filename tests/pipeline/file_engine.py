"""An engine in a folder: it accepts runs, idempotently by name, and a test sets their status."""

import json
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pipeline.engine import StepStatus
from pipeline.errors import EngineError
from pipeline.flow.context import Context
from pipeline.published.documents import Documents, PublishedPipeline
from pipeline.published.publish import publish
from pipeline.runs.record import RunRecord, RunState, RunStatus
from pipeline.runs.store import Runs
from pipeline.settings import Settings
from pipeline.storage.account import Store


class FileEngine:
    """`<folder>/<run>` holds the landings of the run at the time when it was accepted."""

    def __init__(self, folder: Path, runs: Runs) -> None:
        self.folder = folder
        self.runs = runs
        self.refuses: str | None = None
        """Why it refuses all runs at the moment."""

    def submit(self, record, published: PublishedPipeline) -> None:
        if self.refuses:
            raise EngineError(self.refuses)
        landings = self.runs.manifest(record.run).landings
        taken = self.folder / record.run
        with (self.folder / f"{record.run}.calls").open("a") as calls:
            calls.write(f"{published.version}\n")
        if not taken.exists():  # atomic: a test reads it while others submit
            part = self.folder / f"{record.run}.{id(landings)}.part"
            part.write_text(json.dumps([[landing.name, landing.etag] for landing in landings]))
            part.replace(taken)

    def status(self, record: RunRecord) -> RunStatus:
        file = self.folder / f"{record.run}.status"
        status = json.loads(file.read_text()) if file.exists() else {"state": "submitted"}
        return RunStatus(**status | {"state": RunState(status["state"])})

    def cancel(self, record: RunRecord) -> None:
        (self.folder / f"{record.run}.canceled").touch()

    # For tests

    def taken(self) -> dict[str, list[tuple[str, str]]]:
        """Name and ETag of each landing, by run."""
        return {
            path.name: [(name, etag) for name, etag in json.loads(path.read_text())]
            for path in self.folder.iterdir()
            if not path.suffix
        }

    def calls(self, run: str) -> int:
        """How often the run was submitted."""
        path = self.folder / f"{run}.calls"
        return len(path.read_text().splitlines()) if path.exists() else 0

    def say(self, run: str, **status) -> None:
        """Set the status of the run."""
        (self.folder / f"{run}.status").write_text(json.dumps(status))

    def processors(self) -> int:
        return 2

    def publish(self, documents: Documents) -> PublishedPipeline:
        return PublishedPipeline(version=documents.version, engine="local", steps=documents.steps)

    def steps(self, run: str) -> list[StepStatus]:  # noqa: ARG002 - its runs have none
        return []

    def logs(self, run: str, known: Collection[str] = ()) -> Iterator[tuple[str, str]]:  # noqa: ARG002
        return iter(())


@dataclass
class Clock:
    """A clock that stops unless a test moves it."""

    now: datetime = datetime(2026, 11, 23, 5, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def move(self, **duration: float) -> None:
        self.now += timedelta(**duration)


def open_context(
    settings: Settings, folder: Path, clock: Callable[[], datetime], *, transport=None
) -> Context:
    """A context with an engine in `folder`."""
    folder.mkdir(exist_ok=True)
    store = Store.connect(settings, transport=transport)
    return Context(settings, store, FileEngine(folder, Runs(store, clock)), clock)


def publish_one_sensor(context: Context) -> None:
    """Publish the pipeline of a fleet of one sensor; its model is never read."""
    context.store.models.put("model_1_3.skops", b"a model")
    publish(context.store, context.settings, context.engine)
