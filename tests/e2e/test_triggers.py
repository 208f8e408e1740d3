"""From a blob or a tick to predictions, through the real Functions worker, on Azurite."""

import json
import re
import shutil
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dev.azurite import connection_string
from dev.demo.fleet import Landing
from dev.host.process import HostProcess
from dev.proxy import Fault, FaultProxy
from pipeline.runs.names import blob_run
from pipeline.runs.record import CauseKind, RunState
from tests.e2e.conftest import sandbox_for, scored_directly, wait_for_end
from tests.test_docs import README, console_commands, run_in

REPO = Path(__file__).parents[2]

pytestmark = [pytest.mark.xdist_group("triggers"), pytest.mark.slow]


@pytest.fixture(scope="module")
def sandbox(small_fleet):
    with sandbox_for(small_fleet) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def host(sandbox):
    with sandbox.start_host(print) as host:
        yield host.wait_until_started()


def call_blob(host, name):
    assert host.call("score_on_blob", f'{{"input": "data/{name}"}}') == 202


def logged(host, pattern):
    return [line for line in host.lines if re.search(pattern, line)]


@pytest.fixture(scope="module")
def scored(sandbox, host, small_fleet):
    """The finished run of an uploaded blob."""
    run = blob_run(sandbox.upload(small_fleet.landings[0]))
    host.wait_for(run)
    assert wait_for_end(sandbox, run).state is RunState.SUCCEEDED
    return run


def test_an_uploaded_blob_gets_the_predictions_of_scoring_score(sandbox, scored, small_fleet, tmp_path):
    expected = scored_directly(small_fleet.landings[0], small_fleet, tmp_path)
    assert len(expected) == 4
    for name, text in expected.items():
        assert sandbox.context.store.preds.read(f"{scored}/{name}").data == text
    assert sandbox.context.store.preds.exists(f"{scored}/_SUCCESS")


def test_the_log_names_the_run(host, scored):
    assert logged(host, rf"{scored}")


def test_a_duplicate_event_does_not_start_a_second_run(sandbox, host, scored, small_fleet):
    before = [record.run for record in sandbox.context.runs.newest()]
    call_blob(host, small_fleet.landings[0].name)
    host.wait_for(rf"{scored} exists already")
    assert [record.run for record in sandbox.context.runs.newest()] == before


def test_the_timer_logs_one_line_and_starts_no_run_if_nothing_is_new(sandbox, host, scored):
    before, lines = [record.run for record in sandbox.context.runs.newest()], len(host.lines)
    finished = r"Executed 'Functions.score_on_timer' \(Succeeded"
    earlier = len(logged(host, finished))
    assert host.call("score_on_timer") == 202
    host.wait_for(finished, count=earlier + 1)
    between = [line for line in list(host.lines)[lines:] if "Functions.score_on_timer" not in line]
    assert len(between) == 1
    assert "nothing" in between[0]
    assert [record.run for record in sandbox.context.runs.newest()] == before


def test_the_timer_scores_a_landing_whose_event_was_lost(sandbox, host, scored, small_fleet):
    with host.held():
        key = sandbox.upload_without_event(small_fleet.landings[1])
    assert host.call("score_on_timer") == 202
    run = sandbox.claims([key])[key]
    record = wait_for_end(sandbox, run)
    assert (record.state, record.cause.kind) == (RunState.SUCCEEDED, CauseKind.TIMER)
    assert record.counts["landings"] == 1
    assert not logged(host, rf"New blob detected.*: data/{small_fleet.landings[1].name}")


def test_an_unreadable_file_fails_only_its_own_run_and_the_record_has_the_reason(
    sandbox, host, small_fleet, tmp_path
):
    bad, good = tmp_path / "bad.csv", tmp_path / "good.csv"
    bad.write_text("When,Who,What\n1,2,3\n", encoding="utf-8")
    good.write_bytes(small_fleet.landings[0].file.read_bytes())
    failed = wait_for_end(sandbox, blob_run(_upload(sandbox, host, bad)))
    assert failed.state is RunState.FAILED
    assert "bad.csv" in (failed.error or "")
    assert not failed.retry
    assert wait_for_end(sandbox, blob_run(_upload(sandbox, host, good))).state is RunState.SUCCEEDED
    assert not logged(host, "Moving message to queue")


def _upload(sandbox, host, file):
    key = sandbox.upload(Landing(file, file.name))
    host.wait_for(blob_run(key))
    return key


def test_the_storage_key_is_neither_stored_nor_logged(sandbox, host, scored):
    key = sandbox.connection.partition("AccountKey=")[2].partition(";")[0]
    assert key
    store = sandbox.context.store
    for container in (store.models, store.preds, store.runs):
        for blob in container.list(metadata=True):
            assert key.encode() not in container.read(blob.name).data, blob.name
            assert key not in str(blob.metadata)
    assert not [line for line in list(host.lines) if key in line]


def test_the_commands_in_the_readme_work(sandbox, host, scored, small_fleet, tmp_path):
    lines = [line for line in console_commands(README) if line.startswith(("curl", "python -m pipeline"))]
    assert len(lines) >= 6
    landing = small_fleet.landings[0]
    shutil.copytree(small_fleet.models, tmp_path / "models")
    shutil.copyfile(landing.file, tmp_path / "readings.csv")
    of_this_machine = {
        "http://127.0.0.1:7071": host.address,
        "RUN": scored,
        "curl ": "curl --fail-with-body ",
        "data/2018/08/28/site-a.csv": f"data/{landing.name}",
        " 2026/11/ ": f" {datetime.now(UTC):%Y/%m}/ ",
    }
    for line in lines:
        script = line
        for words, here in of_this_machine.items():
            script = script.replace(words, here)
        run_in(tmp_path, script, sandbox.environment | {"BROWSER": "true"})
        if "upload readings.csv" in line:  # from now on its run is the latest
            host.wait_for(r"run blob-[0-9a-f]{32} is submitted: .*/readings\.csv")


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("empty.csv", b"", "it is empty"),
        ("_notes.csv", b"x", "starts with '_'"),
        ("a/.b/c.csv", b"x", "starts with"),
    ],
    ids=["empty", "underscore", "dot"],
)
def test_a_blob_that_is_not_a_landing_is_skipped_with_the_reason(sandbox, host, name, content, why):
    sandbox.context.store.data.put(name, content)
    assert "skipped" in host.wait_for(re.escape(name) + r".* skipped: .*" + re.escape(why))


def test_an_event_about_a_removed_blob_is_not_a_failure(host):
    call_blob(host, "gone.csv")
    host.wait_for("'gone.csv' does not exist")


def test_a_blob_that_became_poison_before_the_first_publication_is_scored_by_a_later_sweep(small_fleet):
    with sandbox_for(small_fleet, publish=False) as sandbox, sandbox.start_host(print) as host:
        host.wait_until_started()
        key = sandbox.upload(small_fleet.landings[0])
        host.wait_for("Moving message to queue 'webjobs-blobtrigger-poison'")
        failed = logged(host, r"Executed 'Functions.score_on_blob' \(Failed")
        assert len(failed) == 5
        assert "NothingPublished: no pipeline is published: run python -m pipeline publish" in failed[0]
        sandbox.publish()
        assert host.call("score_on_timer") == 202
        assert wait_for_end(sandbox, sandbox.claims([key])[key]).state is RunState.SUCCEEDED


def test_landings_that_arrive_while_storage_refuses_are_submitted_when_it_is_back(small_fleet):
    """Only the container of runs fails: without the others, the host could not call the app."""
    refuses = threading.Event()

    def choose(request):
        return Fault.BUSY if refuses.is_set() and "/runs" in request.target else None

    more = {"SCORING_HOLD_MINUTES": "2", "SCORING_MAX_STEPS": "1", "SCORING_SHARDS": "1"}
    with sandbox_for(small_fleet, more) as sandbox:
        blobs, queues = (int(port) for port in re.findall(r"127\.0\.0\.1:(\d+)", sandbox.connection)[:2])
        with FaultProxy(blobs, choose) as proxy:
            behind = {"ScoringStorage": connection_string(proxy.port, queues)}
            with HostProcess(REPO, {**sandbox.environment, **behind}, echo=print) as host:
                host.wait_until_started()
                refuses.set()
                file = small_fleet.landings[0].file
                runs = [blob_run(sandbox.upload(Landing(file, f"{number}.csv"))) for number in range(10)]
                host.wait_for("holding on for", 60, count=10)
                refuses.clear()
                for run in runs:
                    host.wait_for(f"run {run} is submitted", 60)
                assert not logged(host, r"Moving message to queue|\(Failed")
                assert {record.run for record in sandbox.context.runs.newest()} == set(runs)


def test_with_event_grid_as_the_source_an_event_starts_a_run_and_others_do_not(small_fleet):
    source = {"SCORING_BLOB_SOURCE": "EventGrid"}
    with sandbox_for(small_fleet, source) as sandbox, sandbox.start_host(print) as host:
        host.wait_until_started()
        key = sandbox.upload(small_fleet.landings[0])
        name = small_fleet.landings[0].name
        other = sandbox.context.store.models
        urls = [
            f"{sandbox.context.store.address}/{container}/{blob}"
            for container, blob in [
                ("data", name),
                ("data", name),
                ("data", "gone.csv"),
                (other.name, next(other.list()).name),
            ]
        ]
        events = [
            {"eventType": "Microsoft.Storage.BlobCreated", "data": {"url": url, "eTag": "0x1"}}
            for url in urls
        ]
        path = "/runtime/webhooks/blobs?functionName=Host.Functions.score_on_blob"
        answer = host.post(path, json.dumps(events).encode(), {"aeg-event-type": "Notification"})
        assert answer[0] == 202
        host.wait_for(f"{blob_run(key)} exists already")
        host.wait_for("is in container 'models', not in 'data'")
        host.wait_for("gone.csv' is gone or newer: its message is dropped")
        assert wait_for_end(sandbox, blob_run(key)).state is RunState.SUCCEEDED
        assert [record.run for record in sandbox.context.runs.newest()] == [blob_run(key)]


def test_with_invalid_settings_the_app_loads_and_each_call_fails_with_all_of_them(sandbox):
    wrong = {"SCORING_ENGINE": "locale", "SCORING_MAX_STEPS": "many", "SCORING_MAX_TRIES": "none"}
    # With a host id of its own: the locks of the sandbox's own host are another's.
    own = {"SCORING_SCHEDULE": "* * * * * *", "AzureFunctionsWebHost__hostid": "invalidsettings"}
    with HostProcess(REPO, {**sandbox.environment, **wrong, **own}) as host:
        host.wait_until_started()
        call_blob(host, "a.csv")
        for function in ("score_on_blob", "score_on_timer"):
            failure = host.wait_for(rf"Functions.{function}.*Failed.*SettingsError: invalid settings: ")
            for name, value in wrong.items():
                assert f"{name}: expected" in failure
                assert repr(value) in failure
