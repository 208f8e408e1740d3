"""Texts of columns of Parquet, as they would be in CSV.

Device and Sensor can be text or numbers: a whole number reads the same whether it is stored as 1 or as 1.0,
which is what a column of integers with a gap becomes in pandas. TS can be text, a date or a timestamp, which
reads `YYYY-MM-DD HH:MM:SS` in UTC with 3, 6 or 9 digits where there are fractions of a second. Value can be
text or any number, which reads as the shortest text that gives the same float64. A null is an empty text.
"""

from collections.abc import Callable

import numpy as np
import pyarrow as pa
from pyarrow import types

from scoring.arrow import call, cast, encode, from_numpy, matches, replace, strings, take, to_bytes, to_numpy
from scoring.readings.rows import as_texts

_LONGEST_TEXT = 1000
"""Longer texts are cut: in a file of a few bytes, every row can hold a text of a gigabyte."""


def comma_texts(column: pa.Array) -> pa.StringArray:
    """Texts of Value; numbers with the decimal comma that the mapping gives to texts."""
    kind = column.type.value_type if types.is_dictionary(column.type) else column.type
    texts = plain_texts(column)
    is_number = types.is_floating(kind) or types.is_decimal(kind)
    return replace(texts, r"\.", ",") if is_number else texts


def distinct_texts(column: pa.Array) -> pa.DictionaryArray:
    """A column of keys as its distinct texts, each made once; different numbers can have the same text."""
    encoded = types.is_dictionary(column.type)
    nulls = column.null_count or (encoded and column.dictionary.null_count)
    if nulls or types.is_decimal(column.type):  # arrow does not encode every decimal
        return encode(plain_texts(column, whole=True))
    if not encoded:
        column = encode(column)
    texts = encode(_shortened(plain_texts(column.dictionary, whole=True)))
    indices = to_numpy(cast(column.indices, pa.int32()))
    if len(indices) and not 0 <= indices.min() <= indices.max() < len(texts):
        raise pa.ArrowInvalid("a row refers to a text that is not there")
    places = to_numpy(texts.indices)[indices]
    return pa.DictionaryArray.from_arrays(from_numpy(places), texts.dictionary)


def ts_texts(column: pa.Array) -> pa.StringArray:
    """Texts of TS as a mapping converts them: numbers in full, and UTC marked where it is the zone."""
    texts = plain_texts(column, whole=True)
    if types.is_floating(column.type):
        rows = np.flatnonzero(matches(texts, "e"))  # arrow writes an exponent where others do not
        numbers = to_numpy(take(cast(column, pa.float64()), rows))
        full = strings([np.format_float_positional(number, trim="-") for number in numbers])
        places = np.arange(len(texts))
        places[rows] = len(texts) + np.arange(len(rows))
        return take(pa.concat_arrays([texts, full]), places) if len(rows) else texts
    if types.is_timestamp(column.type) and column.type.tz is not None:
        return replace(texts, r"(.)\z", r"\1Z")
    return texts


def part_texts(column: pa.Array) -> pa.StringArray:
    """Texts of a column that is a part of TS: a date without a time."""
    return _without_nulls(cast(column, pa.string())) if types.is_date(column.type) else plain_texts(column)


def plain_texts(column: pa.Array, *, whole: bool = False) -> pa.StringArray:
    """A column as texts without nulls; `whole` numbers read as integers, and NaN as an empty text."""
    kind = column.type
    if types.is_dictionary(kind):
        texts = call("take", [_shortened(plain_texts(column.dictionary, whole=whole)), column.indices])
    elif types.is_timestamp(kind) or types.is_date(kind):
        texts = _where_valid(moments(column), as_texts)
    elif types.is_time(kind):  # with the digits that it needs, as a timestamp
        texts = replace(cast(column, pa.string()), r"\.?(?:000)+\z", "")
    elif types.is_binary(kind) or types.is_large_binary(kind):
        texts = cast(column, pa.binary()).view(pa.string())
    elif types.is_decimal(kind) and whole:
        texts = _short_decimals(column)
    elif types.is_floating(kind):
        texts = _whole_texts(column) if whole else cast(cast(column, pa.float64()), pa.string())
    else:
        texts = cast(column, pa.string())
    return _without_nulls(texts)


def _without_nulls(texts: pa.StringArray) -> pa.StringArray:
    """A null as an empty text; arrow's own `fill_null` imports pandas."""
    return _where_valid(texts, lambda valid: valid)


def _where_valid(column: pa.Array, to_texts: Callable[[pa.Array], pa.StringArray]) -> pa.StringArray:
    """Texts of what is not null, and an empty text for each null."""
    if column.null_count == 0:
        return to_texts(column)
    valid = to_numpy(call("is_valid", [column]))
    texts = to_texts(take(column, valid))
    places = np.where(valid, np.cumsum(valid) - 1, len(texts))
    return take(pa.concat_arrays([texts, strings([""])]), places)


def _whole_texts(column: pa.Array) -> pa.StringArray:
    numbers = cast(column, pa.float64())
    integers = cast(numbers, pa.int64(), safe=False)
    same = call("equal", [cast(integers, pa.float64(), safe=False), numbers])
    texts = call("if_else", [same, cast(integers, pa.string()), cast(numbers, pa.string())])
    return call("if_else", [call("is_finite", [numbers]), texts, pa.nulls(1, pa.string())[0]])


def _short_decimals(column: pa.Array) -> pa.StringArray:
    """Decimals without the trailing zeros that their type adds."""
    texts = replace(cast(column, pa.string()), r"^0E-[0-9]+$", "0")
    return replace(texts, r"^(-?[0-9]+(?:\.[0-9]*[1-9])?)\.?0*$", r"\1")


def moments(column: pa.Array) -> pa.Array:
    """Timestamps, or dates as timestamps."""
    if types.is_date(column.type):
        return cast(cast(column, pa.timestamp("ms")), pa.timestamp("s"), safe=False)
    return column


def _shortened(texts: pa.StringArray) -> pa.StringArray:
    """Texts that are too long to be valid, cut so that it shows."""
    if len(texts) == 0 or to_numpy(call("binary_length", [texts])).max() <= _LONGEST_TEXT:
        return texts
    return strings([_short(text) for text in to_bytes(texts)])


def _short(text: bytes) -> str:
    cut = text[:_LONGEST_TEXT].decode(errors="replace")
    return cut if len(text) <= _LONGEST_TEXT else f"{cut}…"
