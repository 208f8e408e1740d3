"""Hostile models, made the same way every time: each must fail its own sensor, or be harmless.

Nothing in them would run a command; what they do to a reader that trusts them is to crash, hang or exhaust
it, or to make scores of memory that is not theirs.
"""

import io
import json
import pickle
import struct
import warnings
import zipfile
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np
import skops.io
from sklearn.covariance import EllipticEnvelope
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.impute import SimpleImputer
from sklearn.kernel_approximation import Nystroem, RBFSampler
from sklearn.linear_model import SGDOneClassSVM
from sklearn.neighbors import LocalOutlierFactor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    MaxAbsScaler,
    MinMaxScaler,
    PolynomialFeatures,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)
from sklearn.svm import OneClassSVM

from tests.scoring.models.documents import (
    Document,
    Node,
    attributes_node,
    call,
    node,
    npy,
    npy_header,
    objects,
    plain,
    zipped,
)

READINGS = np.random.default_rng(0).normal(50, 10, (60, 1))
NAN, INFINITY = float("nan"), float("inf")

MODELS: dict[str, Callable[[], Any]] = {
    "OneClassSVM": lambda: OneClassSVM(kernel="poly", degree=2, nu=0.2),
    "SGDOneClassSVM": lambda: SGDOneClassSVM(random_state=0),
    "IsolationForest": lambda: IsolationForest(n_estimators=2, max_samples=16, random_state=0),
    "LocalOutlierFactor": lambda: LocalOutlierFactor(n_neighbors=5, novelty=True),
    "EllipticEnvelope": lambda: EllipticEnvelope(random_state=0),
    "StandardScaler": StandardScaler,
    "MinMaxScaler": lambda: MinMaxScaler(clip=True),
    "MaxAbsScaler": MaxAbsScaler,
    "RobustScaler": RobustScaler,
    "PowerTransformer": PowerTransformer,
    "QuantileTransformer": lambda: QuantileTransformer(n_quantiles=10),
    "PolynomialFeatures": lambda: PolynomialFeatures(2),
    "SimpleImputer": SimpleImputer,
    "PCA": lambda: PCA(whiten=True),
    "Nystroem": lambda: Nystroem(n_components=4, gamma=0.1, coef0=1, degree=2, random_state=0),
    "RBFSampler": lambda: RBFSampler(n_components=4, random_state=0),
}
DETECTORS = tuple(MODELS)[:5]

ARRAY, NUMBER, WHOLE, FLAG, TEXT = "array", "number", "whole", "flag", "text"
FIELDS: dict[str, dict[str, str]] = {
    "OneClassSVM": {
        "kernel": TEXT,
        "degree": WHOLE,
        "_gamma": NUMBER,
        "coef0": NUMBER,
        "support_vectors_": ARRAY,
        "_dual_coef_": ARRAY,
        "_intercept_": ARRAY,
        "_sparse": FLAG,
    },
    "SGDOneClassSVM": {"coef_": ARRAY, "offset_": ARRAY},
    "IsolationForest": {
        "estimators_": "list",
        "max_samples_": WHOLE,
        "offset_": NUMBER,
        "_average_path_length_per_tree": "list",
    },
    "Tree": {"nodes": ARRAY, "node_count": WHOLE},
    "LocalOutlierFactor": {
        "novelty": FLAG,
        "effective_metric_": TEXT,
        "effective_metric_params_": "dict",
        "n_neighbors_": WHOLE,
        "_fit_X": ARRAY,
        "_lrd": ARRAY,
        "_distances_fit_X_": ARRAY,
        "_fit_method": TEXT,
        "leaf_size": WHOLE,
        "offset_": NUMBER,
    },
    "EllipticEnvelope": {"location_": ARRAY, "precision_": ARRAY, "offset_": NUMBER},
    "StandardScaler": {"with_mean": FLAG, "with_std": FLAG, "mean_": ARRAY, "scale_": ARRAY},
    "MinMaxScaler": {"scale_": ARRAY, "min_": ARRAY, "feature_range": "pair"},
    "MaxAbsScaler": {"scale_": ARRAY},
    "RobustScaler": {"with_centering": FLAG, "with_scaling": FLAG, "center_": ARRAY, "scale_": ARRAY},
    "PowerTransformer": {"method": TEXT, "lambdas_": ARRAY, "standardize": FLAG, "_scaler": "object"},
    "QuantileTransformer": {"quantiles_": ARRAY, "references_": ARRAY, "output_distribution": TEXT},
    "PolynomialFeatures": {
        "degree": WHOLE,
        "interaction_only": FLAG,
        "include_bias": FLAG,
        "n_features_in_": WHOLE,
    },
    "SimpleImputer": {"statistics_": ARRAY},
    "PCA": {"components_": ARRAY, "mean_": ARRAY, "whiten": FLAG, "explained_variance_": ARRAY},
    "Nystroem": {
        "kernel": TEXT,
        "components_": ARRAY,
        "normalization_": ARRAY,
        "gamma": NUMBER,
        "coef0": NUMBER,
        "degree": NUMBER,
    },
    "RBFSampler": {"random_weights_": ARRAY, "random_offset_": ARRAY},
}
"""The attributes that each kind is predicted with."""

HUGE = 1 << 60
_WRONG: dict[str, dict[str, Any]] = {
    ARRAY: {
        "text": "wide",
        "number in a list": [1.5],
        "empty": np.empty(0),
        "of many dimensions": np.ones((2, 1, 2)),
        "of texts": np.array(["a", "b"]),
        "complex": np.ones(1, complex),
    },
    NUMBER: {"text": "wide", "NaN": NAN, "infinite": INFINITY, "list": [1.0], "array": np.ones(2)},
    WHOLE: {"text": "wide", "fraction": 1.5, "NaN": NAN, "infinite": INFINITY, "negative": -7, "huge": HUGE},
    FLAG: {"text": "wide", "number": 2, "list": []},
    TEXT: {"number": 7, "unknown": "unknown\x1b[2J\n", "huge": "x" * 9999, "list": ["rbf"]},
    "list": {"text": "wide", "number": 7, "of numbers": [1.0], "empty": [], "of nothing": [None]},
    "dict": {"text": "wide", "list": []},
    "pair": {
        "text": "wide",
        "one": (1.0,),
        "of texts": ("a", "b"),
        "NaN": (NAN, 1.0),
        "infinite": (0, INFINITY),
    },
    "object": {"text": "wide", "nothing": None, "list": []},
}
"""What no attribute of a type can be."""

_OUT_OF_RANGE: dict[tuple[str, str], dict[str, Any]] = {
    ("OneClassSVM", "_gamma"): {"negative": -1.0},
    ("Nystroem", "gamma"): {"negative": -1.0},
    ("Nystroem", "degree"): {"negative": -1.0},
    ("StandardScaler", "scale_"): {"zero": np.zeros(1)},
    ("QuantileTransformer", "quantiles_"): {"falling": np.arange(10.0, 0, -1)[:, None]},
    ("QuantileTransformer", "references_"): {"falling": np.arange(10.0, 0, -1)},
    ("PolynomialFeatures", "degree"): {"pair that falls": (3, 2), "too high": 100_000},
    ("PolynomialFeatures", "n_features_in_"): {"other": 3},
    ("LocalOutlierFactor", "n_neighbors_"): {"more than there are": 61, "none": 0},
    ("IsolationForest", "max_samples_"): {"none": 0},
    ("Tree", "node_count"): {"none": 0, "more than there are": 1000},
}
"""What one attribute cannot be, besides."""

_ALSO_RIGHT = {
    ("OneClassSVM", "_intercept_", "number in a list"),
    ("SGDOneClassSVM", "offset_", "number in a list"),
}


@cache
def fitted(name: str) -> bytes:
    """A good model with one kind in it."""
    if name == "Tree":
        return fitted("IsolationForest")
    model = MODELS[name]() if name in DETECTORS else make_pipeline(MODELS[name](), OneClassSVM(nu=0.2))
    content: bytes = skops.io.dumps(model.fit(READINGS))
    return content


def wrong_fields() -> Iterator[tuple[str, bytes]]:
    """Every attribute of every kind: missing, of a wrong type or shape, not finite or out of range."""
    for kind, fields in FIELDS.items():
        model = fitted(kind)
        for field, form in fields.items():
            wrong = {
                what: value for what, value in _WRONG[form].items() if (kind, field, what) not in _ALSO_RIGHT
            }
            for what, value in (wrong | _OUT_OF_RANGE.get((kind, field), {})).items():
                document = Document(model)
                document.attributes(kind)[field] = document.node(value)
                yield f"{kind}.{field} {what}", document.packed()
            yield from _wrong_numbers(model, kind, field)


def _wrong_numbers(model: bytes, kind: str, field: str) -> Iterator[tuple[str, bytes]]:
    """An attribute that is missing, an array with one number that is not finite, or with one more number."""
    document = Document(model)
    del document.attributes(kind)[field]
    if (kind, field) not in _OPTIONAL:
        yield f"{kind}.{field} missing", document.packed()
    original = document_array(model, kind, field) if FIELDS[kind][field] == ARRAY else None
    if original is None:
        return
    changes = {"NaN": NAN, "infinite": INFINITY}
    for what, number in changes.items():
        array = original.astype(np.float64)
        array.reshape(-1)[-1] = number
        yield from _with_array(model, kind, field, what, array)
    if original.ndim:
        yield from _with_array(model, kind, field, "too long", np.concatenate([original, original]))


_OPTIONAL = {
    ("OneClassSVM", "_dual_coef_"),
    ("OneClassSVM", "_intercept_"),
    ("OneClassSVM", "_sparse"),
    ("IsolationForest", "_average_path_length_per_tree"),
    ("IsolationForest", "_decision_path_lengths"),
    ("PolynomialFeatures", "n_features_in_"),
}
"""Attributes that some versions did not have; what is there instead is taken."""


def document_array(model: bytes, kind: str, field: str) -> np.ndarray | None:
    """The numbers of an attribute, if it is an array of plain ones."""
    document = Document(model)
    found = document.attributes(kind).get(field, {})
    if found.get("__loader__") != "NdArrayNode" or found.get("type") != "numpy":
        return None
    array: np.ndarray = np.load(io.BytesIO(document.members[found["file"]]))
    return None if array.dtype.names else array


def _with_array(
    model: bytes, kind: str, field: str, what: str, array: np.ndarray
) -> Iterator[tuple[str, bytes]]:
    document = Document(model)
    document.attributes(kind)[field] = document.array(array)
    yield f"{kind}.{field} {what}", document.packed()


def wrong_trees() -> Iterator[tuple[str, bytes]]:
    """Forests whose nodes lead to foreign memory, in circles or nowhere."""
    model = fitted("IsolationForest")
    nodes = nodes_of(Document(model))
    count = len(nodes)
    circle = {"left_child": 0, "right_child": 0}
    changes: dict[str, dict[str, Any]] = {
        "children far away": {"left_child": 1 << 40, "right_child": 1 << 40},
        "children before": {"left_child": -(1 << 40), "right_child": -5},
        "child behind the end": {"left_child": count},
        "circle": circle,
        "one child only": {"left_child": -1},
        "feature far away": {"feature": 1 << 40},
        "negative feature": {"feature": -3},
        "NaN threshold": {"threshold": NAN},
        "infinite threshold": {"threshold": INFINITY},
    }
    for what, change in changes.items():
        changed = nodes.copy()
        for field, value in change.items():
            changed[field][0] = value
        yield f"tree {what}", _with_nodes(model, changed)
    yield "tree of plain numbers", _with_nodes(model, np.zeros((count, 8)))
    yield (
        "tree of other fields",
        _with_nodes(model, np.zeros(count, [("left_child", "<i8"), ("right_child", "<f8")])),
    )
    chain = np.repeat(nodes[:1], 200_001)
    chain["left_child"][:-1:2] = np.arange(1, 200_001, 2)
    chain["right_child"][:-1:2] = np.arange(2, 200_002, 2)
    for field in ("left_child", "right_child"):
        chain[field][1::2] = -1
        chain[field][-1] = -1
    yield "tree deep as a chain", _with_nodes(model, chain)
    yield "tree of ways that double", _chain(model, 90, shared=True)
    yield "tree deep as a chain that says how deep", _chain(model, 300)
    document = Document(model)
    trees = document.attributes("IsolationForest")["estimators_"]
    trees["content"] = trees["content"] * 2_000
    yield "trees in great number", document.packed()
    document = Document(model)
    drawn = document.attributes("IsolationForest")["estimators_features_"]["content"]
    drawn[0] = document.array(np.array([1 << 40, 0]))
    yield "beside the trees: a feature far away", document.packed()


def _chain(model: bytes, levels: int, *, shared: bool = False) -> bytes:
    """A tree with one inner node per level, and the depth of each.

    Where both children of a node are the next one, a short list of nodes has 2^levels ways through it.
    """
    document = Document(model)
    nodes = np.zeros(2 * levels + 1, nodes_of(document).dtype)
    inner = np.arange(levels) * 2
    nodes["left_child"] = nodes["right_child"] = -1
    nodes["left_child"][inner] = inner + (2 if shared else 1)
    nodes["right_child"][inner] = inner + 2
    nodes["threshold"][inner] = np.arange(levels) % 2 * 100.0 if shared else np.arange(levels)
    nodes["n_node_samples"] = 2
    for name in ("_decision_path_lengths", "_average_path_length_per_tree"):
        lengths = document.attributes("IsolationForest")[name]["content"]
        lengths[:] = [document.array(np.ones(len(nodes))) for _ in lengths]
    for tree in objects(document.schema, "Tree"):
        tree["content"]["content"].update(node_count=plain(len(nodes)), nodes=document.array(nodes))
    return document.packed()


def nodes_of(document: Document) -> np.ndarray:
    """The nodes of the first tree."""
    array: np.ndarray = np.load(io.BytesIO(document.members[document.attributes("Tree")["nodes"]["file"]]))
    return array


def _with_nodes(model: bytes, nodes: np.ndarray) -> bytes:
    document = Document(model)
    attributes = document.attributes("IsolationForest")
    for name in ("_decision_path_lengths", "_average_path_length_per_tree"):
        attributes.pop(name)  # else they tell how many nodes there are
    for tree in objects(document.schema, "Tree"):
        tree["content"]["content"].update(node_count=plain(len(nodes)), nodes=document.array(nodes))
    return document.packed()


def wrong_searches() -> Iterator[tuple[str, bytes]]:
    """LocalOutlierFactors whose tree leads to foreign memory."""
    model = fitted("LocalOutlierFactor")
    for what, order in {
        "far away": np.full(60, 1 << 40),
        "negative": np.full(60, -1),
        "twice the same": np.zeros(60, np.int64),
        "too short": np.arange(59),
        "not of indexes": np.linspace(0, 1, 60),
    }.items():
        document = Document(model)
        state = next(objects(document.schema, "KDTree"))["content"]["content"]
        state[1] = document.array(order)
        yield f"search {what}", document.packed()


def costly_models() -> Iterator[tuple[str, bytes]]:
    """Models whose numbers are right, and far too many for each reading or for memory."""
    document = Document(fitted("RBFSampler"))
    document.attributes("RBFSampler").update(
        random_weights_=document.array(np.ones((1, 4000))), random_offset_=document.array(np.ones(4000))
    )
    coefficients = document.array(np.ones((1, 1500)))
    document.attributes("OneClassSVM").update(
        support_vectors_=document.array(np.ones((1500, 4000))),
        _dual_coef_=coefficients,
        dual_coef_=coefficients,
    )
    yield "costly vectors of many features", document.packed()
    document = Document(fitted("OneClassSVM"))
    document.attributes("OneClassSVM")["support_vectors_"] = document.array(np.ones((60 << 20, 1), np.int8))
    yield "costly small integers", document.packed()
    document = Document(fitted("LocalOutlierFactor"))
    options = node("builtins", "dict", "DictNode", content={"p": plain(3.5)})
    document.attributes("LocalOutlierFactor").update(
        effective_metric_=plain("minkowski"),
        effective_metric_params_=options,
        _fit_method=plain("brute"),
        _fit_X=document.array(np.ones((20_000, 1))),
        _lrd=document.array(np.linspace(1, 2, 20_000)),
        _distances_fit_X_=document.array(np.ones((20_000, 5))),
    )
    yield "costly powers", document.packed()


def wrong_structures() -> Iterator[tuple[str, bytes]]:
    """Documents in which what prediction needs is a call, a cycle, too deep or too much."""
    parts: dict[str, Callable[[Document], Node]] = {
        "call": lambda d: call("numpy", "ndarray", d.node((1,)), d.node("O"), d.array(np.array([1 << 40]))),
        "list by array": lambda _: node("numpy", "ndarray", "ListNode", content=[plain(1 << 45)]),
        "reference": lambda _: node("builtins", "list", "ListNode", content=[]),
        "lists in lists": lambda _: _doubled(40),
        "deep lists": lambda _: _nested(900),
        "masked": lambda d: d.array(np.ones(1)) | {"__class__": "MaskedArray", "type": "masked"},
        "array of nodes": lambda d: node(
            "numpy", "ndarray", "NdArrayNode", type="json", content=[d.node(1.0)]
        ),
        "member that is not there": lambda d: d.array(b"") | {"file": "gone.npy"},
        "file elsewhere": lambda d: d.array(b"") | {"file": "../../../../etc/passwd"},
        "file by a number": lambda d: d.array(b"") | {"file": 7},
        "schema as an array": lambda d: d.array(b"") | {"file": "schema.json"},
        "no node": lambda _: {},
        "text for a node": lambda _: {"__loader__": ["NdArrayNode"], "content": {}},
        "JSON that is none": lambda _: plain(1) | {"content": "{"},
        "JSON of lists": lambda _: plain(1) | {"content": "[" * 5000},
        "number of digits": lambda _: plain(1) | {"content": "9" * 5000},
    }
    for name, make in parts.items():
        document = Document(fitted("OneClassSVM"))
        document.attributes("OneClassSVM")["support_vectors_"] = make(document)
        yield f"structure {name}", document.packed()
    core = Document(fitted("OneClassSVM"))
    for depth in (6, 25):
        nested = Document(fitted("OneClassSVM"))
        nested.schema |= _pipelines(nested.schema, depth)
        yield f"pipelines {depth} deep", nested.packed()
    steps = [node("builtins", "tuple", "TupleNode", content=[plain("x"), plain("passthrough")])] * 50_000
    core.schema |= _pipeline([*steps, _step(dict(core.schema))])
    yield "pipeline of many steps", core.packed()
    wrong: dict[str, Any] = {"none": [], "text": plain("x"), "pairs of none": [plain(None)]}
    for what, held in wrong.items():
        document = Document(fitted("OneClassSVM"))
        document.schema |= _pipeline(held)
        yield f"pipeline of {what}", document.packed()


def _step(schema: Node) -> Node:
    return node("builtins", "tuple", "TupleNode", content=[plain("x"), schema])


def _pipeline(steps: Any) -> Node:
    held = node("builtins", "list", "ListNode", content=steps) if isinstance(steps, list) else steps
    return node("sklearn.pipeline", "Pipeline", content=attributes_node({"steps": held}))


def _pipelines(schema: Node, depth: int) -> Node:
    inner = dict(schema)
    for _ in range(depth):
        inner = _pipeline([_step(inner)])
    return inner


def _nested(depth: int) -> Node:
    inner = plain(1.0)
    for _ in range(depth // 3):
        inner = node("builtins", "list", "ListNode", content=[inner])
    return inner


def _doubled(levels: int) -> Node:
    """A list that names another twice by its id, which does so too."""
    inner = plain(1.0)
    for level in range(1, levels):
        again = {**inner, "content": "1.0" if level == 1 else []}
        inner = node("builtins", "list", "ListNode", content=[inner, again])
        inner["__id__"] = 10_000 + level
    return inner


def wrong_arrays() -> Iterator[tuple[str, bytes]]:
    """Arrays whose heads ask for more than is there, or for what is not a number."""
    good = npy(np.ones((3, 1)))
    for what, content in {
        "2^45 zeros": npy_header("'<f8'", f"({1 << 45}, 1)"),
        "2^63 zeros": npy_header("'<f8'", f"({1 << 63}, 1)"),
        "no bytes each": npy_header("'|V0'", "(5, 1)"),
        "shape that overflows": npy_header("'<f8'", f"({1 << 32}, {1 << 32}, {1 << 32})") + bytes(8),
        "negative shape": npy_header("'<f8'", "(-1, 1)") + bytes(8),
        "many dimensions": npy_header("'<f8'", str((1,) * 40)) + bytes(8),
        "empty and wide": npy_header("'<f8'", f"(0, {1 << 40})"),
        "objects": npy_header("'|O'", "(1,)") + pickle.dumps([1]),
        "dates": npy_header("'<M8[s]'", "(1, 1)") + bytes(8),
        "half numbers": npy_header("'<f8,<f8'", "(1, 1)") + bytes(16),
        "fields": npy_header("[('a', '<f8'), ('a', '<f8')]", "(1, 1)") + bytes(16),
        "fields in fields": npy_header("[('a', [('b', '<f8')])]", "(1, 1)") + bytes(8),
        "deep head": npy_header("[" * 3000 + "]" * 3000, "(1, 1)", length=6100),
        "head that calls": npy_header("__import__('os').getcwd()", "(1, 1)") + bytes(8),
        "head without an end": npy_header("'<f8'", "(3, 1)", length=65_535) + bytes(24),
        "head of no length": npy_header("'<f8'", "(3, 1)", length=0) + bytes(24),
        "head of version 9": good[:6] + b"\x09\x00" + good[8:],
        "head of 4 GB": good[:6] + b"\x02\x00" + b"\xff\xff\xff\xff" + good[10:],
        "cut off": good[:-1],
        "more than it says": good + b"\0",
        "nothing": b"",
        "garbage": b"garbage",
        "pickle": pickle.dumps(np.ones((3, 1))),
    }.items():
        document = Document(fitted("OneClassSVM"))
        document.attributes("OneClassSVM")["support_vectors_"] = document.array(content)
        yield f"array {what}", document.packed()
    document = Document(fitted("OneClassSVM"))
    zeros = npy_header("'<f8'", f"({20 << 20}, 1)") + bytes(160 << 20)
    document.attributes("OneClassSVM")["support_vectors_"] = document.array(zeros)
    yield "array of 160 MB of zeros", document.packed()


def wrong_documents() -> Iterator[tuple[str, bytes]]:
    """Schemas that are huge, deep, or not of a model."""
    for what, text in {
        "130 MB of objects": b"[" + b"{}," * (43 << 20) + b"{}]",
        "60 MB of spaces": b" " * (60 << 20) + b"{}",
        "15 MB of objects": b'{"a":[' + b"{}," * (5 << 20) + b"{}]}",
        "15 MB of wide text": b'{"a":"' + b"x" * (15 << 20) + '\U0001f600"}'.encode(),
        "15 MB of text": json.dumps({"a": "x" * (15 << 20)}).encode(),
        "50,000 levels of objects": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
        "50,000 levels of lists": b"[" * 50_000 + b"]" * 50_000,
        "number of 5,000 digits": b'{"content": ' + b"9" * 5000 + b"}",
        "keys that are one": b"{" + b'"a":1,' * 100_000 + b'"a":1}',
        "text": b'"text"',
        "number": b"7",
        "null": b"null",
        "nothing": b"",
        "list": b"[]",
        "object": b"{}",
        "not UTF-8": b'{"a": "\xff\xfe"}',
        "half a character": b'{"__class__": "\\ud800", "__module__": "\\ud800", "__loader__": "ObjectNode"}',
        "cut off": b'{"__class__": "OneClassSVM", "__module__": "skl',
    }.items():
        yield f"schema {what}", zipped({"schema.json": text})
    names: list[tuple[Any, Any]] = [
        ("os", "system"),
        ("builtins", "eval"),
        ("sklearn.svm._classes", "OneClassSVM.fit"),
        ("sklearn.svm._classes", "SVC"),
        ("sklearn.preprocessing._function_transformer", "FunctionTransformer"),
        ("\x1b[2J\n", "\u2028"),
        ("x" * 100_000, "y" * 100_000),
        ([], {}),
        (None, 7),
    ]
    for number, (module, name) in enumerate(names):
        loaders: tuple[Any, ...] = ("ObjectNode", "FunctionNode", "OperatorFuncNode", "MethodNode", [], None)
        for loader in loaders:
            schema = node(module, name, loader, content=attributes_node({}), protocol=2)
            yield f"name {number} by {loader}", zipped({"schema.json": json.dumps(schema).encode()})
    contents: tuple[Any, ...] = (None, 5, "x", [], {}, {"content": 5}, [[]])
    for number, content in enumerate(contents):
        schema = node("sklearn.svm._classes", "OneClassSVM", content=content, protocol=2)
        yield f"content {number}", zipped({"schema.json": json.dumps(schema).encode()})


def wrong_archives(good: bytes) -> Iterator[tuple[str, bytes]]:
    """Files that are not zips, or lie about what is in them."""
    for part in range(12):
        yield f"cut off at {part} of 12", good[: len(good) * part // 12]
    for seed in range(12):
        noise = np.random.default_rng(seed)
        damaged = bytearray(good)
        for place in noise.integers(0, len(damaged) - 200, 40).tolist():
            damaged[place] ^= 0xFF
        yield f"noise {seed}", bytes(damaged)
    with zipfile.ZipFile(io.BytesIO(good)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    schema = members.pop("schema.json")
    yield "no schema", zipped(members)
    yield "schema elsewhere", zipped(members | {"../schema.json": schema, "/schema.json": schema})
    yield "two schemas", _doubled_member(members, schema)
    yield "zeros for a schema", zipped({"schema.json": bytes(100 << 20)})
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        yield f"method {method}", zipped(members | {"schema.json": schema}, method)
    yield (
        "members in great number",
        zipped(dict.fromkeys(map(str, range(20_000)), b"") | {"schema.json": schema}),
    )
    flat = zipped(members | {"schema.json": schema}, zipfile.ZIP_STORED)
    start = flat.index(b"PK\x01\x02")
    for what, offset, form, value in (
        ("encrypted", 8, "<H", 1),
        ("another method", 10, "<H", 99),
        ("wrong checksum", 16, "<L", 7),
        ("size of 4 GB", 24, "<L", 0xFFFFFFFE),
        ("size of nothing", 24, "<L", 0),
        ("place behind the end", 42, "<L", 0x7FFFFFFF),
    ):
        changed = bytearray(flat)
        for at in _all(flat, b"PK\x01\x02", start):
            struct.pack_into(form, changed, at + offset, value)
        yield f"directory {what}", bytes(changed)
    end = flat.rindex(b"PK\x05\x06")
    for what, offset in (("that is 4 GB", 12), ("before the file", 16)):
        changed = bytearray(flat)
        struct.pack_into("<L", changed, end + offset, 0xFFFFFFF0)
        yield f"list of members {what}", bytes(changed)
    yield "pickle", pickle.dumps({"a": 1})
    yield "text", "not a model: \u2028 \x1b[2J".encode()
    yield "zip of a zip", zipped({"model.skops": good})


def _doubled_member(members: dict[str, bytes], schema: bytes) -> bytes:
    out = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        warnings.simplefilter("ignore")
        for name, content in [*members.items(), ("schema.json", schema), ("schema.json", b"{}")]:
            archive.writestr(name, content)
    return out.getvalue()


def _all(content: bytes, part: bytes, start: int) -> Iterator[int]:
    while (start := content.find(part, start)) >= 0:
        yield start
        start += 1


def hostile() -> Iterator[tuple[str, bytes]]:
    """Files that must fail their own sensor, each with a name that says what is wrong with it."""
    yield from wrong_fields()
    yield from wrong_trees()
    yield from wrong_searches()
    yield from costly_models()
    yield from wrong_structures()
    yield from wrong_arrays()
    yield from wrong_documents()
    yield from wrong_archives(Document(fitted("StandardScaler")).packed())


def harmless() -> Iterator[tuple[str, bytes]]:
    """Good models with hostile attributes beside those that prediction needs: nobody looks at them."""
    parts: dict[str, Callable[[Document], Node]] = {
        "call": lambda d: call("numpy", "ndarray", d.node((1,)), d.node("O"), d.array(np.array([1 << 40]))),
        "spline": _spline,
        "2^45 zeros": lambda _: node("numpy", "ndarray", "ListNode", content=[plain(1 << 45)]),
        "array of 2^45 zeros": lambda d: d.array(npy_header("'<f8'", f"({1 << 45},)")),
        "zeros": lambda d: d.array(bytes(150 << 20)),
        "lists in lists": lambda _: _doubled(40),
        "objects": lambda d: d.array(npy_header("'|O'", "(1,)") + pickle.dumps([1])),
    }
    for name, make in parts.items():
        document = Document(fitted("StandardScaler"))
        attributes = document.attributes("OneClassSVM")
        part = make(document)
        attributes |= dict.fromkeys(("decision_function", "feature_names_in_", "support_"), part)
        yield f"beside {name}", document.packed()


def _spline(document: Document) -> Node:
    state = {
        "k": plain(10**6),
        "t": document.array(np.arange(8.0)),
        "c": document.array(np.arange(4.0)),
        "extrapolate": plain(True),
        "axis": plain(0),
    }
    inner = node("scipy.interpolate._bsplines", "_BSpline", content=attributes_node(state))
    held = node("builtins", "tuple", "TupleNode", content=[inner, document.array(np.zeros(0))])
    return node("scipy.interpolate._bsplines", "BSpline", content=held)
