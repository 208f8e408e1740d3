"""Writes a .skops file with the attributes that were read from a legacy model: those that prediction needs.

The same model gives the same bytes. Attributes keep the names that they had in the version of scikit-learn
that wrote them, and `_sklearn_version` says which that was; the reader of .skops files knows them all.
"""

import io
import json
import zipfile
from typing import Any

import numpy as np

from scoring.errors import ModelError
from scoring.legacy.calls import Attributes
from scoring.models.document import Described
from scoring.models.skops import check_nodes

_PROTOCOL = 2
_MOST_VALUES = 300_000
_MOST_DEPTH = 12
_TIME = (1980, 1, 1, 0, 0, 0)


def skops_bytes(document: Described) -> bytes:
    """A .skops file of the attributes of `document` that were read.

    Raises:
        ModelError: it holds values that such a file cannot hold, or too many.
    """
    writer = _Writer()
    schema = writer.node(document, 0) | {"protocol": _PROTOCOL}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        text = json.dumps(schema, separators=(",", ":")).encode()
        check_nodes(text)
        for name, content in [("schema.json", text), *writer.arrays.items()]:
            archive.writestr(zipfile.ZipInfo(name, _TIME), content, zipfile.ZIP_DEFLATED)
    return out.getvalue()


class _Writer:
    """Creates the nodes of a schema, and the arrays that they refer to."""

    def __init__(self) -> None:
        self.arrays: dict[str, bytes] = {}
        self._count = 0

    def node(self, value: Any, depth: int) -> dict[str, Any]:
        """The node of one value."""
        self._count += 1
        if self._count > _MOST_VALUES or depth > _MOST_DEPTH:
            raise ModelError("holds too much to be a model")
        match value:
            case None | bool() | int() | float() | str():
                return self._named("builtins", "str", "JsonNode", content=json.dumps(value), is_json=True)
            case np.ndarray():
                return self._array(value)
            case list() | tuple():
                kind = type(value).__name__
                content: Any = [self.node(item, depth + 1) for item in value]
                return self._named("builtins", kind, f"{kind.title()}Node", content=content)
            case Described():
                return self._object(value, depth)
            case dict():
                return self._dict(value, depth)
        raise ModelError(f"holds a {type(value).__name__}")

    def _named(self, module: str, name: str, loader: str, **more: Any) -> dict[str, Any]:
        return {"__class__": name, "__module__": module, "__loader__": loader, "__id__": self._count, **more}

    def _array(self, value: np.ndarray) -> dict[str, Any]:
        name = f"{len(self.arrays) + 1}.npy"
        out = io.BytesIO()
        np.save(out, value, allow_pickle=False)
        self.arrays[name] = out.getvalue()
        return self._named("numpy", "ndarray", "NdArrayNode", type="numpy", file=name)

    def _object(self, value: Described, depth: int) -> dict[str, Any]:
        found = value.attributes
        asked = found.asked if isinstance(found, Attributes) else set()
        state = {name: found[name] for name in sorted(asked & found.keys())}
        content = self.node(state.get("__state__", state), depth + 1)
        return self._named(value.module, value.class_name, "ObjectNode", content=content)

    def _dict(self, value: dict[str, Any], depth: int) -> dict[str, Any]:
        types = [self._named("builtins", "str", "TypeNode") for _ in value]
        return self._named(
            "builtins",
            "dict",
            "DictNode",
            content={name: self.node(item, depth + 1) for name, item in value.items()},
            key_types=self._named("builtins", "list", "ListNode", content=types),
        )
