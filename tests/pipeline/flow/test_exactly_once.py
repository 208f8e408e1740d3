"""Each landing is in exactly one run, however often its event is delivered, and whichever process dies."""

import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dev.azurite import connection_string
from dev.proxy import FaultProxy, at_random
from pipeline.clock import utc_now
from pipeline.flow.context import Context
from pipeline.flow.recover import recover
from pipeline.flow.submit import submit_landing
from pipeline.flow.sweep import sweep
from pipeline.runs.record import RunState
from pipeline.settings import Settings
from pipeline.storage.account import Store, in_parallel
from tests.pipeline.counting import InterruptingTransport
from tests.pipeline.deliveries import Child, Plan
from tests.pipeline.file_engine import open_context, publish_one_sensor

ROOT = Path(__file__).parents[3]
HASTY = {"SCORING_PENDING_MINUTES": "0.0001", "SCORING_MAX_ACTIVE_RUNS": "10000"}


@pytest.fixture
def context(environment, store, tmp_path):
    context = open_context(Settings.from_environment(environment | HASTY), tmp_path / "engine", utc_now)
    publish_one_sensor(context)
    yield context
    context.store.close()


@pytest.fixture
def carry_out(context, environment):
    """Carry out a plan in processes of its own; how each ended, and what they logged."""

    def carry_out(children, *, at_once, **more):
        plan = Plan(str(context.engine.folder), tuple(children), at_once)
        done = subprocess.run(
            [sys.executable, "-m", "tests.pipeline.deliveries"],
            input=plan.to_json(),
            env=environment | HASTY | more | {"PYTHONPATH": str(ROOT)},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
            timeout=200,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return json.loads(done.stdout), done.stderr

    return carry_out


def land(context, count):
    names = [f"2018/08/28/{number:03}.csv" for number in range(count)]
    in_parallel(lambda name: context.store.data.put(name, b"TS,Device,Sensor,Value\n"), names)
    return names


def sweep_until_settled(context):
    """Sweep until nothing is pending and nothing is new."""
    deadline = time.monotonic() + 60
    while True:
        report = sweep(context, None, random_hex=random.randbytes(3).hex())
        waiting = [record.run for record in context.runs.newest() if record.state is RunState.PENDING]
        unborn = set(open_runs(context)) - {record.run for record in context.runs.newest()}
        if report.run is None and not waiting and not unborn:
            return
        assert time.monotonic() < deadline, (str(report), waiting, unborn)


def open_runs(context):
    return [marker.run for marker in context.runs.markers.all()]


def assert_each_is_scored_once(context, names):
    """By the engine, by the claims and by the records."""
    taken = Counter(name for landings in context.engine.taken().values() for name, _ in landings)
    assert taken == Counter(names)
    claims = list(context.store.runs.list("landings/"))
    assert len(claims) == len(names)
    holders = in_parallel(lambda claim: context.store.runs.read(claim.name).data.decode(), claims)
    assert set(holders) == set(context.engine.taken())
    states = Counter(record.state for record in context.runs.newest())
    assert set(states) <= {RunState.SUBMITTED, RunState.EMPTY}
    assert states[RunState.SUBMITTED] == len(context.engine.taken())


@pytest.mark.slow
def test_events_delivered_ten_times_by_eight_processes_with_a_sweep_among_them(context, carry_out):
    names = land(context, 24)
    events = names * 10
    random.Random(1).shuffle(events)
    children = [Child(events=tuple(events[number::8])) for number in range(8)]
    ended, _ = carry_out([*children, Child(sweeps=3)], at_once=True)
    assert ended == [0] * 9
    sweep_until_settled(context)
    assert_each_is_scored_once(context, names)


@pytest.mark.slow
def test_submitters_killed_at_fifty_points(context, carry_out):
    """Wherever a process dies that submits landings or sweeps, the next sweeps finish its work."""
    names = land(context, 50)
    chance = random.Random(2)
    points = [(last, answered, 0) for last in range(1, 10) for answered in (False, True)]
    while len(points) < len(names):
        points.append((chance.randint(1, 40), chance.random() < 0.5, 2))
    children = [
        Child(events=(name,), sweeps=sweeps, last=last, answered=answered)
        for name, (last, answered, sweeps) in zip(names, points, strict=True)
    ]
    ended, _ = carry_out(children, at_once=False)
    assert ended == [-signal.SIGKILL] * 50
    sweep_until_settled(context)
    assert_each_is_scored_once(context, names)


@pytest.mark.slow
def test_retries_killed_at_each_of_their_requests(context, carry_out):
    """A failed run's landings are never without a run, wherever the sweep dies that tries it again."""
    names = land(context, 1)
    carry_out([Child(events=tuple(names))], at_once=False)
    (run,) = context.engine.taken()
    context.runs.advance(context.runs.load(run), RunState.FAILED, retry=True)
    points = [(last, answered) for last in range(3, 16) for answered in (False, True)]
    carry_out([Child(sweeps=1, last=last, answered=answered) for last, answered in points], at_once=False)
    sweep_until_settled(context)
    assert set(context.engine.taken()) == {run, f"{run}-2"}
    assert context.runs.load(f"{run}-2").state is RunState.SUBMITTED
    assert open_runs(context) == [f"{run}-2"]


@pytest.mark.slow
def test_storage_that_fails_in_one_request_of_ten(context, carry_out, azurite):
    names = land(context, 20)
    events = names * 3
    random.Random(3).shuffle(events)
    children = [Child(events=tuple(events[number::4])) for number in range(4)]
    with FaultProxy(azurite.ports["Blob"], at_random(seed=4, share=0.1)) as proxy:
        through = {"ScoringStorage": connection_string(proxy.port)}
        ended, log = carry_out([*children, Child(sweeps=3)], at_once=True, **through)
        assert sum(proxy.faults.values()) > 20
    assert ended == [0] * 5
    assert "trying again in" in log
    sweep_until_settled(context)
    assert_each_is_scored_once(context, names)


@pytest.mark.parametrize("dies", [False, True], ids=["whole sweep", "sweep dies after the runs"])
@pytest.mark.parametrize("point", range(1, 9))
def test_a_submitter_that_is_held_up_while_a_sweep_gives_it_up(context, point, dies):
    """It can continue hours later, at any of its requests: what the sweep did in between stays."""
    names = land(context, 1)

    def hours_pass() -> None:
        recover(context, utc_now() + timedelta(hours=1))
        if not dies:
            sweep(context, None, random_hex="3fa94c")

    store = Store.connect(context.settings, transport=InterruptingTransport(point, hours_pass))
    slow = Context(context.settings, store, context.engine, utc_now)
    submit_landing(slow, names[0])
    recover(context, utc_now() + timedelta(hours=1))
    sweep_until_settled(context)
    assert_each_is_scored_once(context, names)
    store.close()


@pytest.mark.parametrize("point", range(3, 13))
def test_a_retry_that_is_held_up_while_another_sweep_does_it(context, point):
    names = land(context, 1)
    run = submit_landing(context, names[0]).run
    context.runs.advance(context.runs.load(str(run)), RunState.FAILED, retry=True)

    def hours_pass() -> None:
        recover(context, utc_now() + timedelta(hours=1))

    store = Store.connect(context.settings, transport=InterruptingTransport(point, hours_pass))
    sweep(Context(context.settings, store, context.engine, utc_now), None, random_hex="3fa94c")
    assert set(context.engine.taken()) == {run, f"{run}-2"}
    assert context.runs.load(f"{run}-2").state is RunState.SUBMITTED
    assert open_runs(context) == [f"{run}-2"]
    store.close()


def test_a_lost_event_ends_in_the_next_sweep(context):
    names = land(context, 3)
    report = sweep(context, datetime(2026, 11, 23, 5, tzinfo=UTC), random_hex="3fa94c")
    assert report.landings == 3
    assert_each_is_scored_once(context, names)


def test_a_blob_that_arrives_during_sweeps_is_found_by_one_of_them(context):
    """The watermark never passes a landing that no run has."""
    impatient = replace(context.settings, grace=timedelta(seconds=1))
    names = []
    sweeper = open_context(impatient, context.engine.folder, utc_now)
    for number in range(8):
        names.append(f"{number}.csv")
        context.store.data.put(names[-1], b"TS")
        sweep(sweeper, None, random_hex=f"{number:06x}")
    sweep_until_settled(context)
    assert_each_is_scored_once(context, names)
