"""Calls that outlast an outage: of real storage that is stopped, and at each request of a submission."""

import json
import logging
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from dev.azurite import SERVICES, Azurite, connection_string
from dev.proxy import Fault, FaultProxy
from pipeline import errors
from pipeline.clock import utc_now
from pipeline.errors import EngineUnreachable, NothingPublished, StorageDenied, StorageUnreachable
from pipeline.flow.hold import LONGEST_WAIT, hold
from pipeline.flow.submit import Outcome
from pipeline.flow.triggers import submit_blob
from pipeline.runs.record import RunState
from pipeline.settings import MAX_HOLD_MINUTES, Settings
from pipeline.storage.account import in_parallel
from tests.pipeline.file_engine import open_context, publish_one_sensor

ROOT = Path(__file__).parents[3]
READINGS = b"TS,Device,Sensor,Value\n"
SUBMISSION = 10
"""Requests of the first submission of a process, which also asks what is published and what is active."""


class Outage:
    """Something that fails until a time, and a clock that only waiting and failing move."""

    def __init__(self, until=float("inf"), error=None, takes=0.0):
        self.now = 0.0
        self.until = until
        self.error = error or StorageUnreachable("it does not respond")
        self.takes = takes
        self.waits = []

    def ask(self):
        self.now += self.takes
        if self.now < self.until:
            raise self.error
        return "done"

    def wait(self, seconds):
        self.waits.append(seconds)
        self.now += seconds

    def hold(self, minutes):
        return hold(self.ask, timedelta(minutes=minutes), clock=lambda: self.now, sleep=self.wait)


def test_a_call_continues_within_seconds_of_the_end_of_an_outage():
    outage = Outage(until=200)
    assert outage.hold(4) == "done"
    assert outage.now <= 200 + LONGEST_WAIT
    assert len(outage.waits) < 60
    assert max(outage.waits) <= LONGEST_WAIT


def test_each_wait_says_since_when_and_why(caplog):
    with caplog.at_level(logging.WARNING):
        Outage(until=0.1).hold(1)
    (line,) = caplog.messages
    assert line.startswith("holding on for 0 s now, trying again in ")
    assert line.endswith("s: it does not respond")


@pytest.mark.parametrize("takes", [0.1, 7, 45, 200])
def test_a_call_ends_in_time_even_if_each_attempt_takes_long(takes):
    outage = Outage(takes=takes)
    with pytest.raises(StorageUnreachable):
        outage.hold(4)
    assert 240 - 2 * takes - 2 * LONGEST_WAIT <= outage.now <= 240


@pytest.mark.parametrize("error", [NothingPublished(), StorageDenied("no role"), ValueError("a bug")])
def test_what_does_not_pass_is_not_waited_for(error):
    outage = Outage(error=error)
    with pytest.raises(type(error)):
        outage.hold(4)
    assert outage.waits == []


def test_only_silence_and_failures_of_a_service_are_temporary():
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    temporary = {kind for kind in kinds if getattr(kind, "temporary", False)}
    assert temporary == {StorageUnreachable, EngineUnreachable}


def test_a_call_ends_before_the_host_kills_it():
    limit = json.loads((ROOT / "host.json").read_text(encoding="utf-8"))["functionTimeout"]
    hours, minutes, _ = (int(part) for part in limit.split(":"))
    defaults = Settings.from_environment({"ScoringStorage": "UseDevelopmentStorage=true"})
    assert defaults.hold <= timedelta(minutes=MAX_HOLD_MINUTES) < timedelta(hours=hours, minutes=minutes)
    assert defaults.hold * 2 < timedelta(hours=hours, minutes=minutes)


@pytest.fixture
def short_waits(monkeypatch):
    """Retry and hold as often as always, in a fraction of the time."""
    monkeypatch.setattr("pipeline.storage.retries.FIRST_WAIT", 0.005)
    monkeypatch.setattr("pipeline.flow.hold.FIRST_WAIT", 0.02)


def taken(context: Any) -> int:
    """How many runs the engine has accepted."""
    return len(context.engine.taken())


@pytest.mark.usefixtures("short_waits")
@pytest.mark.parametrize("fault", [Fault.RESET, Fault.LOST, Fault.BUSY])
def test_an_outage_at_any_request_ends_in_a_submitted_run_without_a_sweep(
    azurite, environment, store, tmp_path, fault
):
    """Each lasts for longer than the retries of a request, and of the note that the submission failed."""
    publish_one_sensor(open_context(Settings.from_environment(environment), tmp_path / "direct", utc_now))
    begins = 1

    def choose(request):
        return fault if begins <= request.number < begins + 12 else None

    for begins in range(1, SUBMISSION + 1):
        with FaultProxy(azurite.ports["Blob"], choose) as proxy:
            own = environment | {"ScoringStorage": connection_string(proxy.port)}
            context = open_context(Settings.from_environment(own), tmp_path / f"engine-{begins}", utc_now)
            store.data.put(f"{begins}.csv", READINGS)
            submission = submit_blob(context, store.data.name, f"{begins}.csv")
            assert proxy.faults[fault] == 12, begins
            assert context.runs.load(str(submission.run)).state is RunState.SUBMITTED, (begins, submission)
            assert taken(context) == 1
            context.store.close()


@pytest.mark.slow
def test_landings_whose_calls_meet_stopped_storage_are_submitted_when_it_is_back(
    environment, tmp_path, caplog
):
    with Azurite(tmp_path / "azurite") as azurite:
        own = environment | {"ScoringStorage": azurite.connection_string, "SCORING_HOLD_MINUTES": "2"}
        context = open_context(Settings.from_environment(own), tmp_path / "engine", utc_now)
        store = context.store
        for container in (store.data, store.models, store.preds, store.runs):
            container.ensure()
        publish_one_sensor(context)
        names = [f"{number}.csv" for number in range(10)]
        for name in names:
            store.data.put(name, READINGS)
    blobs, queues, tables = (azurite.ports[service] for service in SERVICES)
    is_held = threading.Event()
    caplog.handler.addFilter(lambda line: is_held.set() if "holding on" in line.getMessage() else True)
    outcomes = []
    calls = threading.Thread(
        target=lambda: outcomes.extend(
            in_parallel(lambda name: submit_blob(context, store.data.name, name), names)
        )
    )
    calls.start()
    assert is_held.wait(60)
    with Azurite(tmp_path / "azurite", (blobs, queues, tables)):
        calls.join(60)
        assert [submission.outcome for submission in outcomes] == [Outcome.SUBMITTED] * 10
        assert taken(context) == 10
        store.close()
