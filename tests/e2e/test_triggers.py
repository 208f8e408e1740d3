"""From a blob or a tick to predictions, through the real Functions worker, on Azurite."""

import re
from pathlib import Path

import pytest

from dev.demo.fleet import Landing
from dev.host.process import HostProcess
from pipeline.runs.names import blob_run
from pipeline.runs.record import CauseKind, RunState
from tests.e2e.conftest import scored_directly, staged, wait_for_end
from tests.test_docs import README, console_commands, run_in

REPO = Path(__file__).parents[2]

pytestmark = [pytest.mark.xdist_group("triggers"), pytest.mark.slow]


@pytest.fixture(scope="module")
def stage(small_fleet):
    with staged(small_fleet) as stage:
        yield stage


@pytest.fixture(scope="module")
def host(stage):
    with stage.start_host(print) as host:
        yield host.wait_until_started()


def call_blob(host, name):
    assert host.call("score_on_blob", f'{{"input": "data/{name}"}}') == 202


def said(host, pattern):
    return [line for line in host.lines if re.search(pattern, line)]


@pytest.fixture(scope="module")
def landed(stage, host, small_fleet):
    """The run of a blob that landed, and was scored because of it."""
    run = blob_run(stage.land(small_fleet.landings[0]))
    host.wait_for(run)
    assert wait_for_end(stage, run).state is RunState.SUCCEEDED
    return run


def test_a_blob_that_lands_is_scored_as_python_m_scoring_score_would(stage, landed, small_fleet, tmp_path):
    expected = scored_directly(small_fleet.landings[0], small_fleet, tmp_path)
    assert len(expected) == 4
    for name, text in expected.items():
        assert stage.context.store.preds.read(f"{landed}/{name}").data == text
    assert stage.context.store.preds.exists(f"{landed}/_SUCCESS")


def test_every_line_of_a_run_names_it(host, landed):
    assert said(host, rf"{landed}")


def test_the_same_event_again_starts_no_second_run(stage, host, landed, small_fleet):
    before = [record.run for record in stage.context.runs.newest()]
    call_blob(host, small_fleet.landings[0].name)
    host.wait_for(rf"{landed} exists already")
    assert [record.run for record in stage.context.runs.newest()] == before


def test_the_timer_with_nothing_new_starts_no_run_and_says_so_in_one_line(stage, host, landed):
    before, lines = [record.run for record in stage.context.runs.newest()], len(host.lines)
    ended = r"Executed 'Functions.score_on_timer' \(Succeeded"
    earlier = len(said(host, ended))
    assert host.call("score_on_timer") == 202
    host.wait_for(ended, count=earlier + 1)
    between = [line for line in list(host.lines)[lines:] if "Functions.score_on_timer" not in line]
    assert len(between) == 1
    assert "nothing" in between[0]
    assert [record.run for record in stage.context.runs.newest()] == before


def test_the_timer_takes_up_a_landing_whose_event_was_lost(stage, host, landed, small_fleet):
    with host.held():
        key = stage.withhold(small_fleet.landings[1])
    assert host.call("score_on_timer") == 202
    run = stage.claims([key])[key]
    record = wait_for_end(stage, run)
    assert (record.state, record.cause.kind) == (RunState.SUCCEEDED, CauseKind.TIMER)
    assert record.counts["landings"] == 1
    assert not said(host, rf"New blob detected: data/{small_fleet.landings[1].name}")


def test_a_file_that_cannot_be_read_fails_its_run_with_the_reason_and_the_host_goes_on(
    stage, host, small_fleet, tmp_path
):
    bad, good = tmp_path / "bad.csv", tmp_path / "good.csv"
    bad.write_text("When,Who,What\n1,2,3\n", encoding="utf-8")
    good.write_bytes(small_fleet.landings[0].file.read_bytes())
    failed = wait_for_end(stage, blob_run(_land(stage, host, bad)))
    assert failed.state is RunState.FAILED
    assert "bad.csv" in (failed.error or "")
    assert not failed.retry
    assert wait_for_end(stage, blob_run(_land(stage, host, good))).state is RunState.SUCCEEDED
    assert not said(host, "is given up")


def _land(stage, host, file):
    key = stage.land(Landing(file, file.name))
    host.wait_for(blob_run(key))
    return key


def test_the_key_of_storage_is_written_nowhere(stage, host, landed):
    key = stage.connection.partition("AccountKey=")[2].partition(";")[0]
    assert key
    store = stage.context.store
    for container in (store.models, store.preds, store.runs):
        for blob in container.list(metadata=True):
            assert key.encode() not in container.read(blob.name).data, blob.name
            assert key not in str(blob.metadata)
    assert not [line for line in list(host.lines) if key in line]


def test_the_commands_of_the_readme_work_as_they_stand(stage, host, landed, small_fleet):
    lines = [line for line in console_commands(README) if line.startswith(("curl", "python -m pipeline"))]
    assert len(lines) >= 6
    site = small_fleet.landings[0].name
    for line in lines:
        script = line.replace("http://127.0.0.1:7071", host.address).replace("RUN", landed)
        run_in(REPO, script.replace("data/2018/08/28/site-a.csv", f"data/{site}"), stage.environment)


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("empty.csv", b"", "it is empty"),
        ("_notes.csv", b"x", "starts with '_'"),
        ("a/.b/c.csv", b"x", "starts with"),
    ],
    ids=["empty", "underscore", "dot"],
)
def test_what_is_no_landing_is_skipped_in_so_many_words(stage, host, name, content, why):
    stage.context.store.data.put(name, content)
    assert "skipped" in host.wait_for(re.escape(name) + r".* skipped: .*" + re.escape(why))


def test_a_blob_that_is_gone_is_no_failure(host):
    call_blob(host, "gone.csv")
    host.wait_for("'gone.csv' is not there any more")


def test_with_nothing_published_calls_fail_until_the_blob_is_given_up_and_the_sweep_makes_up_for_it(
    small_fleet,
):
    with staged(small_fleet, publish=False) as stage, stage.start_host(print) as host:
        host.wait_until_started()
        key = stage.land(small_fleet.landings[0])
        host.wait_for("is given up: a message is on queue webjobs-blobtrigger-poison")
        failed = said(host, r"Executed 'Functions.score_on_blob' \(Failed")
        assert len(failed) == 5
        assert "NothingPublished: no pipeline is published: run python -m pipeline publish" in failed[0]
        stage.publish()
        assert host.call("score_on_timer") == 202
        assert wait_for_end(stage, stage.claims([key])[key]).state is RunState.SUCCEEDED


def test_with_wrong_settings_the_app_loads_and_each_call_fails_with_all_of_them(stage):
    wrong = {"SCORING_ENGINE": "locale", "SCORING_MAX_STEPS": "many", "SCORING_MAX_TRIES": "none"}
    with HostProcess(REPO, {**stage.environment, **wrong, "SCORING_SCHEDULE": "* * * * * *"}) as host:
        host.wait_until_started()
        call_blob(host, "a.csv")
        for function in ("score_on_blob", "score_on_timer"):
            failure = host.wait_for(rf"Functions.{function}.*Failed.*SettingsError: wrong settings: ")
            for name, value in wrong.items():
                assert f"{name}: expected" in failure
                assert repr(value) in failure
