""".skops files taken apart: their documents and arrays, to be changed and put together again."""

import io
import json
import zipfile
from collections.abc import Iterator
from typing import Any

import numpy as np

type Node = dict[str, Any]


class Document:
    """The members of a .skops file, with its schema as an object."""

    def __init__(self, content: bytes) -> None:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            self.members = {name: archive.read(name) for name in archive.namelist()}
        self.schema: Node = json.loads(self.members.pop("schema.json"))

    def packed(self, method: int = zipfile.ZIP_DEFLATED) -> bytes:
        """The file."""
        return zipped(self.members | {"schema.json": json.dumps(self.schema).encode()}, method)

    def attributes(self, class_name: str) -> Node:
        """The nodes of the attributes of the first object of a class."""
        found: Node = next(objects(self.schema, class_name))["content"]["content"]
        return found

    def array(self, content: np.ndarray | bytes) -> Node:
        """The node of an array, of which the bytes of the file can be given."""
        name = f"hostile-{len(self.members)}.npy"
        self.members[name] = content if isinstance(content, bytes) else npy(content)
        return node("numpy", "ndarray", "NdArrayNode", type="numpy", file=name)

    def node(self, value: Any) -> Node:
        """The node of a value."""
        if isinstance(value, np.ndarray):
            return self.array(value)
        if isinstance(value, list | tuple):
            kind = type(value).__name__
            return node("builtins", kind, f"{kind.title()}Node", content=[self.node(item) for item in value])
        return plain(value)


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip file of these members."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def objects(at: Any, class_name: str) -> Iterator[Node]:
    """Every object of a class, outer ones first."""
    if isinstance(at, dict):
        if at.get("__class__") == class_name and "content" in at:
            yield at
        at = list(at.values())
    if isinstance(at, list):
        for value in at:
            yield from objects(value, class_name)


def node(module: Any, name: Any, loader: Any = "ObjectNode", **more: Any) -> Node:
    """A node of a schema."""
    return {"__class__": name, "__module__": module, "__loader__": loader, "__id__": 1, **more}


def plain(value: Any) -> Node:
    """The node of a text, a number, True, False or None."""
    return node("builtins", "str", "JsonNode", content=json.dumps(value), is_json=True)


def attributes_node(attributes: Node) -> Node:
    """The node that holds the attributes of an object."""
    types = [node("builtins", "str", "TypeNode") for _ in attributes]
    keys = node("builtins", "list", "ListNode", content=types)
    return node("builtins", "dict", "DictNode", content=attributes, key_types=keys)


def call(module: str, name: str, *arguments: Node) -> Node:
    """A node that would make skops call the named function."""
    reduced = {"args": node("builtins", "tuple", "TupleNode", content=list(arguments))}
    return node(module, name, "LossNode", content=attributes_node({}), __reduce__=reduced)


def npy(array: np.ndarray) -> bytes:
    """A .npy file."""
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


def npy_header(descr: str, shape: str, *, fortran: str = "False", length: int | None = None) -> bytes:
    """The header of a .npy file, valid or not."""
    text = f"{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}".encode()
    text = text.ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + (len(text) if length is None else length).to_bytes(2, "little") + text
