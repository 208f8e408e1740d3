"""Fixtures: a context whose engine is a folder, and a small fleet that the local engine scores.

The models of the fleet are commands for a stand-in for scoring: see `standin.py`.
"""

import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest

from pipeline.engines.local.engine import LocalEngine
from pipeline.flow.context import Context
from pipeline.flow.submit import submit_landing
from pipeline.published import publish
from pipeline.runs.record import RunRecord, RunStatus
from pipeline.runs.store import Runs
from pipeline.settings import Settings
from scoring import formats
from scoring.formats import SUCCESS, SUMMARY_JSON, SUMMARY_VERSION
from tests.pipeline import standin
from tests.pipeline.file_engine import Clock, open_context, publish_one_sensor
from tests.pipeline.workers import all_workers

PATIENCE = 60.0


def until[Answer](ask: Callable[[], Answer | None], seconds: float = PATIENCE) -> Answer:
    """The first true answer of `ask`."""
    deadline = time.monotonic() + seconds
    while True:
        if answer := ask():
            return answer
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.1)  # asking more often would slow down what it waits for


@dataclass
class Fleet:
    """A context with the local engine, and actions of tests."""

    context: Context
    engine: LocalEngine
    ahead: timedelta = field(default=timedelta(0))
    """How far the clock of this context is ahead of the clock of the worker."""

    def models(self, **lines: str) -> None:
        """Upload models; `s1_2="fail reason"` is the model of sensor 1_2 (names start with a letter)."""
        for name, line in lines.items():
            self.context.store.models.put(f"model_{name[1:]}.skops", line.encode())

    def publish(self) -> publish.Publication:
        return publish.publish(self.context.store, self.context.settings, self.context.engine)

    def land(self, name: str, *keys: str, rows: int = 2) -> str:
        """Upload readings of these sensors."""
        lines = ["TS,Device,Sensor,Value"]
        for number in range(rows):
            for key in keys:
                device, sensor = key.split("_")
                lines.append(f"2026-01-01 00:00:{number:02},{device},{sensor},{number}.5")
        self.context.store.data.put(name, "\n".join(lines).encode())
        return name

    def start(self, name: str) -> str:
        """Submit a landing; returns its run."""
        run = submit_landing(self.context, name).run
        assert run is not None
        return run

    def ended(self, run: str) -> RunRecord:
        """The record of a run when it has finished and its worker has ended."""

        def over() -> RunRecord | None:
            record = self.context.runs.load(run)
            marked = any(marker.run == run and marker.held for marker in self.context.runs.markers.all())
            return record if record.state.final and not marked else None

        return until(over)

    def cancel(self, run: str) -> None:
        """Request that a run stops."""
        self.context.runs.request_cancel(run)
        self.engine.cancel(self.context.runs.load(run))

    def status(self, run: str) -> RunStatus:
        """What the engine says of a run."""
        return self.engine.status(self.context.runs.load(run))

    def score(self, name: str) -> RunRecord:
        return self.ended(self.start(name))

    def predictions(self, run: str) -> list[str]:
        """All rows that a run predicted, without headers."""
        preds = self.context.store.preds
        return [
            line
            for blob in preds.list(f"{run}/preds_")
            for line in preds.read(blob.name).data.decode().splitlines()[1:]
        ]

    def summary(self, run: str):
        return json.loads(self.context.store.preds.read(f"{run}/{SUMMARY_JSON}").data)

    def finished(self, run: str) -> bool:
        return self.context.store.preds.exists(f"{run}/{SUCCESS}")


def plant_end(context: Context, run: str) -> None:
    """What someone who can write predictions, and nothing else, knows to write."""
    document = {
        "version": SUMMARY_VERSION,
        "run": run,
        "state": "succeeded",
        "reasons": [],
        "totals": {"readings": 2, "scored": 2, "rejected": 0, "anomalies": 0, "sensors": 1},
        "sensors": [],
        "landings": [],
    }
    context.store.preds.put(f"{run}/{SUMMARY_JSON}", json.dumps(document).encode())
    context.store.preds.put(f"{run}/{SUCCESS}", b"")


@pytest.fixture
def here(environment, monkeypatch, tmp_path):
    """A temporary working directory, and environment variables for existing containers."""
    monkeypatch.chdir(tmp_path)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return environment


def make_code(folder: Path) -> Path:
    """A folder in `folder` where `python -m scoring` is the stand-in."""
    package = folder / "code" / "scoring"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    shutil.copyfile(standin.__file__, package / "__main__.py")
    shutil.copyfile(formats.__file__, package / "formats.py")
    (package / "preload.py").touch()
    return package.parent


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """Code with the stand-in."""
    return make_code(tmp_path)


@pytest.fixture
def fleet(environment, store, code, tmp_path) -> Iterator[Fleet]:
    settings = Settings.from_environment(
        environment | {"SCORING_LOCAL_PROCESSES": "2", "SCORING_STEP_TRIES": "2"}
    )

    def clock() -> datetime:
        return datetime.now(UTC) + made.ahead

    runs = Runs(store, clock)
    engine = LocalEngine(settings, store, runs, folder=tmp_path / "machine", code=code)
    made = Fleet(Context(settings, store, engine, clock), engine)
    others = set(threading.enumerate())
    yield made
    _end_workers(tmp_path, others)


def _end_workers(folder: Path, others: set[threading.Thread]) -> None:
    """Kill the workers of a test, and wait for the threads that watch them: the store is closed next."""

    def have_ended() -> bool:
        for worker in (one for found in all_workers().values() for one in found):
            with suppress(psutil.Error):
                if any(str(folder) in word for word in worker.cmdline()):
                    worker.kill()
        return not [one for one in threading.enumerate() if one not in others and "(_watch)" in one.name]

    until(have_ended)


@pytest.fixture
def clock() -> Clock:
    """It stops unless a test moves it."""
    return Clock()


@pytest.fixture
def context(store, settings, clock, tmp_path):
    """A context whose engine is a folder, with something published."""
    context = open_context(settings, tmp_path / "engine", clock)
    publish_one_sensor(context)
    yield context
    context.store.close()
