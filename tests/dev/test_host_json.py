"""host.json: accepted and rejected as recorded of the real host."""

import json
import logging
from datetime import timedelta
from pathlib import Path

import pytest

from dev.host.errors import HostError
from dev.host.host_json import load_host_options

REPO = Path(__file__).parents[2]
BUNDLE = {"id": "Microsoft.Azure.Functions.ExtensionBundle", "version": "[4.*, 5.0.0)"}


def load(folder, text):
    if not isinstance(text, str):
        text = json.dumps({"version": "2.0", "extensionBundle": BUNDLE} | text)
    (folder / "host.json").write_text(text, encoding="utf-8")
    return load_host_options(folder)


def blobs(**options):
    return {"extensions": {"blobs": options}}


def levels(**categories):
    return {"logging": {"logLevel": categories}}


def bundle(**parts):
    return {"extensionBundle": BUNDLE | parts}


def test_the_apps_own_is_accepted():
    options = load_host_options(REPO)
    assert (options.blobs_at_once, options.poison_threshold) == (8, 5)
    assert (options.time_limit, options.has_blob_triggers) == (timedelta(minutes=10), True)


@pytest.mark.parametrize(
    ("document", "complaint"),
    [
        ("{}", 'expected "version": "2.0"'),
        ({"version": "1.0"}, 'expected "version": "2.0"'),
        ("no", "is not JSON"),
        ('{"version": "2.0"', "is not JSON"),
        ("[]", 'expected "version": "2.0"'),
        ({"functionTimeout": "ten minutes"}, "functionTimeout is 'ten minutes', expected a time span"),
        ({"functionTimeout": "00:00:00"}, "functionTimeout is '00:00:00', expected a time span above zero"),
        ({"functionTimeout": "00:60:00"}, "functionTimeout is '00:60:00'"),
        (levels(default="Loud"), "logLevel of default is 'Loud', expected one of critical, debug"),
        (blobs(maxDegreeOfParallelism=0), "maxDegreeOfParallelism is 0, expected a number from 1"),
        (blobs(poisonBlobThreshold=-1), "poisonBlobThreshold is -1, expected a number from 1"),
        (blobs(poisonBlobThreshold="five"), "poisonBlobThreshold is 'five', expected a number"),
        (bundle(id="My Bundle"), "extensionBundle.id is 'My Bundle'"),
        (bundle(version="four"), "extensionBundle.version is 'four', expected a range of versions"),
        (bundle(version="[5.*, 6.0.0)"), r"extensionBundle.version is '\[5.\*, 6.0.0\)'"),
        (bundle(version="[4.5.0, 4.2.0)"), "extensionBundle.version is"),
    ],
    ids=str,
)
def test_a_file_that_puts_the_real_host_into_state_error_is_rejected(tmp_path, document, complaint):
    with pytest.raises(HostError, match=complaint):
        load(tmp_path, document)


def test_a_folder_without_one_is_not_an_app(tmp_path):
    with pytest.raises(HostError, match=r"no host\.json in "):
        load_host_options(tmp_path)


def test_comments_trailing_commas_a_byte_order_mark_and_unknown_keys_are_accepted(tmp_path):
    text = """\ufeff{
      // a comment with a "quote", and a comma,
      "version": "2.0", /* another
      one */ "unknown": ["//no comment", "a, ]", {"x": 1,},],
      "extensions": {"blobs": {"poisonBlobThreshold": 2,},},
    }"""
    assert load(tmp_path, text).poison_threshold == 2


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        (None, timedelta(minutes=30)),
        ("-1", None),
        (-1, None),
        ("00:20:00", timedelta(minutes=20)),
        ("1.02:03:04", timedelta(days=1, hours=2, minutes=3, seconds=4)),
    ],
    ids=str,
)
def test_the_time_limit_of_calls(tmp_path, text, limit):
    assert load(tmp_path, {"functionTimeout": text} if text is not None else {}).time_limit == limit


@pytest.mark.parametrize(
    "version", ["[4.*, 5.0.0)", "[4.0.0, 4.5.0]", "[3.3.0, 4.0.0)", "[4.12.0]", "[2.*, )"]
)
def test_ranges_that_some_bundle_satisfies_are_accepted(tmp_path, version):
    assert load(tmp_path, bundle(version=version)).has_blob_triggers


@pytest.mark.parametrize(
    "parts", [{"extensionBundle": None}, bundle(id="My.Own.Bundle")], ids=["none", "another"]
)
def test_without_the_bundle_there_are_no_blob_triggers(tmp_path, parts):
    assert not load(tmp_path, parts).has_blob_triggers


def test_a_telemetry_mode_that_azure_would_ignore_is_named(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        load(tmp_path, {"telemetryMode": "OpenTelemetri"})
    assert "telemetryMode 'OpenTelemetri' is not known: Azure takes ApplicationInsights" in caplog.text
