"""Timers, compared with recordings of the real host's timer extension, on a simulated clock."""

import asyncio
import json
import statistics
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import BlobServiceClient

from dev.host.errors import HostError
from dev.host.functions import Function, Outcome, RetryPolicy
from dev.host.timers import NEVER, Clock, ScheduleStatus, StatusStore, TimerListener, at_start
from dev.host.triggers import TimerTrigger
from dev.host.worker import Worker
from pipeline.ncrontab import Schedule, WrongSchedule
from tests.dev.recordings import extract_and_whole, recorded

HOURLY = Schedule.parse("0 0 * * * *")
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
CLOSE = timedelta(seconds=1.5)
"""Maximum delay of a recorded call."""
REFUSED = {"constant_5s", "constant_zero", "never_30_feb", "setting_blank", "setting_wrong"}
REFUSED |= {"setting_wrong_partial", "setting_blank_partial"}
"""Scenarios whose schedule is rejected: see docs/decisions/development-host.md for the first three."""


class SimulatedClock(Clock):
    """Waits without delay, and sets an event at its end."""

    def __init__(self, now, end):
        self.time, self.end = now, end
        self.until = asyncio.Event()

    def now(self):
        return self.time

    def advance(self, by):
        self.time += by
        if self.time >= self.end:
            self.until.set()

    async def pause(self, seconds, until):
        self.advance(timedelta(seconds=seconds))
        return until.is_set()


class RecordingWorker(Worker):
    """Records the arguments of a timer's function; duration and outcome of its calls are parameters."""

    def __init__(self, clock, *, takes=0, fails=False):
        self.clock, self.takes, self.fails = clock, timedelta(seconds=takes), fails
        self.given, self.how = [], []

    async def invoke(self, function, given, *, reason, invocation="", retry=0):
        self.given.append(json.loads(given.content))
        self.how.append((function.name, reason, invocation, retry))
        self.clock.advance(self.takes)
        return Outcome(ok=not self.fails)


@pytest.fixture
def hosts(azurite):
    with BlobServiceClient.from_connection_string(azurite.connection_string) as service:
        yield service.create_container(f"hosts-{uuid.uuid4().hex[:12]}")


def trigger(schedule, name="score_on_timer", *, at_start=False, retry=None):
    function = Function(name, "1", [], retry)
    monitored = not schedule.frequent
    return TimerTrigger(function, "timer", schedule, monitored=monitored, at_start=at_start)


def time_of(text):
    return datetime.fromisoformat(text).replace(tzinfo=None) if text else None


def is_close(found, expected):
    if found is None or expected is None:
        return found is expected
    return abs(found - expected) < CLOSE


def same_status(found, expected):
    """Whether two statuses agree: next ticks exactly, past times as close as calls began."""
    if not found or not expected:
        return (found or None) == (expected or None)
    times = [(time_of(found[key]), time_of(expected[key])) for key in ("Last", "LastUpdated")]
    return all(is_close(*pair) for pair in times) and time_of(found["Next"]) == time_of(expected["Next"])


def stored_text(store, function):
    try:
        return store.container.download_blob(store.path(function), encoding="utf-8").readall()
    except ResourceNotFoundError:
        return None


def play(scenario, store):
    """Run a recorded scenario; returns the first difference, if any."""
    name, function = scenario["name"], f"Host.Functions.{scenario['function']}"
    starts = [event for event in scenario["events"] if event["event"] == "start"]
    began = datetime.fromisoformat(scenario["started_at"])
    if scenario["stored_before"] is not None:
        store.container.upload_blob(store.path(function), scenario["stored_before"], overwrite=True)
    now = began + timedelta(milliseconds=scenario["start"].get("ms", 0))
    last = max([now, *(datetime.fromisoformat(event["t"]) for event in starts)])
    clock = SimulatedClock(now, last + timedelta(seconds=0.5))
    behaviour = scenario["told"]
    worker = RecordingWorker(clock, takes=behaviour.get("sleep", 0), fails=behaviour.get("throw", False))
    timer = trigger(
        Schedule.parse(scenario["schedule"]),
        scenario["function"],
        at_start=name.startswith("run_on_startup"),
    )
    try:
        asyncio.run(TimerListener(timer, worker, store, clock).run(clock.until))
    except HostError:
        return None if stored_text(store, function) == scenario["status_after_stop"] else "status"
    if len(worker.given) != len(starts):
        return f"{len(worker.given)} calls"
    for given, event in zip(worker.given, starts, strict=True):
        expected = event if event["Next"] else None
        if given["IsPastDue"] != event["IsPastDue"] or not same_status(given["ScheduleStatus"], expected):
            return f"{given} where {event}"
    after = [
        json.loads(text or "null") for text in (stored_text(store, function), scenario["status_after_stop"])
    ]
    killed = scenario["stopped_by"] != "SIGTERM"  # a simulated call finishes nevertheless
    return None if killed or same_status(*after) else f"stored {after[0]} where {after[1]}"


@extract_and_whole
def test_calls_and_stored_statuses_are_as_recorded(folder, hosts):
    differ, played = {}, 0
    for number, scenario in enumerate(recorded(folder, "timer")["scenarios"]):
        if scenario["name"] in REFUSED:
            with pytest.raises(WrongSchedule):
                Schedule.parse(scenario["schedule"])
            continue
        found = play(scenario, StatusStore(hosts, f"host{number}"))
        played += 1
        if found:
            differ[scenario["name"]] = found
    assert differ == {}
    assert played > 10


@extract_and_whole
def test_waits_between_retries_are_in_the_measured_range(folder):
    for name, waits in recorded(folder, "timer")["retry_delays_measured"].items():
        if name == "columns":
            continue
        shortest, longest = (timedelta(seconds=int(part.split()[1])) for part in name.split(", "))
        policy = RetryPolicy("exponential_backoff", 9, shortest, longest)
        for retry, (smallest, middle, largest) in waits.items():
            drawn = [policy.delay(int(retry)).total_seconds() for _ in range(400)]
            spread = 0.01 + (largest - smallest) * 0.05
            assert smallest - spread <= min(drawn) <= max(drawn) <= largest + spread
            assert abs(statistics.median(drawn) - middle) <= 0.02 + (largest - smallest) * 0.3


def test_a_fixed_delay_stays():
    fixed = RetryPolicy("fixed_delay", 3, timedelta(seconds=7), timedelta(seconds=7))
    assert [fixed.delay(retry).total_seconds() for retry in (1, 2, 3)] == [7, 7, 7]


def test_the_first_start_ever_is_not_past_due():
    assert at_start(None, HOURLY, NOON) == (ScheduleStatus(NEVER, NOON + HOUR, NOON), False)


def test_a_tick_missed_while_the_host_was_down_is_past_due_and_keeps_its_time():
    stored = ScheduleStatus(NOON - 5 * HOUR, NOON - 4 * HOUR, NOON - 5 * HOUR)
    assert at_start(stored, HOURLY, NOON + timedelta(seconds=5)) == (stored, True)


def test_a_first_tick_missed_is_past_due_too():
    stored = ScheduleStatus(NEVER, NOON - HOUR, NOON - 2 * HOUR)
    assert at_start(stored, HOURLY, NOON + timedelta(minutes=1)) == (stored, True)


def test_a_changed_schedule_is_not_past_due():
    stored = ScheduleStatus(NOON - 30 * HOUR, NOON - 29 * HOUR - timedelta(minutes=30), NOON - 30 * HOUR)
    now = NOON + timedelta(minutes=1)
    assert at_start(stored, HOURLY, now) == (ScheduleStatus(NEVER, NOON + HOUR, now), False)


def test_a_stored_status_is_read_back():
    assert ScheduleStatus.read(
        '{"Last": "0001-01-01T00:00:00", "Next": "2026-11-23T12:00:00+00:00", '
        '"LastUpdated": "2026-11-23T13:00:00.0000000+01:00"}'
    ) == ScheduleStatus(NEVER, NOON, NOON)


@pytest.mark.parametrize("text", ["no", "[]", "3", '{"Next": 3}', '{"Next": "noon"}', '{"Last": []}'])
def test_text_that_is_not_a_status_is_rejected(text):
    with pytest.raises(ValueError):  # noqa: PT011 - the store says what and where
        ScheduleStatus.read(text)


def test_a_stop_ends_the_wait_for_a_retry_and_the_tick_counts_as_done(hosts):
    policy = RetryPolicy("fixed_delay", -1, HOUR, HOUR)
    clock = SimulatedClock(NOON - timedelta(minutes=1), NOON + timedelta(minutes=90))
    worker, store = RecordingWorker(clock, fails=True), StatusStore(hosts, "retried")
    timer = TimerListener(trigger(HOURLY, retry=policy), worker, store, clock)
    asyncio.run(timer.run(clock.until))
    assert [given["ScheduleStatus"]["Next"] for given in worker.given] == [NOON.isoformat()] * 2
    assert [retry for *_, retry in worker.how] == [0, 1]
    assert len({invocation for _, _, invocation, _ in worker.how}) == 1
    status = store.load("Host.Functions.score_on_timer")
    assert status == ScheduleStatus(NOON, NOON + HOUR, NOON)
