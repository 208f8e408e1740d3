"""Stored JSON documents, typed: dataclasses that msgspec reads and writes.

msgspec checks types, refuses deep nesting, halves of surrogate pairs and huge numbers, and says where in the
document the fault is. Whatever is wrong with a document ends in one line. It is imported where it is used: a
cold start does without.
"""

from dataclasses import dataclass
from typing import Any

from pipeline.errors import PipelineError, RunDocumentError

DAMAGED = (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError)
"""What reading a damaged document can raise: it is JSON or YAML of any shape and depth, or neither."""

_LONGEST = 200


@dataclass(frozen=True, slots=True)
class _Versioned:
    """What all documents have in common."""

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
        RunDocumentError: or `error`, with a `hint` at what to do: it is damaged, or of another version.
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
    """A dataclass as the dict that is stored; times in UTC, as in 2026-11-23T05:00:00Z."""
    import msgspec

    return msgspec.to_builtins(document)


def damage(error: Exception) -> str:
    """What is wrong, for a message: the kind of error, and its words, which may hold all of a wrong value."""
    return f"{type(error).__name__}: {_cut(error)}"


def _cut(what: object) -> str:
    words = " ".join(str(what).split())
    return words if len(words) <= _LONGEST else f"{words[:_LONGEST]}…"
