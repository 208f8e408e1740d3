"""Hostile pickles, reproducible: they would run code, are broken or need too many resources.

Each gadget would create the file MARKER in the working directory if it ran.
"""

import bz2
import gzip
import lzma
import pickle
import zlib
from collections.abc import Iterator

import numpy as np

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
    """Pickles that would run code if they were loaded, by every kind of call."""
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
    """Pickles that are truncated, have wrong lengths, or need too many resources."""
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
    yield "zlib-bomb", zlib.compress(bytes(100 << 20), 1)
    yield "gzip-bomb", gzip.compress(bytes(100 << 20), 1)
    yield "bz2-bomb", bz2.compress(bytes(100 << 20), 1)
    yield "xz-bomb", lzma.compress(bytes(100 << 20), preset=0)
    yield "zlib-broken", zlib.compress(good)[:60] + b"broken"
    yield "array-huge", b"cnumpy\ndtype\n(S'f8'\nI0\nI1\ntR."
    for name in ("support_vectors_", "_dual_coef_"):
        yield f"lists-in-lists-{name}", _svm_pickle(name)
    yield from _greedy_pickles()
    yield "text", "not a pickle: \u2028 \x1b[2J".encode()


def _greedy_pickles() -> Iterator[tuple[str, bytes]]:
    """Small files that need much memory or time."""
    yield "lists", zlib.compress(b"]" * (60 << 20), 1)
    yield "dicts", zlib.compress(b"}" * (60 << 20), 1)
    yield "memo", zlib.compress(b"N" + b"\x94" * (60 << 20), 1)
    yield "copies", zlib.compress(b"N" + b"2" * (60 << 20), 1)
    yield "nothing-done", zlib.compress(b"N0" * (30 << 20), 1)
    yield "objects", b"cm\nC\nq\x00" + b"h\x00)\x81" * 400_000 + b"."
    yield "names", zlib.compress(b"cm\n" + b"C" * 1000 + b"\n" + b"cm\nC\n" * (8 << 20), 1)
    text = b"X" + (1 << 20).to_bytes(4, "little") + b"x" * (1 << 20) + b"q\x010"
    yield "encoded-often", b"c_codecs\nencode\nq\x00" + text + b"h\x00h\x01\x85R" * 100_000 + b"."
    yield (
        "wide-text",
        zlib.compress(b"X" + (60 << 20).to_bytes(4, "little") + "\U0001f600".encode() * (15 << 20), 1),
    )
    yield (
        "texts",
        zlib.compress((b"X" + (1 << 18).to_bytes(4, "little") + b"\xf0\x9f\x98\x80" * (1 << 16)) * 200, 1),
    )
    state = b"(" + b"".join(b"\x8c\x06%06dN" % n for n in range(100_000)) + b"uq\x010"
    yield "state-often", b"cm\nC\nq\x000}" + state + b"h\x00)\x81h\x01b" * 100_000 + b"."
    yield "keys", b"}(" + b"".join(b"J%sN" % (n << 12).to_bytes(4, "little") for n in range(200_000)) + b"u."
    collisions = b"".join(b"L%dL\nN" % (n * ((1 << 61) - 1)) for n in range(100_000))
    yield "keys-that-collide", b"}(" + collisions + b"u."
    shape = (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n(L%dL\nttcnumpy\ndtype\n"
    )
    yield "array-of-2^45", shape % (1 << 45) + b"(S'f8'\ntRI00\nS''\ntb."
    wrapper = b"cjoblib.numpy_pickle\nNumpyArrayWrapper\n)\x81}(S'shape'\n(L%dL\ntS'order'\nS'C'\nS'dtype'\n"
    yield "joblib-array-of-2^45", wrapper % (1 << 45) + b"cnumpy\ndtype\n(S'f8'\ntRub."
    yield "joblib-pickles", (wrapper % 1 + b"cnumpy\ndtype\n(S'O8'\ntRub") * 50_000
    yield "dtype-of-many", b"cnumpy\ndtype\n(S'" + b"f8," * 100_000 + b"'\ntR."
    yield "dtype-of-much", b"cnumpy\ndtype\n(S'(1000000000,1000000000)f8'\ntR."
    yield "tuples", b"N" + b"\x85" * 390_000 + b"."
    inner = b"h\x00)\x81}\x8c\x01ah\x01sbq\x01"
    yield "objects-in-objects", b"cm\nC\nq\x000Nq\x01" + inner * 30_000 + b"."
    yield "lists-in-lists", b"Nq\x01" + b"]h\x01aq\x01" * 60_000 + b"."
    yield "tuple-of-itself", b"]q\x00h\x00\x85a" + b"."
    yield "digits", b"L" + b"9" * (1 << 20) + b"\n."


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
