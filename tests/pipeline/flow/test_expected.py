"""Which sensors a landing is expected to bring, by the runs that finished before it."""

import json

import pytest

from pipeline.flow import expected
from pipeline.flow.context import Context
from pipeline.flow.manual import Request, submit_manual
from pipeline.flow.submit import submit_landing
from pipeline.flow.sweep import sweep
from pipeline.runs.landing import Landing
from pipeline.runs.record import RunState
from pipeline.storage.account import Store
from scoring.formats import SensorStatus
from tests.pipeline.counting import CountingTransport

TOTALS = {"readings": 3, "scored": 3, "rejected": 0}
ROWS = (
    ("1", "1", SensorStatus.SCORED, 3),
    ("1", "2", SensorStatus.MISSING, 2),
    ("1", "3", SensorStatus.SILENT, 0),
    ("2", "1", SensorStatus.NO_READINGS, 0),
    ("a/b", "2", SensorStatus.NO_MODEL, 1),
)


@pytest.fixture
def finish(context, clock):
    """Lets a run finish with a summary."""

    def finish(run: str, *, state=RunState.PARTLY, sensors=3, rows=ROWS, summary=None) -> None:
        keys = [
            {"device": device, "sensor": sensor, "status": status, "reason": None, "readings": readings}
            for device, sensor, status, readings in rows
        ]
        document = {"version": 1, "totals": TOTALS, "sensors": keys, "landings": []}
        content = json.dumps(document).encode() if summary is None else summary
        context.store.preds.put(f"{run}/summary.json", content)
        context.runs.advance(context.runs.load(run), state, counts=TOTALS | {"sensors": sensors})
        clock.move(seconds=6)  # the list of runs that finished is reused for so long

    return finish


@pytest.fixture
def start(context):
    def start(name: str) -> str:
        context.store.data.put(name, b"TS,Device,Sensor,Value\n")
        return str(submit_landing(context, name).run)

    return start


def expected_of(context, run):
    return context.runs.manifest(run).expected


def test_a_landing_is_expected_to_bring_what_the_last_one_with_its_name_brought(context, start, finish):
    first = start("2026/11/27/site-a.csv")
    assert expected_of(context, first) == ()
    finish(first)
    second = start("2026/11/28/site-a.csv")
    assert expected_of(context, second) == ("1_1", "1_2", "1_3", "a%2Fb_2")


def test_another_site_expects_nothing_of_it(context, start, finish):
    finish(start("2026/11/27/site-a.csv"))
    assert expected_of(context, start("2026/11/27/site-b.csv")) == ()


def test_a_run_without_readings_does_not_end_the_expectation(context, start, finish):
    finish(start("2026/11/26/site-a.csv"))
    finish(start("2026/11/27/site-a.csv"), state=RunState.FAILED, sensors=0, rows=())
    assert expected_of(context, start("2026/11/28/site-a.csv"))


def test_the_newest_of_several_runs_counts(context, start, finish):
    finish(start("2026/11/26/site-a.csv"))
    finish(start("2026/11/27/site-a.csv"), rows=ROWS[:1])
    assert expected_of(context, start("2026/11/28/site-a.csv")) == ("1_1",)


@pytest.mark.parametrize("gone", [True, False], ids=["cleaned up", "damaged"])
def test_without_a_summary_that_can_be_read_the_landing_is_submitted_all_the_same(
    context, start, finish, gone
):
    run = start("2026/11/27/site-a.csv")
    finish(run, summary=b"{")
    if gone:
        context.store.preds.delete(f"{run}/summary.json")
    assert expected_of(context, start("2026/11/28/site-a.csv")) == ()


def test_a_run_of_several_landings_expects_nothing(context, start, finish, clock):
    finish(start("2026/11/27/site-a.csv"))
    for site in "ab":
        context.store.data.put(f"2026/11/28/site-{site}.csv", b"TS,Device,Sensor,Value\n")
    run = str(sweep(context, clock(), random_hex="000000").run)
    assert len(context.runs.manifest(run).landings) == 2
    assert expected_of(context, run) == ()


def test_a_single_landing_that_a_person_or_a_sweep_submits_has_its_expectation(context, start, finish):
    finish(start("2026/11/27/site-a.csv"))
    context.store.data.put("2026/11/28/site-a.csv", b"TS,Device,Sensor,Value\n")
    run = submit_manual(context, Request(blobs=["2026/11/28/site-a.csv"]), random_hex="000000").run
    assert expected_of(context, str(run))


def test_the_summary_of_a_very_large_run_is_not_read(context, start, finish):
    finish(start("2026/11/27/site-a.csv"), sensors=expected.MOST_SENSORS + 1)
    assert expected_of(context, start("2026/11/28/site-a.csv")) == ()


def test_it_costs_two_requests_and_one_where_there_was_no_such_landing(
    context, settings, start, finish, clock
):
    run = start("2026/11/27/site-a.csv")
    finish(run)
    [landing] = context.runs.manifest(run).landings
    transport = CountingTransport()
    counted = Context(settings, Store.connect(settings, transport=transport), context.engine, context.clock)
    assert expected.expected_sensors(counted, [landing])
    assert len(transport.requests) == 2
    clock.move(seconds=6)
    transport.requests.clear()
    assert expected.expected_sensors(counted, [Landing("new.csv", "0x1", 1, None)]) == ()
    assert len(transport.requests) == 1
    counted.store.close()
