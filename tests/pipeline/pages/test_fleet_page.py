"""The page of the fleet: it shows the latest fleet state, in whichever order its writers write."""

from itertools import permutations

import pytest

from pipeline.fleet.merge import merge
from pipeline.fleet.store import change_state
from pipeline.pages.fleet_page import update_fleet_page
from pipeline.storage.account import Store
from scoring.formats import FLEET_HTML
from tests.pipeline.counting import CountingTransport, InterruptingTransport
from tests.pipeline.fleet.findings import NOW, finished, rules


def written(store, number):
    """The state with one more run, as the process that has written it knows it."""
    run = finished(f"r{number}", first=number)
    return change_state(store.preds, lambda state: merge(state, run, rules(), NOW))


def update(store, state):
    update_fleet_page(store, state.etag, state)


def shown(store):
    return store.preds.find(FLEET_HTML).metadata["state"]


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_the_page_shows_the_latest_state_in_any_order_of_its_writers(store, order):
    states = [written(store, number) for number in range(3)]
    for number in order:
        update(store, states[number])
    assert shown(store) == states[-1].etag


@pytest.mark.parametrize("point", range(1, 4))
def test_a_process_that_is_held_up_never_writes_an_older_state_over_a_newer_one(store, settings, point):
    update(store, written(store, 0))
    slow = written(store, 1)
    newer = []

    def between():
        newer.append(written(store, 2))
        update(store, newer[0])

    own = Store.connect(settings, transport=InterruptingTransport(point, between))
    update(own, slow)
    own.close()
    assert shown(store) == (newer[0] if newer else slow).etag


def test_a_page_that_shows_the_state_before_is_updated_with_two_requests(store, settings):
    update(store, written(store, 0))
    state = written(store, 1)
    transport = CountingTransport()
    own = Store.connect(settings, transport=transport)
    update(own, state)
    own.close()
    assert [request.split()[0] for request in transport.requests] == ["HEAD", "PUT"]
    assert shown(store) == state.etag


def test_a_state_that_was_changed_twice_by_one_process_is_on_the_page_once(store):
    update(store, written(store, 0))
    first = written(store, 1)
    state = written(store, 2).after(first)
    assert state.replaced == first.replaced
    update(store, state)
    assert shown(store) == state.etag
