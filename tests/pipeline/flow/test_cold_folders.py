"""Sweeps beside a long history, with a clock that can be moved by days."""

from collections.abc import Iterable
from datetime import timedelta
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.flow import cold_folders
from pipeline.flow.cold_folders import COLD_AFTER, WHOLE_EVERY, ColdFolders, list_outside
from pipeline.runs.landing import Landing
from tests.simulation.memory import MemoryStore, Process, Server
from tests.simulation.world import Call, World

DAY = timedelta(days=1)


class Counted(Process):
    """Counts requests."""

    def __init__(self) -> None:
        self.count = 0

    def request(self, effect, *, writes):  # noqa: ARG002
        self.count += 1
        return effect()


def history(container, server, names: Iterable[tuple[str, int]]):
    """Put blobs that arrived this many days ago."""
    now = server.now
    for name, age in sorted(names, key=lambda named: -named[1]):
        server.now = now - age * DAY
        container.put(name, b"TS")
    server.now = now


def outside(container, cold):
    return list(list_outside(container, cold))


def cold_in(container, server):
    folders = ColdFolders(server.now)
    assert list(folders.record(container.list())) == list(container.list())
    return folders.names()


@pytest.fixture
def small_pages(monkeypatch):
    """A request lists one blob: a listing of parts saves requests with little history."""
    monkeypatch.setattr(cold_folders, "PAGE", 1)


@pytest.fixture
def server():
    return Server()


@pytest.fixture
def data(server):
    return MemoryStore(server, Process()).data


@pytest.mark.usefixtures("small_pages")
class TestColdFolders:
    def test_are_the_outermost_ones_in_which_nothing_arrived_for_days(self, server, data):
        names = [
            (f"site/{2020 + one // 12}/{one % 12 + 1:02}/{two}.csv", 84 - one)
            for one in range(84)
            for two in "ab"
        ]
        history(data, server, names)
        months = [f"site/2026/{month:02}/" for month in range(1, 11)]
        assert cold_in(data, server) == [*(f"site/{year}/" for year in range(2020, 2026)), *months]

    def test_are_none_where_all_blobs_are_in_one_folder(self, server, data):
        history(data, server, [(f"{age:03}.csv", age) for age in range(100)])
        assert cold_in(data, server) == []

    def test_are_none_where_a_listing_of_the_others_takes_as_many_requests(self, server, data):
        history(data, server, [(f"{one}/old/1.csv", 9) for one in range(9)])
        history(data, server, [(f"{one}/new/1.csv", 0) for one in range(9)])
        assert cold_in(data, server) == []

    def test_are_none_where_they_are_too_many_to_note(self, server, data, monkeypatch):
        monkeypatch.setattr(cold_folders, "MOST", 9)
        history(data, server, [(f"{one}/{two}.csv", 9) for one in range(10) for two in range(9)])
        assert cold_in(data, server) == []

    def test_can_be_a_thousand_deep(self, server, data):
        history(
            data,
            server,
            [("a/" * 500 + "1.csv", 0), *((f"{'a/' * 499}b/{one}.csv", 9) for one in range(999))],
        )
        assert cold_in(data, server) == ["a/" * 499 + "b/"]
        assert [blob.name for blob in outside(data, cold_in(data, server))] == ["a/" * 500 + "1.csv"]


names = st.lists(st.sampled_from(["a", "b", "a!", "", "ä"]), max_size=4).map("/".join)
histories = st.dictionaries(names.filter(bool), st.integers(0, 5), max_size=12)


@given(before=histories, arrived=st.sets(names.filter(bool)))
def test_all_blobs_are_listed_once_but_those_in_cold_folders(before, arrived):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cold_folders, "PAGE", 1)
        server = Server()
        container = MemoryStore(server, Process()).data
        history(container, server, before.items())
        cold = cold_in(container, server)
        for name in arrived:
            container.put(name, b"new")
        listed = [blob.name for blob in outside(container, cold)]
    inside = {blob.name for blob in container.list() if blob.name.startswith(tuple(cold))}
    assert sorted(listed) == sorted({blob.name for blob in container.list()} - inside)
    assert all(before[name] * DAY > COLD_AFTER for name in inside - arrived)


@given(before=histories)
def test_a_listing_outside_cold_folders_never_takes_more_requests_than_one_of_the_whole(before):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cold_folders, "PAGE", 1)
        server, process = Server(), Counted()
        container = MemoryStore(server, process).data
        history(container, server, before.items())
        cold = cold_in(container, server)
        process.count = 0
        blobs = len(outside(container, cold))
    assert process.count + blobs <= 2 * max(1, len(before))


class Days(World):
    """A fleet that a timer sweeps, and whose runs succeed."""

    def __init__(self):
        super().__init__()
        self.numbers = count()

    def land(self, name):
        """Upload a blob; the key of its landing."""
        self.upload(name, f"{next(self.numbers)}".encode())
        blob = self.store.data.find(name)
        assert blob is not None
        return self.key(name, blob.etag)

    def sweep(self):
        self.pass_time(timedelta(minutes=5))
        self.next_tick()
        self.call(Call("sweep"))
        while any(not job.state.final for job in self.jobs.values()):
            self.end_job(0, "succeeds")


@pytest.fixture
def world(small_pages):
    """For a week, readings have arrived in a folder a day; everything is scored."""
    world = Days()
    for day in range(20, 27):
        for hour in range(3):
            world.land(f"site/{day}/{hour}.csv")
        world.sweep()
        world.pass_time(DAY)
    world.sweep()
    return world


class TestSweepsBetweenWholeListings:
    def test_find_what_arrives_in_the_folder_of_today_and_in_new_ones(self, world):
        today, new = world.land("site/26/9.csv"), world.land("other/26/1.csv")
        world.sweep()
        assert {today, new} <= world.claims().keys()

    def test_leave_what_arrives_in_a_cold_folder_to_the_next_whole_one(self, world):
        late = world.land("site/20/9.csv")
        world.sweep()
        assert late not in world.claims()
        world.pass_time(WHOLE_EVERY + timedelta(hours=1))
        world.sweep()
        assert late in world.claims()

    def test_what_was_swept_since_is_not_swept_twice(self, world):
        world.land("site/26/9.csv")
        world.sweep()
        runs = len(list(world.records()))
        world.pass_time(WHOLE_EVERY + timedelta(hours=1))
        world.sweep()
        assert len(list(world.records())) == runs

    def test_a_person_sweeps_the_whole_container(self, world):
        late = world.land("site/20/9.csv")
        world.tick = None
        world.call(Call("sweep"))
        assert late in world.claims()

    def test_a_cold_folder_in_which_something_arrived_is_swept_again(self, world):
        world.land("site/20/9.csv")
        world.pass_time(WHOLE_EVERY + timedelta(hours=1))
        world.sweep()
        again = world.land("site/20/10.csv")
        world.sweep()
        assert again in world.claims()


def test_landings_are_scored_in_the_order_of_their_names(world):
    world.land("site/26/9.csv")
    world.land("site.csv")
    world.sweep()
    manifest = max(
        (world.runs.manifest(record.run) for record in world.records()), key=lambda found: found.run
    )
    assert [landing.name for landing in manifest.landings] == ["site.csv", "site/26/9.csv"]
    assert all(isinstance(landing, Landing) for landing in manifest.landings)
