"""From a blob to predictions on the Azure ML emulator, through the real Functions worker."""

import re

import pytest

from dev.azureml.faults import Fault, Kind
from dev.demo.fleet import Landing
from pipeline.fleet.store import read_state
from pipeline.runs.names import blob_run
from pipeline.runs.record import RunState
from tests.e2e.conftest import sandbox_for, scored_directly, wait_for_end
from tests.pipeline.conftest import until

pytestmark = [pytest.mark.xdist_group("azureml"), pytest.mark.slow]


@pytest.fixture(scope="module")
def sandbox(small_fleet):
    # Runs of earlier tests stay active where the emulator holds its jobs.
    with sandbox_for(small_fleet, {"SCORING_MAX_ACTIVE_RUNS": "100"}, engine="azureml") as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def host(sandbox):
    with sandbox.start_host(print) as host:
        yield host.wait_until_started()


@pytest.fixture(autouse=True)
def emulator_environment(sandbox, monkeypatch):
    """Set the emulator's environment variables: tests start without any of the machine's."""
    for name, text in sandbox.emulator.environment.items():
        monkeypatch.setenv(name, text)
    sandbox.emulator.requests.clear()
    yield
    sandbox.emulator.execution.holds = False


@pytest.fixture
def upload(sandbox, small_fleet, tmp_path):
    """Upload readings under a name; returns the name of their run."""

    def upload_as(name):
        file = tmp_path / name
        file.write_bytes(small_fleet.landings[0].file.read_bytes())
        return blob_run(sandbox.upload(Landing(file, name)))

    return upload_as


def puts(sandbox, run):
    return [line for line in sandbox.emulator.requests if re.fullmatch(rf"PUT .*/jobs/{run}", line)]


def test_an_uploaded_blob_becomes_one_job_with_the_predictions_of_scoring_score(
    sandbox, host, small_fleet, tmp_path
):
    landing = small_fleet.landings[0]
    run = blob_run(sandbox.upload(landing))
    host.wait_for(f"run {run} is submitted")
    assert len(puts(sandbox, run)) == len(sandbox.emulator.requests) == 1
    assert wait_for_end(sandbox, run).state is RunState.SUCCEEDED
    expected = scored_directly(landing, small_fleet, tmp_path)
    assert len(expected) == 4
    for name, content in expected.items():
        assert sandbox.context.store.preds.read(f"{run}/{name}").data == content


def test_an_event_delivered_ten_times_submits_one_job(sandbox, host, upload):
    run = upload("again.csv")
    for _ in range(9):
        assert host.call("score_on_blob", '{"input": "data/again.csv"}') == 202
    host.wait_for(f"run {run} exists already", count=9)
    host.wait_for(f"run {run} is submitted")  # by the first call, which can take longest
    assert len(puts(sandbox, run)) == 1


@pytest.mark.parametrize("duplicates", ["same", "refuse"])
@pytest.mark.parametrize("fault", ["429", "503", "cut"])
def test_a_failed_submission_is_retried_and_submits_one_job(sandbox, host, upload, fault, duplicates):
    answers = {
        "429": Fault("PUT .*/jobs/", status=429, retry_after=1),
        "503": Fault("PUT .*/jobs/", status=503),
        "cut": Fault("PUT .*/jobs/", Kind.CUT_AFTER),
    }
    sandbox.emulator.execution.holds = True  # this test needs no steps to run
    sandbox.emulator.jobs.duplicates = duplicates
    sandbox.emulator.faults.add(answers[fault])
    run = upload(f"{fault}-{duplicates}.csv")
    host.wait_for(f"run {run} is submitted")
    assert len(puts(sandbox, run)) == 2
    assert run in sandbox.emulator.jobs.jobs
    assert sandbox.context.runs.load(run).state is RunState.SUBMITTED


@pytest.mark.parametrize("status", [429, 503])
def test_landings_that_arrive_while_the_workspace_fails_are_submitted_when_it_is_back(
    sandbox, host, upload, status
):
    """As many calls as run at once wait, and more landings wait for them."""
    sandbox.emulator.execution.holds = True
    sandbox.emulator.faults.add(Fault("PUT .*/jobs/", status=status, times=10**6))
    already = len([line for line in host.lines if "holding on" in line])
    runs = [upload(f"outage-{status}-{number}.csv") for number in range(10)]
    host.wait_for("holding on for", 60, count=already + 10)  # 10 failures, where the host tries 5 times
    sandbox.emulator.faults.clear()
    for run in runs:
        host.wait_for(f"run {run} is submitted", 150)
    assert not [line for line in host.lines if "Moving message to queue" in line]
    assert {sandbox.context.runs.load(run).state for run in runs} == {RunState.SUBMITTED}


def test_the_timer_submits_a_landing_whose_event_was_lost(sandbox, host, small_fleet):
    with host.held():
        key = sandbox.upload_without_event(small_fleet.landings[1])
    assert host.call("score_on_timer") == 202
    host.wait_for(r"run timer-\d+-\d+ is submitted")
    assert wait_for_end(sandbox, sandbox.claims([key])[key]).state is RunState.SUCCEEDED


def test_success_concludes_its_run_at_once_without_a_sweep(sandbox, host, upload):
    """Only events and sweeps ask Azure ML: unlike the local engine, it has no worker that reports the end."""
    run = upload("seen.csv")
    preds = sandbox.context.store.preds
    host.wait_for(f"run {run}: finished", 120)
    assert run in read_state(preds).runs
    link = f'<a href="{run}/report.html">'
    until(lambda: preds.exists("index.html") and link in preds.read("index.html").data.decode())
