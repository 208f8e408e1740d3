"""Settings, as the host reads them."""

import pytest

from dev.host.errors import HostError
from dev.host.settings import connection_string, host_id, resolve


def test_placeholders_are_replaced_by_settings():
    assert resolve("%CONTAINER%/in/{name}-%X%", {"CONTAINER": "data", "X": "1"}) == "data/in/{name}-1"


def test_settings_within_a_setting_stay():
    assert resolve("%A%", {"A": "%B%", "B": "1"}) == "%B%"


def test_a_missing_setting_is_named():
    with pytest.raises(HostError, match="'%SCHEDULE%' does not resolve to a value: set SCHEDULE"):
        resolve("%SCHEDULE%", {})


@pytest.mark.parametrize("text", ["%A", "A%", "%", "%A%/%"])
def test_an_unclosed_percent_sign_is_rejected(text):
    with pytest.raises(HostError, match="does not have a closing '%'"):
        resolve(text, {"A": "1"})


def test_a_missing_connection_is_named():
    with pytest.raises(HostError, match="no connection string ScoringStorage"):
        connection_string("ScoringStorage", {"ScoringStorage__blobServiceUri": "https://a.example"})


def test_an_app_keeps_its_host_id_and_another_has_its_own(tmp_path):
    assert host_id(tmp_path / "a", {}) == host_id(tmp_path / "a", {})
    assert host_id(tmp_path / "a", {}) != host_id(tmp_path / "b", {})
    assert host_id(tmp_path, {"AzureFunctionsWebHost__hostid": "mine"}) == "mine"
