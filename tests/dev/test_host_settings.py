import json

import pytest

from dev.host.errors import HostError
from dev.host.settings import (
    connection_string,
    host_id,
    load_host_options,
    resolve,
)


def test_placeholders_are_replaced_by_settings():
    assert resolve("%CONTAINER%/in/{name}-%X%", {"CONTAINER": "data", "X": "1"}) == "data/in/{name}-1"


def test_a_missing_setting_is_named():
    with pytest.raises(HostError, match="'%SCHEDULE%' does not resolve to a value: set SCHEDULE"):
        resolve("%SCHEDULE%", {})


def test_a_missing_connection_is_named():
    with pytest.raises(HostError, match="no connection string ScoringStorage"):
        connection_string("ScoringStorage", {"ScoringStorage__blobServiceUri": "https://a.example"})


def test_host_json_sets_parallelism_and_the_number_of_tries(tmp_path):
    document = {
        "version": "2.0",
        "extensions": {"blobs": {"maxDegreeOfParallelism": 3, "poisonBlobThreshold": 2}},
    }
    (tmp_path / "host.json").write_text(json.dumps(document), encoding="utf-8")
    options = load_host_options(tmp_path)
    assert (options.blobs_at_once, options.poison_threshold) == (3, 2)


@pytest.mark.parametrize(
    ("text", "error"),
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
def test_an_invalid_host_json_is_refused(tmp_path, text, error):
    if text is not None:
        (tmp_path / "host.json").write_text(text, encoding="utf-8")
    with pytest.raises(HostError, match=error):
        load_host_options(tmp_path)


def test_each_app_has_its_own_stable_host_id(tmp_path):
    assert host_id(tmp_path / "a", {}) == host_id(tmp_path / "a", {})
    assert host_id(tmp_path / "a", {}) != host_id(tmp_path / "b", {})
    assert host_id(tmp_path, {"AzureFunctionsWebHost__hostid": "mine"}) == "mine"
