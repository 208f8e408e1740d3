"""A schedule of the workspace's own, by `python -m pipeline schedule`, against the emulator."""

import json
import time
from datetime import UTC, datetime

import pytest

from pipeline.cli import main
from pipeline.engines.azureml.schedule import NAME, Trigger
from tests.pipeline import small_fleet

pytestmark = pytest.mark.xdist_group("azureml")


@pytest.fixture
def fleet(environment, emulator, store, monkeypatch, tmp_path):
    """A published fleet, in an environment in which the command line finds it."""
    own = {"SCORING_ENGINE": "azureml", "AZUREML_COMPUTE": "cpu-cluster"}
    for name, text in {**environment, **emulator.environment, **own}.items():
        monkeypatch.setenv(name, text)
    monkeypatch.chdir(tmp_path)
    for name, content in small_fleet.models().items():
        store.models.put(name, content)
    store.data.put("2026/a.csv", small_fleet.readings())
    store.data.put("2026/b.csv", small_fleet.readings())
    assert main(["publish", "--setup"]) == 0
    return store


def schedule(emulator):
    return emulator.workspace.resources[emulator.workspace.id("schedules", NAME)]["properties"]


def test_it_is_created_shown_and_removed(fleet, emulator, capsys):
    assert main(["schedule", "show"]) == 1
    assert main(["schedule", "create", "--every", "15m"]) == 0
    version = schedule(emulator)["tags"]["published"]
    assert main(["schedule", "show"]) == 0
    assert main(["schedule", "remove"]) == 0
    assert main(["schedule", "remove"]) == 0
    assert capsys.readouterr().out.splitlines()[-5:] == [
        "there is no schedule",
        f"scheduled every 15m: {version} scores all readings each time",
        f"every 15m: {version}",
        "removed the schedule",
        "there was no schedule",
    ]
    assert emulator.workspace.id("schedules", NAME) not in emulator.workspace.resources


@pytest.mark.parametrize(
    ("options", "trigger"),
    [
        (
            ["--every", "15m"],
            {"triggerType": "Recurrence", "frequency": "minute", "interval": 15, "timeZone": "UTC"},
        ),
        (
            ["--cron", "0 5 * * 1", "--time-zone", "W. Europe Standard Time"],
            {"triggerType": "Cron", "expression": "0 5 * * 1", "timeZone": "W. Europe Standard Time"},
        ),
    ],
    ids=["every", "cron"],
)
def test_the_workspace_gets_the_times_and_the_job(fleet, emulator, options, trigger):
    assert main(["schedule", "create", *options]) == 0
    sent = schedule(emulator)
    assert trigger.items() <= sent["trigger"].items()
    job = sent["action"]["jobDefinition"]
    assert job["componentId"].startswith("/subscriptions/")
    assert job["settings"]["continue_on_step_failure"] is True
    assert job["settings"]["force_rerun"] is True
    assert "manifest" not in job["inputs"]


def test_creating_it_again_changes_the_existing_one(fleet, emulator):
    assert main(["schedule", "create", "--every", "1h"]) == 0
    assert main(["schedule", "create", "--every", "2h"]) == 0
    assert schedule(emulator)["trigger"]["interval"] == 2
    assert len(emulator.workspace.below(emulator.workspace.id("schedules"))) == 1


def test_the_workspace_ignores_day_and_month_of_a_cron_expression(fleet, emulator):
    """Why the command line refuses them."""
    assert main(["schedule", "create", "--cron", "0 5 * * *"]) == 0
    schedule(emulator)["trigger"]["expression"] = "0 5 1 6 *"
    times = emulator.schedules.times(NAME, datetime(2026, 1, 1, tzinfo=UTC), 2)
    assert times == [datetime(2026, 1, day, 5, tzinfo=UTC) for day in (1, 2)]


@pytest.mark.parametrize("cron", ["*/15 * * * *", "0 5,17 * * 1-5", "30 */2 * * MON,FRI", " 0  5 * * 0 "])
def test_a_cron_expression_that_azure_ml_follows_is_taken(cron):
    assert Trigger(cron=cron).cron == cron


@pytest.mark.slow
def test_each_of_its_jobs_scores_all_readings_into_a_folder_of_its_own(fleet, emulator):
    assert main(["schedule", "create", "--every", "1h"]) == 0
    for _ in range(2):
        job = emulator.schedules.fire(NAME)
        deadline = time.monotonic() + 60
        while job.status not in {"Completed", "Failed"}:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert job.status == "Completed", job.log
        summary = json.loads(fleet.preds.read(f"{job.name}/summary.json").data)
        assert summary["run"] == job.name
        assert [landing["name"] for landing in summary["landings"]] == ["2026/a.csv", "2026/b.csv"]
        assert summary["totals"]["sensors_scored"] == len(small_fleet.models())
        assert fleet.preds.exists(f"{job.name}/_SUCCESS")


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ([], "needs --every, such as 1h, or --cron"),
        (["--every", "soon"], "--every soon: expected a number and m, h, d or w"),
        (["--every", "0m"], "--every 0m: expected"),
        (["--cron", "0 5 * *"], "expected five fields"),
        (["--cron", "0 5 * * soon"], "expected five fields"),
        (["--cron", "0 5 1 * *"], "would run this as '0 5 * * *': write that, or name days of the week"),
        (["--cron", "0 5 * 6 1-5"], "would run this as '0 5 * * 1-5'"),
    ],
    ids=["neither", "word", "zero", "fields", "no weekday", "day", "month"],
)
def test_a_wrong_time_is_reported_before_any_request(fleet, emulator, capsys, options, complaint):
    emulator.requests.clear()
    assert main(["schedule", "create", *options]) == 2
    assert complaint in capsys.readouterr().err
    assert emulator.requests == []


def test_without_azure_ml_it_says_which_setting_is_wanted(fleet, monkeypatch, capsys):
    monkeypatch.setenv("SCORING_ENGINE", "local")
    assert main(["schedule", "show"]) == 2
    assert "SCORING_ENGINE=azureml" in capsys.readouterr().err


def test_a_refusal_of_the_workspace_is_reported_in_one_line(fleet, emulator, capsys):
    emulator.workspace.forget(("computes",))
    assert main(["schedule", "create", "--every", "1h"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: cannot create schedule 'fleet-scoring': Azure ML workspace")
    assert "cpu-cluster" in error
    assert len(error.splitlines()) == 1
