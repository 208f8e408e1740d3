"""Hostile files, made the same way every time: pickles that would run something, and broken models.

Each gadget would create the file MARKER in the working directory if it ran.
"""

import io
import json
import pickle
import re
import zipfile
import zlib
from collections.abc import Iterator

import numpy as np
import skops.io
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM

MARKER = "the-gadget-ran"

_SHELL = f"touch {MARKER}"
_CODE = f"open({MARKER!r},'w')"
GADGETS: dict[str, tuple[str, str, tuple[object, ...]]] = {
    "os-system": ("os", "system", (_SHELL,)),
    "posix-system": ("posix", "system", (_SHELL,)),
    "popen": ("subprocess", "Popen", (["touch", MARKER],)),
    "eval": ("builtins", "eval", (_CODE,)),
    "exec": ("builtins", "exec", (_CODE,)),
    "old-eval": ("__builtin__", "eval", (_CODE,)),
    "import": ("builtins", "__import__", ("antigravity",)),
    "getattr": ("builtins", "getattr", ("text", "upper")),
    "open": ("builtins", "open", (MARKER, "w")),
    "io-open": ("io", "open", (MARKER, "w")),
    "import-module": ("importlib", "import_module", ("antigravity",)),
    "numpy-load": ("numpy", "load", (MARKER, None, True)),
    "numpy-save": ("numpy", "save", (MARKER, 1)),
    "attrgetter": ("operator", "attrgetter", ("system",)),
    "partial": ("functools", "partial", (_SHELL,)),
    "function": ("sklearn.preprocessing._function_transformer", "FunctionTransformer", ()),
    "dotted": ("sklearn.svm._classes", "OneClassSVM.fit", (_SHELL,)),
    "joblib": ("joblib.numpy_pickle", "load", (MARKER,)),
}


def _args(args: tuple[object, ...]) -> bytes:
    """A tuple's opcodes, without protocol and full stop."""
    return pickle.dumps(args, 0)[:-1]


def _short(text: str) -> bytes:
    return b"\x8c" + bytes([len(text)]) + text.encode()


def pickles() -> Iterator[tuple[str, bytes]]:
    """Pickles that would run something if they were loaded, in every way in which pickles call."""
    for name, (module, attribute, args) in GADGETS.items():
        named = f"c{module}\n{attribute}\n".encode()
        stacked = b"\x80\x04" + _short(module) + _short(attribute) + b"\x93"
        items = b"".join(_item(item) for item in args)
        yield f"{name}-reduce-0", named + _args(args) + b"R."
        yield f"{name}-reduce-4", stacked + _args(args) + b"R."
        yield f"{name}-newobj", b"\x80\x02" + named + _args(args) + b"\x81."
        yield f"{name}-newobj-ex", stacked + _args(args) + b"}\x92."
        yield f"{name}-inst", b"(" + items + f"i{module}\n{attribute}\n.".encode()
        yield f"{name}-obj", b"(" + named + items + b"o."
        yield f"{name}-build", named + b")R}" + _item("x") + named + b"sb."
    yield "extension", b"\x80\x02\x82\x01."
    yield "extension-large", b"\x80\x02\x84\x01\x01\x01\x01."
    yield "persistent", b"Pos.system\n."
    yield "persistent-binary", pickle.dumps("os.system")[:-1] + b"Q."
    yield "call-of-a-call", b"c__builtin__\ngetattr\n(cos\nsystem\nS'__call__'\ntR" + _args((_SHELL,)) + b"R."


def _item(item: object) -> bytes:
    return pickle.dumps(item, 0)[:-1]


def broken_pickles(good: bytes) -> Iterator[tuple[str, bytes]]:
    """Pickles that are cut off, lie about lengths, or ask for more than they are worth."""
    for part in range(12):
        yield f"cut-{part}", good[: len(good) * part // 12]
    huge = (1 << 62).to_bytes(8, "little")
    yield "bytes8", b"\x80\x04\x8e" + huge
    yield "text8", b"\x80\x04\x8d" + huge
    yield "bytearray8", b"\x80\x05\x96" + (1 << 40).to_bytes(8, "little")
    yield "frame", b"\x80\x04\x95" + huge + b"N."
    yield "long4", b"\x80\x02\x8b\xff\xff\xff\x7f."
    yield "text4", b"X\xff\xff\xff\xff."
    yield "deep-lists", b"]" * 50_000 + b"a" * 49_999 + b"."
    yield "deep-marks", b"(" * 200_000 + b"."
    yield "memo-key", b"})" + b"2\x86" * 60 + b"Ns."
    yield "memo-persistent", b")" + b"2\x86" * 60 + b"Q."
    yield "memo-far", b"Nr\xff\xff\xff\x7f."
    yield "memo-missing", b"j\x01\x00\x00\x00."
    yield "stack-empty", b"R."
    yield "protocol-99", b"\x80\x63N."
    yield "zlib-bomb", zlib.compress(bytes(300 << 20), 1)
    yield "zlib-broken", zlib.compress(good)[:60] + b"broken"
    yield "array-huge", b"cnumpy\ndtype\n(S'f8'\nI0\nI1\ntR."
    for name in ("support_vectors_", "support_", "_dual_coef_"):
        yield f"lists-in-lists-{name}", _svm_pickle(name)
    yield "text", "not a pickle: \u2028 \x1b[2J".encode()


def _svm_pickle(name: str) -> bytes:
    """A OneClassSVM of one support vector, but for an attribute of a billion billion numbers."""
    numbers: list[object] = [1.0]
    for _ in range(60):
        numbers = [numbers, numbers]
    state = {
        "kernel": "rbf",
        "gamma": 1.0,
        "_gamma": 1.0,
        "coef0": 0.0,
        "degree": 3,
        "nu": 0.5,
        "support_vectors_": np.ones((1, 1)),
        "_dual_coef_": np.ones((1, 1)),
        "_intercept_": np.ones(1),
        "support_": np.zeros(1, np.int32),
        name: numbers,
    }
    return b"\x80\x02csklearn.svm.classes\nOneClassSVM\n)\x81" + pickle.dumps(state, 2)[2:-1] + b"b."


def _zip(members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def _node(module: object, name: object, loader: object = "ObjectNode", **more: object) -> dict[str, object]:
    return {"__module__": module, "__class__": name, "__loader__": loader, "__id__": 1, **more}


def good_skops() -> bytes:
    """A model that is as it should be."""
    values = np.random.default_rng(0).normal(50, 10, (60, 1))
    content: bytes = skops.io.dumps(make_pipeline(StandardScaler(), OneClassSVM()).fit(values))
    return content


def lists_in_lists(good: bytes) -> bytes:
    """A model with a list for its intercept that names another twice by its id, which does so too."""
    with zipfile.ZipFile(io.BytesIO(good)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    schema = json.loads(members["schema.json"])
    numbers = _node("builtins", "str", "JsonNode", content="1.0", is_json=True)
    for level in range(1, 60):
        again = {**numbers, "content": "1.0" if level == 1 else []}
        numbers = _node("builtins", "list", "ListNode", content=[numbers, again])
        numbers["__id__"] = 10_000 + level
    _, svm = schema["content"]["content"]["steps"]["content"]
    svm["content"][1]["content"]["content"]["_intercept_"] = numbers
    return _zip(members | {"schema.json": json.dumps(schema).encode()})


def broken_skops() -> Iterator[tuple[str, bytes]]:
    """Files named like models: not zips, cut off, of wrong types, or asking for what is not trusted."""
    good = good_skops()
    for part in range(12):
        yield f"cut-{part}", good[: len(good) * part // 12]
    for seed in range(12):
        noise = np.random.default_rng(seed)
        spoilt = bytearray(good)
        schema = good.index(b'{"__class__"') if b'{"__class__"' in good else 40
        for place in noise.integers(schema, schema + 3000, 40).tolist():
            spoilt[place] ^= 0xFF
        yield f"noise-{seed}", bytes(spoilt)
    documents: list[object] = [None, 7, "text", [], {}, [[]], {"protocol": 2}, {"content": {"content": 1}}]
    contents: tuple[object, ...] = (None, 5, "x", [], {}, {"content": 5})
    documents += [
        {**_node("sklearn.pipeline", "Pipeline"), "protocol": 2, "content": content} for content in contents
    ]
    loaders: tuple[object, ...] = (
        [],
        {},
        None,
        3,
        "OperatorFuncNode",
        "MethodNode",
        "PartialNode",
        "FunctionNode",
    )
    for loader in loaders:
        documents.append(
            {**_node("sklearn.svm._classes", "OneClassSVM", loader), "protocol": 2, "content": {}}
        )
    for module, name in [(m, a) for m, a, _ in GADGETS.values()] + [
        ("\ud800", "\x1b[2J"),
        ([], {}),
        ("a\nb", "c"),
    ]:
        for loader in ("ObjectNode", "TypeNode", "FunctionNode"):
            documents.append({**_node(module, name, loader, content={}), "protocol": 2})
    for number, document in enumerate(documents):
        yield f"document-{number}", _zip({"schema.json": json.dumps(document).encode()})
    yield "deep", _zip({"schema.json": b'{"a":' * 50_000 + b"1" + b"}" * 50_000})
    yield "no-schema", _zip({"other.json": b"{}"})
    yield "outside", _zip({"../../outside.json": b"{}", "/etc/outside": b"x"})
    yield "bomb", _zip({"schema.json": bytes(300 << 20)}, zipfile.ZIP_DEFLATED)
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        packed = bytearray(_zip({"schema.json": b"{}" * 500}, method))
        packed[50:60] = b"\xff" * 10
        yield f"method-{method}", bytes(packed)
    with zipfile.ZipFile(io.BytesIO(good)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    arrays = [name for name in members if name.endswith(".npy")]
    header = b"\x93NUMPY\x01\x00\x76\x00" + b"{'descr': '<f8', 'fortran_order': False, 'shape': (%d,), }"
    for name, content in (
        ("array-huge", (header % (1 << 58)).ljust(128)),
        ("array-objects", (header % 1).replace(b"<f8", b"|O").ljust(128) + pickle.dumps([1])),
        ("array-garbage", b"garbage"),
        ("array-empty", b""),
    ):
        yield name, _zip(members | dict.fromkeys(arrays, content))
    yield "lists-in-lists", lists_in_lists(good)
    yield "array-gone", _zip({name: data for name, data in members.items() if name not in arrays})
    schema_text = members["schema.json"].decode()
    climbing = re.sub(r"\d+\.npy", "../../../etc/passwd", schema_text)
    yield "array-outside", _zip(members | {"schema.json": climbing.encode()})
    yield "pickle", b"cos\nsystem\n" + _args((_SHELL,)) + b"R."
