"""Sweeps beside a long history, with a clock that can be moved by days."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import count
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dev.memory_storage import Blob, MemoryStorage
from pipeline.flow import cold_ranges
from pipeline.flow.cold_ranges import COLD_AFTER, WHOLE_EVERY, ColdRange, ColdRanges, list_outside
from pipeline.runs.landing import Landing
from pipeline.settings import Settings
from pipeline.storage.account import Store
from tests.pipeline.counting import CountingTransport
from tests.simulation.memory import MemoryStore, Process, Server, utf_16
from tests.simulation.world import Call, World

DAY = timedelta(days=1)


def characters(name: str) -> str:
    return name


def folders(name: str) -> list[bytes]:
    return [utf_16(part) for part in name.split("/")]


ORDERS = (utf_16, characters, folders)
"""Of Azure and Azurite, of other servers, and of accounts with a hierarchical namespace."""


def history(container, server, names: Iterable[tuple[str, int]]):
    """Put blobs that arrived this many days ago."""
    now = server.now
    for name, age in sorted(names, key=lambda named: -named[1]):
        server.now = now - age * DAY
        container.put(name, b"TS")
    server.now = now


class Counted(Process):
    """Counts requests; a listing is one here."""

    def __init__(self) -> None:
        self.count = 0

    def request(self, effect, *, writes):  # noqa: ARG002
        self.count += 1
        return effect()


class Pages(CountingTransport):
    """Notes how many names each request of a listing asks for."""

    def __init__(self) -> None:
        super().__init__()
        self.pages: list[int] = []

    def send(self, request, **kwargs):
        self.pages.append(int(parse_qs(urlsplit(request.url).query)["maxresults"][0]))
        return super().send(request, **kwargs)


def outside(container, cold):
    return [blob.name for blob in list_outside(container, cold)]


def cold_in(container, now):
    ranges = ColdRanges(now)
    assert list(ranges.record(container.list())) == list(container.list())
    return ranges.found()


def with_ranges(container, number):
    """The names of as many new blobs, and a range of five behind each five of them."""
    names = [f"{place:02}.csv" for place in range(number)]
    for name in names:
        container.put(name, b"TS")
    return names, [ColdRange(names[at], names[at + 4], before=5) for at in range(5, number, 10)]


def ends(cold):
    return [(part.first, part.last) for part in cold]


def inside(container, cold):
    """Names that storage lists between the ends of a range."""
    names = [blob.name for blob in container.list()]
    order = container._server.order
    return {name for name in names for part in cold if order(part.first) <= order(name) <= order(part.last)}


@pytest.fixture
def short(monkeypatch):
    """Ranges can have one name, so that there are some with little history."""
    monkeypatch.setattr(cold_ranges, "LEAST", 1)


@pytest.fixture
def server():
    return Server()


@pytest.fixture
def data(server):
    return MemoryStore(server, Process()).data


class TestColdRanges:
    @pytest.mark.usefixtures("short")
    def test_are_all_names_that_follow_each_other_and_arrived_days_ago(self, server, data):
        names = [(f"{name}-{100 - age:03}.csv", age) for name in ("pump-1", "pump-2") for age in range(100)]
        history(data, server, [*names, ("archive/a.csv", 50), ("archive/b.csv", 60)])
        assert cold_in(data, server.now) == (
            ColdRange("archive/a.csv", "pump-1-097.csv", before=0),
            ColdRange("pump-2-001.csv", "pump-2-097.csv", before=3),
        )

    def test_are_those_only_that_save_requests(self, server, data, monkeypatch):
        monkeypatch.setattr(cold_ranges, "LEAST", 3)
        history(
            data, server, [("a", 9), ("b", 9), ("c", 0), ("d", 9), ("e", 9), ("f", 9), ("g", 0), ("h", 9)]
        )
        assert cold_in(data, server.now) == (ColdRange("d", "f", before=3),)

    @pytest.mark.usefixtures("short")
    def test_are_the_longest_if_they_are_too_many_to_note(self, server, data, monkeypatch):
        monkeypatch.setattr(cold_ranges, "MOST", 2)
        cold = ["a1", "c1", "c2", "e1", "g1", "g2", "g3"]
        history(data, server, [*((name, 9) for name in cold), *((name, 0) for name in "bdfh")])
        assert cold_in(data, server.now) == (ColdRange("c1", "c2", before=2), ColdRange("g1", "g3", before=3))

    @pytest.mark.usefixtures("short")
    def test_are_cut_where_a_long_top_level_folder_ends(self, server, data, monkeypatch):
        monkeypatch.setattr(cold_ranges, "CUT", 3)
        names = ["a/1", "a/2", "b/1", "b/2/1", "b/3/1", "c/1", "c/2"]
        history(data, server, [(name, 9) for name in names])
        assert ends(cold_in(data, server.now)) == [("a/1", "b/3/1"), ("c/1", "c/2")]
        data.put("bb/1", b"new")
        assert outside(data, cold_in(data, server.now)) == ["bb/1"]

    @pytest.mark.usefixtures("short")
    def test_are_none_if_the_listing_is_in_no_known_order(self, server, data):
        history(data, server, [(name, 9) for name in ("a", "B", "c")])
        assert ends(cold_in(data, server.now)) == [("B", "c")]
        server.order = str.casefold
        assert cold_in(data, server.now) == ()


def names_of(*parts: str) -> st.SearchStrategy[str]:
    return st.lists(st.sampled_from(parts), min_size=1, max_size=4).map("/".join)


ANY = names_of("a", "b", "a!", "a.", "ä", "\uff5e", "\U0001f321")
"""Also names that orders sort differently."""
PLAIN = st.text("abc", min_size=1, max_size=3)
ages = st.integers(0, 5)


@given(
    order=st.sampled_from(ORDERS),
    ignores=st.booleans(),
    least=st.integers(1, 3),
    before=st.dictionaries(ANY, ages, max_size=12),
    changes=st.dictionaries(ANY, st.sampled_from(["arrives", "is deleted"]), max_size=9),
)
def test_no_blob_is_missed_that_is_not_in_a_cold_range(order, ignores, least, before, changes):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cold_ranges, "LEAST", least)
        server = Server(order=order, ignores_start_from=ignores)
        container = MemoryStore(server, Process()).data
        history(container, server, before.items())
        cold = cold_in(container, server.now)
    assert all(before[name] * DAY > COLD_AFTER for name in inside(container, cold))
    for name, change in changes.items():
        if change == "arrives":
            container.put(name, b"new")
        else:
            container.delete(name)
    there = {blob.name for blob in container.list()}
    assert there - inside(container, cold) <= set(outside(container, cold)) <= there


@given(before=st.dictionaries(PLAIN, ages, max_size=20), arrived=st.sets(PLAIN, max_size=9), data=st.data())
def test_all_others_are_listed_once_with_a_request_for_each_range(before, arrived, data):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cold_ranges, "LEAST", 1)
        process, server = Counted(), Server()
        container = MemoryStore(server, process).data
        history(container, server, before.items())
        cold = cold_in(container, server.now)
    for name in arrived:
        container.put(name, b"new")
    for name in data.draw(st.sets(st.sampled_from(sorted(before)))) if before else ():
        if name not in {part.last for part in cold}:  # the first ones are what is cleaned up
            container.delete(name)
    expected = sorted({blob.name for blob in container.list()} - inside(container, cold))
    process.count = 0
    assert outside(container, cold) == expected
    assert process.count == len(cold) + 1


@pytest.mark.usefixtures("short")
class TestOutsideColdRanges:
    @pytest.mark.parametrize(
        ("order", "cold", "new"),
        [(folders, "a!", "a/b"), (utf_16, "\uff5e", "\U0001f321"), (characters, "\U0001f321", "\uff5e")],
    )
    def test_a_new_name_is_found_where_only_this_order_puts_it_before_a_range(self, order, cold, new):
        server = Server(order=order)
        container = MemoryStore(server, Process()).data
        history(container, server, [(cold, 9)])
        ranges = cold_in(container, server.now)
        container.put(new, b"new")
        assert outside(container, ranges) == [new]

    def test_nothing_comes_twice_if_all_names_of_a_range_and_behind_it_were_deleted(self, server, data):
        history(data, server, [("a", 0), ("b", 9), ("c", 9)])
        cold = cold_in(data, server.now)
        data.delete("b")
        data.delete("c")
        assert outside(data, cold) == ["a"]

    def test_all_blobs_are_listed_if_the_last_one_of_a_range_was_deleted(self, server, data):
        history(data, server, [("a", 0), ("b", 9), ("c", 9), ("d", 0)])
        cold = cold_in(data, server.now)
        data.delete("c")
        assert outside(data, cold) == ["a", "a", "b", "d"]


class TestRequests:
    def test_few_names_of_cold_ranges_are_requested(self):
        now = datetime.now(UTC)
        blobs = {
            f"pump-{sensor}-{9000 - hour:04}.csv": Blob(
                b"TS", modified=now - timedelta(hours=hour, minutes=1)
            )
            for sensor in (1, 2, 3)
            for hour in range(9000)
        }
        pages = Pages()
        with MemoryStorage({"data": blobs}) as storage:
            settings = Settings.from_environment({"ScoringStorage": storage.connection_string})
            store = Store.connect(settings, transport=pages)
            cold = cold_in(store.data, now)
            pages.pages.clear()
            listed = outside(store.data, cold)
            store.close()
        assert [part.before for part in cold] == [0, 48, 48]
        assert len(listed) == 3 * 48
        assert pages.pages == [200, 296, 296, 5000]

    def test_a_server_that_refuses_where_to_start_is_asked_once_and_listed_whole(self, store, settings):
        class Refusing(CountingTransport):
            def send(self, request, **kwargs):
                if "startFrom" in request.url:
                    request.url = request.url.replace("comp=list", "comp=refused")
                return super().send(request, **kwargs)

        names, cold = with_ranges(store.data, 30)
        refusing = Refusing()
        behind = Store.connect(settings, transport=refusing)
        assert set(outside(behind.data, cold)) == set(names)
        behind.close()
        assert len(refusing.requests) == 3

    def test_azurite_which_ignores_where_to_start_is_listed_once_for_all_ranges(self, settings, store):
        names, cold = with_ranges(store.data, 60)
        counting = CountingTransport()
        behind = Store.connect(settings, transport=counting)
        listed = outside(behind.data, cold)
        behind.close()
        assert set(listed) == set(names)
        assert len(counting.requests) == 3


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
def world(short):
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
    def test_find_what_arrives_in_the_folder_of_today_and_beside_it(self, world):
        today, new = world.land("site/26/9.csv"), world.land("other/26/1.csv")
        world.sweep()
        assert {today, new} <= world.claims().keys()

    def test_leave_what_arrives_in_a_cold_range_to_the_next_whole_one(self, world):
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

    def test_find_what_follows_a_name_that_the_whole_one_found_in_a_cold_range(self, world):
        world.land("site/20/9.csv")
        world.pass_time(WHOLE_EVERY + timedelta(hours=1))
        world.sweep()
        again = world.land("site/20/99.csv")
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
