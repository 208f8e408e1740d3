"""A reader of .skops files: a zip of one JSON document and .npy arrays, read as that and no more.

`skops.io` is not used: it imports what a file names, calls it and gives it state. Here a name stays a text.
Sizes are checked before anything is unpacked, parsed or allocated, and an attribute is read when it is asked
for: what no prediction needs costs nothing.
"""

import io
import json
import struct
import zipfile
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from scoring.errors import ModelError
from scoring.models.document import Described
from scoring.models.npy import array_from

MOST_ARRAY_BYTES = 64 << 20
"""All arrays that are read: 300 trees of 511 nodes, as many as 256 samples make, take 12 MB."""
MOST_JSON_BYTES = 16 << 20
"""As skops writes it, a document of 300 trees has 5 MB."""
MOST_JSON_NODES = 400_000
"""Objects, lists and members of them, counted by their punctuation: a document of 300 trees has 103,000."""
MOST_MEMBERS = 10_000
"""A file of 300 trees has 1,800."""
_MOST_DIRECTORY_BYTES = 2 << 20
_MOST_TEXT = 10_000
_MOST_DEPTH = 16
"""Lists and dicts in each other; objects are read when they are asked for, and do not count."""

_COMPRESSIONS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_OBJECTS = ("ObjectNode", "TreeNode")
_AGAIN = "; save it again with skops.io.dump"


def read_skops(content: bytes) -> Described:
    """What a .skops file describes.

    Raises:
        ModelError: it is not a .skops file, or too large.
    """
    members = _Members(content)
    try:
        text = members.read("schema.json", MOST_JSON_BYTES)
        check_nodes(text)
        root = json.loads(text)
    except RecursionError as error:
        raise ModelError("is nested too deeply to be a model") from error
    except ValueError as error:
        raise ModelError(f"is not a .skops file (its schema.json is not JSON){_AGAIN}") from error
    found = _Reader(members).value(root, 0)
    if not isinstance(found, Described):
        raise ModelError(f"does not hold an estimator{_AGAIN}")
    return found


def check_nodes(text: bytes) -> None:
    """Refuse a document that would take much memory, before it is parsed."""
    if text.count(b"{") + text.count(b"[") + text.count(b",") > MOST_JSON_NODES:
        raise ModelError(f"has a document of more than {MOST_JSON_NODES:,} nodes")


class _Members:
    """The members of a zip file, within limits even where its headers lie."""

    def __init__(self, content: bytes) -> None:
        _check_directory(content)
        try:
            self._archive = zipfile.ZipFile(io.BytesIO(content))
        except Exception as error:
            raise ModelError(f"is not a .skops file ({_reason(error)}){_AGAIN}") from error
        names = [member.filename for member in self._archive.infolist()]
        if len(names) > MOST_MEMBERS:
            raise ModelError(f"has more than {MOST_MEMBERS:,} members")
        if len(set(names)) < len(names):
            raise ModelError("holds two members of one name")
        self._room = MOST_ARRAY_BYTES

    def read(self, name: str, most: int) -> bytes:
        """A whole member; `archive.read` would first unpack more than its header says."""
        try:
            member = self._archive.getinfo(name)
        except KeyError as error:
            raise ModelError(f"is not a .skops file (it has no {plain(name)[:40]}){_AGAIN}") from error
        if member.file_size > most:
            raise ModelError(f"unpacks to more than {most >> 20} MB")
        if member.compress_type not in _COMPRESSIONS:
            raise ModelError("is compressed in a way that skops does not use; save it again")
        try:
            with self._archive.open(member) as file:
                content = file.read(member.file_size + 1)
        except Exception as error:
            raise ModelError(f"is broken ({_reason(error)}){_AGAIN}") from error
        if len(content) != member.file_size:
            raise ModelError(f"is broken ({plain(name)[:40]} is cut off){_AGAIN}")
        return content

    def array(self, name: str) -> np.ndarray:
        """An array; all that are read are counted, also one that is read twice."""
        content = self.read(name, self._room)
        self._room -= len(content)
        return array_from(content)


_END = struct.Struct("<4s4H2LH")
_ZIP64_LOCATOR = b"PK\x06\x07"


def _check_directory(content: bytes) -> None:
    """Bound the list of members before `zipfile` makes an object of each."""
    start = content.rfind(b"PK\x05\x06", max(0, len(content) - (1 << 16) - _END.size))
    if start < 0 or len(content) - start < _END.size:
        raise ModelError(f"is not a .skops file (it is not a zip file){_AGAIN}")
    *_, size, _, _ = _END.unpack_from(content, start)
    if size > _MOST_DIRECTORY_BYTES or content[max(0, start - 20) : start].startswith(_ZIP64_LOCATOR):
        raise ModelError(f"has more than {MOST_MEMBERS:,} members")


class _Attributes(Mapping[str, Any]):
    """The attributes of an object, each read when it is asked for."""

    def __init__(self, reader: "_Reader", nodes: dict[str, Any]) -> None:
        self._reader = reader
        self._nodes = nodes

    def __getitem__(self, name: str) -> Any:
        return self._reader.value(self._nodes[name], 0)

    def __contains__(self, name: object) -> bool:
        return name in self._nodes

    def __iter__(self) -> Iterator[str]:
        return iter(self._nodes)

    def __len__(self) -> int:
        return len(self._nodes)


class _Reader:
    """Makes values of the nodes of a document; references by id are not followed, as all is there."""

    def __init__(self, members: _Members) -> None:
        self._members = members

    def value(self, node: Any, depth: int) -> Any:
        """What a node describes; what is not known here becomes an object without attributes."""
        if not isinstance(node, dict) or depth > _MOST_DEPTH:
            raise ModelError(f"holds a node that skops does not write{_AGAIN}")
        content = node.get("content")
        match node.get("__loader__"):
            case "JsonNode" if isinstance(content, str) and len(content) <= _MOST_TEXT:
                return _plain_value(content)
            case "NdArrayNode" if node.get("type") == "numpy" and isinstance(node.get("file"), str):
                return self._members.array(node["file"])
            case "ListNode" if isinstance(content, list):
                return [self.value(child, depth + 1) for child in content]
            case "TupleNode" if isinstance(content, list):
                return tuple(self.value(child, depth + 1) for child in content)
            case "DictNode" if isinstance(content, dict):
                return {name: self.value(child, depth + 1) for name, child in content.items()}
        attributes = self._state(content) if node.get("__loader__") in _OBJECTS else {}
        return Described(_name(node, "__class__"), attributes, _name(node, "__module__"))

    def _state(self, content: Any) -> Mapping[str, Any]:
        if isinstance(content, dict):
            attributes = content.get("content")
            if content.get("__loader__") == "DictNode" and isinstance(attributes, dict):
                return _Attributes(self, attributes)
            if content.get("__loader__") == "TupleNode":  # of a compiled class, such as KDTree
                return _Attributes(self, {"__state__": content})
        return {}


def _name(node: dict[str, Any], key: str) -> str:
    name = node.get(key)
    return plain(name)[:100] if isinstance(name, str) else "?"


def _plain_value(text: str) -> Any:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"holds a value that is not JSON{_AGAIN}") from error
    if isinstance(value, list | dict):
        raise ModelError(f"holds a node that skops does not write{_AGAIN}")
    return value


def _reason(error: Exception) -> str:
    return plain((str(error).strip() or type(error).__name__).splitlines()[0][:120])


def plain(text: str) -> str:
    """Text that can be printed and written, also of names that a hostile file made up."""
    return "".join(character if character.isprintable() else "?" for character in text)
