"""What `notify --set` keeps, and what `mute` reports about a pattern."""

import json

import pytest

from pipeline.cli import main
from pipeline.fleet.state import FleetState, SensorState
from pipeline.fleet.store import change_state
from pipeline.notify.settings import read_notify_settings
from scoring.formats import FLEET_STATE

UNTIL = "2999-01-01"


@pytest.fixture
def set_file(here, tmp_path):
    """Write a file of settings, and set it."""
    del here

    def set_settings(**document):
        file = tmp_path / "notify.json"
        file.write_text(json.dumps({"version": 1} | document))
        return main(["notify", "--set", str(file)])

    return set_settings


@pytest.fixture
def fleet(here, store):
    """A fleet state with one sensor."""
    del here
    change_state(store.preds, lambda _: FleetState(sensors=(SensorState(device="2", sensor="3"),)))


def mute(pattern):
    return main(["mute", pattern, "--until", UNTIL, "--reason", "it is moved"])


def test_a_file_without_mutes_keeps_those_that_are_stored(set_file, store, capsys):
    assert mute("2/3") == mute("4/*") == 0
    capsys.readouterr()
    assert set_file(least_seconds=300) == 0
    assert "2 mutes kept" in capsys.readouterr().out
    found = read_notify_settings(store.runs)
    assert found.least_seconds == 300
    assert [each.pattern for each in found.mutes] == ["2/3", "4/*"]


@pytest.mark.parametrize("patterns", [[], ["5/6"]])
def test_a_file_with_a_list_of_mutes_replaces_them(set_file, store, capsys, patterns):
    assert mute("2/3") == 0
    mutes = [{"pattern": each, "until": "2999-01-01T00:00:00Z", "reason": ""} for each in patterns]
    assert set_file(mutes=mutes) == 0
    assert "kept" not in capsys.readouterr().out
    assert [each.pattern for each in read_notify_settings(store.runs).mutes] == patterns


def test_a_file_with_a_misspelt_field_is_refused_and_names_the_right_one(set_file, capsys):
    assert set_file(least_secs=300) == 2
    assert "notify.json: 'least_secs' is unknown: least_seconds?" in capsys.readouterr().err


@pytest.mark.usefixtures("fleet")
def test_a_pattern_that_no_sensor_matches_is_muted_and_reported(store, capsys):
    assert mute("2") == 0
    assert capsys.readouterr().out.splitlines() == [
        "no messages about 2 until 2999-01-01 00:00 UTC",
        "no sensor matches 2 now: patterns are DEVICE/SENSOR",
    ]
    assert [each.pattern for each in read_notify_settings(store.runs).mutes] == ["2"]


@pytest.mark.usefixtures("fleet")
@pytest.mark.parametrize("pattern", ["2/3", "2/*", "*"])
def test_a_pattern_that_a_sensor_matches_is_muted_without_a_remark(capsys, pattern):
    assert mute(pattern) == 0
    assert "no sensor" not in capsys.readouterr().out


@pytest.mark.parametrize("state", [None, b"damaged"])
def test_without_a_fleet_state_that_can_be_read_a_mute_does_not_mention_sensors(here, store, capsys, state):
    del here
    if state:
        store.preds.put(FLEET_STATE, state)
    assert mute("2") == 0
    assert "no sensor" not in capsys.readouterr().out
