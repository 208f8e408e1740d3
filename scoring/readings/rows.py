"""Rows as a file holds them, and batches of checked readings with their rejects."""

from collections import Counter
from collections.abc import Callable, Sequence
from collections.abc import Mapping as Pairs
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from scoring.arrow import cast, encode, from_numpy, strings, take, to_numpy
from scoring.formats import REJECT_COLUMNS, RejectKind
from scoring.keys import SensorKey
from scoring.mapping import PLAIN, Mapping
from scoring.printable import cell, printable
from scoring.readings import timestamps

TEXT_LIMIT = 200
"""Characters of a rejected row that are kept."""


_SAMPLED = 4096
_MOST_DISTINCT = 0.9
"""Of a sample. If more of it are, more than a fifth of a block is, and looking numbers up saves nothing."""

type TextOf = Callable[[int], bytes]
"""The bytes of the row of an index."""


class Rows(NamedTuple):
    """Rows of four columns that are not checked yet; none of them has nulls.

    `ts` and `value` are texts, or the timestamps and numbers of a Parquet file (see `as_texts`). `device` and
    `sensor` are dictionaries of int32 to string. `lines` are the line numbers of the rows, counted from the
    first line of their block; `text_of` returns the bytes of the row of an index.

    Where a mapping has converted TS or Value, `times` or `values` hold the numbers and whether each is valid;
    the texts of valid ones are as they would be in a file that needs no mapping.
    """

    ts: pa.Array
    device: pa.DictionaryArray
    sensor: pa.DictionaryArray
    value: pa.Array
    lines: np.ndarray
    text_of: TextOf
    times: tuple[np.ndarray, np.ndarray] | None = None
    values: tuple[np.ndarray, np.ndarray] | None = None
    mapping: Mapping = PLAIN


class Reject(NamedTuple):
    """A row that is not a reading; `line` counts as in `Rows`.

    `hint` is what its text looks like, such as "decimal comma?", or empty; `date` is the UTC day of its TS,
    such as "2026-01-01", or empty where the TS cannot be read.
    """

    line: int
    kind: RejectKind
    reason: str
    text: str
    device: str = ""
    sensor: str = ""
    hint: str = ""
    date: str = ""


class Batch(NamedTuple):
    """Readings in the order of the file, and its rows that are not readings.

    Attributes:
        keys: the distinct sensors of this batch.
        codes: index into `keys` of each reading: uint16, or int32 where there are more than 65,535 keys.
        ts: the timestamps as they are in the file, as in `Rows`.
        value: the values as they are in the file, as in `Rows`.
        values: float64, finite.
        times: the timestamps as int64 nanoseconds since 1970 in UTC.
        rejects: the columns `REJECT_COLUMNS`.
        rejected_on: how many of the rejects have this device, sensor and UTC day.
    """

    keys: list[SensorKey]
    codes: np.ndarray
    ts: pa.Array
    value: pa.Array
    values: np.ndarray
    times: np.ndarray
    rejects: pa.Table
    rejected_on: Pairs[tuple[str, str, str], int] = MappingProxyType({})


NO_REJECTS = pa.Table.from_arrays(
    [from_numpy(np.zeros(0, np.int64)) if name == "line" else strings([]) for name in REJECT_COLUMNS],
    names=list(REJECT_COLUMNS),
)


def only_rejects(rejects: Sequence[Reject], file: str) -> Batch:
    """A batch without readings."""
    nothing = strings([])
    none = np.zeros(0, np.int64)
    table = reject_table(rejects, file)
    return Batch([], none.astype(np.uint16), nothing, nothing, none.astype(np.float64), none, table)


def reject_table(rejects: Sequence[Reject], file: str) -> pa.Table:
    """Rejects as columns; their lines still count from the first line of their block."""
    if not rejects:
        return NO_REJECTS
    lines = np.array([reject.line for reject in rejects], np.int64)
    texts = ([getattr(reject, name) for reject in rejects] for name in REJECT_COLUMNS[2:])
    files = take(strings([file]), np.zeros(len(rejects), np.int64))
    columns = [files, from_numpy(lines), *map(strings, texts)]
    return pa.Table.from_arrays(columns, names=list(REJECT_COLUMNS))


def concatenate(batches: Sequence[Batch]) -> Batch:
    """Several batches as one, with their readings and rejects in order."""
    places: dict[SensorKey, int] = {}
    codes = []
    for batch in batches:
        own = [places.setdefault(key, len(places)) for key in batch.keys]
        codes.append(np.array(own, code_type(len(places)))[batch.codes])
    return Batch(
        list(places),
        np.concatenate(codes, dtype=code_type(len(places))),
        joined([batch.ts for batch in batches]),
        joined([batch.value for batch in batches]),
        np.concatenate([batch.values for batch in batches]),
        np.concatenate([batch.times for batch in batches]),
        pa.concat_tables([batch.rejects for batch in batches]).combine_chunks(),
        sum((Counter(batch.rejected_on) for batch in batches), Counter()),
    )


def as_texts(column: pa.Array) -> pa.StringArray:
    """A column of `Rows` as texts: a timestamp in UTC, and a number as the shortest text that gives it.

    Where many rows repeat another one, as the times of a fleet and rounded values do, each text is made once:
    looking a number up takes a tenth of the time.
    """
    if pa.types.is_string(column.type):
        return column
    numbers = column.view(pa.int64())  # bits, because 0.0 is equal to -0.0
    sample = to_numpy(numbers)[:: len(numbers) // _SAMPLED + 1]
    if len(encode(from_numpy(sample)).dictionary) > _MOST_DISTINCT * len(sample):
        return _texts(column)
    distinct = encode(numbers)
    return take(_texts(distinct.dictionary.view(column.type)), to_numpy(distinct.indices))


def _texts(column: pa.Array) -> pa.StringArray:
    if pa.types.is_timestamp(column.type):
        return timestamps.to_texts(to_numpy(column.view(pa.int64())), timestamps.UNITS[column.type.unit])
    return cast(column, pa.string())


def joined(columns: Sequence[pa.Array]) -> pa.Array:
    """Columns of several batches as one; as texts where their types differ."""
    same = len({column.type for column in columns}) == 1
    return pa.concat_arrays(columns if same else [as_texts(column) for column in columns])


def code_type(count: int) -> type[np.uint16 | np.int32]:
    """The type of indices into that many keys."""
    return np.uint16 if count <= np.iinfo(np.uint16).max else np.int32


def count_dates(rejects: Sequence[Reject]) -> Pairs[tuple[str, str, str], int]:
    """How many rejects there are of each device, sensor and UTC day; those without a TS count on no day."""
    return Counter((each.device, each.sensor, each.date) for each in rejects if each.date)


def for_csv(rejects: pa.Table) -> pa.Table:
    """Rejects with texts that neither a terminal nor a spreadsheet obeys."""
    columns = [
        column if name == "line" else strings([cell(printable(text)) for text in column.to_pylist()])
        for name, column in zip(rejects.column_names, rejects.columns, strict=True)
    ]
    return pa.Table.from_arrays(columns, names=rejects.column_names)


def shift_lines(batch: Batch, lines: int) -> Batch:
    """The same batch with `lines` added to the line numbers of its rejects."""
    table = batch.rejects
    if table.num_rows == 0 or lines == 0:
        return batch
    columns = [column.chunk(0) for column in table.columns]
    columns[1] = from_numpy(to_numpy(columns[1]) + lines)
    return batch._replace(rejects=pa.Table.from_arrays(columns, names=table.column_names))


def excerpt(text: bytes | str, limit: int = TEXT_LIMIT) -> str:
    """The first `limit` characters of a text, whether its bytes are UTF-8 or not."""
    if isinstance(text, bytes):
        text = text[: 4 * limit].decode(errors="replace")
    return text[:limit]
