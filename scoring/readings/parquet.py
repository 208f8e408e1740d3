"""Readings in Parquet: each column becomes texts, as they would be in CSV.

Device and Sensor can be text or numbers: a whole number reads the same whether it is stored as 1 or as 1.0,
which is what a column of integers with a gap becomes in pandas. TS can be text, a date or a timestamp, which
reads `YYYY-MM-DD HH:MM:SS` in UTC with 3, 6 or 9 digits where there are fractions of a second. Value can be
text or any number, which reads as the shortest text that gives the same float64. A null is an empty text.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import types

from scoring.arrow import from_numpy, strings, take, to_bytes, to_numpy
from scoring.errors import ReadingsError
from scoring.readings.csv_blocks import MAX_COLUMNS
from scoring.readings.row_checks import KnownKeys, check_rows
from scoring.readings.rows import Batch, Rows, shift_lines

_ROWS = 1 << 17
"""As many as a block of CSV has: what is done once for each sensor of a batch counts."""
_READ_BYTES = 1 << 20
_LONGEST_TEXT = 1000
"""Longer texts are cut: in a file of a few bytes, every row can hold a text of a gigabyte."""

_UNITS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
"""Arrow's units of time, and how many of them make a second."""

type _Test = Callable[[pa.DataType], bool]

_TEXT: tuple[_Test, ...] = (
    types.is_string,
    types.is_large_string,
    types.is_string_view,
    types.is_binary,
    types.is_large_binary,
    types.is_null,
)
_MOMENT: tuple[_Test, ...] = (types.is_timestamp, types.is_date)
_NUMBER: tuple[_Test, ...] = (types.is_integer, types.is_floating, types.is_decimal)
_COLUMNS: dict[str, tuple[str, tuple[_Test, ...]]] = {
    "TS": ("text or a timestamp", (*_TEXT, *_MOMENT)),
    "Device": ("text or a number", (*_TEXT, *_NUMBER)),
    "Sensor": ("text or a number", (*_TEXT, *_NUMBER)),
    "Value": ("a number", (*_TEXT, *_NUMBER)),
}
"""What each column can be, in words and in types."""


def read_parquet(file: BinaryIO, name: str, most: int) -> Iterator[Batch]:
    """Read a Parquet file in batches.

    Raises:
        ReadingsError: it is damaged, has a missing column or one of another type, or declares more than
            `most` bytes.
    """
    first, known = 1, KnownKeys()
    opened = open_parquet(file, most)
    with _reported():
        parquet = pq.ParquetFile(
            file,
            metadata=opened.metadata,
            read_dictionary=list(_COLUMNS),  # a repeated text is stored once
            buffer_size=_READ_BYTES,
            pre_buffer=False,
        )
        for record in parquet.iter_batches(_ROWS, columns=list(_COLUMNS), use_threads=False):
            yield shift_lines(check_rows(_rows(record), [], known, name), first)
            first += record.num_rows


def open_parquet(file: BinaryIO, most: int) -> pq.ParquetFile:
    """Open a Parquet file and check its schema and its declared size.

    Raises:
        ReadingsError: as `read_parquet`.
    """
    with _reported():
        opened = pq.ParquetFile(file)
        _check_schema(opened.schema_arrow)
        groups = (opened.metadata.row_group(number) for number in range(opened.num_row_groups))
        if sum(group.total_byte_size for group in groups) > most:
            raise ReadingsError(f"it unpacks to more than {most:,} bytes: split it, or raise that limit")
    return opened


@contextmanager
def _reported() -> Iterator[None]:
    """Report errors of arrow as damage to the file."""
    try:
        yield
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise _damaged(error) from error
    except OSError as error:
        if error.errno is not None:  # arrow raises OSError, without a number, for what is wrong in a file
            raise
        raise _damaged(error) from error


def _check_schema(schema: pa.Schema) -> None:
    if len(schema.names) > MAX_COLUMNS:
        raise ReadingsError(f"expected at most {MAX_COLUMNS:,} columns, found {len(schema.names):,}")
    for name, (expected, tests) in _COLUMNS.items():
        count = schema.names.count(name)
        if count != 1:
            found = "no such column" if count == 0 else f"{count} of them"
            names = ", ".join(schema.names)[:200]
            raise ReadingsError(f"expected a column {name}, found {found} among {names!r}")
        kind = schema.field(name).type
        plain = kind.value_type if types.is_dictionary(kind) else kind
        if not any(test(plain) for test in tests):
            raise ReadingsError(f"expected column {name} to be {expected}, found {str(kind)[:80]}")


def _rows(record: pa.RecordBatch) -> Rows:
    ts, value = _texts(record["TS"]), _texts(record["Value"])
    device, sensor = _distinct_texts(record["Device"]), _distinct_texts(record["Sensor"])

    def text_of(row: int) -> bytes:
        parts = (column.dictionary.take(column.indices[row : row + 1]) for column in (device, sensor))
        return b",".join(to_bytes(text)[0] for text in (ts[row : row + 1], *parts, value[row : row + 1]))

    return Rows(ts, device, sensor, value, np.arange(record.num_rows), text_of)


def _distinct_texts(column: pa.Array) -> pa.DictionaryArray:
    """A column of keys as its distinct texts, each made once; different numbers can have the same text."""
    encoded = types.is_dictionary(column.type)
    nulls = column.null_count or (encoded and column.dictionary.null_count)
    if nulls or types.is_decimal(column.type):  # arrow does not encode every decimal
        return _texts(column, whole=True).dictionary_encode()
    if not encoded:
        column = column.dictionary_encode()
    texts = _shortened(_texts(column.dictionary, whole=True)).dictionary_encode()
    places = to_numpy(texts.indices)[to_numpy(column.indices.cast(pa.int32()))]
    return pa.DictionaryArray.from_arrays(from_numpy(places), texts.dictionary)


def _texts(column: pa.Array, *, whole: bool = False) -> pa.StringArray:
    """A column as texts without nulls; `whole` numbers read as integers, and NaN as an empty text."""
    kind = column.type
    if types.is_dictionary(kind):
        texts = pc.take(_shortened(_texts(column.dictionary, whole=whole)), column.indices)
    elif types.is_timestamp(kind):
        texts = _moments(column)
    elif types.is_date(kind):
        texts = column.cast(pa.timestamp("ms")).cast(pa.timestamp("s"), safe=False).cast(pa.string())
    elif types.is_binary(kind) or types.is_large_binary(kind):
        texts = column.cast(pa.binary()).view(pa.string())
    elif types.is_decimal(kind) and whole:
        texts = _short_decimals(column)
    elif types.is_floating(kind):
        texts = _whole_texts(column) if whole else column.cast(pa.float64()).cast(pa.string())
    else:
        texts = column.cast(pa.string())
    return _without_nulls(texts)


def _without_nulls(texts: pa.StringArray) -> pa.StringArray:
    """A null as an empty text; arrow's own `fill_null` imports pandas."""
    if texts.null_count == 0:
        return texts
    valid = to_numpy(texts.is_valid())
    return take(pa.concat_arrays([texts, strings([""])]), np.where(valid, np.arange(len(texts)), len(texts)))


def _whole_texts(column: pa.Array) -> pa.StringArray:
    numbers = column.cast(pa.float64())
    integers = pc.cast(numbers, pa.int64(), safe=False)
    same = pc.equal(pc.cast(integers, pa.float64(), safe=False), numbers)
    texts = pc.if_else(same, integers.cast(pa.string()), numbers.cast(pa.string()))
    return pc.if_else(pc.is_finite(numbers), texts, None)


def _short_decimals(column: pa.Array) -> pa.StringArray:
    """Decimals without the trailing zeros that their type adds."""
    texts = pc.replace_substring_regex(column.cast(pa.string()), r"^0E-[0-9]+$", "0")
    return pc.replace_substring_regex(texts, r"^(-?[0-9]+(?:\.[0-9]*[1-9])?)\.?0*$", r"\1")


def _moments(column: pa.Array) -> pa.StringArray:
    """Timestamps as texts in UTC, with as many digits after the second as each needs: 0, 3, 6 or 9."""
    valid = to_numpy(column.is_valid())
    numbers = column.view(pa.int64())
    ticks = to_numpy(pc.fill_null(numbers, 0) if column.null_count else numbers)
    second = _UNITS[column.type.unit]
    texts = [pa.nulls(np.count_nonzero(~valid), pa.string())]
    places = [np.flatnonzero(~valid)]
    todo = valid
    for unit, per_second in _UNITS.items():
        if per_second > second:
            break
        step = second // per_second
        now = todo & (ticks % step == 0)
        texts.append(from_numpy(ticks[now] // step).view(pa.timestamp(unit)).cast(pa.string()))
        places.append(np.flatnonzero(now))
        todo = todo & ~now
    order = np.empty(len(column), np.int64)
    order[np.concatenate(places)] = np.arange(len(column))
    return pa.concat_arrays(texts).take(from_numpy(order))


def _shortened(texts: pa.StringArray) -> pa.StringArray:
    """Texts that are too long to be valid, cut so that it shows."""
    if len(texts) == 0 or pc.max(pc.binary_length(texts)).as_py() <= _LONGEST_TEXT:
        return texts
    return strings([_short(text) for text in to_bytes(texts)])


def _short(text: bytes) -> str:
    cut = text[:_LONGEST_TEXT].decode(errors="replace")
    return cut if len(text) <= _LONGEST_TEXT else f"{cut}…"


def _damaged(error: Exception) -> ReadingsError:
    line = " ".join(str(error).split())[:200]
    return ReadingsError(f"expected a Parquet file, found it damaged ({line})")
