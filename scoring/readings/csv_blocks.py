"""CSV as blocks of whole lines, cut from a stream; each block is parsed independently, in any order.

A block in which every line is a row with its quotes in place, as nearly all are, is parsed by arrow; another
is parsed line by line. The result is the same.
"""

import csv
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache, lru_cache
from itertools import pairwise
from typing import NamedTuple, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

from scoring.errors import ReadingsError
from scoring.formats import READING_COLUMNS, RejectKind
from scoring.readings import hints
from scoring.readings.csv_lines import Layout, is_regular, line_bounds, read_lines
from scoring.readings.row_checks import KnownKeys, check_rows, is_reading
from scoring.readings.rows import TEXT_LIMIT, Batch, Reject, Rows, excerpt, only_rejects

MAX_HEADER_BYTES = 1 << 20
MAX_COLUMNS = 10_000
MAX_LINES = 1 << 17
"""Lines in one block: this bounds the memory of a block that holds nothing but rejects."""

_HEADER_BYTES = 1 << 16
"""The first read, within which nearly every header ends."""

_TEXT = pa.string()
_TEXTS = pa.dictionary(pa.int32(), pa.string())
_BOM = b"\xef\xbb\xbf"
_LF, _CR = b"\n\r"
_HEADER_END = re.compile(rb"(?<!\r)\r*+\n|(?<!\r)\r(?=\r*+[^\r\n])")
_HEADER_END_AT_EOF = re.compile(rb"(?<!\r)\r*+\n|\r")


class ByteStream(Protocol):
    """What blocks are cut from."""

    def readinto(self, buffer: memoryview, /) -> int | None: ...  # noqa: D102


class Block(NamedTuple):
    """Whole lines, of which `newlines` end in a newline; or the start of a row that is too long to keep."""

    data: bytes | memoryview
    newlines: int
    final: bool
    too_long: bytes | None = None


class Parsed(NamedTuple):
    """A block's readings and rejects, its number of lines, and the start of a row that continues after it."""

    batch: Batch
    lines: int
    tail: bytes = b""


@dataclass(frozen=True, slots=True)
class CsvFile:
    """What all blocks of a file share."""

    name: str
    layout: Layout
    row_bytes: int
    """A longer row is rejected."""
    known: KnownKeys = field(default_factory=KnownKeys)


class BlockCutter:
    """Cuts a stream at line ends."""

    def __init__(self, stream: ByteStream, block_bytes: int, row_bytes: int) -> None:
        """Read `block_bytes` at once, and more only for a longer row, up to `row_bytes`."""
        self._stream, self._size, self._longest = stream, min(block_bytes, row_bytes), row_bytes
        self._rest = b""
        self._ended = False

    def layout(self) -> Layout:
        """Read the header.

        Raises:
            ReadingsError: it is not the header of a CSV file of readings.
        """
        while (match := _HEADER_END.search(self._rest)) is None and not self._ended:
            if len(self._rest) > MAX_HEADER_BYTES:
                break
            buffer, filled = self._fill(max(min(self._size, _HEADER_BYTES), 2 * len(self._rest)))
            self._rest = bytes(buffer[:filled])
        match = match or _HEADER_END_AT_EOF.search(self._rest)
        if not self._rest:
            raise _unexpected("an empty file")
        header, self._rest = (
            (self._rest[: match.start()], self._rest[match.end() :]) if match else (self._rest, b"")
        )
        if len(header) > MAX_HEADER_BYTES:
            raise _unexpected(f"a first line of more than {MAX_HEADER_BYTES:,} bytes")
        return header_layout(header, cr_ends=match is not None and match.group() == b"\r")

    def blocks(self, *, cr_ends: bool) -> Iterator[Block]:
        """The rest of the stream; the last block, and no other, is `final`.

        Raises:
            ReadingsError: the stream is broken.
        """
        while True:
            size = self._size
            while True:
                buffer, filled = self._fill(size)
                end = filled if self._ended else _last_line_end(buffer, filled, cr_ends=cr_ends)
                if end or self._ended or filled >= self._longest:
                    break
                self._rest, size = bytes(buffer[:filled]), min(2 * filled, self._longest)
            if end == 0 and not self._ended:
                beginning = bytes(buffer[: 4 * TEXT_LIMIT])
                self._skip_line(buffer[-1:], cr_ends=cr_ends)
                yield Block(b"", 0, final=False, too_long=beginning)
                continue
            self._rest = bytes(buffer[end:filled])
            yield from _parts(memoryview(buffer)[:end], cr_ends=cr_ends, final=self._ended)
            if self._ended:
                return

    def _fill(self, size: int) -> tuple[bytearray, int]:
        """A buffer that starts with the rest of the previous one, and how much of it is filled."""
        filled = len(self._rest)
        buffer = bytearray(max(size, filled))
        buffer[:filled] = self._rest
        with memoryview(buffer) as view:
            while filled < len(buffer):
                count = self._stream.readinto(view[filled:])
                if not count:
                    self._ended = True
                    break
                filled += count
        return buffer, filled

    def _skip_line(self, last: bytearray, *, cr_ends: bool) -> None:
        """Read until the line ends; `last` is the byte read before, which can be a carriage return."""
        self._rest = bytes(last)
        while True:
            buffer, filled = self._fill(max(self._size, 2))
            if (end := _first_line_end(buffer, filled, cr_ends=cr_ends)) or self._ended:
                self._rest = bytes(buffer[end:filled]) if end else b""
                return
            self._rest = bytes(buffer[filled - 1 : filled])


def _last_line_end(buffer: bytearray, filled: int, *, cr_ends: bool) -> int:
    """Where the last whole line ends, or 0; a carriage return at the very end can be half of a line end."""
    end = buffer.rfind(b"\n", 0, filled) + 1
    return max(end, buffer.rfind(b"\r", 0, filled - 1) + 1) if cr_ends else end


def _first_line_end(buffer: bytearray, filled: int, *, cr_ends: bool) -> int:
    end = buffer.find(b"\n", 0, filled) + 1
    alone = buffer.find(b"\r", 0, filled - 1) + 1 if cr_ends else 0
    return alone if alone and (end == 0 or alone < end - 1) else end


def _parts(data: memoryview, *, cr_ends: bool, final: bool) -> Iterator[Block]:
    """Blocks of at most `MAX_LINES` lines."""
    content = np.frombuffer(data, np.uint8)
    newlines = int(np.count_nonzero(content == _LF))
    if newlines <= MAX_LINES and not cr_ends:
        yield Block(data, newlines, final)
        return
    starts, _ = line_bounds(content, cr_ends=cr_ends)
    cuts = [0, *starts[MAX_LINES::MAX_LINES].tolist(), len(data)]
    for begin, end in pairwise(cuts):
        newlines = int(np.count_nonzero(content[begin:end] == _LF))
        yield Block(data[begin:end], newlines, final and end == len(data))


def parse_block(block: Block, file: CsvFile) -> Parsed:
    """Readings and rejects of one block; depends on nothing but its arguments."""
    if block.too_long is not None:
        reason = f"row of more than {file.row_bytes:,} bytes"
        reject = Reject(0, RejectKind.TOO_LONG, reason, excerpt(block.too_long))
        return Parsed(only_rejects([reject], file.name), 1)
    if len(block.data) == 0:
        return Parsed(only_rejects([], file.name), 0)
    lines = block.newlines + int(block.data[-1] != _LF)
    batch = parse_rows(block.data, lines, file)
    return _parse_lines(block, file) if batch is None else Parsed(batch, lines)


def parse_rows(data: bytes | memoryview, lines: int, file: CsvFile) -> Batch | None:
    """Readings and rejects of whole lines, or None where some line is something else than a row.

    The lines of rejects count from zero.
    """
    if lines == 0:
        return only_rejects([], file.name)
    content = np.frombuffer(data, np.uint8)
    table = _parse_regular(data, content, lines, file.layout)
    if table is None:
        return None
    return check_rows(_rows(table, np.arange(lines), _LineTexts(content)), [], file.known, file.name)


def _parse_regular(
    data: bytes | memoryview, content: np.ndarray, lines: int, layout: Layout
) -> pa.Table | None:
    if layout.cr_ends or bytes(data[:3]) == _BOM or not is_regular(content):
        return None
    try:
        table = _read_csv(data, layout)
    except pa.ArrowInvalid:
        return None
    return table if table.num_rows == lines else None


def _parse_lines(block: Block, file: CsvFile) -> Parsed:
    found = read_lines(block.data, file.layout, final=block.final, is_reading=is_reading)
    if len(found.places) == 0:
        return Parsed(only_rejects(found.rejects, file.name), found.count, found.tail)
    table = _read_csv(found.rows, file.layout)

    def text_of(row: int) -> bytes:
        line = found.places[row]
        return bytes(block.data[found.starts[line] : found.ends[line]])

    rows = _rows(table, found.places, text_of)
    return Parsed(check_rows(rows, found.rejects, file.known, file.name), found.count, found.tail)


def _read_csv(data: bytes | memoryview, layout: Layout) -> pa.Table:
    names = _column_names(layout)
    return pa_csv.read_csv(
        pa.BufferReader(pa.py_buffer(data)),
        # One thread and one chunk: blocks are parsed in parallel.
        read_options=pa_csv.ReadOptions(column_names=names, block_size=len(data) + 1, use_threads=False),
        # Encoding matters only in the columns that are read, where each distinct text is checked.
        convert_options=pa_csv.ConvertOptions(
            check_utf8=False,
            include_columns=READING_COLUMNS,
            column_types={"TS": _TEXT, "Device": _TEXTS, "Sensor": _TEXTS, "Value": _TEXT},
        ),
    )


@cache
def _column_names(layout: Layout) -> list[str]:
    names = [str(place) for place in range(layout.width)]
    for place, name in zip(layout.needed, READING_COLUMNS, strict=True):
        names[place] = name
    return names


def _rows(table: pa.Table, lines: np.ndarray, text_of: Callable[[int], bytes]) -> Rows:
    ts, device, sensor, value = (column.chunk(0) for column in table.columns)
    return Rows(ts, device, sensor, value, lines, text_of)


class _LineTexts:
    """The line of a row, where every line is a row; lines are located only when one is needed."""

    def __init__(self, content: np.ndarray) -> None:
        self._content = content
        self._bounds: tuple[np.ndarray, np.ndarray] | None = None

    def __call__(self, row: int) -> bytes:
        self._bounds = self._bounds or line_bounds(self._content, cr_ends=False)
        starts, ends = self._bounds
        return self._content[starts[row] : ends[row]].tobytes()


@lru_cache(maxsize=16)
def header_layout(header: bytes, *, cr_ends: bool = False) -> Layout:
    """Where the columns are, by the first line without its end; the files of a fleet have few different ones.

    Raises:
        ReadingsError: it is not the header of a CSV file of readings.
    """
    names = _column_titles(header)
    for column in READING_COLUMNS:
        if (count := names.count(column)) != 1:
            found = "no column" if count == 0 else f"{count} columns"
            hint = hints.of_header(header)
            raise _unexpected(f"{found} {column} in {','.join(names)[:TEXT_LIMIT]!r}{hint and f' ({hint})'}")
    if len(names) > MAX_COLUMNS:
        raise _unexpected(f"{len(names):,} columns, more than {MAX_COLUMNS:,}")
    ts, device, sensor, value = map(names.index, READING_COLUMNS)
    return Layout(len(names), (ts, device, sensor, value), cr_ends)


def _column_titles(header: bytes) -> list[str]:
    if header.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise _unexpected("UTF-16 text; save it as UTF-8")
    if b"\0" in header:
        raise _unexpected("binary data")
    try:
        text = header.removeprefix(_BOM).decode()
        titles = next(csv.reader([text], strict=True), [])
    except UnicodeDecodeError:
        raise _unexpected("bytes that are not UTF-8") from None
    except csv.Error as error:
        raise _unexpected(f"the first line {excerpt(header)!r} ({error})") from None
    if not titles:
        raise _unexpected("an empty first line")
    return [title.strip() for title in titles]


def _unexpected(found: str) -> ReadingsError:
    return ReadingsError(f"expected a CSV file with the columns {', '.join(READING_COLUMNS)}, found {found}")
