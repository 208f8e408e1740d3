"""Sinks: where messages are sent. Each `send` is one request, and says what became of it.

No address and no answer is ever part of a message of ours: the path of a webhook is often its secret.
"""

import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from pipeline.clock import as_utc
from pipeline.errors import NotifyError
from pipeline.fleet.events import Event
from pipeline.notify.messages import Message, batches, messages
from pipeline.notify.settings import Format, Sink, SinkKind, setting
from pipeline.notify.signing import read_key, signed_headers
from pipeline.settings import Connection

if TYPE_CHECKING:
    from azure.storage.queue import QueueClient

CONNECT_SECONDS, ANSWER_SECONDS = 3, 10
"""Longest wait for a connection, and then for the whole answer."""
EVENT_GRID_SCOPE = "https://eventgrid.azure.net/.default"
EVENT_GRID_VERSION = "2018-01-01"

_LATE = "it did not answer in time"
_MOST_DIGITS = 9
"""Of a number of seconds in `Retry-After`."""
_REFUSED = frozenset({400, 413, 415, 422})
"""The receiver will never take this message. Others can pass: a key is corrected, a service is back."""


class Fate(StrEnum):
    """What became of a message."""

    DELIVERED = "delivered"
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a message; `retry_after` in seconds, if the receiver asked for it."""

    fate: Fate
    reason: str = ""
    retry_after: float | None = None


class OpenSink(Protocol):
    """A sink that messages can be sent to."""

    def messages(self, events: Sequence[Event]) -> Iterator[Message]:
        """The messages of these events in the form that it takes."""

    def send(self, message: Message, now: datetime) -> Answer:
        """Send one message."""

    def close(self) -> None:
        """Close its connections."""


def open_sink(
    sink: Sink, connection: Connection, source: str, environ: Mapping[str, str] = os.environ
) -> OpenSink:
    """The sink with its address and key; it sends nothing yet.

    Raises:
        NotifyError: a setting that it names is missing or wrong.
    """
    if sink.kind is SinkKind.QUEUE:
        return QueueSink(sink, connection, source)
    address = sink.url or setting(environ, sink.url_setting or "", sink)
    _check_address(address, sink)
    if sink.kind is SinkKind.EVENT_GRID:
        from pipeline.storage.connect import credential

        return EventGridSink(address, credential(connection), source)
    key = None
    if sink.secret_setting:
        key = read_key(setting(environ, sink.secret_setting, sink), sink.secret_setting)
    return WebhookSink(address, key, sink.format, source)


class WebhookSink:
    """POST requests to one address, signed if there is a key."""

    def __init__(self, address: str, key: bytes | None, form: Format, source: str) -> None:
        import requests

        self._session = requests.Session()
        self._address = address
        self._key = key
        self._form = form
        self._source = source

    def messages(self, events: Sequence[Event]) -> Iterator[Message]:
        """A message per event, or per run."""
        return messages(events, self._form, self._source)

    def send(self, message: Message, now: datetime) -> Answer:
        """Send one message."""
        return self._post(message, signed_headers(self._key, message.id, message.body, now), now)

    def close(self) -> None:
        """Close its connections."""
        self._session.close()

    def _post(self, message: Message, headers: Mapping[str, str], now: datetime) -> Answer:
        """The answer to one request, in time: `requests` limits each read, and an answer can take many."""
        found: Future[Answer] = Future()

        def post() -> None:
            try:
                found.set_result(self._ask(message, headers, now))
            except BaseException as error:  # noqa: BLE001 - raised in the thread that waits
                found.set_exception(error)

        threading.Thread(target=post, daemon=True).start()
        try:
            return found.result(CONNECT_SECONDS + ANSWER_SECONDS)
        except TimeoutError:
            return Answer(Fate.FAILED, _LATE)

    def _ask(self, message: Message, headers: Mapping[str, str], now: datetime) -> Answer:
        import requests

        try:
            with self._session.post(
                self._address,
                data=message.body,
                headers={"Content-Type": message.content_type, **headers},
                timeout=(CONNECT_SECONDS, ANSWER_SECONDS),
                allow_redirects=False,  # the message is for this receiver only
                stream=True,  # its answer is not read
            ) as answer:
                status, wait = answer.status_code, answer.headers.get("Retry-After")
        except requests.Timeout:
            return Answer(Fate.FAILED, _LATE)
        except (requests.RequestException, OSError, ValueError) as error:
            return Answer(Fate.FAILED, f"the connection failed ({type(error).__name__})")
        if 200 <= status < 300:  # noqa: PLR2004
            return Answer(Fate.DELIVERED)
        fate = Fate.REFUSED if status in _REFUSED else Fate.FAILED
        return Answer(fate, f"it returned {status}", _retry_after(wait, now))


class EventGridSink(WebhookSink):
    """Batches of CloudEvents to a custom topic of Event Grid, with the identity of the app and no key."""

    def __init__(self, address: str, credential: Any, source: str) -> None:
        super().__init__(f"{address}?api-version={EVENT_GRID_VERSION}", None, Format.CLOUD_EVENTS, source)
        self._credential = credential

    def messages(self, events: Sequence[Event]) -> Iterator[Message]:
        """Batches of events."""
        return batches(events, self._source)

    def send(self, message: Message, now: datetime) -> Answer:
        """Send one batch."""
        from azure.core.exceptions import ClientAuthenticationError

        try:
            token = self._credential.get_token(EVENT_GRID_SCOPE).token
        except ClientAuthenticationError as error:
            return Answer(Fate.FAILED, f"there is no token for Event Grid ({type(error).__name__})")
        return self._post(message, {"Authorization": f"Bearer {token}"}, now)


class QueueSink:
    """Messages in a storage queue of the account of the blobs: CloudEvents in base64, as triggers expect."""

    def __init__(self, sink: Sink, connection: Connection, source: str) -> None:
        self._client = _queue_client(connection, sink)
        self._source = source

    def messages(self, events: Sequence[Event]) -> Iterator[Message]:
        """A message per event."""
        return messages(events, Format.CLOUD_EVENTS, self._source)

    def send(self, message: Message, now: datetime) -> Answer:  # noqa: ARG002 - as the other sinks
        """Send one message; create the queue if it is missing and the identity can do that."""
        from azure.core.exceptions import AzureError, ResourceExistsError, ResourceNotFoundError

        text = message.body.decode()
        try:
            try:
                self._client.send_message(text)
            except ResourceNotFoundError:
                with suppress(ResourceExistsError):  # created at the same moment
                    self._client.create_queue()
                self._client.send_message(text)
        except AzureError as error:
            status = getattr(error, "status_code", None)
            return Answer(Fate.FAILED, f"the queue returned {status}" if status else "it did not answer")
        return Answer(Fate.DELIVERED)

    def close(self) -> None:
        """Close its connections."""
        self._client.close()


def _queue_client(connection: Connection, sink: Sink) -> "QueueClient":
    from azure.storage.queue import QueueClient, TextBase64EncodePolicy

    from pipeline.storage.connect import credential

    options: dict[str, Any] = {
        "message_encode_policy": TextBase64EncodePolicy(),
        "retry_total": 0,  # delivery tries again
        "connection_timeout": CONNECT_SECONDS,
        "read_timeout": ANSWER_SECONDS,
    }
    name = str(sink.queue)
    try:
        if connection.connection_string is not None:
            return QueueClient.from_connection_string(connection.connection_string, name, **options)
        address = str(connection.blob_service_uri).replace(".blob.", ".queue.", 1)
        return QueueClient(address, name, credential=credential(connection), **options)
    except ValueError as error:
        raise NotifyError(f"sink {sink.name}: {name!r} is not a queue of this account") from error


def _check_address(address: str, sink: Sink) -> None:
    """Refuse an address to which a message would be sent in the open."""
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
    except ValueError:
        host = ""
    if not host or parts.scheme not in {"http", "https"}:
        raise NotifyError(f"sink {sink.name}: expected an address that begins with https://")
    if parts.scheme == "http" and not _is_loopback(host):
        raise NotifyError(f"sink {sink.name}: http:// is for this machine only: use https://")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _retry_after(text: str | None, now: datetime) -> float | None:
    """Seconds to wait, from a number or a date."""
    if text is None:
        return None
    if text.isascii() and text.isdecimal():
        return float(text[:_MOST_DIGITS])
    try:
        when = parsedate_to_datetime(text)
    except (ValueError, OverflowError):  # a year or an offset beyond what a computer counts
        return None
    return max(0.0, (as_utc(when) - now).total_seconds())
