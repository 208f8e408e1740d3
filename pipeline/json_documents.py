"""Stored JSON documents, typed: dataclasses that msgspec reads and writes.

msgspec checks types, refuses deep nesting, lone surrogates and huge numbers, and names the place of a fault.
Every fault becomes one line. msgspec is imported where it is used, so that a cold start does not pay for it.
"""

from dataclasses import dataclass
from typing import Any

from pipeline.errors import PipelineError, RunDocumentError

DAMAGED = (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError)
"""What reading a damaged document can raise: it can be JSON or YAML of any shape and depth, or neither."""

_LONGEST = 200


@dataclass(frozen=True, slots=True)
class _Versioned:
    """The field that all documents share."""

    version: int


def read_document[Read](
    data: bytes,
    kind: type[Read],
    *,
    version: int,
    where: str,
    what: str,
    hint: str = "the file is damaged",
    error: type[PipelineError] = RunDocumentError,
) -> Read:
    """The JSON object in `data`, which was read from `where` and should be `what`, as the dataclass `kind`.

    Raises:
        RunDocumentError: or `error`: the document is damaged, or has another version. `hint` says what to do.
    """
    import msgspec

    try:
        found = msgspec.json.decode(data, type=_Versioned).version
        if found == version:
            return msgspec.json.decode(data, type=kind)
    except DAMAGED as reason:
        raise error(f"{where} is not {what} ({damage(reason)}): {hint}") from reason
    raise error(f"{where} is {what} of version {_cut(found)}; this program reads {version}: update it")


def to_json(document: Any) -> Any:
    """The dict that is stored for a dataclass; times look like 2026-11-23T05:00:00Z."""
    import msgspec

    return msgspec.to_builtins(document)


def damage(error: Exception) -> str:
    """What is wrong, for a message: kind and text of the error, cut: it can repeat a huge value."""
    return f"{type(error).__name__}: {_cut(error)}"


def _cut(what: object) -> str:
    words = " ".join(str(what).split())
    return words if len(words) <= _LONGEST else f"{words[:_LONGEST]}…"
