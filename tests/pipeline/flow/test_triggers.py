import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.flow.triggers import blob_source, report_settings, settings, tick_of
from pipeline.settings import HOST_RESOLVES, Settings

NOON = datetime(2026, 11, 23, 12, 0, 0, 250_000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("next_tick", "tick"),
    [
        ("2026-11-23T12:00:00+00:00", datetime(2026, 11, 23, 12, tzinfo=UTC)),
        ("2026-11-23T12:00:00Z", datetime(2026, 11, 23, 12, tzinfo=UTC)),
        ("2026-11-23T12:00:00", datetime(2026, 11, 23, 12, tzinfo=UTC)),
        ("2026-11-23T13:00:00.0000000+01:00", datetime(2026, 11, 23, 12, tzinfo=UTC)),
        ("2026-11-23T12:00:01+00:00", datetime(2026, 11, 23, 12, 0, 1, tzinfo=UTC)),
        ("2026-11-22T05:00:00+00:00", datetime(2026, 11, 22, 5, tzinfo=UTC)),
        ("2026-11-23T13:00:00+00:00", datetime(2026, 11, 23, 12, tzinfo=UTC)),
    ],
    ids=["now", "Z", "no offset", "as .NET writes it", "a second early", "past due", "called out of turn"],
)
def test_a_tick_has_its_scheduled_time(next_tick, tick):
    status = {"Last": "0001-01-01T00:00:00", "Next": next_tick, "LastUpdated": "0001-01-01T00:00:00"}
    assert tick_of(status, NOON) == tick


@pytest.mark.parametrize("status", [None, {}], ids=["none", "empty"])
def test_a_tick_of_a_frequent_schedule_has_the_second_in_which_it_fires(status):
    assert tick_of(status, NOON) == NOON.replace(microsecond=0)
    assert tick_of(status, NOON + timedelta(seconds=1)) != tick_of(status, NOON)


def test_settings_that_are_wrong_or_missing_are_logged_when_the_app_is_loaded(monkeypatch, caplog):
    settings.cache_clear()
    monkeypatch.setenv("ScoringStorage", "UseDevelopmentStorage=true")
    monkeypatch.setenv("SCORING_DATA_CONTAINER", "data")
    monkeypatch.setenv("SCORING_PREDS_CONTAINER", "preds")
    monkeypatch.setenv("SCORING_BLOB_SOURCE", "pigeons")
    monkeypatch.setenv("SCORING_SHEDULE", "0 0 * * * *")
    report_settings()
    wrong, missing, misspelt = caplog.messages
    assert wrong.startswith("invalid settings: SCORING_BLOB_SOURCE: expected EventGrid")
    assert missing.startswith("SCORING_SCHEDULE has no value")
    assert "'0 0 * * * *'" in missing
    assert misspelt.startswith("SCORING_SHEDULE is not a setting")
    assert misspelt.endswith("did you mean SCORING_SCHEDULE?")
    assert blob_source() == "EventGrid"


def test_what_the_app_leaves_to_the_host_is_known_with_our_defaults():
    app = (Path(__file__).parents[3] / "function_app.py").read_text(encoding="utf-8")
    assert set(re.findall(r"%(\w+)%", app)) == HOST_RESOLVES.keys()
    defaults = Settings.from_environment({"ScoringStorage": "UseDevelopmentStorage=true"})
    assert {
        "SCORING_SCHEDULE": defaults.schedule,
        "SCORING_DATA_CONTAINER": defaults.containers.data,
        "SCORING_PREDS_CONTAINER": defaults.containers.preds,
    } == HOST_RESOLVES
