"""Arrow columns from numpy arrays and back without copies, and the few computations that scoring needs.

pyarrow's public functions (`pa.array`, `Array.to_numpy`, `pa.scalar`, `pa.repeat`) import pandas on their
first call, where it is installed, which takes longer than the work of a short step; and importing
`pyarrow.compute` builds hundreds of wrappers around `call`. So the code that scores readings uses
these functions only. This is the one module that uses private parts of pyarrow; a test compares each with
the public function.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from pyarrow._compute import CastOptions, MatchSubstringOptions, ReplaceSubstringOptions, TrimOptions
from pyarrow._compute import call_function as call
from pyarrow._parquet import ParquetReader

__all__ = [
    "ParquetReader",
    "call",
    "cast",
    "encode",
    "from_numpy",
    "join",
    "matches",
    "replace",
    "strings",
    "take",
    "text_offsets",
    "to_bytes",
    "to_numpy",
    "trim",
]

_TYPES = {
    np.dtype(np.bool_): pa.bool_(),
    np.dtype(np.uint8): pa.uint8(),
    np.dtype(np.uint16): pa.uint16(),
    np.dtype(np.int32): pa.int32(),
    np.dtype(np.int64): pa.int64(),
    np.dtype(np.float64): pa.float64(),
}


def from_numpy(values: np.ndarray) -> pa.Array:
    """An arrow array of the same numbers; only booleans are copied, into bits."""
    kind = _TYPES[values.dtype]
    data = np.packbits(values, bitorder="little") if kind == pa.bool_() else np.ascontiguousarray(values)
    return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(data)])


def to_numpy(column: pa.Array) -> np.ndarray:
    """The numbers of an arrow array without nulls; only booleans are copied."""
    data = column.buffers()[1]
    first, count = column.offset, len(column)
    if count == 0:
        data = b""
    if column.type == pa.bool_():
        bits = np.unpackbits(np.frombuffer(data, np.uint8), count=first + count, bitorder="little")
        return bits[first:].view(np.bool_)
    dtype = next(dtype for dtype, kind in _TYPES.items() if kind == column.type)
    return np.frombuffer(data, dtype, count=count, offset=first * dtype.itemsize if count else 0)


def strings(texts: Sequence[str]) -> pa.StringArray:
    """An arrow array of texts."""
    encoded = [text.encode() for text in texts]
    ends = np.zeros(len(encoded) + 1, np.int32)
    np.cumsum([len(text) for text in encoded], out=ends[1:])
    return pa.StringArray.from_buffers(len(encoded), pa.py_buffer(ends), pa.py_buffer(b"".join(encoded)))


def to_bytes(texts: pa.StringArray) -> list[bytes]:
    """The bytes of the texts of an array without nulls, whether they are UTF-8 or not."""
    found: list[bytes] = texts.view(pa.binary()).to_pylist()
    return found


def text_offsets(texts: pa.StringArray, rows: np.ndarray) -> np.ndarray:
    """Where each of `rows` starts in all the texts joined, int64; a row can be one past the last."""
    if len(texts) == 0:
        return np.zeros(len(rows), np.int64)
    offsets = np.frombuffer(texts.buffers()[1], np.int32, len(texts) + 1, texts.offset * 4)
    starts: np.ndarray = offsets[rows] - np.int64(offsets[0])
    return starts


def cast(column: pa.Array, kind: pa.DataType, *, safe: bool = True) -> pa.Array:
    """`column` as another type.

    Raises:
        pyarrow.ArrowInvalid: one of its values cannot be converted; without `safe` it becomes another one.
    """
    return call("cast", [column], CastOptions.safe(kind) if safe else CastOptions.unsafe(kind))


def encode(column: pa.Array) -> pa.DictionaryArray:
    """The distinct values of `column`, and the index into them of each row: null for a null."""
    return call("dictionary_encode", [column])


def take(column: pa.Array, rows: np.ndarray) -> pa.Array:
    """The values of `column` at `rows`, which are indices or a mask."""
    chosen = np.flatnonzero(rows) if rows.dtype == np.bool_ else rows
    return call("take", [column, from_numpy(chosen)])


def trim(texts: pa.StringArray) -> pa.StringArray:
    """The texts without spaces and tabs at either end."""
    return call("ascii_trim", [texts], TrimOptions(" \t"))


def join(columns: Sequence[pa.StringArray], separator: str) -> pa.StringArray:
    """The texts of each row of columns without nulls, joined."""
    return call("binary_join_element_wise", [*columns, strings([separator])[0]])


def matches(texts: pa.StringArray, pattern: str) -> np.ndarray:
    """Which texts contain a match of a regular expression (RE2's syntax)."""
    return to_numpy(call("match_substring_regex", [texts], MatchSubstringOptions(pattern)))


def replace(texts: pa.StringArray, pattern: str, replacement: str) -> pa.StringArray:
    """The texts with each match of a regular expression (RE2's syntax) replaced."""
    options = ReplaceSubstringOptions(pattern, replacement)
    return call("replace_substring_regex", [texts], options)
