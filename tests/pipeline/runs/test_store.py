import logging
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import cast

import pytest
from hypothesis import given, strategies

from pipeline.errors import AlreadyExists, IllegalTransition, LeaseHeld, NotFound, UnknownRun
from pipeline.runs import claims, history
from pipeline.runs.landing import Landing, Manifest
from pipeline.runs.record import Cause, CauseKind, RunRecord, RunState
from pipeline.runs.store import Runs
from pipeline.storage.account import Store
from tests.pipeline.counting import CountingTransport
from tests.pipeline.file_engine import Clock
from tests.simulation.memory import MemoryStore, Process, Server

A, B, C = (Landing(f"{name}.csv", "0x8D", 1, None) for name in "abc")


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def runs(store, clock):
    return Runs(store, clock)


def new(run="backfill", **more):
    fields = {
        "run": run,
        "cause": Cause(CauseKind.MANUAL, "everything"),
        "state": RunState.PENDING,
        "published": "v1",
        "created": Clock().now,
        **more,
    }
    return RunRecord(**fields)


def made(runs, run="backfill", **more):
    runs.markers.create(run)
    return runs.create(new(run, **more))


def in_threads(function, count=8):
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(function, range(count)))


class TestRecords:
    def test_what_is_created_is_loaded(self, runs):
        record = made(runs)
        assert runs.load("backfill") == record
        assert runs.load("backfill").etag == record.etag
        assert record.token

    def test_a_name_is_taken_once_however_many_want_it(self, runs):
        def create(_number):
            try:
                runs.create(new())
            except AlreadyExists:
                return 0
            return 1

        assert sum(in_threads(create)) == 1

    def test_an_unknown_run_says_where_the_known_ones_are(self, runs):
        with pytest.raises(UnknownRun, match=r"there is no run 'backfill' .* python -m pipeline runs"):
            runs.load("backfill")

    def test_times_are_noted_on_the_way(self, runs, clock):
        record = made(runs)
        for state in (RunState.SUBMITTED, RunState.RUNNING, RunState.SUCCEEDED):
            clock.move(minutes=1)
            record = runs.advance(record, state)
        start = record.created
        assert record.submitted == start + timedelta(minutes=1)
        assert record.started == start + timedelta(minutes=2)
        assert record.ended == start + timedelta(minutes=3)
        assert runs.load("backfill") == record

    def test_other_fields_change_with_the_state(self, runs):
        record = runs.advance(
            made(runs), RunState.PARTLY, counts={"readings": 3}, error="1 of 2 sensors failed"
        )
        assert runs.load("backfill") == record
        assert (record.counts, record.error) == ({"readings": 3}, "1 of 2 sensors failed")

    def test_a_final_state_never_changes(self, runs):
        record = runs.advance(made(runs), RunState.SUCCEEDED)
        with pytest.raises(IllegalTransition, match="run backfill is succeeded, it cannot become running"):
            runs.advance(record, RunState.RUNNING)

    def test_a_change_is_made_to_what_the_record_is_now(self, runs):
        stale = made(runs)
        runs.advance(stale, RunState.SUBMITTED, restarts=1)
        record = runs.advance(stale, RunState.RUNNING, error="slow")
        assert (record.state, record.restarts, record.error) == (RunState.RUNNING, 1, "slow")

    def test_a_late_change_is_refused(self, runs):
        stale = made(runs)
        runs.advance(stale, RunState.RUNNING)
        with pytest.raises(IllegalTransition, match="run backfill is running, it cannot become submitted"):
            runs.advance(stale, RunState.SUBMITTED)

    @pytest.mark.parametrize(
        ("before", "after"),
        [
            (None, RunState.SUBMITTED),
            (None, RunState.EMPTY),
            (RunState.SUBMITTED, RunState.RUNNING),
            (RunState.RUNNING, RunState.SUCCEEDED),
            (RunState.RUNNING, RunState.FAILED),
            (RunState.SUBMITTED, RunState.CANCELED),
            (RunState.RUNNING, RunState.PARTLY),
        ],
    )
    def test_of_many_who_make_a_change_one_does(self, runs, before, after):
        record = made(runs)
        if before is not None:
            record = runs.advance(record, before)

        def change(number):
            try:
                runs.advance(record, after, error=f"by {number}")
            except IllegalTransition:
                return None
            return f"by {number}"

        (winner,) = {who for who in in_threads(change) if who}
        assert runs.load("backfill").error == winner

    def test_different_changes_at_once_end_in_one_story(self, runs):
        record = made(runs)
        wanted = [RunState.SUBMITTED, RunState.RUNNING, RunState.SUCCEEDED, RunState.CANCELED]

        def change(number):
            try:
                return runs.advance(record, wanted[number % 4]).state
            except IllegalTransition:
                return None

        done = Counter(state for state in in_threads(change) if state)
        assert max(done.values()) == 1
        assert runs.load("backfill").state.final
        assert sum(done[state] for state in wanted if state.final) == 1

    def test_a_restart_is_noted_once(self, runs):
        record = runs.advance(made(runs), RunState.RUNNING)

        assert sum(done is not None for done in in_threads(lambda _: runs.restart(record))) == 1
        again = runs.load("backfill")
        assert (again.state, again.restarts) == (RunState.SUBMITTED, 1)

    def test_all_runs_come_newest_first(self, runs, clock, caplog):
        for number in range(5):
            clock.move(seconds=1)
            made(runs, f"run-{number}x", created=clock.now)
        runs.claim([A], "run-0x")
        runs.store.runs.put("broken/record.json", b"{")
        runs.store.runs.put("published/current", b"v1")
        with caplog.at_level(logging.WARNING):
            assert [record.run for record in runs.newest(3)] == ["run-4x", "run-3x", "run-2x"]
        assert len(runs.newest()) == 5
        assert "broken/record.json is not a run record" in caplog.text

    @given(
        times=strategies.lists(
            strategies.tuples(strategies.integers(0, 9), strategies.integers(0, 9)), max_size=12
        ),
        limit=strategies.integers(1, 5),
    )
    def test_the_newest_rows_are_those_of_the_newest_records(self, times, limit):
        """Runs end in any order; some have not ended, and some have a record and nothing else."""
        clock = Clock()
        runs = Runs(cast("Store", MemoryStore(Server(), Process())), clock)
        begin = clock.now
        for number, (created, took) in enumerate(times):
            record = made(runs, f"run-{number}x", created=begin + timedelta(seconds=created))
            if took < 8:
                clock.now = begin + timedelta(seconds=created + took)
                runs.advance(record, RunState.SUCCEEDED)
            elif took == 9:
                runs.markers.delete(record.run)
        everything = [record.run for record in runs.newest()]
        assert [row["run"] for row in runs.newest_rows()] == everything
        shown = [row["run"] for row in runs.newest_rows(limit)]
        assert [record.run for record in runs.newest(limit)] == shown
        if all(took < 9 for _, took in times) or len(times) <= limit:
            assert shown == everything[:limit]

    def test_a_row_of_an_earlier_release_has_no_counts_of_rejects(self, runs, clock):
        for run in ("before", "after"):
            clock.move(seconds=1)
            record = made(runs, run, created=clock.now)
            runs.advance(record, RunState.PARTLY, counts={"rejected": 3}, note="2 sensors have no model")
        blob = next(blob for blob in runs.store.runs.list("ended/", metadata=True) if "before" in blob.name)
        runs.store.runs.annotate(blob.name, {name: blob.metadata[name] for name in ("version", "row")})
        after, before = runs.newest_rows()
        assert (after["rejected"], after["note"]) == (3, "2 sensors have no model")
        assert "rejected" not in before

    def test_rows_are_listed_in_a_few_requests_however_many_runs_have_finished(self, settings, store, clock):
        for number in range(130):
            clock.move(seconds=1)
            history.add(
                store.runs,
                new(f"run-{number}x", state=RunState.SUCCEEDED, created=clock.now, ended=clock.now),
            )
        made(Runs(store, clock), "unfinished", created=clock.now + timedelta(seconds=1))
        counting = CountingTransport()
        behind = Store.connect(settings, transport=counting)
        rows = Runs(behind, clock).newest_rows(20)
        assert [row["run"] for row in rows] == [
            "unfinished",
            *(f"run-{number}x" for number in range(129, 110, -1)),
        ]
        assert len(counting.requests) == 3  # markers, the record of the one that has not finished, rows
        behind.close()

    def test_log_lines_carry_the_runs_name(self, runs, caplog):
        with caplog.at_level(logging.INFO):
            runs.advance(made(runs), RunState.FAILED, error="no disk")
        lines = [line for line in caplog.records if line.name == "pipeline.runs.store"]
        assert lines[0].getMessage() == "run backfill is failed: no disk"
        assert {line.__dict__["run"] for line in lines} == {"backfill"}


class TestMarkers:
    def test_a_marker_says_that_a_run_is_active(self, runs):
        assert runs.markers.create("x")
        assert not runs.markers.create("x")
        (marker,) = runs.markers.all()
        assert (marker.run, marker.failed, marker.held) == ("x", False, False)

    @pytest.mark.parametrize(
        "state", [RunState.SUCCEEDED, RunState.PARTLY, RunState.CANCELED, RunState.EMPTY]
    )
    def test_it_is_deleted_when_the_run_finishes(self, runs, state):
        runs.advance(made(runs), state)
        assert runs.markers.all() == []

    @pytest.mark.parametrize(("state", "retry"), [("failed", True), ("failed", False), ("partly", True)])
    def test_it_stays_for_the_sweep_to_retry_the_run_or_to_log_its_alert(self, runs, state, retry):
        runs.advance(made(runs), RunState(state), retry=retry)
        (marker,) = runs.markers.all()
        assert marker.failed

    @pytest.mark.parametrize("retry", [True, False])
    def test_a_worker_ends_its_lease_with_its_run(self, runs, retry):
        record = made(runs)
        lease = runs.markers.hold("backfill")
        assert runs.markers.all()[0].held
        with pytest.raises(LeaseHeld):
            runs.markers.hold("backfill")
        runs.advance(record, RunState.PARTLY, retry=retry, lease=lease)
        assert [(marker.failed, marker.held) for marker in runs.markers.all()] == (
            [(True, False)] if retry else []
        )

    def test_a_finished_run_cannot_be_leased(self, runs):
        runs.advance(made(runs), RunState.CANCELED)
        with pytest.raises(NotFound):
            runs.markers.hold("backfill")

    def test_who_ends_a_run_that_a_worker_holds_leaves_the_marker_to_it(self, runs):
        record = made(runs)
        lease = runs.markers.hold("backfill")
        runs.advance(record, RunState.CANCELED)
        assert runs.markers.all()[0].held
        runs.settle(runs.load("backfill"), lease)
        assert runs.markers.all() == []


class TestManifests:
    def test_the_first_stays(self, runs):
        first = Manifest("x", (A, B))
        runs.create_manifest(first)
        runs.create_manifest(first)
        with pytest.raises(AlreadyExists):
            runs.create_manifest(Manifest("x", ()))
        assert runs.manifest("x") == first

    def test_until_its_owner_writes_the_claimed_rest(self, runs):
        runs.create_manifest(Manifest("x", (A, B)))
        runs.write_manifest(Manifest("x", (B,)))
        assert runs.manifest("x").landings == (B,)

    def test_a_run_without_one_is_reported(self, runs):
        with pytest.raises(UnknownRun):
            runs.manifest("x")

    def test_cancellation_is_requested_and_seen(self, runs):
        assert not runs.cancel_requested("x")
        runs.request_cancel("x")
        runs.request_cancel("x")
        assert runs.cancel_requested("x")


@pytest.fixture(params=["one by one", "listed", "listed in part"])
def ways(request, monkeypatch):
    """Every way of finding out who holds a claim."""
    if request.param != "one by one":
        monkeypatch.setattr(claims, "MANY", 1)
    if request.param == "listed in part":
        monkeypatch.setattr(claims, "_LISTED_EACH", 1)


@pytest.mark.usefixtures("ways")
class TestClaims:
    def test_a_landing_belongs_to_who_claims_it_first(self, runs):
        assert runs.claim([A, B], "x") == (A, B)
        assert runs.claim([A, B, C], "y") == (C,)
        assert runs.unclaimed([A, B, C]) == ()

    def test_claiming_again_changes_nothing(self, runs):
        runs.claim([A], "x")
        assert runs.claim([A], "x") == (A,)

    def test_a_replaced_blob_is_another_landing(self, runs):
        runs.claim([A], "x")
        newer = replace(A, etag="0x8E")
        assert runs.unclaimed([A, newer]) == (newer,)
        assert runs.claim([newer], "y") == (newer,)

    def test_a_retry_takes_over_what_earlier_tries_hold(self, runs):
        runs.claim([A], "x")
        runs.claim([B], "x-2")
        assert runs.claim([A, B, C], "x-3") == (A, B, C)
        assert runs.claim([A, B, C], "x-2") == ()
        assert runs.claim([A, B, C], "x") == ()

    def test_a_run_of_another_name_takes_over_nothing(self, runs):
        runs.claim([A], "x")
        assert runs.claim([A], "y-2") == ()

    def test_each_landing_goes_to_one_of_many_claimants(self, runs):
        landings = [Landing(f"{number}.csv", "0x8D", 1, None) for number in range(12)]
        won = in_threads(lambda number: runs.claim(landings, f"run{number}"), 6)
        assert sorted(landing for some in won for landing in some) == sorted(landings)

    def test_a_claim_that_does_not_say_in_its_metadata_who_holds_it_counts_as_well(self, runs):
        runs.store.runs.put(claims.path(runs.key(A)), b"x")
        assert runs.unclaimed([A, B]) == (B,)
        assert runs.claim([A, B], "y") == (B,)
        assert runs.claim([A], "x-2") == (A,)
        assert runs.claim([A], "x") == ()


def test_of_many_claims_only_those_that_are_missing_are_made(settings, clock, monkeypatch):
    """A sweep that keeps being interrupted while it claims a large backlog continues where it stopped."""
    monkeypatch.setattr(claims, "MANY", 40)
    counting = CountingTransport()
    store = Store.connect(settings, transport=counting)
    store.runs.ensure()
    runs = Runs(store, clock)
    landings = [Landing(f"{number}.csv", "0x8D", 1, None) for number in range(50)]
    runs.claim(landings[:40], "x")
    counting.requests.clear()
    assert runs.unclaimed(landings) == tuple(landings[40:])
    assert len(counting.requests) == 1
    assert runs.claim(landings, "x") == tuple(landings)
    assert len(counting.requests) == 1 + 1 + 10
    counting.requests.clear()
    assert runs.claim(landings, "x-2") == tuple(landings)
    assert len(counting.requests) == 1 + 50
    store.close()


def test_most_claims_are_listed_where_that_is_cheaper_than_to_look_for_each(settings, store, clock):
    runs = Runs(store, clock)
    landings = [Landing(f"{number}.csv", "0x8D", 1, None) for number in range(claims.MANY)]
    runs.claim([Landing(f"old/{number}.csv", "0x8D", 1, None) for number in range(3 * claims.MANY)], "x")
    counting = CountingTransport()
    behind = Store.connect(settings, transport=counting)
    assert Runs(behind, clock).unclaimed(landings) == tuple(landings)
    assert len(counting.requests) == 1
    behind.close()
