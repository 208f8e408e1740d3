import json

import pytest

from dev.host.errors import HostError
from dev.host.settings import (
    connection_string,
    host_id,
    load_host_options,
    resolve,
)


def test_settings_are_put_in_place_of_their_names():
    assert resolve("%CONTAINER%/in/{name}-%X%", {"CONTAINER": "data", "X": "1"}) == "data/in/{name}-1"


def test_a_setting_that_is_missing_is_named():
    with pytest.raises(HostError, match="'%SCHEDULE%' does not resolve to a value: set SCHEDULE"):
        resolve("%SCHEDULE%", {})


def test_a_connection_that_is_missing_is_named():
    with pytest.raises(HostError, match="no connection string ScoringStorage"):
        connection_string("ScoringStorage", {"ScoringStorage__blobServiceUri": "https://a.example"})


def test_host_json_says_how_many_blobs_at_once_and_how_many_tries(tmp_path):
    document = {
        "version": "2.0",
        "extensions": {"blobs": {"maxDegreeOfParallelism": 3, "poisonBlobThreshold": 2}},
    }
    (tmp_path / "host.json").write_text(json.dumps(document), encoding="utf-8")
    options = load_host_options(tmp_path)
    assert (options.blobs_at_once, options.poison_threshold) == (3, 2)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (None, "no host.json"),
        ("{}", 'expected "version": "2.0"'),
        ("no", "is not JSON"),
        (
            '{"version": "2.0", "extensions": {"blobs": {"poisonBlobThreshold": "5"}}}',
            "poisonBlobThreshold is '5', expected a number",
        ),
    ],
    ids=["none", "no version", "broken", "text for a number"],
)
def test_a_wrong_host_json_is_refused(tmp_path, text, complaint):
    if text is not None:
        (tmp_path / "host.json").write_text(text, encoding="utf-8")
    with pytest.raises(HostError, match=complaint):
        load_host_options(tmp_path)


def test_an_app_keeps_its_host_id_and_another_has_its_own(tmp_path):
    assert host_id(tmp_path / "a", {}) == host_id(tmp_path / "a", {})
    assert host_id(tmp_path / "a", {}) != host_id(tmp_path / "b", {})
    assert host_id(tmp_path, {"AzureFunctionsWebHost__hostid": "mine"}) == "mine"
