import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from azure.core.exceptions import ClientAuthenticationError

from pipeline.fleet.events import EventKind, make_event
from pipeline.notify.settings import Format
from pipeline.notify.sinks import EVENT_GRID_SCOPE, Answer, EventGridSink, Fate, WebhookSink
from tests.pipeline.notify.receiver import Receiver, served

NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)
EVENTS = [
    make_event(
        EventKind.MODEL_MISSING, "1/2", str(n), time=NOON, run="r", data={"device": "1", "sensor": "2"}
    )
    for n in range(2)
]


@dataclass
class Token:
    token: str


class Credential:
    """An identity that gets a token for one scope only."""

    def get_token(self, scope: str) -> Token:
        if scope != EVENT_GRID_SCOPE:
            raise ClientAuthenticationError("no")
        return Token("t0k3n")


class NoCredential:
    """An identity that gets no token."""

    def get_token(self, scope: str) -> Token:
        raise ClientAuthenticationError(f"no identity on this machine for {scope}")


def sent(receiver):
    sink = WebhookSink(receiver.url, None, Format.CLOUD_EVENTS, "it")
    try:
        return sink.send(next(sink.messages(EVENTS)), NOON)
    finally:
        sink.close()


def test_event_grid_gets_a_batch_with_a_token_of_the_identity_and_no_key():
    with served(Receiver()) as receiver:
        sink = EventGridSink(receiver.url, Credential(), "it")
        [message] = sink.messages(EVENTS)
        assert sink.send(message, NOON) == Answer(Fate.DELIVERED)
        sink.close()
    [request] = receiver.accepted
    assert request.path.endswith("?api-version=2018-01-01")
    assert request.headers["authorization"] == "Bearer t0k3n"
    assert request.headers["content-type"] == "application/cloudevents-batch+json"
    assert [event["id"] for event in json.loads(request.body)] == [event.id for event in EVENTS]


def test_without_an_identity_event_grid_is_tried_again_later():
    sink = EventGridSink("https://topic.example/api/events", NoCredential(), "it")
    [message] = sink.messages(EVENTS)
    assert sink.send(message, NOON).fate is Fate.FAILED
    sink.close()


@pytest.mark.parametrize(
    ("status", "fate"),
    [
        *((status, "delivered") for status in (200, 204)),
        *((status, "refused") for status in (400, 413)),
        *((status, "failed") for status in (302, 401, 404, 410, 429, 503, 0)),
    ],
)
def test_the_answer_decides_what_becomes_of_a_message(status, fate):
    with served(Receiver(lambda _: (status, {}))) as receiver:
        assert sent(receiver).fate == fate


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120.0),
        (format_datetime(NOON + timedelta(minutes=5)), 300.0),
        ("soon", None),
        ("-5", None),
        ("Mon, 01 Jan 99999999999999999999 00:00:00 GMT", None),
    ],
)
def test_retry_after_is_a_number_or_a_date(text, seconds):
    with served(Receiver(lambda _: (429, {"Retry-After": text}))) as receiver:
        assert sent(receiver).retry_after == seconds
