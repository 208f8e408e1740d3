"""Landings that wait because too many runs are active: the next run of this process takes them along."""

from dataclasses import replace

import pytest

from pipeline.errors import EngineError, EngineUnreachable
from pipeline.flow import deferred as waiting
from pipeline.flow.submit import Outcome, submit_deferred, submit_landing, to_landing
from pipeline.flow.sweep import sweep
from pipeline.runs import history
from pipeline.runs.landing import Landing
from pipeline.runs.names import blob_run
from pipeline.runs.record import Cause, CauseKind, RunRecord, RunState
from tests.pipeline.file_engine import open_context


@pytest.fixture
def context(settings, context, tmp_path):
    return open_context(replace(settings, max_active_runs=2), tmp_path / "engine", context.clock)


@pytest.fixture
def land(store):
    """Let a blob land; its landing."""

    def land(name, data=b"TS,Device,Sensor,Value\n"):
        store.data.put(name, data)
        return to_landing(store.data.find(name))

    return land


def full(context, land, count=3):
    """Two active runs, and `count` deferred landings."""
    active = [str(submit_landing(context, land(f"active/{number}.csv").name).run) for number in range(2)]
    deferred = [land(f"deferred/{number}.csv") for number in range(count)]
    assert {submit_landing(context, one.name).outcome for one in deferred} == {Outcome.DEFERRED}
    return active, deferred


def end(context, clock, run):
    context.runs.advance(context.runs.load(run), RunState.SUCCEEDED)
    clock.move(seconds=6)


def test_the_next_run_takes_along_the_landings_that_wait(context, land, clock):
    active, deferred = full(context, land)
    end(context, clock, active[0])
    submission = submit_landing(context, land("next.csv").name)
    assert (submission.outcome, submission.landings) == (Outcome.SUBMITTED, 4)
    manifest = context.runs.manifest(str(submission.run))
    assert list(manifest.landings) == [to_landing(context.store.data.find("next.csv")), *deferred]
    assert {context.runs.holder(landing) for landing in manifest.landings} == {submission.run}
    # What arrives now becomes one run again: not a run each, as long as slots are free.
    assert submit_landing(context, land("later.csv").name).outcome is Outcome.DEFERRED


def test_the_end_of_a_run_submits_the_landings_that_wait(context, land, clock):
    active, deferred = full(context, land)
    assert submit_deferred(context) is None
    end(context, clock, active[0])
    submission = submit_deferred(context)
    assert submission
    assert (submission.outcome, submission.landings) == (Outcome.SUBMITTED, 3)
    assert submission.run == blob_run(context.runs.key(deferred[0]))
    assert submit_deferred(context) is None


def test_a_waiting_landing_whose_event_comes_again_is_in_one_run_once(context, land, clock):
    active, deferred = full(context, land)
    end(context, clock, active[0])
    submission = submit_landing(context, deferred[1].name)
    manifest = context.runs.manifest(str(submission.run))
    assert sorted(manifest.landings) == deferred


def test_of_a_waiting_blob_that_is_replaced_the_last_version_is_scored(context, land, clock):
    """A run does not accept two versions of one blob."""
    active, deferred = full(context, land)
    newer = [land(one.name, b"other") for one in deferred[:2]]
    submit_landing(context, newer[0].name)
    end(context, clock, active[0])
    submission = submit_landing(context, newer[1].name)
    manifest = context.runs.manifest(str(submission.run))
    assert list(manifest.landings) == [newer[1], newer[0], deferred[2]]


def test_landings_that_a_sweep_submitted_wait_no_more(context, land, clock):
    active, _ = full(context, land)
    assert sweep(context, context.clock(), random_hex="123456").landings == 3
    end(context, clock, active[0])
    assert not len(context.deferred)


def test_landings_that_another_process_submitted_are_left_to_it(context, land, clock):
    active, deferred = full(context, land)
    context.runs.claim(deferred[:2], "another")
    end(context, clock, active[0])
    submission = submit_landing(context, land("next.csv").name)
    assert (submission.landings, len(context.deferred)) == (2, 0)


def test_they_wait_on_where_the_run_that_takes_them_along_is_not_submitted(context, land, clock, monkeypatch):
    def unreachable(*_):
        raise EngineUnreachable("503")

    active, _ = full(context, land)
    end(context, clock, active[0])
    land("next.csv")
    with monkeypatch.context() as broken:
        broken.setattr(context.engine, "submit", unreachable)
        with pytest.raises(EngineUnreachable):
            submit_landing(context, "next.csv")
    assert len(context.deferred) == 3  # the event of the fourth is delivered again
    assert submit_landing(context, "next.csv").landings == 4


def test_all_wait_on_where_the_run_of_the_first_one_is_not_submitted(context, land, clock):
    active, deferred = full(context, land)
    end(context, clock, active[0])
    context.engine.refuses = "it is full"
    with pytest.raises(EngineError):
        submit_deferred(context)
    assert context.deferred.take() == deferred


def test_a_run_that_is_resumed_leaves_the_landings_that_it_does_not_have(context, land, clock):
    context.engine.refuses = "it is full"
    with pytest.raises(EngineError):
        submit_landing(context, land("first.csv").name)
    context.engine.refuses = None
    first = to_landing(context.store.data.find("first.csv"))
    context.store.runs.delete(f"landings/{context.runs.key(first)}")  # as if it had failed before that
    clock.move(seconds=6)
    waiting = land("waiting.csv")
    context.defer(waiting)
    submission = submit_landing(context, first.name)
    assert (submission.outcome, submission.landings) == (Outcome.SUBMITTED, 1)
    assert context.deferred.take() == [waiting]


def test_they_wait_on_where_another_process_has_just_begun_the_run_of_the_first_one(context, land, clock):
    active, deferred = full(context, land)
    end(context, clock, active[0])
    run = blob_run(context.runs.key(deferred[0]))
    context.runs.markers.create(run)
    cause = Cause(CauseKind.BLOB, deferred[0].name)
    record = RunRecord(run=run, cause=cause, state=RunState.PENDING, published="v1", created=clock())
    context.runs.create(record)
    context.settings = replace(context.settings, max_active_runs=3)
    assert getattr(submit_deferred(context), "outcome", None) is Outcome.ALREADY
    assert context.deferred.take() == deferred[1:]


def test_a_slot_of_a_run_that_had_nothing_to_score_is_free_again(context, land, clock):
    active, deferred = full(context, land)
    context.runs.claim(deferred, "another")
    end(context, clock, active[0])
    assert getattr(submit_deferred(context), "outcome", None) is Outcome.EMPTY
    assert submit_landing(context, land("next.csv").name).outcome is Outcome.SUBMITTED


def test_a_slot_is_free_again_where_another_thread_took_all_that_waited(context, land, clock, monkeypatch):
    active, _ = full(context, land)
    end(context, clock, active[0])
    with monkeypatch.context() as raced:
        raced.setattr(context.deferred, "take", list)
        assert submit_deferred(context) is None
    assert submit_landing(context, land("next.csv").name).outcome is Outcome.SUBMITTED


def test_no_further_run_starts_after_one_that_took_others_along_though_slots_are_free(context, land, clock):
    active, _ = full(context, land)
    end(context, clock, active[0])
    end(context, clock, active[1])
    assert submit_landing(context, land("next.csv").name).landings == 4
    assert submit_landing(context, land("later.csv").name).outcome is Outcome.DEFERRED


def test_a_version_that_arrived_meanwhile_is_neither_forgotten_nor_replaced_by_the_earlier_one():
    older, newer = (Landing("a.csv", etag, 10, None) for etag in ("1", "2"))
    deferred = waiting.Deferred()
    deferred.add(newer)
    deferred.put_back([older])
    deferred.forget([older])
    assert deferred.take() == [newer]


def test_no_more_are_remembered_than_memory_is_meant_for(monkeypatch):
    monkeypatch.setattr(waiting, "MOST", 2)
    deferred = waiting.Deferred()
    for name in "abc":
        deferred.add(Landing(name, "1", 10, None))
    deferred.add(Landing("b", "2", 10, None))
    assert [(one.name, one.etag) for one in deferred.take()] == [("a", "1"), ("b", "2")]


def test_one_run_takes_along_a_limited_number(context, land, clock, monkeypatch):
    monkeypatch.setattr(waiting, "AT_ONCE", 2)
    active, _ = full(context, land)
    end(context, clock, active[0])
    assert submit_landing(context, land("next.csv").name).landings == 3
    assert len(context.deferred) == 1


def test_the_sensors_of_a_run_that_took_others_along_are_not_expected_of_its_first_landing(
    context, land, clock
):
    active, _ = full(context, land, count=1)
    end(context, clock, active[0])
    run = str(submit_landing(context, land("2026-11-23.csv").name).run)
    counts = {"landings": 2, "sensors": 3}
    context.runs.advance(context.runs.load(run), RunState.SUCCEEDED, counts=counts)
    assert history.last_of_series(context.store.runs) == {}
