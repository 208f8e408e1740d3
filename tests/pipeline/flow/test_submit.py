from dataclasses import replace

import pytest

from pipeline.errors import ContainerMissing, EngineError, InvalidRequest, InvalidRunName, NothingPublished
from pipeline.flow.context import Context
from pipeline.flow.manual import Request, submit_manual
from pipeline.flow.submit import Outcome, resume, submit, submit_landing, to_landing
from pipeline.runs.landing import Manifest
from pipeline.runs.record import Cause, CauseKind, RunRecord, RunState
from pipeline.storage.account import Store, in_parallel
from tests.pipeline.counting import CountingTransport
from tests.pipeline.file_engine import open_context

HEX = "3fa94c"


@pytest.fixture
def land(store):
    """Let a blob land; its landing."""

    def land(name="a.csv", data=b"TS,Device,Sensor,Value\n"):
        store.data.put(name, data)
        return to_landing(store.data.find(name))

    return land


def pending(context, landing, **more):
    """A run whose submitter came no further than to its record."""
    run = f"blob-{context.runs.key(landing)}"
    context.runs.markers.create(run)
    cause = Cause(CauseKind.BLOB, landing.name)
    fields = {
        "run": run,
        "cause": cause,
        "state": RunState.PENDING,
        "published": context.published().version,
        **more,
    }
    return context.runs.create(RunRecord(created=context.clock(), **fields))


def scored(context):
    return [landing for landings in context.engine.taken().values() for landing in landings]


class TestLandings:
    def test_a_landing_becomes_a_run_of_its_own(self, context, land):
        landing = land("2018/08/28/site-a.csv")
        submission = submit_landing(context, landing.name)
        assert submission.outcome is Outcome.SUBMITTED
        assert submission.run == f"blob-{context.runs.key(landing)}"
        assert context.engine.taken() == {submission.run: [(landing.name, landing.etag)]}
        record = context.runs.load(submission.run)
        assert record.cause == Cause(CauseKind.BLOB, "2018/08/28/site-a.csv")
        assert (record.state, record.published, record.tries) == (
            RunState.SUBMITTED,
            context.published().version,
            1,
        )
        assert context.runs.manifest(submission.run) == Manifest(submission.run, (landing,))
        assert str(submission) == f"run {submission.run} is submitted: 2018/08/28/site-a.csv"

    def test_a_second_delivery_finds_its_run(self, context, land):
        landing = land()
        first, second = (submit_landing(context, landing.name) for _ in range(2))
        assert second.outcome is Outcome.ALREADY
        assert second.run == first.run
        assert context.engine.calls(str(first.run)) == 1

    def test_a_delivery_after_the_end_leaves_nothing_behind(self, context, land):
        run = submit_landing(context, land().name).run
        context.runs.advance(context.runs.load(run), RunState.SUCCEEDED)
        assert submit_landing(context, "a.csv").outcome is Outcome.ALREADY
        assert context.runs.markers.all() == []

    def test_a_replaced_blob_is_a_new_landing(self, context, land):
        land()
        first = submit_landing(context, "a.csv").run
        land(data=b"other")
        second = submit_landing(context, "a.csv")
        assert second.outcome is Outcome.SUBMITTED
        assert second.run != first

    @pytest.mark.parametrize("name", ["_SUCCESS", "a/_temporary/b.csv", ".x", "empty.csv"])
    def test_a_blob_that_is_never_a_landing_is_skipped_with_the_reason(self, context, land, name):
        land(name, b"" if name == "empty.csv" else b"x")
        submission = submit_landing(context, name)
        assert submission.outcome is Outcome.SKIPPED
        assert f"{name!r} is skipped: " in str(submission)
        assert context.engine.taken() == {}

    def test_a_deleted_blob_is_an_outcome_not_an_error(self, context):
        submission = submit_landing(context, "a.csv")
        assert (submission.outcome, submission.run) == (Outcome.GONE, None)
        assert str(submission) == "'a.csv' does not exist"

    def test_a_missing_container_is_an_error(self, context, store):
        store.data._client.delete_container()
        with pytest.raises(ContainerMissing):
            submit_landing(context, "a.csv")

    def test_a_missing_publication_is_reported_and_nothing_is_lost(self, context, store, land):
        landing = land()
        store.runs.delete("published/current")
        with pytest.raises(NothingPublished, match="run python -m pipeline publish"):
            submit_landing(context, "a.csv")
        assert context.runs.unclaimed([landing]) == (landing,)
        assert context.runs.markers.all() == []

    def test_a_landing_that_another_run_has_claimed_is_not_scored_again(self, context, land):
        context.runs.claim([land()], "timer-20261123-050000")
        submission = submit_landing(context, "a.csv")
        assert (submission.outcome, submission.run) == (Outcome.ALREADY, "timer-20261123-050000")
        assert str(submission) == "'a.csv' is in run timer-20261123-050000 already"
        assert list(context.runs.newest()) == []
        assert context.engine.taken() == {}
        assert context.runs.markers.all() == []

    def test_an_error_of_the_engine_is_raised_and_the_run_stays_pending(self, context, land):
        land()
        context.engine.refuses = "the cluster is gone"
        with pytest.raises(EngineError, match="the cluster is gone"):
            submit_landing(context, "a.csv")
        (marker,) = context.runs.markers.all()
        record = context.runs.load(marker.run)
        assert record.state is RunState.PENDING
        assert marker.abandoned

    def test_and_the_next_delivery_continues_where_that_one_gave_up(self, context, land):
        land()
        context.engine.refuses = "the cluster is gone"
        for _ in range(2):
            with pytest.raises(EngineError, match="the cluster is gone"):
                submit_landing(context, "a.csv")
        context.engine.refuses = None
        assert submit_landing(context, "a.csv").outcome is Outcome.SUBMITTED
        assert submit_landing(context, "a.csv").outcome is Outcome.ALREADY
        assert len(scored(context)) == 1

    def test_one_that_gave_up_before_it_had_a_manifest_is_continued_too(self, context, land):
        landing = land()
        record = pending(context, landing)
        context.runs.markers.abandon(record.run)
        assert submit_landing(context, "a.csv").run == record.run
        assert scored(context) == [(landing.name, landing.etag)]

    def test_one_landing_costs_at_most_seven_requests(self, context, settings, land):
        land("first.csv")
        land("second.csv")
        transport = CountingTransport()
        # What the engine reads goes through its own store: it is not the submission's.
        counted = Context(
            settings, Store.connect(settings, transport=transport), context.engine, context.clock
        )
        submit_landing(counted, "first.csv")
        transport.requests.clear()
        assert submit_landing(counted, "second.csv").outcome is Outcome.SUBMITTED
        assert len(transport.requests) <= 7, transport.requests

    def test_and_a_second_delivery_three(self, context, settings, land, tmp_path):
        land()
        submit_landing(context, "a.csv")
        transport = CountingTransport()
        counted = open_context(settings, tmp_path / "engine", context.clock, transport=transport)
        counted.published()
        counted.acquire_slot()
        transport.requests.clear()
        assert submit_landing(counted, "a.csv").outcome is Outcome.ALREADY
        assert len(transport.requests) == 3, transport.requests


class TestBursts:
    @pytest.fixture
    def context(self, settings, context, tmp_path):
        return open_context(replace(settings, max_active_runs=2), tmp_path / "engine", context.clock)

    def test_a_landing_beyond_the_limit_waits(self, context, land):
        outcomes = [submit_landing(context, land(f"{number}.csv").name).outcome for number in range(4)]
        assert outcomes == [
            Outcome.SUBMITTED,
            Outcome.SUBMITTED,
            Outcome.DEFERRED,
            Outcome.DEFERRED,
        ]
        assert "or for the next sweep: 2 runs are active (SCORING_MAX_ACTIVE_RUNS)" in str(
            submit_landing(context, "3.csv")
        )

    def test_concurrent_landings_respect_the_limit(self, context, land):
        names = [land(f"{number}.csv").name for number in range(8)]
        outcomes = in_parallel(lambda name: submit_landing(context, name).outcome, names)
        assert outcomes.count(Outcome.SUBMITTED) == 2

    def test_a_repeated_event_acquires_one_slot(self, context, land):
        land("0.csv")
        assert [submit_landing(context, "0.csv").outcome for _ in range(3)][1:] == [Outcome.ALREADY] * 2
        assert submit_landing(context, land("1.csv").name).outcome is Outcome.SUBMITTED

    def test_finished_runs_release_their_slots(self, context, land, clock):
        runs = [submit_landing(context, land(f"{number}.csv").name).run for number in range(2)]
        for run in runs:
            context.runs.advance(context.runs.load(str(run)), RunState.SUCCEEDED)
        land("2.csv")
        assert (
            submit_landing(context, "2.csv").outcome is Outcome.DEFERRED
        )  # a few seconds are not asked again
        clock.move(seconds=6)
        assert submit_landing(context, "2.csv").outcome is Outcome.SUBMITTED

    def test_failed_runs_are_not_active(self, context, land, clock):
        for number in range(2):
            run = submit_landing(context, land(f"{number}.csv").name).run
            context.runs.advance(context.runs.load(str(run)), RunState.FAILED, retry=True)
        clock.move(seconds=6)
        assert submit_landing(context, land("2.csv").name).outcome is Outcome.SUBMITTED

    def test_a_person_does_not_wait(self, context, land):
        for number in range(3):
            land(f"{number}.csv")
            submit_landing(context, f"{number}.csv")
        assert submit_manual(context, Request(["2.csv"]), random_hex=HEX).outcome is Outcome.SUBMITTED


class TestByHand:
    def test_named_blobs_become_one_run(self, context, land):
        landings = [land(f"{letter}.csv") for letter in "ab"]
        submission = submit_manual(context, Request(["a.csv", "b.csv", "a.csv"]), random_hex=HEX)
        assert submission.run == f"manual-20261123-050000-{HEX}"
        assert submission.landings == 2
        assert context.runs.manifest(submission.run).landings == tuple(landings)
        assert str(submission) == f"run {submission.run} is submitted: 2 landings"

    def test_a_prefix_selects_all_names_that_start_with_it(self, context, land):
        for name in ("2018/a.csv", "2018/_tmp/b.csv", "2019/a.csv", "2018/c.csv"):
            land(name)
        submission = submit_manual(context, Request(prefix="2018/"), name="august", random_hex=HEX)
        assert submission.run == "august"
        assert [name for name, _ in scored(context)] == ["2018/a.csv", "2018/c.csv"]

    def test_everything_is_the_empty_prefix(self, context, land):
        land("a.csv")
        land("b/c.csv")
        assert submit_manual(context, Request(), random_hex=HEX).landings == 2

    def test_the_same_name_is_the_same_run(self, context, land):
        land()
        submit_manual(context, Request(), name="august", random_hex=HEX)
        land("b.csv")
        assert submit_manual(context, Request(), name="august", random_hex=HEX).outcome is Outcome.ALREADY
        assert [name for name, _ in scored(context)] == ["a.csv"]

    def test_what_others_have_claimed_leaves_the_manifest(self, context, land):
        land("a.csv")
        submit_landing(context, "a.csv")
        fresh = land("b.csv")
        submission = submit_manual(context, Request(), name="rest", random_hex=HEX)
        assert submission.landings == 1
        assert context.runs.manifest("rest").landings == (fresh,)
        assert submit_manual(context, Request(), name="more", random_hex=HEX).outcome is Outcome.EMPTY

    def test_again_scores_it_again_and_claims_nothing(self, context, land):
        landing = land("a.csv")
        submission = submit_manual(context, Request(), name="again", again=True, random_hex=HEX)
        assert submission.outcome is Outcome.SUBMITTED
        assert context.runs.unclaimed([landing]) == (landing,)
        assert submit_landing(context, "a.csv").outcome is Outcome.SUBMITTED
        assert submit_manual(context, Request(), name="yet", again=True, random_hex=HEX).landings == 1

    def test_all_problems_with_the_blobs_are_reported_together(self, context, land):
        land("_x.csv")
        land("empty.csv", b"")
        with pytest.raises(InvalidRequest) as caught:
            submit_manual(context, Request(["gone.csv", "_x.csv", "empty.csv"]), random_hex=HEX)
        assert "'gone.csv' does not exist" in str(caught.value)
        assert "'_x.csv' cannot be scored" in str(caught.value)
        assert "'empty.csv' cannot be scored: it is empty" in str(caught.value)
        assert context.runs.markers.all() == []

    def test_a_submission_without_blobs_is_rejected(self, context):
        with pytest.raises(InvalidRequest, match="all blobs that start with '2018/'"):
            submit_manual(context, Request(prefix="2018/"), random_hex=HEX)
        with pytest.raises(InvalidRequest, match="the name of at least one blob"):
            submit_manual(context, Request([]), random_hex=HEX)

    def test_an_invalid_name_is_rejected_before_anything_is_written(self, context, land):
        land()
        with pytest.raises(InvalidRunName):
            submit_manual(context, Request(), name="open", random_hex=HEX)
        assert context.runs.markers.all() == []


class TestTakingUp:
    """What the sweep does with a run whose submitter died, for each step at which it can die."""

    def test_before_the_manifest_nothing_was_claimed_so_the_run_ends(self, context, land):
        landing = land()
        record = pending(context, landing)
        assert resume(context, record).outcome is Outcome.EMPTY
        assert "the sweep scores its landings" in str(context.runs.load(record.run).error)
        assert context.runs.unclaimed([landing]) == (landing,)

    def test_and_a_submitter_that_was_only_slow_stops_at_the_manifest(self, context, land):
        landing = land()
        record = pending(context, landing)
        resume(context, record)
        submission = submit(context, record.run, record.cause, [landing])
        assert submission.outcome is Outcome.ALREADY
        assert context.engine.taken() == {}

    def test_after_the_manifest_it_continues(self, context, land):
        landing = land()
        record = pending(context, landing)
        context.runs.create_manifest(Manifest(record.run, (landing,)))
        assert resume(context, record).outcome is Outcome.SUBMITTED
        assert scored(context) == [(landing.name, landing.etag)]

    def test_after_the_claims_too(self, context, land):
        landing = land()
        record = pending(context, landing)
        context.runs.create_manifest(Manifest(record.run, (landing,)))
        context.runs.claim([landing], record.run)
        assert resume(context, record).outcome is Outcome.SUBMITTED

    def test_after_the_submission_the_engine_is_asked_again_and_has_it_once(self, context, land):
        landing = land()
        record = pending(context, landing)
        context.runs.create_manifest(Manifest(record.run, (landing,)))
        context.runs.claim([landing], record.run)
        context.engine.submit(record, context.published())
        assert resume(context, record).outcome is Outcome.SUBMITTED
        assert context.runs.load(record.run).state is RunState.SUBMITTED
        assert scored(context) == [(landing.name, landing.etag)]

    def test_a_run_that_was_canceled_in_the_meantime_is_not_started(self, context, land):
        landing = land()
        record = pending(context, landing)
        context.runs.create_manifest(Manifest(record.run, (landing,)))
        context.runs.request_cancel(record.run)
        assert resume(context, record).outcome is Outcome.CANCELED
        assert context.runs.load(record.run).state is RunState.CANCELED
        assert context.engine.taken() == {}
        assert context.runs.unclaimed([landing]) == ()
        assert context.runs.markers.all() == []

    def test_a_run_that_is_canceled_while_it_is_submitted_is_canceled_in_the_engine(self, context, land):
        landing = land()
        record = pending(context, landing)
        context.runs.create_manifest(Manifest(record.run, (landing,)))
        context.runs.advance(record, RunState.CANCELED)
        assert resume(context, record).outcome is Outcome.CANCELED
        assert (context.engine.folder / f"{record.run}.canceled").exists()
