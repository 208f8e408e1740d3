"""Reading documents that are stored: what is wrong with one ends in one line, whatever it is."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from pipeline.errors import PipelineError, RunDocumentError

DAMAGED = (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError)
"""What reading a damaged document can raise: it is JSON or YAML of any shape and depth, or neither."""

_LONGEST = 200


def read_document[Read](
    data: bytes,
    make: Callable[[Any], Read],
    *,
    version: int,
    where: str,
    what: str,
    hint: str = "the file is damaged",
    error: type[PipelineError] = RunDocumentError,
) -> Read:
    """What `make` makes of the JSON object in `data`, which was read from `where` and should be `what`.

    Raises:
        RunDocumentError: or `error`, with a `hint` at what to do: it is not, or `make` cannot read it.
    """
    try:
        document = json.loads(data)
        if b"\\u" in data:  # half of a surrogate pair can stand in JSON, but be written nowhere
            json.dumps(document, ensure_ascii=False).encode()
        found = document["version"]
        if type(found) is int and found == version:
            return make(document)
    except DAMAGED as reason:
        raise error(f"{where} is not {what} ({damage(reason)}): {hint}") from reason
    raise error(f"{where} is {what} of version {_cut(found)}; this program reads {version}: update it")


def moment(text: str) -> datetime:
    """A time as documents write it, in UTC.

    Raises:
        ValueError: it is none, or lacks a time zone. OverflowError: it is out of all bounds.
    """
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError(f"{text} has no time zone")
    return time.astimezone(UTC)


def damage(error: Exception) -> str:
    """What is wrong, for a message: the kind of error, and its words, which may hold all of a wrong value."""
    return f"{type(error).__name__}: {_cut(error)}"


def _cut(what: object) -> str:
    words = " ".join(str(what).split())
    return words if len(words) <= _LONGEST else f"{words[:_LONGEST]}…"
