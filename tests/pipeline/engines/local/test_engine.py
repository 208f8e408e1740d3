import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
import uuid
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import psutil
import pytest
from azure.core.exceptions import ResourceExistsError
from azure.storage.blob import BlobLeaseClient, BlobServiceClient

from dev.azurite import connection_string
from dev.proxy import FaultProxy, at_random
from pipeline.alerts import RUN_FAILED
from pipeline.clock import utc_now
from pipeline.engine import StepState
from pipeline.engines.local import step_states
from pipeline.engines.local.engine import (
    LocalEngine,
    handed_over,
    settings_environment,
    worker_environment,
)
from pipeline.engines.local.lease import RENEW_SECONDS
from pipeline.engines.local.machine import Machine
from pipeline.engines.local.worker import Worker
from pipeline.errors import EngineError
from pipeline.flow.cancel import cancel
from pipeline.flow.context import Context
from pipeline.flow.manual import Request, submit_manual
from pipeline.flow.status import view_run
from pipeline.flow.sweep import sweep
from pipeline.published.documents import PublishedPipeline, version_of
from pipeline.published.publish import load_documents
from pipeline.runs.history import newest
from pipeline.runs.record import RunRecord, RunState
from pipeline.runs.store import Runs
from pipeline.settings import Connection, Settings
from pipeline.step_environment import ROOT
from pipeline.storage.account import Store
from pipeline.terminal.watch import show
from scoring.formats import SUCCESS
from tests.pipeline.conftest import Fleet, plant_end, until
from tests.pipeline.counting import CountingTransport
from tests.pipeline.workers import all_workers, workers
from tests.scoring.run_command import scoring

pytestmark = pytest.mark.usefixtures("measured")


def no_worker(record: RunRecord, published: PublishedPipeline) -> None:
    """In place of the engine's submit: the worker dies before it can do anything."""


def print_first(code: Path, expression: str) -> None:
    """Let steps print a value before they do anything else."""
    main = code / "scoring" / "__main__.py"
    head, rest = main.read_text().split("\nclass Options", 1)
    main.write_text(f"{head}\nprint({expression})\n\nclass Options{rest}")


def break_lease(fleet: Fleet, run: str) -> None:
    """As if half a minute had gone by since the worker died."""
    client = fleet.context.store.runs._client.get_blob_client(f"open/{run}")
    BlobLeaseClient(client).break_lease(lease_break_period=0)


def start_sleeping(fleet: Fleet) -> str:
    """Start a run whose only step sleeps; returns the run when the step runs."""
    fleet.models(s1_1="sleep 600")
    fleet.publish()
    run = fleet.start(fleet.land("a.csv", "1_1"))
    until(lambda: any(step.state is StepState.RUNNING for step in fleet.engine.steps(run)))
    return run


def kill_worker(fleet: Fleet, run: str) -> int:
    """Kill the worker of a run, when its step runs; returns its id."""
    until(lambda: fleet.context.runs.markers.all()[0].held)
    until(lambda: any(step.state is StepState.RUNNING for step in fleet.engine.steps(run)))
    (worker,) = workers(run)
    worker.kill()
    return worker.pid


def test_a_landing_is_scored_and_everything_is_where_it_belongs(fleet):
    fleet.models(s1_1="score", s1_2="score")
    fleet.publish()
    record = fleet.score(fleet.land("site a/ü.csv", "1_1", "1_2", rows=3))
    assert (record.state, record.error) == (RunState.SUCCEEDED, None)
    assert record.counts["scored"] == 6
    assert len(fleet.predictions(record.run)) == 6
    assert fleet.finished(record.run)
    names = {blob.name.removeprefix(f"{record.run}/") for blob in fleet.context.store.preds.list(record.run)}
    assert names == {"preds_1_1.csv", "preds_1_2.csv", "summary.json", "report.html", "_SUCCESS"}
    steps = fleet.engine.steps(record.run)
    assert [(step.name, step.state, step.tries) for step in steps] == [
        ("score_1_1", StepState.SUCCEEDED, 1),
        ("score_1_2", StepState.SUCCEEDED, 1),
        ("collect", StepState.SUCCEEDED, 1),
    ]
    assert fleet.context.runs.markers.all() == []
    until(lambda: not workers(record.run))
    logs = [blob.name for blob in fleet.context.store.runs.list(f"{record.run}/logs/")]
    assert logs == []  # the record and the document of step states say it all


def test_only_the_models_and_the_pipeline_stay_on_the_machine(fleet, tmp_path):
    fleet.models(s1_1="score")
    fleet.publish()
    record = fleet.score(fleet.land("a.csv", "1_1"))
    until(lambda: not workers(record.run))
    left = {path.name for path in (tmp_path / "machine").rglob("*") if path.is_file()}
    models = {path.name for path in (tmp_path / "machine" / "models").rglob("*") if path.is_file()}
    assert left - {"runs.lock", "0", "1"} == models | {record.published}


def test_models_are_fetched_once_for_all_runs_and_again_when_they_change(fleet, tmp_path):
    fleet.models(s1_1="score", s1_2="score")
    fleet.publish()
    fleet.score(fleet.land("a.csv", "1_1"))

    def kept():
        return {path.name: path.stat().st_ino for path in (tmp_path / "machine" / "models").glob("*/*")}

    first = kept()
    fleet.score(fleet.land("b.csv", "1_1"))
    assert kept() == first
    fleet.models(s1_2="fail it is new")
    record = fleet.score(fleet.land("c.csv", "1_1", "1_2"))
    assert record.error == "sensor 1/2 failed: it is new"
    assert len(kept()) == 2
    assert len(kept().items() & first.items()) == 1


def test_the_documents_of_a_pipeline_are_fetched_once_and_again_if_they_are_damaged_here(fleet, tmp_path):
    fleet.models(s1_1="score")
    version = fleet.publish().published.version
    assert fleet.score(fleet.land("a.csv", "1_1")).state is RunState.SUCCEEDED
    runs, kept = fleet.context.store.runs, tmp_path / "machine" / "published" / version
    documents = kept.read_bytes()
    names = [f"published/{version}/{name}" for name in ("pipeline.yml", "score.yml")]
    stored = {name: runs.read(name).data for name in names}
    for name in names:
        runs.delete(name)
    assert fleet.score(fleet.land("b.csv", "1_1")).state is RunState.SUCCEEDED
    for name, data in stored.items():
        runs.put(name, data)
    kept.write_bytes(documents[:-1])
    assert fleet.score(fleet.land("c.csv", "1_1")).state is RunState.SUCCEEDED
    assert kept.read_bytes() == documents


def test_a_failing_step_fails_only_its_sensor_and_gives_the_reason(fleet):
    fleet.models(s1_1="score", s1_2="fail its model is broken", s1_3="exit 1", s1_4="die")
    fleet.publish()
    record = fleet.score(fleet.land("a.csv", "1_1", "1_2", "1_3", "1_4"))
    assert record.state is RunState.PARTLY
    assert "sensor 1/2 failed: its model is broken" in str(record.error)
    assert (record.retry, record.missing) == (True, ("1_4",))
    reasons = {sensor["sensor"]: sensor["reason"] for sensor in fleet.summary(record.run)["sensors"]}
    assert reasons == {
        "1": None,
        "2": "its model is broken",
        "3": "as the model says",
        "4": "it was killed by SIGKILL (was there enough memory?)",
    }
    assert len(fleet.predictions(record.run)) == 2
    assert fleet.finished(record.run)
    tries = {step.name: step.tries for step in fleet.engine.steps(record.run)}
    assert tries == {"score_1_1": 1, "score_1_2": 1, "score_1_3": 1, "score_1_4": 2, "collect": 1}
    assert dict(fleet.engine.logs(record.run))["score_1_3"] == "error: as the model says\n"


def test_a_step_that_was_lost_is_tried_again_for_its_sensor_only(fleet):
    """Both folders have `_SUCCESS`: who reads them finds each reading once."""
    fleet.models(s1_1="score", s1_2="die", s1_3="exit 75")
    fleet.publish()
    record = fleet.score(fleet.land("a.csv", "1_1", "1_2", "1_3"))
    assert (record.state, record.missing) == (RunState.PARTLY, ("1_2", "1_3"))
    assert "sensor 1/2 is missing: it was killed by SIGKILL" in str(record.error)
    assert [marker.failed for marker in fleet.context.runs.markers.all()] == [True]
    fleet.models(s1_2="score", s1_3="score")
    sweep(fleet.context, None, random_hex="abcdef")
    again = fleet.ended(f"{record.run}-2")
    assert (again.state, again.counts["scored"]) == (RunState.SUCCEEDED, 4)
    assert all(fleet.finished(run) for run in (record.run, again.run))
    rows = fleet.predictions(record.run) + fleet.predictions(again.run)
    assert len(rows) == len(set(rows)) == 6
    assert not [row for row in fleet.predictions(again.run) if ",1,1," in row]
    assert fleet.context.runs.markers.all() == []


def test_a_shard_that_was_lost_is_tried_again_for_its_sensors_only(fleet, environment, tmp_path):
    limits = {"SCORING_MAX_STEPS": "2", "SCORING_LOCAL_PROCESSES": "2", "SCORING_STEP_TRIES": "1"}
    fleet.context.settings = fleet.engine.settings = Settings.from_environment(environment | limits)
    keys = [f"{device}_{sensor}" for device in range(3) for sensor in range(2)]
    lines = {f"s{key}": "score" for key in keys} | {"s2_1": f"flaky {tmp_path / 'note'}"}
    fleet.models(**lines)
    fleet.publish()
    record = fleet.score(fleet.land("a.csv", *keys))
    assert record.state is RunState.PARTLY
    sweep(fleet.context, None, random_hex="abcdef")
    again = fleet.ended(f"{record.run}-2")
    assert again.state is RunState.SUCCEEDED
    rows = fleet.predictions(record.run) + fleet.predictions(again.run)
    assert len(rows) == len(set(rows)) == 12


def test_a_run_that_lost_collect_is_tried_again_as_a_whole_and_its_folder_never_counts(fleet, code):
    fleet.models(s1_1="score")
    fleet.publish()
    main = code / "scoring" / "__main__.py"
    text = main.read_text()
    main.write_text(
        text.replace(
            "def collect(args: Options) -> int:\n",
            "def collect(args: Options) -> int:\n    os.kill(os.getpid(), 9)\n",
        )
    )
    record = fleet.score(fleet.land("a.csv", "1_1"))
    assert (record.state, record.retry, record.missing) == (RunState.FAILED, True, ())
    assert not fleet.finished(record.run)
    main.write_text(text)
    sweep(fleet.context, None, random_hex="abcdef")
    again = fleet.ended(f"{record.run}-2")
    assert (again.state, len(fleet.predictions(again.run))) == (RunState.SUCCEEDED, 2)
    assert not fleet.finished(record.run)


def test_a_step_is_retried_after_a_transient_failure(fleet, tmp_path):
    fleet.models(s1_1=f"flaky {tmp_path / 'note'}")
    fleet.publish()
    record = fleet.score(fleet.land("a.csv", "1_1"))
    assert record.state is RunState.SUCCEEDED
    assert fleet.engine.steps(record.run)[0].tries == 2


def test_a_run_that_scored_nothing_has_failed_and_is_retried_if_that_can_help(fleet):
    fleet.models(s1_1="exit 75", s1_2="fail for good")
    fleet.publish()
    record = fleet.score(fleet.land("a.csv", "1_1", "1_2"))
    assert (record.state, record.missing) == (RunState.FAILED, ("1_1",))
    assert [marker.failed for marker in fleet.context.runs.markers.all()] == [True]
    fleet.models(s1_1="score")
    sweep(fleet.context, None, random_hex="abcdef")
    again = fleet.ended(f"{record.run}-2")
    assert (again.state, len(fleet.predictions(again.run))) == (RunState.SUCCEEDED, 2)


def test_a_step_that_takes_too_long_is_ended_with_all_that_it_started(fleet, environment, store, tmp_path):
    note = tmp_path / "child"
    fleet.models(s1_1=f"spawn {note}", s1_2="score")
    limits = {"SCORING_STEP_MINUTES": "0.02", "SCORING_STEP_TRIES": "1", "SCORING_LOCAL_PROCESSES": "2"}
    fleet.context.settings = fleet.engine.settings = Settings.from_environment(environment | limits)
    fleet.publish()
    record = fleet.score(fleet.land("a.csv", "1_1", "1_2"))
    assert record.error == "sensor 1/1 is missing: it took longer than its 1 seconds"
    until(lambda: not psutil.pid_exists(int(note.read_text())))


def test_sensors_beyond_the_most_steps_are_scored_in_shards(fleet, environment):
    limits = {"SCORING_MAX_STEPS": "2", "SCORING_LOCAL_PROCESSES": "2"}
    fleet.context.settings = fleet.engine.settings = Settings.from_environment(environment | limits)
    keys = [f"{device}_{sensor}" for device in range(3) for sensor in range(2)]
    fleet.models(**{f"s{key}": "score" for key in keys})
    published = fleet.publish()
    assert (published.documents.sharded, published.published.steps) == (True, 2)
    record = fleet.score(fleet.land("a.csv", *keys))
    assert record.state is RunState.SUCCEEDED
    assert len(fleet.predictions(record.run)) == 12


def test_a_landing_that_storage_does_not_return_is_reported_and_the_others_are_scored(fleet, azurite):
    fleet.models(s1_1="score")
    fleet.publish()
    for name in ("a.csv", "b.csv"):
        fleet.land(name, "1_1")
    with BlobServiceClient.from_connection_string(azurite.connection_string) as service:
        blob = service.get_blob_client(fleet.context.store.data.name, "a.csv")
        blob.set_standard_blob_tier("Archive")
    record = fleet.ended(submit_manual(fleet.context, Request(), random_hex="abcdef").run)
    assert (record.state, len(fleet.predictions(record.run))) == (RunState.PARTLY, 2)
    assert (record.error or "").startswith("a.csv is unreadable: ")
    assert "archived" in (record.error or "")


def test_a_landing_that_was_replaced_or_deleted_in_the_meantime_is_not_scored(fleet):
    fleet.models(s1_1="score")
    fleet.publish()
    for name in ("a.csv", "b.csv", "c.csv"):
        fleet.land(name, "1_1")
    submit, fleet.engine.submit = fleet.engine.submit, no_worker
    run = submit_manual(fleet.context, Request(), random_hex="abcdef").run
    assert run is not None
    fleet.land("a.csv", "1_1", rows=5)
    fleet.context.store.data.delete("b.csv")
    submit(fleet.context.runs.load(run), fleet.context.published())
    record = fleet.ended(run)
    statuses = {one["name"]: one["status"] for one in fleet.summary(run)["landings"]}
    assert statuses == {"a.csv": "superseded", "b.csv": "vanished", "c.csv": "read"}
    assert (record.state, len(fleet.predictions(run))) == (RunState.SUCCEEDED, 2)


def test_a_run_that_is_submitted_many_times_has_one_worker(fleet):
    fleet.models(s1_1="sleep 1")
    fleet.publish()
    run = fleet.start(fleet.land("a.csv", "1_1"))
    record, published = fleet.context.runs.load(run), fleet.context.published()
    for _ in range(2):
        fleet.engine.submit(record, published)
    assert fleet.ended(run).state is RunState.SUCCEEDED
    until(lambda: not workers(run))
    assert fleet.engine.steps(run)[0].tries == 1
    fleet.engine.submit(record, published)
    until(lambda: not workers(run))
    assert fleet.context.runs.load(run).ended == fleet.ended(run).ended


def test_results_of_an_earlier_worker_are_deleted_and_a_long_log_keeps_its_end(fleet):
    fleet.models(s1_1=f"say {3 << 20}")
    fleet.publish()
    submit, fleet.engine.submit = fleet.engine.submit, no_worker
    run = fleet.start(fleet.land("a.csv", "1_1"))
    fleet.context.store.preds.put(f"{run}/preds_9_9.csv", b"of a sensor that had a model then")
    restarted = fleet.context.runs.restart(fleet.context.runs.load(run))
    submit(restarted, fleet.context.published())
    assert fleet.ended(run).state is RunState.SUCCEEDED
    assert not fleet.context.store.preds.exists(f"{run}/preds_9_9.csv")
    log = fleet.context.store.runs.read(f"{run}/logs/score_1_1.log").data
    assert len(log) == 1 << 20
    assert log.endswith(b"\nthe last line\n")


def test_a_worker_that_was_frozen_until_another_took_its_run_changes_nothing(fleet, tmp_path):
    fleet.models(s1_1=f"flaky {tmp_path / 'tried'}")
    fleet.publish()
    run = fleet.start(fleet.land("a.csv", "1_1"))
    until((tmp_path / "tried").exists)
    (frozen,) = workers(run)
    frozen.suspend()
    break_lease(fleet, run)
    fleet.engine.submit(fleet.context.runs.load(run), fleet.context.published())
    assert fleet.ended(run).state is RunState.SUCCEEDED
    stored = list(fleet.context.store.preds.list(run))
    time.sleep(RENEW_SECONDS)  # a lease that was renewed less long ago is not lost
    frozen.resume()
    until(lambda: not workers(run))
    assert list(fleet.context.store.preds.list(run)) == stored
    assert fleet.finished(run)


def test_a_worker_that_was_frozen_before_it_started_its_run_leaves_it_to_the_one_that_has_it(
    fleet, tmp_path, monkeypatch
):
    fleet.models(s1_1="score")
    fleet.publish()
    fleet.engine.submit = no_worker
    run, context = fleet.start(fleet.land("a.csv", "1_1")), fleet.context
    frozen = Worker(
        context.settings, context.store, Machine(tmp_path / "m"), run, lease_id=str(uuid.uuid4()), code=ROOT
    )
    load = frozen.runs.load

    def freeze(run: str) -> RunRecord:
        seen = load(run)
        if seen.state is RunState.SUBMITTED:
            context.runs.advance(seen, RunState.RUNNING)
        return seen

    monkeypatch.setattr(frozen.runs, "load", freeze)
    frozen.work()
    assert context.runs.load(run).state is RunState.RUNNING
    assert [marker.run for marker in context.runs.markers.all()] == [run]


def test_watching_a_run_without_a_worker_says_what_to_do(fleet, capsys):
    fleet.models(s1_1="score")
    fleet.publish()
    fleet.engine.submit = no_worker
    run = fleet.start(fleet.land("a.csv", "1_1"))
    assert view_run(fleet.context, run).line() == f"{run}: submitted"  # it can be starting
    fleet.ahead += timedelta(minutes=1)
    view = view_run(fleet.context, run)
    assert view.to_json()["lost"] is True
    assert view.line().endswith("or run python -m pipeline sweep")
    show(view, fleet.context.clock())
    assert "no worker or job has started it yet: a slow machine may still do so" in capsys.readouterr().out
    running = replace(view, record=replace(view.record, state=RunState.RUNNING))
    assert ": running, but its worker or job is lost: the next sweep" in running.line()


def test_a_run_stops_long_before_its_steps_would_have_finished_when_it_is_canceled(fleet):
    fleet.models(s1_1="sleep 600", s1_2="score")
    fleet.publish()
    run = fleet.start(fleet.land("a.csv", "1_1", "1_2"))
    until(lambda: any(step.state is StepState.RUNNING for step in fleet.engine.steps(run)))
    began = time.monotonic()
    fleet.cancel(run)
    assert fleet.ended(run).state is RunState.CANCELED
    assert time.monotonic() - began < 60
    assert {step.state for step in fleet.engine.steps(run)} <= {StepState.CANCELED, StepState.SUCCEEDED}
    assert not fleet.finished(run)
    assert fleet.context.runs.markers.all() == []


def test_cancel_reads_the_record_of_a_run_once(fleet):
    run, counting = start_sleeping(fleet), CountingTransport()
    store = Store.connect(fleet.context.settings, transport=counting)
    engine = LocalEngine(fleet.context.settings, store, Runs(store, utc_now))
    assert cancel(Context(fleet.context.settings, store, engine, utc_now), run)
    store.close()
    assert [path.rpartition("/")[2] for path in counting.requests if f"/{run}" in path] == [
        *("record.json", "cancel"),
        run,  # the marker
    ]
    assert fleet.ended(run).state is RunState.CANCELED


def test_a_run_that_is_canceled_before_its_worker_starts_ends_at_once_and_scores_nothing(fleet):
    fleet.models(s1_1="score")
    fleet.publish()
    submit, fleet.engine.submit = fleet.engine.submit, no_worker
    run = fleet.start(fleet.land("a.csv", "1_1"))
    record = fleet.context.runs.load(run)
    fleet.cancel(run)
    assert fleet.context.runs.load(run).state is RunState.CANCELED
    assert fleet.context.runs.markers.all() == []
    assert [row["run"] for row in newest(fleet.context.store.runs, 2)] == [run]
    fleet.context.runs.markers.create(run)  # as if the worker had found it just before
    submit(record, fleet.context.published())
    until(lambda: not workers(run))
    assert fleet.predictions(run) == []
    assert fleet.context.runs.markers.all() == []


def test_a_run_that_its_worker_has_just_started_is_not_canceled_as_if_it_had_none(fleet):
    fleet.models(s1_1="score")
    fleet.publish()
    fleet.engine.submit = no_worker
    run = fleet.start(fleet.land("a.csv", "1_1"))
    seen = fleet.context.runs.load(run)
    fleet.context.runs.advance(seen, RunState.RUNNING)
    assert not fleet.context.runs.cancel_unstarted(seen)
    assert fleet.context.runs.load(run).state is RunState.RUNNING


def test_steps_stop_with_their_worker_however_it_ends(fleet, tmp_path):
    note = tmp_path / "child"
    fleet.models(s1_1=f"spawn {note}")
    fleet.publish()
    run = fleet.start(fleet.land("a.csv", "1_1"))
    child = int(until(lambda: note.exists() and note.read_text()))
    for worker in workers(run):
        worker.send_signal(signal.SIGKILL)
    until(lambda: not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE)


def test_the_first_worker_that_is_killed_is_replaced_at_once_and_the_second_by_the_next_sweep(fleet):
    run = start_sleeping(fleet)
    killed = kill_worker(fleet, run)
    until(lambda: [worker.pid for worker in workers(run)] not in ([], [killed]))
    kill_worker(fleet, run)
    until(lambda: fleet.status(run).lost)  # without waiting for its lease to expire
    assert fleet.context.runs.load(run).restarts == 1
    assert workers(run) == []
    fleet.models(s1_1="score")
    sweep(fleet.context, None, random_hex="abcdef")
    record = fleet.ended(run)
    assert (record.state, record.restarts) == (RunState.SUCCEEDED, 2)


def test_a_killed_worker_is_not_replaced_while_another_one_has_its_run(fleet):
    run = start_sleeping(fleet)
    (first,) = workers(run)
    first.suspend()
    break_lease(fleet, run)
    lease = fleet.context.runs.markers.hold(run)
    first.kill()
    with suppress(psutil.NoSuchProcess):
        first.wait(10)
    time.sleep(1)  # in which it would be replaced
    assert (workers(run), fleet.context.runs.load(run).restarts) == ([], 0)
    assert fleet.context.runs.markers.all()[0].held
    lease.release()
    fleet.cancel(run)


def test_a_canceled_run_gets_no_other_worker(fleet):
    run = start_sleeping(fleet)
    (worker,) = workers(run)
    worker.suspend()
    fleet.cancel(run)
    worker.kill()
    until(lambda: not fleet.context.runs.markers.all()[0].held)
    fleet.cancel(run)
    assert fleet.ended(run).state is RunState.CANCELED
    assert workers(run) == []


def test_a_worker_that_is_asked_to_stop_leaves_its_run_to_the_next_sweep(fleet):
    run = start_sleeping(fleet)
    for worker in workers(run):
        worker.send_signal(signal.SIGTERM)
    until(lambda: fleet.status(run).lost)
    fleet.models(s1_1="score")
    sweep(fleet.context, None, random_hex="abcdef")
    record = fleet.ended(run)
    assert (record.state, record.restarts) == (RunState.SUCCEEDED, 1)


def test_a_run_whose_worker_never_started_is_lost_after_a_while(fleet):
    fleet.models(s1_1="score")
    fleet.publish()
    submit, fleet.engine.submit = fleet.engine.submit, no_worker
    run = fleet.start(fleet.land("a.csv", "1_1"))
    assert not fleet.status(run).lost
    fleet.ahead += timedelta(minutes=1)
    assert fleet.status(run).lost
    fleet.engine.submit = submit
    sweep(fleet.context, None, random_hex="abcdef")
    assert fleet.ended(run).state is RunState.SUCCEEDED


def test_a_finished_run_is_not_scored_again_by_the_next_worker(fleet):
    """Landings can have been replaced since: a second execution could score fewer of them."""
    fleet.models(s1_1="score")
    fleet.publish()
    run = fleet.start(fleet.land("a.csv", "1_1"))
    record = fleet.ended(run)
    predictions = fleet.predictions(run)
    fleet.context.store.data.delete("a.csv")
    fleet.context.runs.markers.create(run)
    fleet.context.store.runs.put(f"{run}/record.json", record.to_bytes().replace(b"succeeded", b"running"))
    fleet.engine.submit(record, fleet.context.published())
    assert fleet.ended(run).counts == record.counts
    assert fleet.predictions(run) == predictions


def test_who_may_write_predictions_cannot_end_a_run(fleet):
    fleet.models(s1_1="fail it is broken")
    fleet.publish()
    submit, fleet.engine.submit = fleet.engine.submit, no_worker
    run = fleet.start(fleet.land("a.csv", "1_1"))
    plant_end(fleet.context, run)
    submit(fleet.context.runs.load(run), fleet.context.published())
    record = fleet.ended(run)
    assert (record.state, record.error) == (RunState.FAILED, "sensor 1/1 failed: it is broken")


@pytest.mark.parametrize("died", ["before _SUCCESS", "after _SUCCESS"])
def test_a_worker_that_died_before_it_updated_the_record_is_not_repeated(fleet, died):
    fleet.models(s1_1="score")
    fleet.publish()
    run = fleet.start(fleet.land("a.csv", "1_1"))
    record, stored = fleet.ended(run), list(fleet.context.store.preds.list(f"{run}/preds_"))
    if died == "before _SUCCESS":
        fleet.context.store.preds.delete(f"{run}/{SUCCESS}")
    fleet.context.runs.markers.create(run)
    fleet.context.store.runs.put(f"{run}/record.json", record.to_bytes().replace(b"succeeded", b"running"))
    fleet.ahead += timedelta(minutes=1)
    sweep(fleet.context, None, random_hex="abcdef")
    assert fleet.ended(run).counts == record.counts
    assert list(fleet.context.store.preds.list(f"{run}/preds_")) == stored
    assert fleet.finished(run)


@pytest.mark.parametrize("steps", [None, b"", b"{", b'{"version": 1, "steps": []}', b'{"version": 2}'])
def test_a_run_whose_steps_say_no_result_is_scored_again(fleet, steps):
    fleet.models(s1_1="score")
    fleet.publish()
    run = fleet.start(fleet.land("a.csv", "1_1"))
    record, stored = fleet.ended(run), fleet.predictions(run)
    if steps is None:
        fleet.context.store.runs.delete(step_states.path(run))
    else:
        fleet.context.store.runs.put(step_states.path(run), steps)
    fleet.context.store.preds.put(f"{run}/preds_1_1.csv", b"damaged, too")
    fleet.context.runs.markers.create(run)
    fleet.context.store.runs.put(f"{run}/record.json", record.to_bytes().replace(b"succeeded", b"running"))
    fleet.ahead += timedelta(minutes=1)
    sweep(fleet.context, None, random_hex="abcdef")
    again = fleet.ended(run)
    assert (again.state, again.counts, again.error) == (RunState.SUCCEEDED, record.counts, None)
    assert fleet.predictions(run) == stored
    assert fleet.finished(run)


def test_steps_and_logs_of_a_run_are_kept_where_its_results_cannot_be_stored(fleet):
    fleet.models(s1_1="say 1")
    fleet.publish()
    submit, fleet.engine.submit = fleet.engine.submit, no_worker
    run, preds = fleet.start(fleet.land("a.csv", "1_1")), fleet.context.store.preds
    preds.put(f"{run}/preds_1_1.csv", b"")
    with_lease = preds.lease(f"{run}/preds_1_1.csv", 60)
    submit(fleet.context.runs.load(run), fleet.context.published())
    assert fleet.ended(run).state is RunState.FAILED
    assert {step.state for step in fleet.engine.steps(run)} == {StepState.SUCCEEDED}
    assert "score_1_1" in dict(fleet.engine.logs(run))
    assert step_states.read(fleet.context.store.runs, run).result is None
    assert not fleet.finished(run)
    with_lease.release()


def test_a_pipeline_that_was_published_for_another_engine_is_refused(fleet):
    fleet.models(s1_1="score")
    published = fleet.publish().published
    record = fleet.score(fleet.land("a.csv", "1_1"))
    with pytest.raises(EngineError, match="run python -m pipeline publish"):
        fleet.engine.submit(record, replace(published, engine="azureml"))


def test_steps_see_neither_secrets_nor_settings(fleet, monkeypatch, code):
    monkeypatch.setenv("AZURE_CLIENT_SECRET", "planted")
    monkeypatch.setenv("ScoringStorage", "planted")
    monkeypatch.setenv("APPLICATIONINSIGHTS_CONNECTION_STRING", "planted")
    monkeypatch.setenv("SOME_TOKEN_OF_SOMEBODY", "planted")
    print_first(
        code,
        "sorted(name for name, value in os.environ.items() if 'planted' in value or 'AccountKey' in value), "
        "os.environ['OMP_NUM_THREADS']",
    )
    fleet.models(s1_1="score")
    fleet.publish()
    record = fleet.score(fleet.land("a.csv", "1_1"))
    assert dict(fleet.engine.logs(record.run))["score_1_1"].splitlines()[0] == "[] 1"


def test_steps_that_run_at_once_share_the_processors(fleet, monkeypatch, code):
    monkeypatch.setenv("PYTHON_CPU_COUNT", "7")  # as the worker counts them; two steps at once
    print_first(code, "os.process_cpu_count()")
    fleet.models(s1_1="score", s1_2="score", s2_1="score")
    fleet.publish()
    record = fleet.score(fleet.land("a.csv", "1_1"))
    assert dict(fleet.engine.logs(record.run))["score_1_1"].splitlines()[0] == "3"


def test_a_worker_gets_the_settings_that_it_needs(environment):
    identity = {
        "ScoringStorage__blobServiceUri": "https://some.blob.core.windows.net",
        "ScoringStorage__credential": "managedidentity",
        "ScoringStorage__clientId": "00000000-0000-0000-0000-000000000001",
        "SCORING_LOCAL_PROCESSES": "7",
        "SCORING_STEP_TRIES": "9",
        "SCORING_DATA_CONTAINER": "elsewhere",
    }
    for given in (environment, identity):
        settings = Settings.from_environment(given)
        assert Settings.from_environment(settings_environment(settings)) == settings
    given = {"SCORING_ENGINE": "azureml", "HOME": "/home/me", "AZURE_CLIENT_SECRET": "planted"}
    visible, passed = worker_environment(given), json.loads(handed_over(given, settings))
    assert visible.keys() == {"HOME", "PYTHONPATH"}
    assert (passed["SCORING_ENGINE"], passed["AZURE_CLIENT_SECRET"]) == ("local", "planted")


def test_choosing_the_local_engine_imports_neither_azure_ml_nor_the_documents():
    program = (
        "import sys\nfrom pipeline.flow.context import Context\nfrom pipeline.settings import Settings\n"
        "Context.open(Settings.from_environment({'ScoringStorage': 'UseDevelopmentStorage=true'}))\n"
        "print([name for name in ('azure.ai.ml', 'azure.identity', 'yaml', 'rich', 'scoring.cli', 'numpy')"
        " if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_worker_gets_through_storage_that_fails_one_request_in_ten(fleet, azurite):
    fleet.models(s1_1="score", s1_2="score")
    fleet.publish()
    with FaultProxy(azurite.ports["Blob"], at_random(seed=3, share=0.1)) as proxy:
        connection = Connection(connection_string(proxy.port))
        fleet.engine.settings = replace(fleet.engine.settings, connection=connection)
        runs = [fleet.start(fleet.land(f"{number}.csv", "1_1", "1_2")) for number in range(3)]
        records = [fleet.ended(run) for run in runs]
        until(lambda: not all_workers().keys() & set(runs))
        assert sum(proxy.faults.values()) > 5
    assert [record.state for record in records] == [RunState.SUCCEEDED] * 3
    assert [len(fleet.predictions(run)) for run in runs] == [4] * 3
    kept = [blob.name for run in runs for blob in fleet.context.store.runs.list(f"{run}/logs/worker.log")]
    logs = [fleet.context.store.runs.read(name).data.decode() for name in kept]
    assert any("trying again" in log for log in logs)
    assert not any("Traceback" in log for log in logs)


def test_a_worker_without_storage_reports_it_in_one_line(fleet):
    settings = replace(fleet.engine.settings, connection=Connection(connection_string(1)))
    machine = fleet.engine.folder
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pipeline.engines.local.worker", "some-run"),
            *("--lease", str(uuid.uuid4()), "--folder", str(machine), "--code", str(machine)),
        ],
        env=worker_environment(os.environ),
        input=handed_over(os.environ, settings).decode(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "does not respond" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("same_version", "problem"),
    [(True, "were changed: publish again"), (False, "are not those that this version")],
)
def test_documents_that_were_changed_are_not_executed(fleet, caplog, tmp_path, same_version, problem):
    """Someone who can write to the container of runs could make a worker run a command."""
    fleet.models(s1_1="score")
    version = fleet.publish().published.version
    runs, harm = fleet.context.store.runs, tmp_path / "harm"
    pipeline_yml, score_yml = load_documents(fleet.context.store, version)
    changed = score_yml.replace(b"python -m scoring", f"touch {harm} #".encode())
    assert changed != score_yml
    new = version if same_version else version_of(pipeline_yml, changed)
    for name, text in (("pipeline.yml", pipeline_yml), ("score.yml", changed)):
        runs.put(f"published/{new}/{name}", text)
    for path in (f"published/{new}/published.json", "published/current"):
        runs.put(path, runs.read("published/current").data.replace(version.encode(), new.encode()))
    record = fleet.score(fleet.land("a.csv", "1_1"))
    assert (record.state, record.retry, record.published) == (RunState.FAILED, False, new)
    assert problem in str(record.error)
    assert not harm.exists()
    with caplog.at_level("ERROR"):
        sweep(fleet.context, None, random_hex="abcdef")
    assert f"{RUN_FAILED} run {record.run}: " in caplog.text
    assert fleet.context.runs.markers.all() == []


@pytest.mark.slow
def test_a_fleet_of_real_detectors_is_scored_as_on_the_command_line(fleet, seed, tmp_path):
    """The project's own steps, on two devices' readings of the seed data."""
    imported, readings = tmp_path / "models", tmp_path / "readings.csv"
    assert scoring("import-models", seed / "models", imported).code == 0
    readings.write_bytes((seed / "sensor_data.csv").read_bytes())
    for model in imported.glob("model_1_*.skops"):
        fleet.context.store.models.upload(model.name, model)
    fleet.context.store.data.upload("site.csv", readings)
    fleet.engine.code = ROOT
    fleet.publish()
    record = fleet.score("site.csv")
    assert record.state is RunState.PARTLY
    assert "10 sensors have no model, the first is sensor 2/1" in str(record.error)
    out = tmp_path / "out"
    assert scoring("score", "--data", readings, "--models", imported, "--out", out).code == 0
    for sensor in range(1, 6):
        name = f"preds_1_{sensor}.csv"
        stored = fleet.context.store.preds.read(f"{record.run}/{name}").data
        assert stored == (out / name).read_bytes()
    assert fleet.finished(record.run)
    assert fleet.context.store.preds.exists(f"{record.run}/report.html")


@pytest.mark.slow
def test_a_worker_that_is_killed_anywhere_costs_only_time(fleet):
    """Workers, each killed at its own moment; every landing is scored exactly once all the same."""
    fleet.models(s1_1="score", s1_2="sleep 0.1", s1_3="score")
    fleet.publish()
    runs = [fleet.start(fleet.land(f"{number}.csv", "1_1", "1_2", "1_3")) for number in range(6)]
    moments = random.Random(6)
    killers = [threading.Timer(moments.uniform(0, 3), kill_workers, (run,)) for run in runs]
    for killer in killers:
        killer.start()
    for killer in killers:
        killer.join()
    until(lambda: swept(fleet, runs))
    records = [fleet.context.runs.load(run) for run in runs]
    assert [record.state for record in records] == [RunState.SUCCEEDED] * 6
    assert any(record.restarts for record in records)  # how many depends on how busy the machine is
    assert all(fleet.finished(run) for run in runs)
    assert [len(fleet.predictions(run)) for run in runs] == [6] * 6
    assert len(list(fleet.context.store.runs.list("landings/"))) == 6
    folders = {path.name.split("/")[0] for path in fleet.context.store.preds.list()}
    assert folders - {"index.html", "fleet.html", "_fleet"} == set(runs)
    assert {row["run"] for row in newest(fleet.context.store.runs, 100)} == set(runs)
    assert fleet.context.runs.markers.all() == []
    assert list((fleet.engine.folder / "runs").iterdir()) == []


def kill_workers(run: str) -> None:
    for worker in workers(run):
        with suppress(psutil.NoSuchProcess):  # it was done in between
            worker.kill()


def swept(fleet: Fleet, runs: list[str]) -> bool:
    """Let time pass and sweep; returns whether all runs have finished."""
    fleet.ahead += timedelta(minutes=1)
    alive = all_workers()
    for marker in fleet.context.runs.markers.all():
        if marker.held and marker.run not in alive:
            with suppress(
                ResourceExistsError
            ):  # the process that started its worker has just ended the lease
                break_lease(fleet, marker.run)
    sweep(fleet.context, None, random_hex="abcdef")
    until(lambda: not all_workers().keys() & set(runs))
    return all(fleet.context.runs.load(run).state.final for run in runs)
