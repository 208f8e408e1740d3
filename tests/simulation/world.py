"""The simulated world: hosts that call the real code and crash, and engines whose jobs fail and lose steps.

A job scores pairs of a landing and a sensor, of those that its manifest lists. It behaves as on both engines:
its end is reported when a sweep asks, as on Azure ML, or it is recorded at once, as a local worker does.
"""

import json
import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from unittest.mock import patch

from pipeline.alerts import RUN_FAILED
from pipeline.conclude import Conclusions
from pipeline.errors import (
    EngineUnreachable,
    IllegalTransition,
    InvalidRequest,
    PipelineError,
    StorageUnreachable,
    UnknownRun,
)
from pipeline.flow import cold_ranges
from pipeline.flow.cancel import cancel
from pipeline.flow.context import Context
from pipeline.flow.deferred import Deferred
from pipeline.flow.hold import hold
from pipeline.flow.manual import Request, submit_manual
from pipeline.flow.submit import submit_deferred, submit_landing
from pipeline.flow.sweep import sweep
from pipeline.published.documents import PublishedPipeline
from pipeline.published.publish import make_current
from pipeline.runs.landing import Landing
from pipeline.runs.record import RunRecord, RunState, RunStatus
from pipeline.runs.store import Runs
from pipeline.settings import Connection, Settings
from scoring import SensorKey
from scoring.formats import SUCCESS, SUMMARY_JSON, SUMMARY_VERSION, LandingStatus, SensorStatus
from tests.simulation.memory import MemoryStore, Process, Server

SETTINGS = Settings(connection=Connection(connection_string="UseDevelopmentStorage=true"), max_active_runs=2)
FOLDER = "published"
LOG = logging.getLogger("pipeline")


def blob_name(which: int) -> str:
    """The name of a blob; some have folders; ranges of names can become cold."""
    return f"{'a/b/' * (which % 3)}{which}.csv"


class Crash(BaseException):
    """The process died: nothing in it continues, not even its exception handlers."""


class Disturbance(StrEnum):
    """What can happen to one request."""

    CRASH_BEFORE = "the process dies before the request"
    CRASH_AFTER = "the process dies before the answer"
    LOST_REQUEST = "the request is lost"
    LOST_ANSWER = "the answer is lost"


@dataclass(frozen=True)
class Call:
    """What a host is asked to do."""

    what: str
    """deliver, deferred, sweep, manual or cancel."""
    which: int = 0
    plan: "Plan" = field(default_factory=lambda: Plan())  # noqa: PLW0108 - it is defined below


@dataclass(frozen=True)
class Plan:
    """Faults of a call by number of the request, the error of its host's clock, and the lag of listings."""

    at: Mapping[int, Disturbance | Call] = field(default_factory=dict)
    skew: timedelta = timedelta(0)
    late: timedelta = timedelta(0)
    holds: bool = False
    """Whether a delivery continues after a fault, as within the time of SCORING_HOLD_MINUTES."""


SENSORS = ("1_1", "1_2", "2_1")
"""Encoded keys of the fleet: every landing has readings of each."""
CUT_SHORT = b"cut short"
"""How the content of a landing begins that cannot be read to its end: the readings before that are scored."""


@dataclass
class Job:
    """A run in the engine."""

    status: RunStatus = field(default_factory=lambda: RunStatus(state=RunState.SUBMITTED))
    scored: frozenset[tuple[str, str]] = frozenset()
    """Landings by key and sensors that it predicted."""

    @property
    def state(self) -> RunState:
        return self.status.state


class Host(Process):
    """One process, for one call."""

    def __init__(self, world: "World", plan: Plan) -> None:
        self.world = world
        self.plan = plan
        self.count = 0
        self.dead = False

    def request(self, effect: Callable[[], Any], *, writes: bool = False) -> Any:  # noqa: ARG002
        if self.dead:
            raise Crash
        self.count += 1
        self.world.steps += 1
        disturbance = self.plan.at.get(self.count)
        if isinstance(disturbance, Call):
            self.world.call(disturbance)
        elif disturbance is Disturbance.CRASH_BEFORE:
            self._die()
        elif disturbance is Disturbance.LOST_REQUEST:
            raise StorageUnreachable("the request is lost")
        answer = effect()
        if disturbance is Disturbance.CRASH_AFTER:
            self._die()
        if disturbance is Disturbance.LOST_ANSWER:
            raise StorageUnreachable("the answer is lost")
        return answer

    def late(self) -> timedelta:
        return self.plan.late

    def _die(self) -> None:
        self.dead = True
        raise Crash


class Engine:
    """Accepts each run name once; its requests fail like those to storage."""

    def __init__(self, world: "World", host: Host, runs: Runs) -> None:
        self.world = world
        self.host = host
        self.runs = runs

    def submit(self, record: RunRecord, published: PublishedPipeline) -> None:  # noqa: ARG002
        def effect() -> None:
            self.world.jobs.setdefault(record.run, Job())

        self._asked(effect)

    def status(self, record: RunRecord) -> RunStatus:
        job: Job | None = self._asked(lambda: self.world.jobs.get(record.run))
        if job is not None:
            return job.status
        return RunStatus(state=record.state, lost=not record.state.final)

    def cancel(self, record: RunRecord) -> None:
        def effect() -> bool:
            job = self.world.jobs.get(record.run)
            if job and not job.state.final:
                job.status = RunStatus(state=RunState.CANCELED)
            return job is None

        if self._asked(effect):
            with suppress(IllegalTransition):
                self.runs.advance(record, RunState.CANCELED)

    def _asked(self, effect: Callable[[], Any]) -> Any:
        try:
            return self.host.request(effect)
        except StorageUnreachable as error:
            raise EngineUnreachable(str(error)) from error


class Alerts(logging.Handler):
    """The runs that the app logged as failed for good."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.runs: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        if record.getMessage().startswith(RUN_FAILED):
            self.runs.add(str(vars(record)["run"]))


class World:
    """Server, jobs and history."""

    def __init__(self) -> None:
        self.alerts = Alerts()
        self.depth = 0
        self.server = Server()
        self.jobs: dict[str, Job] = {}
        self.uploaded: dict[str, str] = {}
        """Blob name of every landing so far, by key."""
        self.deferred = Deferred()
        """Of all processes together, also of those that have crashed since."""
        self.known: dict[str, RunRecord] = {}
        self.steps = 0
        self.calls = 0
        self.lost: Counter[str] = Counter()
        """Jobs that lost steps, by how their end is recorded."""
        self.quiet = Host(self, Plan())
        self.store = MemoryStore(self.server, self.quiet)
        store: Any = self.store
        conclusions = Conclusions(SETTINGS, store, lambda: self.server.now)
        self.runs = Runs(store, lambda: self.server.now, conclusions.add_to_fleet)
        self.tick = self.server.now
        self.publish("v1")

    # Events

    def publish(self, version: str) -> None:
        pipeline = PublishedPipeline(version=version, engine="local", steps=1)
        store: Any = self.store
        make_current(store, pipeline)
        store.runs.put(f"{FOLDER}/{version}/published.json", store.runs.read(f"{FOLDER}/current").data)

    def upload(self, name: str, content: bytes) -> None:
        etag = self.store.data.put(name, content)
        self.uploaded[self.key(name, etag)] = name

    def remove(self, name: str) -> None:
        self.store.data.delete(name)

    def pass_time(self, duration: timedelta) -> None:
        self.server.now += duration

    def call(self, call: Call) -> None:
        """Let a host do something; if it raises, its trigger retries."""
        self.calls += 1
        host = Host(self, call.plan)
        store: Any = MemoryStore(self.server, host)
        clock = lambda: self.server.now + call.plan.skew  # noqa: E731
        engine: Any = Engine(self, host, Runs(store, clock))
        context = Context(SETTINGS, store, engine, clock)
        context.deferred = self.deferred
        self.depth += 1  # one call can interrupt another
        LOG.addHandler(self.alerts)
        try:
            with suppress(PipelineError, Crash), patch.object(cold_ranges, "LEAST", 1):
                self._do(context, call)
        finally:
            self.depth -= 1
            if not self.depth:
                LOG.removeHandler(self.alerts)

    def _do(self, context: Context, call: Call) -> None:
        match call.what:
            case "deliver":
                hold(
                    lambda: submit_landing(context, blob_name(call.which)),
                    SETTINGS.hold if call.plan.holds else timedelta(0),
                    clock=lambda: self.server.now.timestamp(),  # noqa: PLW0108 - it moves
                    sleep=lambda seconds: self.pass_time(timedelta(seconds=seconds)),
                )
            case "deferred":
                submit_deferred(context)
            case "sweep":
                sweep(context, self.tick, random_hex="000000")
            case "manual":
                submit_manual(context, Request(), random_hex=f"{self.calls:06x}")
            case "cancel":
                runs = sorted(self.known)
                if runs:
                    run = runs[call.which % len(runs)]
                    with suppress(InvalidRequest):  # it has finished
                        cancel(context, run)

    def end_job(self, which: int, outcome: str, lost: int = 0, *, local: bool = False) -> None:
        """End one of the active jobs, or remove it without a trace.

        Of a job that loses steps, `lost` says which by its bits. A `local` worker records the end itself.
        """
        live = [run for run, job in sorted(self.jobs.items()) if not job.state.final]
        if not live:
            return
        run = live[which % len(live)]
        if outcome == "vanishes":
            del self.jobs[run]
            return
        job = self.jobs[run]
        if outcome in {"succeeds", "loses steps", "loses collect late"}:
            self._score(run, job, lost if outcome == "loses steps" else 0)
            if job.status.missing:
                self.lost["local" if local else "azureml"] += 1
            if outcome == "loses collect late":  # after its last write
                job.status = RunStatus(state=RunState.FAILED, retry=True, error="collect was lost")
        else:  # its `collect` was lost, or a model is at fault: no results in either case
            job.status = RunStatus(state=RunState.FAILED, retry=outcome == "fails", error="it failed")
        if local:
            with suppress(IllegalTransition):
                self.runs.advance_to(self.runs.load(run), job.status)

    def _score(self, run: str, job: Job, lost: int) -> None:
        manifest = self.runs.manifest(run)
        names = [landing.name for landing in manifest.landings]
        assert len(names) == len(set(names)), (run, names, "which no step accepts")
        sensors = SENSORS if manifest.sensors is None else manifest.sensors
        there = [landing for landing in manifest.landings if self.is_there(landing)]
        cut_short = {landing.name for landing in there if self.is_cut_short(landing.name)}
        keys = [self.runs.key(landing) for landing in there]
        missing = tuple(
            name for bit, name in enumerate(SENSORS) if name in sensors and lost >> bit & 1 and keys
        )
        scored = [name for name in sensors if name not in missing]
        job.scored = frozenset((key, name) for key in keys for name in scored)
        totals = {"readings": len(sensors) * len(keys), "rejected": 0, "scored": len(job.scored)}
        summary = {
            "version": SUMMARY_VERSION,
            "run": run,
            "totals": totals,
            "sensors": [_sensor_row(name, is_lost=name in missing) for name in sensors if keys],
            "landings": [_landing_row(landing, cut_short) for landing in manifest.landings],
        }
        self.store.preds.put(f"{run}/{SUMMARY_JSON}", json.dumps(summary).encode())
        self.store.preds.put(f"{run}/{SUCCESS}", b"")
        state = RunState.PARTLY if job.scored else RunState.FAILED
        job.status = RunStatus(
            state=state if missing or cut_short else RunState.SUCCEEDED,
            retry=bool(missing),
            missing=missing,
            error="steps were lost" if missing else None,
            counts=totals,
        )

    # State

    def key(self, name: str, etag: str) -> str:
        return self.runs.key(Landing(name, etag, 1, None))

    def is_there(self, landing: Landing) -> bool:
        blob = self.server.blobs["data"].get(landing.name)
        return blob is not None and blob.etag == landing.etag

    def is_cut_short(self, name: str) -> bool:
        return self.server.blobs["data"][name].data.startswith(CUT_SHORT)

    def existing(self) -> dict[str, str]:
        """Names of all existing landings by key."""
        return {self.key(name, blob.etag): name for name, blob in self.server.blobs["data"].items()}

    def records(self) -> Iterator[RunRecord]:
        for name in sorted(self.server.blobs["runs"]):
            if name.endswith("/record.json"):
                yield self.runs.load(name.removesuffix("/record.json"))

    def claims(self) -> dict[str, str]:
        found = self.server.blobs["runs"].items()
        return {
            name.removeprefix("landings/"): blob.data.decode()
            for name, blob in found
            if name.startswith("landings/")
        }

    def finished(self, run: str) -> bool:
        return f"{run}/{SUCCESS}" in self.server.blobs["preds"]

    def scored_by(self, key: str, sensor: str) -> list[str]:
        return [run for run, job in self.jobs.items() if (key, sensor) in job.scored and self.finished(run)]

    def next_tick(self) -> datetime:
        self.tick = self.server.now
        return self.tick

    def has_run(self, run: str) -> bool:
        try:
            self.runs.load(run)
        except UnknownRun:
            return f"open/{run}" in self.server.blobs["runs"]
        return True


def _sensor_row(name: str, *, is_lost: bool) -> dict[str, Any]:
    key = SensorKey.from_encoded(name)
    status = SensorStatus.MISSING if is_lost else SensorStatus.SCORED
    return {"device": key.device, "sensor": key.sensor, "status": status, "reason": None, "readings": 1}


def _landing_row(landing: Landing, cut_short: Collection[str]) -> dict[str, Any]:
    status = LandingStatus.UNREADABLE if landing.name in cut_short else LandingStatus.READ
    return {"name": landing.name, "status": status, "reason": "it ends early"}
