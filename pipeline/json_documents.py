"""Stored JSON documents, typed: dataclasses that msgspec reads and writes.

msgspec checks types, refuses deep nesting, lone surrogates and huge numbers, and names the place of a fault.
Every fault becomes one line. msgspec is imported where it is used, so that a cold start does not pay for it.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.errors import PipelineError, RunDocumentError
from scoring.printable import unknown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from msgspec.inspect import Type

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
    by_hand: bool = False,
) -> Read:
    """The JSON object in `data`, which was read from `where` and should be `what`, as the dataclass `kind`.

    Unknown fields are ignored, as a newer release may have stored them; in a document that a person wrote,
    `by_hand`, they are misspelt.

    Raises:
        RunDocumentError: or `error`: the document is damaged, or has another version. `hint` says what to do.
    """
    import msgspec

    try:
        found = msgspec.json.decode(data, type=_Versioned).version
        faults = _misspelt(data, kind) if by_hand and found == version else []
        if found == version and not faults:
            return msgspec.json.decode(data, type=kind)
    except DAMAGED as reason:
        raise error(f"{where} is not {what} ({damage(reason)}): {hint}") from reason
    if faults:
        raise error(f"{where}: {'; '.join(faults)}: {hint}")
    raise error(f"{where} is {what} of version {_cut(found)}; this program reads {version}: update it")


def to_json(document: Any) -> Any:
    """The dict that is stored for a dataclass; times look like 2026-11-23T05:00:00Z."""
    import msgspec

    return msgspec.to_builtins(document)


def damage(error: Exception) -> str:
    """What is wrong, for a message: kind and text of the error, cut: it can repeat a huge value."""
    return f"{type(error).__name__}: {_cut(error)}"


def _misspelt(data: bytes, kind: type) -> list[str]:
    """The unknown fields and values of enumerations, each with its place and what it can be."""
    import msgspec

    document = msgspec.json.decode(data)
    document.pop("version")
    return list(_misspelt_in(document, msgspec.inspect.type_info(kind), ""))


def _misspelt_in(value: object, kind: "Type", place: str) -> "Iterator[str]":
    from msgspec import inspect

    at = f"{place}: " if place else ""
    match kind, value:
        case inspect.EnumType(cls=allowed), str() if value not in [each.value for each in allowed]:
            yield f"{at}{_cut(repr(value))} is not one of {', '.join(each.value for each in allowed)}"
        case inspect.VarTupleType(item_type=item), list():
            for number, each in enumerate(value):
                yield from _misspelt_in(each, item, f"{place}[{number}]")
        case inspect.DataclassType(fields=fields), dict():
            known = {field.encode_name: field.type for field in fields}
            for name, each in value.items():
                if name in known:
                    yield from _misspelt_in(each, known[name], f"{place}.{name}" if place else name)
                else:
                    yield at + unknown(name, known, "fields")


def _cut(what: object) -> str:
    words = " ".join(str(what).split())
    return words if len(words) <= _LONGEST else f"{words[:_LONGEST]}…"
