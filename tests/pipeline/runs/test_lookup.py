"""Short names of runs on the command line."""

from datetime import timedelta

import pytest

from pipeline.clock import utc_now
from pipeline.errors import InvalidRequest, UnknownRun
from pipeline.runs.lookup import find_run
from pipeline.runs.record import Cause, CauseKind, RunRecord, RunState
from pipeline.runs.store import Runs
from pipeline.storage.account import Store
from tests.pipeline.counting import CountingTransport


@pytest.fixture
def runs(store):
    return Runs(store, utc_now)


@pytest.fixture
def counted(settings):
    """Runs whose requests are counted."""
    transport = CountingTransport()
    store = Store.connect(settings, transport=transport)
    yield Runs(store, utc_now), transport.requests
    store.close()


def make(runs, *names):
    for number, name in enumerate(names):
        created = utc_now() + timedelta(seconds=number)
        cause = Cause(CauseKind.MANUAL, "a test")
        state = RunState.PENDING
        runs.markers.create(name)
        runs.create(RunRecord(run=name, cause=cause, state=state, published="v1", created=created))


def test_a_whole_name_costs_one_request_and_no_listing(runs, counted):
    make(runs, "august", "august-again")
    counting, requests = counted
    assert find_run(counting, "august") == "august"
    assert [request.split()[0] for request in requests] == ["HEAD"]


def test_the_start_of_one_name_costs_one_listing_more(runs, counted):
    make(runs, "timer-20261123-050000", "timer-20261124-050000", "blob-9028")
    counting, requests = counted
    assert find_run(counting, "timer-20261124") == "timer-20261124-050000"
    assert find_run(counting, "b") == "blob-9028"
    assert [request.split()[0] for request in requests] == ["HEAD", "GET"] * 2


def test_the_start_of_several_names_lists_some_of_them(runs, counted):
    make(runs, *(f"run-{number}x" for number in range(20)))
    counting, requests = counted
    with pytest.raises(InvalidRequest) as caught:
        find_run(counting, "run-")
    assert str(caught.value) == (
        "several runs start with 'run-': run-0x, run-10x, run-11x, run-12x, run-13x, ..."
    )
    assert len(requests) == 2


def test_latest_is_the_run_that_was_created_last(runs):
    with pytest.raises(UnknownRun, match="there are no runs in container"):
        find_run(runs, "latest")
    make(runs, "b", "a")
    assert find_run(runs, "latest") == "a"
    for name in ("a", "b"):
        runs.advance(runs.load(name), RunState.SUCCEEDED)
    assert find_run(runs, "latest") == "a"


@pytest.mark.parametrize("text", ["open", "pub", "landing", "nothing", "../data", ""])
def test_other_folders_of_the_container_are_not_runs(runs, store, text):
    make(runs, "august")
    store.runs.put("published/v1/published.json", b"{}")
    store.runs.put("landings/0", b"")
    name = find_run(runs, text)
    with pytest.raises(UnknownRun):
        runs.load(name)
