import gzip
import json
import threading
from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from pipeline.errors import StorageUnreachable
from pipeline.fleet.events import EventKind
from pipeline.fleet.store import change_state, read_state
from pipeline.flow.recover import conclude
from pipeline.flow.submit import submit_landing
from pipeline.flow.sweep import sweep
from pipeline.flow.triggers import conclude_run
from pipeline.notify.settings import NotifySettings, Sink, SinkKind, write_notify_settings
from pipeline.pages.fleet_page import update_fleet_page
from pipeline.runs.record import RunState
from scoring.formats import EPISODES_CSV, FLEET_HTML, FLEET_STATE, INDEX_HTML, SUCCESS
from tests.pipeline.counting import CountingTransport
from tests.pipeline.file_engine import open_context
from tests.pipeline.fleet.stored import DAY, EPISODE, TOTALS, write_results
from tests.pipeline.notify.receiver import Receiver, served

HEX = "3fa94c"


@pytest.fixture
def run(context):
    """A run that was submitted."""
    return submitted(context, "a.csv")


def submitted(context, name):
    context.store.data.put(name, b"TS")
    run = submit_landing(context, name).run
    assert run is not None
    return run


def finish(context, run, **status):
    """Let the engine say that the run has finished."""
    context.engine.say(run, **({"state": "succeeded", "counts": TOTALS} | status))


def swept(context):
    return sweep(context, None, random_hex=HEX)


def state(context):
    return read_state(context.store.preds)


def test_a_finished_run_is_in_the_fleet_state_once(context, run):
    write_results(context.store.preds, run)
    finish(context, run)
    swept(context)
    (sensor,) = state(context).sensors
    assert sensor.key == ("1", "3")
    assert sensor.last_reading == datetime(2026, 11, 22, 23, 59, tzinfo=UTC)
    assert sensor.model == "f00d"
    assert sensor.read_days() == [("2026-11-22", 1440, 26, 2, run)]
    (episode,) = sensor.episodes
    assert (episode.readings, episode.peak_score, episode.state) == (26, None, "closed")
    assert not context.runs.markers.exists(run)
    context.runs.markers.create(run)  # as if a process had died before it deleted the marker
    swept(context)
    assert state(context).sensors == (sensor,)
    assert not context.runs.markers.exists(run)


def test_a_run_that_waits_for_its_retry_is_not_added_again_when_its_name_has_left_the_state(context, run):
    write_results(context.store.preds, run, state="partly")
    finish(context, run, state="partly", retry=True, missing=["1_4"])
    swept(context)
    assert context.runs.load(run).applied
    before = change_state(context.store.preds, lambda state: replace(state, runs=()))
    context.engine.refuses = "no quota"
    swept(context)
    assert state(context) == before.state
    assert context.runs.markers.exists(run)


def test_a_process_that_dies_before_the_fleet_state_leaves_it_to_the_next_sweep(context, run):
    write_results(context.store.preds, run)

    def dies(record):
        raise StorageUnreachable("storage does not respond")

    usual, context.runs.add_to_fleet = context.runs.add_to_fleet, dies
    finish(context, run)
    with pytest.raises(StorageUnreachable):
        swept(context)
    assert context.runs.load(run).state is RunState.SUCCEEDED
    assert context.runs.markers.exists(run)
    assert state(context).sensors == ()
    context.runs.add_to_fleet = usual
    swept(context)
    assert len(state(context).sensors) == 1
    assert not context.runs.markers.exists(run)


def test_runs_that_finish_at_the_same_moment_are_all_added(context):
    runs = [submitted(context, f"{number}.csv") for number in range(8)]
    for number, run in enumerate(runs):
        write_results(context.store.preds, run, days=[DAY | {"Sensor": str(number)}], episodes=[])
        finish(context, run)
    names = [(context.store.preds.name, f"{run}/{SUCCESS}") for run in runs]
    threads = [threading.Thread(target=conclude_run, args=(context, *name)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(state(context).runs) == sorted(runs)
    assert {sensor.sensor for sensor in state(context).sensors} >= {str(number) for number in range(8)}


class TestTrigger:
    def test_success_concludes_its_run_at_once_and_sends_its_messages(self, context, run):
        write_results(context.store.preds, run)
        with served(Receiver()) as receiver:
            sink = Sink(name="ops", kind=SinkKind.WEBHOOK, url=receiver.url)
            write_notify_settings(context.store.runs, NotifySettings(sinks=(sink,)).to_bytes(), "it")
            finish(context, run)
            outcome = conclude_run(context, context.store.preds.name, f"{run}/{SUCCESS}")
        assert outcome == f"run {run}: finished"
        assert context.runs.load(run).state is RunState.SUCCEEDED
        kinds = [one.document["type"] for one in receiver.accepted]
        assert kinds == [EventKind.EPISODE_OPENED, EventKind.EPISODE_CLOSED]
        assert context.store.preds.exists("index.html")

    def test_its_second_event_does_nothing(self, context, run):
        write_results(context.store.preds, run)
        finish(context, run)
        conclude_run(context, context.store.preds.name, f"{run}/{SUCCESS}")
        before = context.store.preds.find(FLEET_STATE).etag
        outcome = conclude_run(context, context.store.preds.name, f"{run}/{SUCCESS}")
        assert outcome == f"run {run} is concluded already, or is not one of ours"
        assert context.store.preds.find(FLEET_STATE).etag == before

    def test_success_of_a_run_that_its_engine_still_runs_changes_nothing(self, context, run):
        write_results(context.store.preds, run)
        assert conclude(context, run, waits=(0.1,)) == f"run {run}: none"
        assert context.runs.load(run).state is RunState.SUBMITTED
        assert state(context).runs == ()

    def test_a_run_with_a_live_worker_is_left_to_it(self, context, run):
        lease = context.runs.markers.hold(run)
        outcome = conclude_run(context, context.store.preds.name, f"{run}/{SUCCESS}")
        assert outcome == f"run {run} is concluded by its worker"
        lease.release()

    @pytest.mark.parametrize("name", ["a/b/_SUCCESS", "_SUCCESS", "../_SUCCESS", "run/summary.json"])
    def test_other_blobs_are_not_the_end_of_a_run(self, context, name):
        assert "is not the end of a run" in conclude_run(context, context.store.preds.name, name)

    def test_success_in_another_container_is_not_the_end_of_a_run(self, context, run):
        assert "is not the end of a run" in conclude_run(context, "elsewhere", f"{run}/{SUCCESS}")


def test_the_page_of_the_fleet_shows_the_run_and_is_written_once(context, run):
    write_results(context.store.preds, run)
    finish(context, run)
    swept(context)
    page = context.store.preds.read(FLEET_HTML)
    assert run in page.data.decode()
    assert f'href="{FLEET_HTML}"' in context.store.preds.read(INDEX_HTML).data.decode()
    swept(context)
    assert context.store.preds.find(FLEET_HTML).etag == page.etag


def test_a_page_of_the_fleet_that_cannot_be_written_harms_no_run(context, run, caplog):
    context.store.preds.put(FLEET_STATE, b"not gzip")
    update_fleet_page(context.store, None)
    assert f"{FLEET_HTML} is not updated" in caplog.text


def test_a_run_that_fails_for_good_is_announced_once(context, run):
    for number in range(3):
        name = run if number == 0 else f"{run}-{number + 1}"
        context.engine.say(name, state="failed", error="no disk", retry=True)
        swept(context)
        assert [event.kind for event in state(context).outbox] == []
        swept(context)
    assert state(context).failed == (f"{run}-3",)
    swept(context)
    assert state(context).failed == (f"{run}-3",)


def announced(caplog):
    """The events that were logged, without their ids."""
    lines = (record.getMessage() for record in caplog.records)
    return [line.split(": ", 1)[1] for line in lines if line.startswith("event ")]


class TestSilenceOfTheFleet:
    @pytest.fixture(autouse=True)
    def scored(self, context, run, caplog):
        """It sends each hour; the last reading is five hours old."""
        caplog.set_level("INFO")
        self.arrives(context, run, "2026-11-22T22:59:00Z")
        self.arrives(context, submitted(context, "next.csv"), "2026-11-22T23:59:00Z")

    def arrives(self, context, run, last_reading):
        day = DAY | {"date": last_reading[:10], "last_reading": last_reading}
        write_results(context.store.preds, run, days=[day], episodes=[])
        finish(context, run)
        swept(context)

    def test_a_sweep_announces_it_once_and_the_next_run_that_it_is_back(self, context, clock, caplog):
        for _ in range(3):
            clock.move(hours=1)
            swept(context)
        clock.move(hours=4)
        self.arrives(context, submitted(context, "b.csv"), "2026-11-23T11:59:00Z")
        swept(context)
        assert announced(caplog) == [
            "the whole fleet is silent since 2026-11-22 23:59 UTC (no sink)",
            "the whole fleet is back, with readings until 2026-11-23 11:59 UTC (no sink)",
        ]

    def test_a_sweep_reads_the_state_only_when_it_is_time(self, settings, clock, tmp_path):
        def requests():
            transport = CountingTransport()
            swept(open_context(settings, tmp_path / "engine", clock, transport=transport))
            return {each.split()[0] for each in transport.requests if each.endswith(FLEET_STATE)}

        assert requests() == {"HEAD"}
        clock.move(hours=1)
        assert requests() == {"HEAD", "GET", "PUT"}
        clock.move(hours=1)
        assert requests() == {"HEAD"}

    @pytest.mark.parametrize("planted", ["0", "soon", "9999-12-31T23:59:59Z"])
    def test_a_time_that_someone_else_has_planted_makes_no_event(self, context, clock, caplog, planted):
        context.store.preds.annotate(FLEET_STATE, {"waiting": "1", "silent_at": planted})
        swept(context)
        clock.move(minutes=30)
        swept(context)
        assert announced(caplog) == []


class TestReadingsThatAreLost:
    """Each way in which they are lost is announced once, with the name and the reason."""

    @pytest.mark.parametrize(
        ("status", "words"),
        [
            ("unreadable", "not read"),
            ("refused", "not read"),
            ("all-rejected", "too many rejected rows"),
            ("partly-rejected", "too many rejected rows"),
        ],
    )
    def test_of_a_landing_in_a_run_that_scored_others(self, context, run, caplog, status, words):
        caplog.set_level("INFO")
        lost, read = landing("a.csv", status, "the reason"), landing("b.csv", "read")
        write_results(context.store.preds, run, landings=[lost, read], state="partly")
        finish(context, run, state="partly", error="the reason")
        swept(context)
        swept(context)
        lines = [line for line in announced(caplog) if line.startswith("run ")]
        assert lines == [f"run {run}: {words}: a.csv (the reason) (no sink)"]

    def test_of_the_only_landing_of_a_run_which_has_failed_then(self, context, run, caplog):
        caplog.set_level("INFO")
        lost = landing("a.csv", "unreadable", "the reason")
        write_results(context.store.preds, run, landings=[lost], episodes=[], days=[], state="failed")
        finish(context, run, state="failed", error="a.csv: the reason")
        swept(context)
        swept(context)
        assert announced(caplog) == [f"run {run} failed for good: a.csv: the reason (no sink)"]

    @pytest.mark.parametrize(
        ("status", "reason"),
        [
            ("no-model", "there is no model_9_9.skops: train or upload it"),
            ("failed", "the model is refused"),
            ("missing", "no step wrote a result: the model is newer than the published pipeline"),
        ],
    )
    def test_of_a_sensor_once_until_it_is_scored(self, context, run, caplog, status, reason):
        caplog.set_level("INFO")
        for name in (run, submitted(context, "b.csv")):
            sensors = [sensor_row("9", status, reason)]
            write_results(context.store.preds, name, sensors=sensors, episodes=[], days=[], state="partly")
            finish(context, name, state="partly", error=reason)
            swept(context)
        assert announced(caplog) == [f"sensor 9/9 is not scored: {reason} (no sink)"]

    def test_of_lost_steps_when_the_last_try_has_lost_them_too(self, context, run, caplog):
        """A landing that each try cannot read is announced by the first one."""
        caplog.set_level("INFO")
        lost = landing("a.csv", "unreadable", "the reason")
        sensors = [sensor_row("7", "missing", "no step"), sensor_row("8", "missing", "no step")]
        for number in range(1, 4):
            name = run if number == 1 else f"{run}-{number}"
            write_results(
                context.store.preds,
                name,
                sensors=sensors,
                landings=[lost],
                episodes=[],
                days=[],
                state="partly",
            )
            finish(context, name, state="partly", error="no step", retry=True, missing=["9_7", "9_8"])
            swept(context)
            swept(context)
        swept(context)
        why = "no step; it is not tried again after 3 tries"
        assert announced(caplog) == [
            f"run {run}: not read: a.csv (the reason) (no sink)",
            f"run {run}-3 failed for good for sensor 9/7 and 1 more: {why} (no sink)",
        ]


def landing(name, status, reason=None):
    return {"name": name, "status": status, "reason": reason}


def sensor_row(name, status, reason):
    return {"device": "9", "sensor": name, "status": status, "reason": reason, "readings": 10}


PLANTED = {
    "id": "1" * 32,
    "kind": "fleetscoring.run.failed",
    "subject": "r",
    "time": "2026-01-01T00:00:00Z",
    "run": "r",
    "data": {"error": "x"},
}


class TestWhatOthersPlant:
    def test_a_damaged_state_is_kept_aside_and_begins_anew(self, context, run):
        context.store.preds.put(FLEET_STATE, b"not gzip")
        write_results(context.store.preds, run)
        finish(context, run)
        swept(context)
        assert state(context).runs == (run,)
        (aside,) = context.store.preds.list(f"{FLEET_STATE}.damaged-")
        assert context.store.preds.read(aside.name).data == b"not gzip"

    @pytest.mark.parametrize(
        "planted",
        [
            {"silent_at": "0001-01-01T00:00:00+14:00"},
            {"silent_at": "9999-12-31T23:59:59-14:00"},
            {"outbox": [PLANTED | {"id": "../../open/evil"}]},
            {"outbox": [PLANTED | {"time": "2026-01-01T00:00:00"}]},
        ],
    )
    def test_no_planted_state_keeps_runs_from_finishing_and_landings_from_being_scored(
        self, context, run, planted
    ):
        document = gzip.compress(json.dumps({"version": 1} | planted).encode())
        context.store.preds.put(FLEET_STATE, document, metadata={"waiting": "1"})
        write_results(context.store.preds, run)
        finish(context, run)
        context.store.data.put("new.csv", b"TS")
        assert swept(context).landings == 1
        assert state(context).runs == (run,)
        assert not context.runs.markers.exists(run)
        (aside,) = context.store.preds.list(f"{FLEET_STATE}.damaged-")
        assert context.store.preds.read(aside.name).data == document

    def test_an_error_that_nobody_expects_of_one_run_does_not_end_the_sweep(self, context, run, caplog):
        def fails(record):
            raise RuntimeError("a bug")

        context.runs.add_to_fleet = fails
        finish(context, run)
        context.store.data.put("new.csv", b"TS")
        report = swept(context)
        assert (report.landings, report.recovered.postponed) == (1, 1)
        assert f"run {run} is postponed to the next sweep" in caplog.text
        assert "RuntimeError: a bug" in caplog.text

    def test_the_state_of_a_newer_release_is_kept_aside_and_the_log_says_how_to_have_it_back(
        self, context, run, caplog
    ):
        newer = gzip.compress(b'{"version": 999, "sensors": []}')
        context.store.preds.put(FLEET_STATE, newer)
        write_results(context.store.preds, run)
        finish(context, run)
        swept(context)
        (aside,) = context.store.preds.list(f"{FLEET_STATE}.damaged-")
        assert context.store.preds.read(aside.name).data == newer
        (line,) = (record.getMessage() for record in caplog.records if "begins anew" in record.getMessage())
        where = f"{context.store.preds.name}/{FLEET_STATE}"
        assert f"{where} is a fleet state of version 999" in line
        assert f"kept as {context.store.preds.name}/{aside.name}" in line
        assert f"deploy the release that wrote it, and copy that file over {where}" in line

    def test_a_damaged_file_leaves_its_run_out_and_lets_it_finish(self, context, run, caplog):
        write_results(context.store.preds, run)
        context.store.preds.put(f"{run}/{EPISODES_CSV}", b"what,is,this\n")
        finish(context, run)
        swept(context)
        assert not context.runs.markers.exists(run)
        assert state(context).sensors == ()
        assert f"the fleet state leaves out run {run}" in caplog.text

    @pytest.mark.parametrize(
        ("column", "text"),
        [("start", "yesterday"), ("readings", "-1"), ("gap_s", "1e300"), ("peak_Value", "nan"), ("end", "")],
    )
    def test_a_damaged_line_is_left_out_and_the_others_count(self, context, run, column, text, caplog):
        other = EPISODE | {"Sensor": "4"}
        write_results(context.store.preds, run, episodes=[EPISODE | {column: text}, other])
        finish(context, run)
        swept(context)
        assert [len(sensor.episodes) for sensor in state(context).sensors] == [0, 1]
        assert "1 lines cannot be read, the first: 1/3" in caplog.text


def test_a_run_of_an_earlier_release_has_neither_file_and_finishes(context, run):
    write_results(context.store.preds, run)
    for name in (EPISODES_CSV, "days.csv"):
        context.store.preds.delete(f"{run}/{name}")
    finish(context, run)
    swept(context)
    assert not context.runs.markers.exists(run)
    assert [sensor.model for sensor in state(context).sensors] == ["f00d"]
