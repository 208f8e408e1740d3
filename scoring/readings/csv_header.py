"""The first line of a CSV file: its delimiter, and which columns are read."""

import csv
from operator import itemgetter
from typing import NamedTuple

import pyarrow as pa

from scoring.errors import ReadingsError
from scoring.formats import READING_COLUMNS
from scoring.mapping import Mapping
from scoring.readings.columns import Columns, find_columns
from scoring.readings.csv_row import Layout
from scoring.readings.rows import excerpt

MAX_HEADER_BYTES = 1 << 20
MAX_COLUMNS = 10_000

_DELIMITERS = ",;\t"
"""Delimiters that need no mapping: the first with which the columns are found."""

_BOM = b"\xef\xbb\xbf"
_TEXT = pa.string()
_TEXTS = pa.dictionary(pa.int32(), pa.string())


class Header(NamedTuple):
    """What a header says; it is the line of the number `line`.

    `names` are the columns as arrow is to call them: their places. `types` are those of the columns that are
    read.
    """

    layout: Layout
    columns: Columns
    names: list[str]
    types: dict[str, pa.DataType]
    line: int


def read_header(line: bytes, number: int, mapping: Mapping, file: str, *, cr_ends: bool) -> Header:
    """Read the header of the file of this name.

    Raises:
        ReadingsError: it is not a header of readings.
    """
    if len(line) > MAX_HEADER_BYTES:
        raise ReadingsError(f"a first line of more than {MAX_HEADER_BYTES:,} bytes")
    delimiter, width, columns = _find_columns(line, mapping, file)
    needed, keys = tuple(columns.places), columns.keys
    types = {str(place): _TEXTS if place in keys else _TEXT for place in needed}
    names = [str(place) for place in range(width)]
    return Header(Layout(width, needed, cr_ends, delimiter), columns, names, types, number)


def unexpected(found: str) -> ReadingsError:
    """The error for a file that is not a CSV file of readings."""
    return ReadingsError(f"expected a CSV file with the columns {', '.join(READING_COLUMNS)}, found {found}")


def _find_columns(line: bytes, mapping: Mapping, file: str) -> tuple[str, int, Columns]:
    """The delimiter, the number of columns, and which of them are read."""
    problems: list[tuple[int, ReadingsError]] = []
    for delimiter in mapping.separator or _DELIMITERS:
        width = 0
        try:
            titles = _titles(line, delimiter)
            width = len(titles)
            return delimiter, width, find_columns(titles, mapping, file)
        except ReadingsError as error:
            problems.append((width if width > 1 else 0, error))
    raise max(problems, key=itemgetter(0))[1]  # of the delimiter that splits it, else of the first


def _titles(line: bytes, delimiter: str) -> list[str]:
    if b"\0" in line:
        raise ReadingsError("binary data")
    try:
        text = line.removeprefix(_BOM).decode()
        titles = next(csv.reader([text], strict=True, delimiter=delimiter), [])
    except UnicodeDecodeError:
        raise ReadingsError("bytes that are not UTF-8") from None
    except csv.Error as error:
        raise ReadingsError(f"the first line {excerpt(line)!r} ({error})") from None
    if not titles:
        raise ReadingsError("an empty first line")
    if len(titles) > MAX_COLUMNS:
        raise ReadingsError(f"{len(titles):,} columns, more than {MAX_COLUMNS:,}")
    return [title.strip() for title in titles]
