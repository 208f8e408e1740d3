import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace as changed

from pipeline.clock import utc_now
from pipeline.errors import NotifyError
from pipeline.fleet.events import EventKind, make_event
from pipeline.notify.messages import MOST_IN_BATCH, batches, messages, sentence
from pipeline.notify.settings import (
    Format,
    Mute,
    NotifySettings,
    Sink,
    SinkKind,
    add_mute,
    read_notify_settings,
    remove_mute,
    setting,
    write_notify_settings,
)
from pipeline.notify.signing import read_key, signed_headers
from pipeline.notify.sinks import open_sink
from pipeline.settings import Connection

NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)
EPISODE = {
    "device": "2",
    "sensor": "<b>3</b>",
    "episode": "e1",
    "start": "2026-11-27T14:10:00Z",
    "end": "2026-11-27T14:35:00Z",
    "readings": 26,
    "peak": {"time": "2026-11-27T14:20:00Z", "value": 99.5, "score": None},
    "direction": "high",
}


def episode(kind, name="e1"):
    return make_event(kind, "2/3", name, time=NOON, run="run-1", data=EPISODE | {"episode": name})


OPENED, CLOSED = episode(EventKind.EPISODE_OPENED), episode(EventKind.EPISODE_CLOSED)


def test_a_cloud_event_has_the_attributes_of_the_specification():
    [message] = messages([OPENED], Format.CLOUD_EVENTS, "https://account.blob.example/preds")
    document = json.loads(message.body)
    assert document["specversion"] == "1.0"
    assert document["source"] == "https://account.blob.example/preds"
    assert document["type"] == "fleetscoring.episode.opened"
    assert document["time"] == "2026-11-27T12:00:00Z"
    assert document["datacontenttype"] == "application/json"
    assert document["data"]["run"] == "run-1"
    assert {len(document["id"]), document["subject"]} == {32, "2/3"}


def test_people_read_one_line_for_an_episode_that_opened_and_closed_in_one_run():
    [message] = messages([OPENED, CLOSED], Format.SLACK, "it")
    assert message.events == (OPENED, CLOSED)
    lines = [block["text"]["text"] for block in json.loads(message.body)["blocks"]]
    assert lines[0] == (
        "sensor 2/<b>3</b> was anomalous from 2026-11-27 14:10 UTC to 2026-11-27 14:35 UTC: "
        "26 readings, high, peak 99.5"
    )


def test_names_from_outside_are_plain_text_in_slack_and_teams():
    [slack] = messages([OPENED], Format.SLACK, "it")
    document = json.loads(slack.body)
    assert "<" not in document["text"]
    assert {block["text"]["type"] for block in document["blocks"]} == {"plain_text"}
    [teams] = messages([OPENED], Format.TEAMS, "it")
    [attachment] = json.loads(teams.body)["attachments"]
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    assert {block["type"] for block in attachment["content"]["body"]} == {"RichTextBlock"}


def test_a_batch_holds_a_bounded_number_of_events_and_each_once():
    events = [episode(EventKind.EPISODE_OPENED, f"e{number}") for number in range(MOST_IN_BATCH + 1)]
    first, second = batches(events, "it")
    assert first.content_type == "application/cloudevents-batch+json"
    assert [len(json.loads(each.body)) for each in (first, second)] == [MOST_IN_BATCH, 1]


@pytest.mark.parametrize("text", ["\n\x1b[31m", "a" * 5000])
def test_a_sentence_is_one_short_line(text):
    failed = make_event(EventKind.RUN_FAILED, "r", "", time=NOON, run="r", data={"error": text})
    assert "\n" not in sentence(failed)
    assert len(sentence(failed)) <= 300


def test_a_signature_is_that_of_the_example_of_the_specification():
    """The example of the Standard Webhooks specification."""
    key = read_key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "it")
    when = datetime.fromtimestamp(1614265330, UTC)
    headers = signed_headers(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", b'{"test": 2432232314}', when)
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert headers["webhook-timestamp"] == "1614265330"


@pytest.mark.parametrize(
    "text", ["", "whsec_", "whsec_####", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_c2hvcnQ="]
)
def test_what_is_not_a_key_is_refused_without_being_repeated(text):
    with pytest.raises(NotifyError) as refused:
        read_key(text, "NOTIFY_SECRET")
    assert "NOTIFY_SECRET: expected whsec_" in str(refused.value)
    assert len(text) < 10 or text not in str(refused.value)


WEBHOOK = {"name": "ops", "kind": "webhook", "url": "https://example.com/"}


@pytest.mark.parametrize(
    ("document", "why"),
    [
        (b"{", "is not a document of notification settings"),
        ({"version": 2}, "of version 2"),
        ({"version": 1, "sinks": [WEBHOOK, WEBHOOK]}, "the same name"),
        ({"version": 1, "sinks": [WEBHOOK | {"url_setting": "NOTIFY_URL"}]}, "either url or url_setting"),
        ({"version": 1, "sinks": [WEBHOOK | {"name": "../x"}]}, "letters, digits and hyphens"),
        ({"version": 1, "sinks": [WEBHOOK | {"kinds": ["nonsense"]}]}, "wants 'nonsense'; kinds are"),
        ({"version": 1, "sinks": [WEBHOOK | {"secret_setting": "ScoringStorage"}]}, "begin with NOTIFY_"),
        ({"version": 1, "sinks": [{"name": "q", "kind": "queue"}]}, "the name of a queue"),
        ({"version": 1, "cool_down_seconds": -1}, "must be from 0"),
        (
            {"version": 1, "least_secs": 300},
            "notify.json: 'least_secs' is unknown: least_seconds[?]: correct it",
        ),
        (
            {"version": 1, "x": 1},
            "'x' is unknown; the fields are least_seconds, cool_down_seconds, mutes, sinks",
        ),
        ({"version": 1, "sinks": [WEBHOOK | {"urls": "x"}]}, r"sinks\[0\]: 'urls' is unknown: url[?]"),
        ({"version": 1, "mutes": [{"patern": "*"}]}, r"mutes\[0\]: 'patern' is unknown: pattern[?]"),
        (
            {"version": 1, "sinks": [WEBHOOK, WEBHOOK | {"kind": "webhok", "format": "team"}]},
            "'webhok' is not one of webhook, queue, event-grid; .*'team' is not one of cloudevents, teams",
        ),
        (
            {"version": 1, "mutes": [{"pattern": "*", "until": "2026-11-27T00:00:00", "reason": ""}]},
            "time zone",
        ),
    ],
)
def test_wrong_settings_are_refused_and_the_stored_ones_stay(store, document, why):
    data = document if isinstance(document, bytes) else json.dumps(document).encode()
    with pytest.raises(NotifyError, match=why):
        write_notify_settings(store.runs, data, "notify.json")
    assert read_notify_settings(store.runs) == NotifySettings()


def test_settings_read_as_they_were_written(store):
    sink = Sink(name="ops", kind=SinkKind.WEBHOOK, format=Format.TEAMS, url_setting="NOTIFY_URL")
    written = NotifySettings(cool_down_seconds=60, sinks=(sink,))
    assert write_notify_settings(store.runs, written.to_bytes(), "it") == (written, 0)
    assert read_notify_settings(store.runs) == written


def test_a_stored_document_of_a_newer_release_with_more_fields_is_read(store):
    stored = {"version": 1, "colour": "red", "sinks": [WEBHOOK | {"colour": "red"}]}
    store.runs.put("notify.json", json.dumps(stored).encode())
    assert [sink.name for sink in read_notify_settings(store.runs).sinks] == ["ops"]


def test_mutes_that_cannot_be_read_are_not_dropped_unless_the_file_lists_some(store):
    store.runs.put("notify.json", b"{")
    with pytest.raises(NotifyError, match="where FILE also lists the mutes: those that are stored cannot be"):
        write_notify_settings(store.runs, b'{"version": 1}', "it")
    assert store.runs.read("notify.json").data == b"{"
    write_notify_settings(store.runs, b'{"version": 1, "mutes": []}', "it")
    assert read_notify_settings(store.runs) == NotifySettings()


def test_a_mute_ends_by_itself_and_by_hand(store, settings):
    mute = Mute(pattern="site-b/*", until=NOON + timedelta(hours=1), reason="closed")
    add_mute(store.runs, mute, NOON)
    found = read_notify_settings(store.runs)
    assert found.mutes == (mute,)
    assert found.rules(settings, NOON).is_muted(("site-b", "3"))
    assert not found.rules(settings, NOON).is_muted(("site-a", "3"))
    assert not found.rules(settings, NOON + timedelta(hours=2)).is_muted(("site-b", "3"))
    add_mute(store.runs, replace(mute, pattern="1/2"), NOON + timedelta(hours=2))
    assert [each.pattern for each in read_notify_settings(store.runs).mutes] == ["1/2"]
    assert remove_mute(store.runs, "1/2")
    assert not remove_mute(store.runs, "1/2")


def test_a_reference_to_key_vault_that_is_not_resolved_is_not_used_as_an_address():
    sink = Sink(name="ops", kind=SinkKind.WEBHOOK, url_setting="NOTIFY_URL")
    environ = {"NOTIFY_URL": "@Microsoft.KeyVault(SecretUri=https://vault.example/secrets/url)"}
    with pytest.raises(NotifyError, match="is not resolved: let the identity of the app read the secret"):
        setting(environ, "NOTIFY_URL", sink)


@pytest.mark.parametrize("address", ["http://example.com/", "ftp://example.com/", "example.com", "https://["])
def test_messages_are_not_sent_in_the_open(address):
    sink = Sink(name="ops", kind=SinkKind.WEBHOOK, url=address)
    with pytest.raises(NotifyError, match="sink ops"):
        open_sink(sink, Connection(), "it", {})


def test_the_id_of_an_event_is_that_of_what_happened():
    again = episode(EventKind.EPISODE_OPENED)
    assert changed(again, time=utc_now()).id == OPENED.id
    assert len({OPENED.id, CLOSED.id, episode(EventKind.EPISODE_OPENED, "e2").id}) == 3
    assert base64.b16decode(OPENED.id.upper())
