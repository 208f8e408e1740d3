"""Readings in Parquet: each column becomes texts, as they would be in CSV, or is read as if it had.

Timestamps and numbers without nulls stay what they are until their texts are needed, for predictions or
rejects: parsing these would give the same times and values.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import BinaryIO

import numpy as np
import pyarrow as pa
from pyarrow import types

from scoring.arrow import ParquetReader, cast, take, to_bytes, to_numpy
from scoring.errors import ReadingsError
from scoring.formats import READING_COLUMNS
from scoring.mapping import PLAIN, Mapping
from scoring.readings.columns import Columns, find_columns
from scoring.readings.csv_header import MAX_COLUMNS
from scoring.readings.parquet_texts import (
    comma_texts,
    distinct_texts,
    moments,
    part_texts,
    plain_texts,
    ts_texts,
)
from scoring.readings.row_checks import KnownKeys, check_rows
from scoring.readings.rows import Batch, Rows, as_texts, joined, shift_lines
from scoring.readings.samples import Sample
from scoring.readings.suggest import advice_on

_ROWS = 1 << 17
"""As many as a block of CSV has: what is done once for each sensor of a batch counts."""
_READ_BYTES = 1 << 20

_SHOWN = 80
_SAMPLED_ROWS = 200
_MOST_SAMPLED = 1000
"""Columns."""

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
_TS = ("text or a timestamp", (*_TEXT, *_MOMENT))
_KEY = ("text or a number", (*_TEXT, *_NUMBER))
_VALUE = ("a number", (*_TEXT, *_NUMBER))
_COUNTED_TS = ("text, a timestamp or a number", (*_TEXT, *_MOMENT, *_NUMBER))
_TS_PART = (
    "text, a date, a time or a whole number",
    (*_TEXT, types.is_date, types.is_time, types.is_integer),
)
"""What each column can be, in words and in types."""


def read_parquet(file: BinaryIO, name: str, most: int, mapping: Mapping = PLAIN) -> Iterator[Batch]:
    """Read the Parquet file of this name in batches.

    Raises:
        ReadingsError: it is damaged, has a missing column or one of another type, or declares more than
            `most` bytes.
    """
    first, known = 1, KnownKeys()
    opened, columns = open_parquet(file, name, most, mapping)
    titles = opened.schema_arrow.names  # arrow makes the list anew each time
    names = [titles[place] for place in columns.places]
    with reported():
        reader = open_reader(
            file,
            metadata=opened.metadata,
            read_dictionary=names,  # a repeated text is stored once
            buffer_size=_READ_BYTES,
            pre_buffer=False,
        )
        rows = max(1, _ROWS // len(columns.values))
        for records in _together(_records(reader, rows, names), rows):
            yield shift_lines(check_rows(_rows(records, names, columns), [], known, name), first)
            first += sum(record.num_rows for record in records)


def open_reader(file: BinaryIO, **options: object) -> ParquetReader:
    """Open a Parquet file without `pyarrow.parquet`, whose import takes as long as reading a million rows."""
    reader = ParquetReader()
    reader.open(file, arrow_extensions_enabled=True, **options)
    return reader


def _records(reader: ParquetReader, rows: int, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """These columns, none of them nested, in batches of at most that many rows, and of one row group each."""
    leaves = {path[0]: leaf for leaf, path in enumerate(reader.column_paths) if len(path) == 1}
    groups, wanted = range(reader.num_row_groups), [leaves[name] for name in names]
    yield from reader.iter_batches(rows, row_groups=groups, column_indices=wanted, use_threads=False)


def _together(records: Iterable[pa.RecordBatch], rows: int) -> Iterator[list[pa.RecordBatch]]:
    """Lists of at least that many rows, but for the last: row groups can be small."""
    waiting: list[pa.RecordBatch] = []
    count = 0
    for record in records:
        waiting.append(record)
        count += record.num_rows
        if count >= rows:
            yield waiting
            waiting, count = [], 0
    if waiting:
        yield waiting


def open_parquet(
    file: BinaryIO, name: str, most: int, mapping: Mapping = PLAIN
) -> tuple[ParquetReader, Columns]:
    """Open a Parquet file, find its columns, and check its declared size.

    Raises:
        ReadingsError: as `read_parquet`.
    """
    with reported():
        opened = open_reader(file)
        groups = (opened.metadata.row_group(number) for number in range(opened.num_row_groups))
        if sum(group.total_byte_size for group in groups) > most:
            raise ReadingsError(f"it unpacks to more than {most:,} bytes: split it, or raise that limit")
        columns = _columns(opened, mapping, name)
    return opened, columns


def read_sample(opened: ParquetReader) -> Sample:
    """The first rows of a file as texts; a column of another type than readings can have is empty."""
    schema = opened.schema_arrow
    kinds = (*_TEXT, *_MOMENT, types.is_time, *_NUMBER)
    titles = schema.names
    counts, names = Counter(titles), titles[:_MOST_SAMPLED]
    unique = [name for name in names if counts[name] == 1]
    readable = [name for name in unique if any(test(schema.field(name).type) for test in kinds)]
    record = next(_records(opened, _SAMPLED_ROWS, readable), None)
    columns = {name: record[name] for name in readable} if record else {}
    texts = {
        name: (part_texts if types.is_date(column.type) else ts_texts)(column).to_pylist()
        for name, column in columns.items()
    }
    rows = record.num_rows if record else 0
    return Sample(
        titles, [[texts[name][row] if name in texts else "" for name in names] for row in range(rows)]
    )


@contextmanager
def reported() -> Iterator[None]:
    """Report errors of arrow as damage to the file."""
    try:
        yield
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise _damaged(error) from error
    except OSError as error:
        if error.errno is not None:  # arrow raises OSError, without a number, for what is wrong in a file
            raise
        raise _damaged(error) from error


def _columns(opened: ParquetReader, mapping: Mapping, file: str) -> Columns:
    schema = opened.schema_arrow
    if len(schema) > MAX_COLUMNS:
        raise ReadingsError(f"expected at most {MAX_COLUMNS:,} columns, found {len(schema):,}")
    try:
        columns = find_columns(schema.names, mapping, file)
    except ReadingsError as error:
        wanted = ", ".join(READING_COLUMNS)
        found = advice_on(str(error), read_sample(opened), mapping, file)
        raise ReadingsError(f"expected a Parquet file with the columns {wanted}, found {found}") from error
    roles = dict.fromkeys(columns.values, _VALUE) | {
        columns.device: _KEY,
        columns.sensor: _KEY,
    }
    ts = _TS_PART if len(columns.ts) > 1 else _COUNTED_TS if mapping.ts_format else _TS
    roles |= dict.fromkeys(columns.ts, ts)
    for place in columns.places:
        expected, tests = roles[place]
        kind = schema.field(place).type
        plain = kind.value_type if types.is_dictionary(kind) else kind
        if not any(test(plain) for test in tests):
            name = schema.names[place][:_SHOWN]
            found = f"expected column {name} to be {expected}, found {str(kind)[:_SHOWN]}"
            raise ReadingsError(advice_on(found, read_sample(opened), mapping, file))
    return columns


def _rows(records: Sequence[pa.RecordBatch], names: Sequence[str], columns: Columns) -> Rows:
    """The rows of batches, whose columns come in the order of the file; `names` are of `columns.places`."""
    places = columns.places
    read: dict[int | str, Callable[[pa.Array], pa.Array]] = {}
    read |= dict.fromkeys(places, _unparsed if columns.are_plain else plain_texts)
    if columns.mapping.decimal == "comma":
        read |= dict.fromkeys(columns.values, comma_texts)
    read |= dict.fromkeys(columns.keys, distinct_texts)
    if len(columns.ts) > 1:
        read |= dict.fromkeys(columns.ts, part_texts)
    elif columns.mapping.converts_ts:
        read |= dict.fromkeys(columns.ts, ts_texts)
    found = {
        place: joined([read[place](record[name]) for record in records])
        for place, name in zip(places, names, strict=True)
    }
    count = sum(record.num_rows for record in records)

    def text_of(row: int) -> bytes:
        return b",".join(_text(column[row : row + 1]) for column in found.values())

    return columns.rows(found, count, np.arange(count), text_of)


def _text(cell: pa.Array) -> bytes:
    """The text of a column of one row."""
    is_key = isinstance(cell, pa.DictionaryArray)
    return to_bytes(take(cell.dictionary, to_numpy(cell.indices)) if is_key else as_texts(cell))[0]


def _unparsed(column: pa.Array) -> pa.Array:
    """TS or Value as `Rows` has them: as texts only where they are, or where a null is an empty text."""
    kind = column.type
    if column.null_count == 0:
        if types.is_timestamp(kind) or types.is_date(kind):
            return moments(column)
        if types.is_floating(kind):
            return cast(column, pa.float64())
        if types.is_integer(kind) and kind != pa.uint64():
            return cast(column, pa.int64())
    return plain_texts(column)


def _damaged(error: Exception) -> ReadingsError:
    line = " ".join(str(error).split())[:200]
    return ReadingsError(f"expected a Parquet file, found it damaged ({line})")
