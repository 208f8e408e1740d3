"""The parameters of the common model, read straight from its .skops file as data.

A .skops file is a zip of `schema.json` and .npy arrays. Where it holds a OneClassSVM of one feature, bare
or in a Pipeline after a StandardScaler, its parameters are taken without importing scikit-learn or skops,
and nothing is constructed. Whatever is not recognised to the letter is left to `scoring.estimators`.
"""

import io
import json
import zipfile
from typing import Any

import numpy as np

from scoring.models.svm import SvmParameters

PROTOCOL = 2
"""The skops protocol whose form is known here."""

MOST_BYTES = 16 << 20
"""A larger model, unpacked, is no common one."""
MOST_MEMBERS = 64

COMPRESSIONS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
"""Those that skops uses."""

_PIPELINE = ("sklearn.pipeline", "Pipeline")
_SCALER = ("sklearn.preprocessing._data", "StandardScaler")
_SVM = ("sklearn.svm._classes", "OneClassSVM")


class _UnrecognisedError(Exception):
    """This is not the common model."""


def read_parameters(content: bytes) -> SvmParameters | None:
    """The parameters that a .skops file holds, or None where it is not the common model."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return _parameters(_Document(archive))
    except Exception:  # noqa: BLE001 - a broken archive, document or array fails in any way that there is
        return None


class _Document:
    """A schema and its arrays, within limits."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        members = archive.infolist()
        names = {member.filename for member in members}
        small = sum(member.file_size for member in members) <= MOST_BYTES
        known = all(member.compress_type in COMPRESSIONS for member in members)
        if not (small and known and len(names) == len(members) <= MOST_MEMBERS):
            raise _UnrecognisedError
        self._archive = archive
        self.root = json.loads(self._read("schema.json"))
        if self.root["protocol"] != PROTOCOL:
            raise _UnrecognisedError

    def _read(self, name: str) -> bytes:
        """As much as the header says: `archive.read` would first unpack all that is there."""
        with self._archive.open(name) as file:
            return file.read(self._archive.getinfo(name).file_size + 1)

    def array(self, node: Any) -> np.ndarray:
        _expect(node, "NdArrayNode", ("numpy", node["__class__"]))
        if node["type"] != "numpy":
            raise _UnrecognisedError
        content = self._read(node["file"])
        array: np.ndarray = np.load(io.BytesIO(content), allow_pickle=False)
        if array.dtype != np.float64:
            raise _UnrecognisedError
        return array

    def number(self, node: Any) -> float:
        if node["__loader__"] == "NdArrayNode":
            array = self.array(node)
            if array.ndim:
                raise _UnrecognisedError
            return float(array)
        value = plain(node)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise _UnrecognisedError
        return float(value)


def plain(node: Any) -> Any:
    """The JSON value of a node that holds one."""
    _expect(node, "JsonNode", ("builtins", "str"))
    if node["is_json"] is not True:
        raise _UnrecognisedError
    return json.loads(node["content"])


def _expect(node: Any, loader: str, type_name: tuple[str, str]) -> Any:
    if node["__loader__"] != loader or (node["__module__"], node["__class__"]) != type_name:
        raise _UnrecognisedError
    return node.get("content")


def _attributes(node: Any, type_name: tuple[str, str]) -> dict[str, Any]:
    content = _expect(_expect(node, "ObjectNode", type_name), "DictNode", ("builtins", "dict"))
    if not isinstance(content, dict):
        raise _UnrecognisedError
    return content


def _parameters(document: _Document) -> SvmParameters:
    root = document.root
    scaler, svm = None, root
    if root["__class__"] == "Pipeline":
        steps = _expect(_attributes(root, _PIPELINE)["steps"], "ListNode", ("builtins", "list"))
        estimators = [_expect(step, "TupleNode", ("builtins", "tuple"))[1] for step in steps]
        *before, svm = estimators
        if len(before) > 1:
            raise _UnrecognisedError
        scaler = before[0] if before else None
    mean, scale = _scaling(document, scaler) if scaler else (None, None)
    return _svm(document, _attributes(svm, _SVM), mean, scale)


def _scaling(document: _Document, node: Any) -> tuple[float | None, float | None]:
    attributes = _attributes(node, _SCALER)
    if plain(attributes["n_features_in_"]) != 1:
        raise _UnrecognisedError
    parts: list[float | None] = []
    for switch, name in (("with_mean", "mean_"), ("with_std", "scale_")):
        wanted = plain(attributes[switch])
        if not isinstance(wanted, bool):
            raise _UnrecognisedError
        parts.append(_single(document, attributes[name]) if wanted else None)
    return parts[0], parts[1]


def _single(document: _Document, node: Any) -> float:
    array = document.array(node)
    if array.shape != (1,):
        raise _UnrecognisedError
    return float(array[0])


def _svm(
    document: _Document, attributes: dict[str, Any], mean: float | None, scale: float | None
) -> SvmParameters:
    support = document.array(attributes["support_vectors_"])
    dual = document.array(attributes["_dual_coef_"])
    kernel, degree = plain(attributes["kernel"]), plain(attributes["degree"])
    fits = (
        plain(attributes["n_features_in_"]) == 1
        and plain(attributes["_sparse"]) is False
        and support.ndim == 2  # noqa: PLR2004
        and support.shape[1] == 1
        and dual.shape == (1, len(support))
        and isinstance(kernel, str)
        and kernel in {"rbf", "linear", "poly", "sigmoid"}
        and type(degree) is int
        # Both spellings are stored; scikit-learn predicts with the private one and shows the other.
        and np.array_equal(dual, document.array(attributes["dual_coef_"]), equal_nan=True)
    )
    if not fits:
        raise _UnrecognisedError
    return SvmParameters(
        mean=mean,
        scale=scale,
        kernel=kernel,
        gamma=document.number(attributes["_gamma"]),
        coef0=document.number(attributes["coef0"]),
        degree=degree,
        support=np.ascontiguousarray(support[:, 0]),
        dual=np.ascontiguousarray(dual[0]),
        intercept=_single(document, attributes["_intercept_"]),
    )
