"""Events of blobs, as Event Grid posts them to the webhook of the blob extension.

As there, only the address is checked: events of other containers, of other types and duplicates all cause
calls. It is up to the app what it does with them.
"""

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote, urlsplit

from dev.host.blob_messages import BlobMessage, quoted

PATH = "/runtime/webhooks/blobs"
KIND = "aeg-event-type"
"""Header that says what a request is."""

_NUMERIC_HOST = re.compile(r"[0-9.]+|\[.*\]|localhost")
"""Hosts whose addresses have the account as the first part of their path."""


class WrongEvent(ValueError):
    """The posted events cannot be read; the real host throws, and answers 500."""


def validation_answer(body: bytes) -> dict[str, str]:
    """The response that Event Grid requires before it sends events."""
    event = next(iter(_events(body)), None)
    return {"validationResponse": str(_field(event, "data", "validationCode"))}


def messages(body: bytes, function: str) -> Iterator[BlobMessage]:
    """A message for each event in a request, in order, up to the first that cannot be read.

    Events come in Event Grid's own form or as CloudEvents, alone or as an array.

    Raises:
        WrongEvent: this is not JSON, or an event has no address in it.
    """
    for event in _events(body):
        container, name = blob_of(_field(event, "data", "url"))
        data = event["data"]
        etag, kind = quoted(str(data.get("eTag") or "")), str(data.get("blobType") or "BlockBlob")
        yield BlobMessage(function, kind, container, name, etag)


def blob_of(url: Any) -> tuple[str, str]:
    """Container and name in the address of a blob; account and query are ignored.

    .NET resolves `.` and `..` in the path before it looks for the name, and drops slashes at either end. The
    name is percent-decoded once.
    """
    try:
        parts = urlsplit(str(url))
        host = parts.hostname
    except ValueError as error:
        raise WrongEvent(f"{url!r} is not an address: {error}") from error
    if not parts.scheme or not host:
        raise WrongEvent(f"{url!r} is not an address")
    segments: list[str] = []
    for segment in parts.path.removeprefix("/").split("/"):
        if segment == "..":
            del segments[-1:]
        elif segment != ".":
            segments.append(segment)
    if _NUMERIC_HOST.fullmatch(host):
        del segments[:1]
    container, name = "".join(segments[:1]), "/".join(segments[1:]).strip("/")
    if not (container and name):
        raise WrongEvent(f"{url!r} is not the address of a blob")
    return unquote(container), unquote(name)


def _events(body: bytes) -> list[Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise WrongEvent(f"the body is not JSON: {error}") from error
    return document if isinstance(document, list) else [document]


def _field(event: Any, *path: str) -> Any:
    found = event
    for key in path:
        found = found.get(key) if isinstance(found, dict) else None
        if found is None:
            raise WrongEvent(f"an event has no {'.'.join(path)}")
    return found
