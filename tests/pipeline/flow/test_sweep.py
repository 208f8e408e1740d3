import json
import logging
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from pipeline import alerts
from pipeline.errors import EngineError, NothingPublished, PublishError, RunDocumentError
from pipeline.flow.cold_ranges import ColdRange
from pipeline.flow.context import Context
from pipeline.flow.recover import recover
from pipeline.flow.status import view_run
from pipeline.flow.submit import Outcome, submit_landing, to_landing
from pipeline.flow.sweep import OutsideCold, Watermark, read_watermark, sweep
from pipeline.published.publish import make_current
from pipeline.runs.landing import Manifest
from pipeline.runs.record import Cause, CauseKind, RunRecord, RunState
from pipeline.storage.account import in_parallel
from tests.pipeline.counting import CountingTransport
from tests.pipeline.file_engine import open_context, publish_one_sensor

TICK = datetime(2026, 11, 23, 5, 0, tzinfo=UTC)
HEX = "3fa94c"


@pytest.fixture
def land(store):
    """Let blobs land; the last one's landing."""

    def land(*names, data=b"TS"):
        for name in names:
            store.data.put(name, data)
        return to_landing(store.data.find(names[-1]))

    return land


@pytest.fixture
def using(settings, tmp_path, clock):
    """A context like the usual one, with other settings."""
    return lambda **changes: open_context(replace(settings, **changes), tmp_path / "engine", clock)


def scored(context):
    """Names of all landings that the engine has, in all runs."""
    return sorted(name for landings in context.engine.taken().values() for name, _ in landings)


def later(**duration):
    """The clock of the server after a while, as a sweep would get it."""
    return datetime.now(UTC) + timedelta(**duration)


def watermark(context):
    return json.loads(context.store.runs.read("sweep.json").data)["watermark"]


class TestNewLandings:
    def test_all_of_them_become_one_run_named_by_the_tick(self, context, land):
        land("a.csv", "2018/b.csv", "_tmp/c.csv", "d.csv")
        land("empty.csv", data=b"")
        report = sweep(context, TICK, random_hex=HEX)
        assert (report.run, report.landings) == ("timer-20261123-050000", 3)
        assert scored(context) == ["2018/b.csv", "a.csv", "d.csv"]
        assert context.runs.load(report.run).cause == Cause(CauseKind.TIMER, "2026-11-23T05:00:00+00:00")
        assert str(report) == (
            "sweep finished: run timer-20261123-050000 is submitted: 3 landings; no run needs recovery"
        )

    def test_where_nothing_is_new_nothing_is_submitted(self, context, land):
        assert "nothing new" in str(sweep(context, TICK, random_hex=HEX))
        land("a.csv")
        sweep(context, TICK + timedelta(hours=1), random_hex=HEX)
        report = sweep(context, TICK + timedelta(hours=2), random_hex=HEX)
        assert report.run is None
        assert str(report) == "sweep finished: nothing new; 1 active"
        assert len(context.engine.taken()) == 1

    def test_what_events_brought_is_not_new(self, context, land):
        land("a.csv", "b.csv")
        submit_landing(context, "a.csv")
        assert sweep(context, TICK, random_hex=HEX).landings == 1
        assert scored(context) == ["a.csv", "b.csv"]

    def test_the_deferred_landings_of_a_burst_become_one_run(self, using, context, land):
        narrow = using(max_active_runs=1)
        for number in range(5):
            land(f"{number}.csv")
            submit_landing(narrow, f"{number}.csv")
        assert sweep(narrow, TICK, random_hex=HEX).landings == 4
        assert len(scored(context)) == 5

    def test_a_replaced_blob_is_new(self, context, land):
        land("a.csv")
        sweep(context, TICK, random_hex=HEX)
        land("a.csv", data=b"other")
        assert sweep(context, TICK + timedelta(hours=1), random_hex=HEX).landings == 1

    def test_a_person_can_sweep_too(self, context, land):
        land("a.csv")
        report = sweep(context, None, random_hex=HEX)
        assert report.run == f"manual-20261123-050000-{HEX}"

    def test_a_tick_that_comes_twice_does_its_work_once(self, context, land):
        land("a.csv")
        sweep(context, TICK, random_hex=HEX)
        before = watermark(context)
        land("b.csv")
        report = sweep(context, TICK, random_hex=HEX)
        assert report.run is None
        assert "run timer-20261123-050000 exists already" in str(report)
        assert "1 landings wait for the next sweep" in str(report)
        assert watermark(context) == before
        assert sweep(context, TICK + timedelta(hours=1), random_hex=HEX).landings == 1
        assert scored(context) == ["a.csv", "b.csv"]

    def test_many_are_claimed_at_once(self, context, store):
        in_parallel(lambda number: store.data.put(f"{number:03}.csv", b"TS"), range(40))
        assert sweep(context, TICK, random_hex=HEX).landings == 40
        assert len(context.engine.taken()["timer-20261123-050000"]) == 40

    def test_a_missing_publication_is_reported_and_nothing_is_lost(self, context, store, land):
        land("a.csv")
        current = store.runs.read("published/current").data
        store.runs.delete("published/current")
        with pytest.raises(NothingPublished):
            sweep(context, TICK, random_hex=HEX)
        assert watermark(context) is None
        store.runs.put("published/current", current)
        assert sweep(context, TICK, random_hex=HEX).landings == 1


class TestWatermark:
    def test_it_is_the_servers_time_less_the_grace_period(self, context, settings, clock):
        clock.now = datetime(2001, 1, 1, tzinfo=UTC)  # ours is wrong by decades, and does not matter
        sweep(context, TICK, random_hex=HEX)
        moved = datetime.fromisoformat(watermark(context))
        assert abs(datetime.now(UTC) - settings.grace - moved) < timedelta(minutes=2)

    def test_older_landings_are_not_checked(self, context, store, land):
        land("a.csv")
        future = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
        source = f"{store.account}/{store.data.name}"
        document = {"version": 1, "source": source, "watermark": future}
        store.runs.put("sweep.json", json.dumps(document).encode())
        assert "nothing new" in str(sweep(context, TICK, random_hex=HEX))
        assert watermark(context) == future  # it never goes back

    @pytest.mark.parametrize("source", ["{account}/another", "another/data"])
    def test_it_is_not_used_for_another_container(self, context, store, land, source):
        land("a.csv")
        document = {
            "version": 1,
            "source": source.format(account=store.account),
            "watermark": later(hours=1).isoformat(),
        }
        store.runs.put("sweep.json", json.dumps(document).encode())
        assert sweep(context, TICK, random_hex=HEX).landings == 1

    def test_landings_within_the_grace_period_are_checked_again(self, using, context, land):
        patient = using(grace=timedelta(minutes=10))
        land("a.csv")
        sweep(patient, TICK, random_hex=HEX)
        land("b.csv")  # as if it had come while the first listing was under way
        assert sweep(patient, TICK + timedelta(hours=1), random_hex=HEX).landings == 1
        assert scored(context) == ["a.csv", "b.csv"]

    def test_cold_folders_that_an_earlier_release_noted_are_listed(self, context, store, land):
        land("site-a/2026/01/late.csv")
        before = later(hours=-1).isoformat()
        document = {
            "version": 1,
            "source": f"{store.account}/{store.data.name}",
            "watermark": before,
            "outside_cold": {"watermark": before, "cold": ["site-a/2026/01/"]},
        }
        store.runs.put("sweep.json", json.dumps(document).encode())
        assert sweep(context, TICK, random_hex=HEX).landings == 1
        assert "outside_cold" not in json.loads(store.runs.read("sweep.json").data)

    def test_cold_ranges_are_stored_in_a_field_that_an_earlier_release_does_not_read(self):
        moved = datetime(2026, 11, 23, 5, tzinfo=UTC)
        stored = Watermark("account/data", moved, OutsideCold(moved, (ColdRange("a", "b", 3),)))
        assert json.loads(stored.to_bytes()) == {
            "version": 1,
            "source": "account/data",
            "watermark": "2026-11-23T05:00:00Z",
            "outside_ranges": {
                "watermark": "2026-11-23T05:00:00Z",
                "cold": [{"first": "a", "last": "b", "before": 3}],
            },
        }
        assert read_watermark(stored.to_bytes(), "it") == stored

    def test_a_failed_submission_leaves_it_where_it_is(self, context, land):
        land("a.csv")
        context.engine.refuses = "the cluster is gone"
        with pytest.raises(Exception, match="the cluster is gone"):
            sweep(context, TICK, random_hex=HEX)
        assert watermark(context) is None

    def test_sweeps_that_score_everything_leave_it_where_it_is(self, using, context, land):
        land("a.csv")
        sweep(using(timer_mode="all", grace=timedelta(0)), TICK, random_hex=HEX)
        assert watermark(context) is None
        assert sweep(context, TICK + timedelta(hours=1), random_hex=HEX).landings == 1

    def test_a_damaged_one_is_reported_with_what_to_do(self, context, store):
        store.runs.put("sweep.json", b"{")
        with pytest.raises(RunDocumentError, match="delete it"):
            sweep(context, TICK, random_hex=HEX)
        store.runs.put("sweep.json", b'{"version": 2, "watermark": null}')
        with pytest.raises(RunDocumentError, match="update it"):
            sweep(context, TICK, random_hex=HEX)


class TestEverything:
    def test_each_tick_scores_everything(self, using, context, land):
        all_mode = using(timer_mode="all")
        land("a.csv", "b.csv", "_c.csv")
        submit_landing(all_mode, "a.csv")
        for hour in range(2):
            assert sweep(all_mode, TICK + timedelta(hours=hour), random_hex=HEX).landings == 2
        assert sorted(context.engine.taken()) == sorted(
            [str(submit_landing(all_mode, "a.csv").run), "timer-20261123-050000", "timer-20261123-060000"]
        )

    def test_and_claims_nothing(self, using, land):
        all_mode = using(timer_mode="all")
        publish_one_sensor(all_mode)
        landing = land("a.csv")
        sweep(all_mode, TICK, random_hex=HEX)
        assert all_mode.runs.unclaimed([landing]) == (landing,)

    def test_an_empty_container_gives_no_run(self, using, store):
        assert list(store.data.list()) == []
        assert "nothing to score" in str(sweep(using(timer_mode="all"), TICK, random_hex=HEX))


class TestPendingRuns:
    def pending(self, context, land, *, manifest=True):
        landing = land("a.csv")
        run = f"blob-{context.runs.key(landing)}"
        context.runs.markers.create(run)
        record = context.runs.create(
            RunRecord(
                run=run,
                cause=Cause(CauseKind.BLOB, landing.name),
                state=RunState.PENDING,
                published=context.published().version,
                created=context.clock(),
            )
        )
        if manifest:
            context.runs.create_manifest(Manifest(run, (landing,)))
        return record

    def test_a_young_one_is_not_resumed(self, context, land):
        self.pending(context, land)
        assert recover(context, later()).active == 1
        assert context.engine.taken() == {}

    def test_an_old_one_is_resumed_under_its_own_name(self, context, land):
        record = self.pending(context, land)
        assert recover(context, later(hours=1)).resumed == 1
        assert list(context.engine.taken()) == [record.run]
        assert context.runs.load(record.run).state is RunState.SUBMITTED

    def test_age_is_measured_by_the_servers_clock(self, context, land, using):
        record = self.pending(context, land)
        context.runs.claim(context.runs.manifest(record.run).landings, record.run)
        hasty = using(pending_after=timedelta(milliseconds=1))
        deadline = time.monotonic() + 20
        while sweep(hasty, None, random_hex=HEX).recovered.resumed == 0:
            assert time.monotonic() < deadline
        assert len(context.engine.taken()) == 1

    def test_one_without_a_manifest_ends_and_the_same_sweep_scores_its_landing(self, using, context, land):
        record = self.pending(context, land, manifest=False)
        hasty = using(pending_after=timedelta(milliseconds=1))
        deadline = time.monotonic() + 20
        while not (report := sweep(hasty, TICK, random_hex=HEX)).recovered.closed:
            # A sweep in the same second finds it young, and takes the landing with it.
            assert time.monotonic() < deadline
            if report.run:
                break
        assert scored(context) == ["a.csv"]
        recover(context, later(hours=1))
        assert context.runs.load(record.run).state is RunState.EMPTY

    def test_a_marker_without_a_record_is_closed_for_good(self, context, land):
        landing = land("a.csv")
        run = f"blob-{context.runs.key(landing)}"
        context.runs.markers.create(run)
        assert recover(context, later()).active == 1
        assert recover(context, later(hours=1)).closed == 1
        assert context.runs.load(run).state is RunState.EMPTY
        # The submitter was only slow: it finds that its name is taken, and the sweep does its work.
        assert submit_landing(context, "a.csv").outcome is Outcome.ALREADY
        assert sweep(context, TICK, random_hex=HEX).landings == 1
        assert context.runs.markers.all()[0].run == "timer-20261123-050000"

    def test_one_that_the_engine_refuses_is_logged_and_the_others_continue(self, context, land, caplog):
        first = self.pending(context, land)
        context.engine.refuses = "the cluster is gone"
        with caplog.at_level(logging.WARNING):
            recovered = recover(context, later(hours=1))
        assert recovered.postponed == 1
        assert f"run {first.run} is postponed to the next sweep: the cluster is gone" in caplog.text
        assert str(recovered) == "1 postponed to the next sweep"
        context.engine.refuses = None
        assert recover(context, later(hours=1)).resumed == 1

    def test_one_whose_submitter_gave_up_is_resumed_at_once(self, context, land):
        land("a.csv")
        context.engine.refuses = "the cluster is gone"
        with pytest.raises(EngineError):
            submit_landing(context, "a.csv")
        context.engine.refuses = None
        assert recover(context, later()).resumed == 1
        assert scored(context) == ["a.csv"]

    def test_the_marker_of_a_finished_run_is_deleted(self, context, land):
        record = self.pending(context, land)
        context.runs.advance(record, RunState.CANCELED)
        context.runs.markers.create(record.run)
        assert recover(context, later()).closed == 1
        assert context.runs.markers.all() == []


class TestAnotherEngine:
    def test_its_runs_are_logged_and_not_changed(self, context, store, land, caplog):
        land("a.csv")
        run = str(submit_landing(context, "a.csv").run)
        record = context.runs.load(run)
        store.runs.put(f"{run}/record.json", replace(record, engine="azureml").to_bytes())
        with caplog.at_level(logging.WARNING):
            recovered = recover(context, later(hours=1))
        assert recovered.postponed == 1
        assert "is on the engine azureml, and SCORING_ENGINE is local: set it back" in caplog.text
        with pytest.raises(EngineError, match="SCORING_ENGINE"):
            view_run(context, run)

    def test_what_is_published_for_it_is_refused_before_anything_is_claimed(self, context, store, land):
        landing = land("a.csv")
        make_current(store, replace(context.published(), engine="azureml"))
        fresh = Context(context.settings, store, context.engine, context.clock)
        for submit in (lambda: submit_landing(fresh, "a.csv"), lambda: sweep(fresh, TICK, random_hex=HEX)):
            with pytest.raises(PublishError, match="run python -m pipeline publish"):
                submit()
        assert context.runs.markers.all() == []
        assert context.runs.unclaimed([landing]) == (landing,)


class TestRetries:
    def failed(self, context, land, *, retry=True):
        landing = land("a.csv")
        run = str(submit_landing(context, "a.csv").run)
        context.runs.advance(context.runs.load(run), RunState.FAILED, retry=retry, error="no disk")
        return landing, run

    def test_a_failed_run_is_tried_again_under_its_next_name_and_takes_its_claims(self, context, land):
        landing, run = self.failed(context, land)
        assert recover(context, later()).retried == 1
        record = context.runs.load(f"{run}-2")
        assert (record.cause, record.tries) == (Cause(CauseKind.RETRY, run), 2)
        assert record.state is RunState.SUBMITTED
        assert context.engine.taken()[f"{run}-2"] == [(landing.name, landing.etag)]
        assert context.store.runs.read(f"landings/{context.runs.key(landing)}").data == f"{run}-2".encode()
        assert [marker.run for marker in context.runs.markers.all()] == [f"{run}-2"]

    @pytest.mark.parametrize("lost", [(), ("1_3",)], ids=["as a whole", "for what is missing"])
    def test_the_folder_of_a_run_that_is_tried_again_as_a_whole_is_not_finished(self, context, land, lost):
        """Why: `collect` can be lost after its last write, and the next try predicts everything again."""
        land("a.csv")
        run = str(submit_landing(context, "a.csv").run)
        context.store.preds.put(f"{run}/_SUCCESS", b"")
        context.runs.advance(context.runs.load(run), RunState.FAILED, retry=True, missing=lost)
        assert recover(context, later()).retried == 1
        assert context.store.preds.exists(f"{run}/_SUCCESS") == bool(lost)

    def test_until_it_has_had_its_tries(self, context, land, settings, caplog):
        _, run = self.failed(context, land)
        for number in range(2, settings.max_tries + 1):
            assert recover(context, later()).retried == 1
            context.runs.advance(context.runs.load(f"{run}-{number}"), RunState.FAILED, retry=True)
        assert alerts.RUN_FAILED not in caplog.text
        assert recover(context, later()).closed == 1
        assert f"{alerts.RUN_FAILED} run {run}-{settings.max_tries}: see its steps" in caplog.text
        assert context.runs.markers.all() == []
        assert len(context.engine.taken()) == settings.max_tries

    def test_one_that_no_retry_can_help_is_not_retried(self, context, land, caplog):
        _, run = self.failed(context, land, retry=False)
        assert alerts.RUN_FAILED not in caplog.text
        assert recover(context, later()).closed == 1
        assert f"{alerts.RUN_FAILED} run {run}: no disk" in caplog.text
        assert str(recover(context, later())) == "no run needs recovery"

    def lost(self, context, land, *missing):
        """A run that scored some sensors, and lost the steps of these."""
        landing = land("a.csv")
        run = str(submit_landing(context, "a.csv").run)
        lost = {"retry": True, "missing": missing, "error": "1/3 is missing"}
        context.runs.advance(context.runs.load(run), RunState.PARTLY, **lost)
        context.store.preds.put(f"{run}/_SUCCESS", b"")
        return landing, run

    def test_a_run_that_lost_steps_is_tried_again_for_what_is_missing(self, context, land):
        landing, run = self.lost(context, land, "1_3")
        assert recover(context, later()).retried == 1
        assert context.runs.manifest(f"{run}-2") == Manifest(f"{run}-2", (landing,), ("1_3",))
        assert context.runs.load(f"{run}-2").cause == Cause(CauseKind.RETRY, run)
        assert context.runs.load(run).state is RunState.PARTLY
        assert context.store.preds.exists(f"{run}/_SUCCESS")
        assert context.runs.manifest(run).sensors is None

    def test_a_try_for_what_is_missing_that_fails_is_tried_again_for_the_same_sensors(self, context, land):
        _, run = self.lost(context, land, "1_3", "1_4")
        recover(context, later())
        context.runs.advance(context.runs.load(f"{run}-2"), RunState.FAILED, retry=True)
        assert recover(context, later()).retried == 1
        assert context.runs.manifest(f"{run}-3").sensors == ("1_3", "1_4")

    def test_what_is_still_missing_after_its_tries_is_final_and_the_alert_names_it(
        self, context, land, settings, caplog
    ):
        _, run = self.lost(context, land, "1_3")
        for number in range(2, settings.max_tries + 1):
            assert recover(context, later()).retried == 1
            record = context.runs.load(f"{run}-{number}")
            context.runs.advance(
                record, RunState.FAILED, retry=True, missing=("1_3",), error="1/3 is missing"
            )
        assert alerts.RUN_FAILED not in caplog.text
        assert recover(context, later()).closed == 1
        last = f"{run}-{settings.max_tries}"
        reason = f"1/3 is missing; it is not tried again after {settings.max_tries} tries"
        assert f"{alerts.RUN_FAILED} run {last}: {reason}" in caplog.text
        record = context.runs.load(last)
        assert (record.retry, record.error) == (False, reason)
        assert context.runs.markers.all() == []

    def test_the_alert_about_a_run_that_was_scored_in_part_says_for_how_many_sensors(
        self, using, context, land, caplog
    ):
        _, run = self.lost(context, land, "1_3", "1_4")
        assert recover(using(max_tries=1), later()).closed == 1
        assert f"{alerts.RUN_FAILED} run {run} for 2 sensors: 1/3 is missing" in caplog.text
        assert context.runs.load(run).state is RunState.PARTLY

    def test_looking_at_a_failed_run_leaves_its_alert_to_the_sweep(self, context, land, caplog):
        land("a.csv")
        run = str(submit_landing(context, "a.csv").run)
        context.engine.say(run, state="failed", error="no disk")
        view = view_run(context, run)
        assert (view.state, view.recorded, view.record.error) == (RunState.FAILED, False, "no disk")
        assert context.runs.load(run).state is RunState.SUBMITTED
        assert alerts.RUN_FAILED not in caplog.text
        assert recover(context, later()).finished == 1
        assert f"{alerts.RUN_FAILED} run {run}: no disk" in caplog.text
        assert context.runs.markers.all() == []

    def test_a_try_that_broke_off_while_its_run_was_canceled_is_closed(self, context, land):
        _, run = self.lost(context, land, "1_3")
        context.runs.markers.create(f"{run}-2")
        context.runs.request_cancel(run)
        assert recover(context, later()).closed == 1
        assert recover(context, later(hours=1)).closed == 1
        assert context.runs.load(f"{run}-2").state is RunState.EMPTY
        assert context.runs.markers.all() == []

    def test_a_canceled_one_is_not_retried(self, context, land):
        _, run = self.failed(context, land)
        context.runs.request_cancel(run)
        assert recover(context, later()).closed == 1
        assert context.runs.markers.all() == []

    def test_one_that_scored_everything_again_does_so_without_claims(self, using, context, land):
        landing = land("a.csv")
        run = str(sweep(using(timer_mode="all"), TICK, random_hex=HEX).run)
        context.runs.advance(context.runs.load(run), RunState.FAILED, retry=True)
        assert recover(context, later()).retried == 1
        assert not context.runs.load(f"{run}-2").claims
        assert context.runs.unclaimed([landing]) == (landing,)

    @pytest.mark.parametrize("step", ["marker", "record", "manifest", "claims", "submission"])
    def test_a_retry_that_broke_off_is_finished(self, context, land, step):
        landing, run = self.failed(context, land)
        steps = ["marker", "record", "manifest", "claims", "submission"]
        done, again = steps[: steps.index(step) + 1], f"{run}-2"
        context.runs.markers.create(again)
        if "record" in done:
            record = context.runs.create(
                RunRecord(
                    run=again,
                    cause=Cause(CauseKind.RETRY, run),
                    state=RunState.PENDING,
                    published=context.published().version,
                    created=context.clock(),
                    tries=2,
                )
            )
        if "manifest" in done:
            context.runs.create_manifest(Manifest(again, (landing,)))
        if "claims" in done:
            context.runs.claim([landing], again)
        if "submission" in done:
            context.engine.submit(record, context.published())
        recover(context, later(hours=1))
        assert context.runs.load(again).state is RunState.SUBMITTED
        assert context.engine.taken()[again] == [(landing.name, landing.etag)]
        assert [marker.run for marker in context.runs.markers.all()] == [again]

    def test_an_interrupted_one_waits_until_it_can_continue(self, context, land, store):
        """No other run can score its landings: the failed run holds their claims."""
        landing, run = self.failed(context, land)
        context.runs.markers.create(f"{run}-2")
        current = store.runs.read("published/current").data
        store.runs.delete("published/current")
        context.clock.move(minutes=1)
        recovered = recover(context, later(hours=1))
        assert (recovered.postponed, recovered.closed) == (1, 0)
        store.runs.put("published/current", current)
        assert recover(context, later(hours=1)).retried == 1
        assert context.engine.taken()[f"{run}-2"] == [(landing.name, landing.etag)]


class TestLostWorkers:
    def running(self, context, land, name="a.csv"):
        land(name)
        run = str(submit_landing(context, name).run)
        context.runs.advance(context.runs.load(run), RunState.RUNNING)
        return run

    def test_a_run_whose_worker_holds_its_marker_is_well(self, context, land):
        run = self.running(context, land)
        context.engine.say(run, state="running", lost=True)  # the holder of the lease knows better
        lease = context.runs.markers.hold(run)
        assert recover(context, later(hours=1)).active == 1
        lease.release()

    def test_a_dead_worker_is_replaced(self, context, land, caplog):
        run = self.running(context, land)
        context.engine.say(run, state="running", lost=True)
        assert recover(context, later()).restarted == 1
        assert context.engine.calls(run) == 2
        record = context.runs.load(run)
        assert (record.state, record.restarts) == (RunState.SUBMITTED, 1)
        assert f"run {run}: its worker died and is replaced" in caplog.text

    def test_but_not_for_ever(self, context, land, settings):
        run = self.running(context, land)
        context.engine.say(run, state="running", lost=True)
        for _ in range(settings.max_tries):
            assert recover(context, later()).restarted == 1
        assert recover(context, later()).finished == 1
        record = context.runs.load(run)
        assert record.state is RunState.FAILED
        assert "its worker died 4 times" in str(record.error)
        assert context.runs.markers.all() == []

    def test_the_outcome_of_a_run_that_the_engine_has_finished_is_recorded(self, context, land):
        run = self.running(context, land)
        context.engine.say(run, state="partly", error="1 of 2 sensors failed", counts={"readings": 7})
        assert recover(context, later()).finished == 1
        record = context.runs.load(run)
        assert (record.state, record.error, record.counts) == (
            RunState.PARTLY,
            "1 of 2 sensors failed",
            {"readings": 7},
        )
        assert context.runs.markers.all() == []

    def test_many_are_looked_up_side_by_side_with_two_requests_each(
        self, settings, context, land, tmp_path, monkeypatch
    ):
        for number in range(8):
            self.running(context, land, f"{number}.csv")
        transport = CountingTransport()
        counted = open_context(settings, tmp_path / "engine", context.clock, transport=transport)
        others, status = threading.Barrier(8, timeout=30), counted.engine.status

        def status_when_all_ask(run):
            others.wait()
            return status(run)

        monkeypatch.setattr(counted.engine, "status", status_when_all_ask)
        assert recover(counted, later()).active == 8
        assert len(transport.requests) <= 1 + 2 * 8, transport.requests

    def test_a_failure_in_the_engine_is_tried_again_by_the_next_sweep(self, context, land):
        run = self.running(context, land)
        context.engine.say(run, state="failed", retry=True)
        assert recover(context, later()).finished == 1
        assert recover(context, later()).retried == 1
        assert f"{run}-2" in context.engine.taken()

    def test_a_run_that_started_in_the_meantime_becomes_running(self, context, land):
        land("a.csv")
        run = str(submit_landing(context, "a.csv").run)
        context.engine.say(run, state="running")
        assert recover(context, later()).active == 1
        assert context.runs.load(run).state is RunState.RUNNING


class TestMissingEvents:
    """The log says which landings a sweep found though their event should have come long before."""

    @pytest.fixture
    def swept(self, using, context):
        """A context for which an event is late at once, after its first sweep."""
        narrow = using(late_event=timedelta(0), max_active_runs=1)
        assert sweep(narrow, TICK, random_hex=HEX).run is None
        assert narrow.published() == context.published()
        return narrow

    def missing(self, caplog):
        return [text for text in caplog.messages if text.startswith(alerts.EVENTS_MISSING)]

    def wait(self, context):
        """Wait until storage's clock, which counts seconds, is past the last write."""
        written = context.store.runs.read("sweep.json").served
        while context.store.runs.read("sweep.json").served <= written + timedelta(seconds=1):
            time.sleep(0.1)

    def test_are_counted_and_the_oldest_is_named(self, swept, land, caplog):
        land("a.csv")
        self.wait(swept)
        land("b.csv")
        self.wait(swept)
        sweep(swept, TICK + timedelta(hours=1), random_hex=HEX)
        (line,) = self.missing(caplog)
        assert line.startswith(f"{alerts.EVENTS_MISSING} 2 landings had no run when the sweep found them")
        assert "'a.csv'" in line
        assert "event subscription" in line

    def test_are_none_where_events_came(self, swept, land, caplog):
        land("a.csv")
        submit_landing(swept, "a.csv")
        self.wait(swept)
        sweep(swept, TICK + timedelta(hours=1), random_hex=HEX)
        assert self.missing(caplog) == []

    def test_are_none_at_the_first_sweep_which_finds_what_was_there_before(
        self, using, context, land, caplog
    ):
        land("a.csv")
        narrow = using(late_event=timedelta(0))
        written = context.store.data.find("a.csv").last_modified
        while datetime.now(UTC) <= written + timedelta(seconds=1):
            time.sleep(0.1)
        assert sweep(narrow, TICK, random_hex=HEX).landings == 1
        assert self.missing(caplog) == []

    def test_are_none_where_an_event_can_still_come(self, using, swept, land, caplog):
        land("a.csv")
        self.wait(swept)
        sweep(using(), TICK + timedelta(hours=1), random_hex=HEX)
        assert self.missing(caplog) == []

    def test_are_none_after_a_burst_whose_landings_were_deferred(self, swept, land, caplog):
        for number in range(3):
            land(f"{number}.csv")
            submit_landing(swept, f"{number}.csv")
        self.wait(swept)
        assert sweep(swept, TICK + timedelta(hours=1), random_hex=HEX).landings == 2
        assert self.missing(caplog) == []
