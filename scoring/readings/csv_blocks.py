"""CSV as blocks of whole lines, cut from a stream; each block is parsed independently, in any order.

A block in which every line is a row with its quotes in place, as nearly all are, is parsed by arrow; another
is parsed line by line. The result is the same.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

from scoring.errors import ReadingsError
from scoring.formats import RejectKind
from scoring.mapping import PLAIN, Mapping
from scoring.readings.csv_bounds import is_regular, line_bounds
from scoring.readings.csv_header import MAX_HEADER_BYTES, Header, read_header, unexpected
from scoring.readings.csv_lines import read_lines
from scoring.readings.csv_row import Layout
from scoring.readings.row_checks import KnownKeys, check_rows, is_reading
from scoring.readings.rows import TEXT_LIMIT, Batch, Reject, Rows, TextOf, excerpt, only_rejects
from scoring.readings.text_streams import ByteStream

MAX_LINES = 1 << 17
"""Values in one block: this bounds the memory of a block that holds nothing but rejects."""

_HEADER_BYTES = 1 << 16
"""The first read, within which nearly every header ends."""

_TEXT = pa.string()
_BOM = b"\xef\xbb\xbf"
_LF, _CR = b"\n\r"
_BLANK_LINES = re.compile(rb"(?:\r*\n)*+")
_HEADER_END = re.compile(rb"(?<!\r)\r*+\n|(?<!\r)\r(?=\r*+[^\r\n])")
_HEADER_END_AT_EOF = re.compile(rb"(?<!\r)\r*+\n|\r")


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
    header: Header
    row_bytes: int
    """A longer row is rejected."""
    known: KnownKeys = field(default_factory=KnownKeys)

    @property
    def layout(self) -> Layout:
        """Where the columns are."""
        return self.header.layout

    def is_reading(self, fields: Sequence[bytes]) -> bool:
        """Whether the needed fields of one row make a reading."""
        if self.header.columns.are_plain:
            return is_reading(fields)
        texts = {
            place: pa.array([text], pa.binary()).view(_TEXT)
            for place, text in zip(self.layout.needed, fields, strict=True)
        }
        rows = self.header.columns.rows(texts, 1, np.zeros(1, np.int64), lambda _: b"")
        return len(check_rows(rows, [], KnownKeys(), self.name).codes) > 0


class BlockCutter:
    """Cuts a stream at line ends."""

    def __init__(self, stream: ByteStream, block_bytes: int, row_bytes: int) -> None:
        """Read `block_bytes` at once, and more only for a longer row, up to `row_bytes`."""
        self._stream, self._size, self._longest = stream, min(block_bytes, row_bytes), row_bytes
        self._rest = b""
        self._ended = False

    def header(self, mapping: Mapping = PLAIN, file: str = "") -> Header:
        """Read the header of the file of this name.

        Raises:
            ReadingsError: it is not the header of a CSV file of readings.
        """
        blank = 0
        while (match := _HEADER_END.search(self._rest, blank)) is None and not self._ended:
            if len(self._rest) > MAX_HEADER_BYTES:
                break
            buffer, filled = self._fill(max(min(self._size, _HEADER_BYTES), 2 * len(self._rest)))
            self._rest = bytes(buffer[:filled])
            if found := _BLANK_LINES.match(self._rest):
                blank = found.end()
        match = match or _HEADER_END_AT_EOF.search(self._rest, blank)
        if not self._rest:
            raise unexpected("an empty file")
        line = self._rest.count(b"\n", 0, blank) + 1
        head = self._rest[: blank + _HEADER_BYTES]
        header, self._rest = (
            (self._rest[blank : match.start()], self._rest[match.end() :])
            if match
            else (self._rest[blank:], b"")
        )
        cr_ends = match is not None and match.group() == b"\r"
        try:
            return read_header(header, line, mapping, file, cr_ends=cr_ends)
        except ReadingsError as error:
            from scoring.readings.suggest import advice

            raise unexpected(advice(str(error), head, mapping, file)) from error

    def blocks(self, header: Header) -> Iterator[Block]:
        """The rest of the stream; the last block, and no other, is `final`.

        Raises:
            ReadingsError: the stream is broken.
        """
        cr_ends = header.layout.cr_ends
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
            yield from _parts(memoryview(buffer)[:end], header, final=self._ended)
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


def _parts(data: memoryview, header: Header, *, final: bool) -> Iterator[Block]:
    """Blocks of at most as many lines as the header allows."""
    content, most = np.frombuffer(data, np.uint8), max(1, MAX_LINES // len(header.columns.values))
    newlines = int(np.count_nonzero(content == _LF))
    if newlines <= most and not header.layout.cr_ends:
        yield Block(data, newlines, final)
        return
    starts, _ = line_bounds(content, cr_ends=header.layout.cr_ends)
    cuts = [0, *starts[most::most].tolist(), len(data)]
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
    table = _parse_regular(data, content, lines, file.header)
    if table is None:
        return None
    rows = _rows(table, file.header, np.arange(lines), _LineTexts(content))
    return check_rows(rows, [], file.known, file.name)


def _parse_regular(
    data: bytes | memoryview, content: np.ndarray, lines: int, header: Header
) -> pa.Table | None:
    layout = header.layout
    if layout.cr_ends or bytes(data[:3]) == _BOM or not is_regular(content, layout.delimiter):
        return None
    try:
        table = _read_csv(data, header)
    except pa.ArrowInvalid:
        return None
    return table if table.num_rows == lines else None


def _parse_lines(block: Block, file: CsvFile) -> Parsed:
    found = read_lines(block.data, file.layout, final=block.final, is_reading=file.is_reading)
    if len(found.places) == 0:
        return Parsed(only_rejects(found.rejects, file.name), found.count, found.tail)
    table = _read_csv(found.rows, file.header)

    def text_of(row: int) -> bytes:
        line = found.places[row]
        return bytes(block.data[found.starts[line] : found.ends[line]])

    rows = _rows(table, file.header, found.places, text_of)
    return Parsed(check_rows(rows, found.rejects, file.known, file.name), found.count, found.tail)


def _read_csv(data: bytes | memoryview, header: Header) -> pa.Table:
    return pa_csv.read_csv(
        pa.BufferReader(pa.py_buffer(data)),
        # One thread and one chunk: blocks are parsed in parallel.
        read_options=pa_csv.ReadOptions(
            column_names=header.names, block_size=len(data) + 1, use_threads=False
        ),
        parse_options=pa_csv.ParseOptions(delimiter=header.layout.delimiter),
        # Encoding matters only in the columns that are read, where each distinct text is checked.
        convert_options=pa_csv.ConvertOptions(
            check_utf8=False, include_columns=list(header.types), column_types=header.types
        ),
    )


def _rows(table: pa.Table, header: Header, lines: np.ndarray, text_of: TextOf) -> Rows:
    found = [column.chunk(0) for column in table.columns]
    if header.columns.are_plain:
        ts, device, sensor, value = found
        return Rows(ts, device, sensor, value, lines, text_of)
    texts = dict(zip(header.layout.needed, found, strict=True))
    return header.columns.rows(texts, table.num_rows, lines, text_of)


class _LineTexts:
    """The line of a row, where every line is a row; lines are located only when one is needed."""

    def __init__(self, content: np.ndarray) -> None:
        self._content = content
        self._bounds: tuple[np.ndarray, np.ndarray] | None = None

    def __call__(self, row: int) -> bytes:
        self._bounds = self._bounds or line_bounds(self._content, cr_ends=False)
        starts, ends = self._bounds
        return self._content[starts[row] : ends[row]].tobytes()
