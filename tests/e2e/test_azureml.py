"""From a blob to predictions on the emulator of Azure ML, through the real Functions worker."""

import re

import pytest

from dev.azureml.faults import Fault, Kind
from dev.demo.fleet import Landing
from pipeline.runs.names import blob_run
from pipeline.runs.record import RunState
from tests.e2e.conftest import scored_directly, staged, wait_for_end
from tests.pipeline.conftest import until

pytestmark = [pytest.mark.xdist_group("azureml"), pytest.mark.slow]


@pytest.fixture(scope="module")
def stage(small_fleet):
    with staged(small_fleet, engine="azureml") as stage:
        yield stage


@pytest.fixture(scope="module")
def host(stage):
    with stage.start_host(print) as host:
        yield host.wait_until_started()


@pytest.fixture(autouse=True)
def surroundings(stage, monkeypatch):
    """Tests begin without variables of the machine; here they need those of the emulator."""
    for name, text in stage.emulator.environment.items():
        monkeypatch.setenv(name, text)
    stage.emulator.requests.clear()
    yield
    stage.emulator.execution.holds = False


@pytest.fixture
def drop(stage, small_fleet, tmp_path):
    """Let readings land under a name; returns the run that they will get."""

    def land(name):
        file = tmp_path / name
        file.write_bytes(small_fleet.landings[0].file.read_bytes())
        return blob_run(stage.land(Landing(file, name)))

    return land


def puts(stage, run):
    return [line for line in stage.emulator.requests if re.fullmatch(rf"PUT .*/jobs/{run}", line)]


def test_a_blob_that_lands_is_one_job_and_scored_as_python_m_scoring_score_would(
    stage, host, small_fleet, tmp_path
):
    landing = small_fleet.landings[0]
    run = blob_run(stage.land(landing))
    host.wait_for(f"run {run} is submitted")
    assert len(puts(stage, run)) == len(stage.emulator.requests) == 1
    assert wait_for_end(stage, run).state is RunState.SUCCEEDED
    expected = scored_directly(landing, small_fleet, tmp_path)
    assert len(expected) == 4
    for name, content in expected.items():
        assert stage.context.store.preds.read(f"{run}/{name}").data == content


def test_an_event_that_is_told_again_and_again_stays_one_job(stage, host, drop):
    run = drop("again.csv")
    for _ in range(9):
        assert host.call("score_on_blob", '{"input": "data/again.csv"}') == 202
    host.wait_for(f"run {run} exists already", count=9)
    host.wait_for(f"run {run} is submitted")  # by the first of them, which may take longest
    assert len(puts(stage, run)) == 1


@pytest.mark.parametrize("duplicates", ["same", "refuse"])
@pytest.mark.parametrize("trouble", ["429", "503", "cut"])
def test_a_bad_moment_is_one_job_and_a_run_that_is_submitted(stage, host, drop, trouble, duplicates):
    answers = {
        "429": Fault("PUT .*/jobs/", status=429, retry_after=1),
        "503": Fault("PUT .*/jobs/", status=503),
        "cut": Fault("PUT .*/jobs/", Kind.CUT_AFTER),
    }
    stage.emulator.execution.holds = True  # what the steps do is of no interest here
    stage.emulator.jobs.duplicates = duplicates
    stage.emulator.faults.add(answers[trouble])
    run = drop(f"{trouble}-{duplicates}.csv")
    host.wait_for(f"run {run} is submitted")
    assert len(puts(stage, run)) == 2
    assert run in stage.emulator.jobs.jobs
    assert stage.context.runs.load(run).state is RunState.SUBMITTED


def test_the_timer_submits_what_no_event_told_of(stage, host, small_fleet):
    with host.held():
        key = stage.withhold(small_fleet.landings[1])
    assert host.call("score_on_timer") == 202
    host.wait_for(r"run timer-\d+-\d+ is submitted")
    assert wait_for_end(stage, stage.claims([key])[key]).state is RunState.SUCCEEDED


def test_the_timer_finds_that_a_run_is_over_and_renews_the_page_of_runs(stage, host, drop):
    """Nobody else looks: no worker of ours tells that a job on Azure ML has ended."""
    run = drop("seen.csv")
    preds = stage.context.store.preds
    host.wait_for(f"run {run} is submitted")
    until(lambda: stage.context.engine.status(run).state.final)
    assert not preds.exists("index.html") or run not in preds.read("index.html").data.decode()
    assert host.call("score_on_timer") == 202
    link = f'<a href="{run}/report.html">'
    until(lambda: preds.exists("index.html") and link in preds.read("index.html").data.decode())
