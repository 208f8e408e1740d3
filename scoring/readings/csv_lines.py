"""CSV line by line, for irregular blocks: which lines are rows, and what is wrong with the others.

An unclosed quote must not swallow the rows after it. So each line is parsed by itself first. It is joined
with the lines after it only where that makes a well-formed row whose line breaks are all in columns that are
not read, and where none of those lines is a reading by itself.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from scoring.formats import RejectKind
from scoring.readings import hints
from scoring.readings.rows import Reject, excerpt

MAX_JOINED_LINES = 64
MAX_JOINED_BYTES = 1 << 20

_PART_BYTES = 256 << 10

_QUOTE, _CR, _LF = b'"\r\n'


@cache
def _besides_quotes(delimiter: str) -> np.ndarray:
    """Which bytes can stand beside a quote."""
    found = np.zeros(256, bool)
    found[[ord(delimiter), _QUOTE, _CR, _LF]] = True
    return found


class _Patterns:
    """Compiled when the first line needs them: nearly all files have no such line."""

    def __init__(self, delimiter: str) -> None:
        end = re.escape(delimiter.encode())
        self.field = re.compile(
            rb'"((?:[^"]++|"")*+)"(?=%b|\Z)|((?:[^"%b][^%b]*+)?)(?=%b|\Z)' % (end, end, end, end)
        )
        self.closed = re.compile(rb'"(?:[^"]++|"")*+"')
        self.rest = re.compile(rb'((?:[^"]++|"")*+)"(?=%b|\Z)|(?!)()' % end)
        self.rest_closed = re.compile(rb'(?:[^"]++|"")*+"')


_patterns = cache(_Patterns)


class Layout(NamedTuple):
    """Where the columns of a CSV file are.

    Attributes:
        width: the number of columns.
        needed: the places of the columns that are read: TS, Device, Sensor and Value, or those of a mapping.
        cr_ends: a carriage return alone ends a row, as the header shows; elsewhere it is part of a field.
        delimiter: separates fields, one ASCII character.
    """

    width: int
    needed: tuple[int, ...]
    cr_ends: bool = False
    delimiter: str = ","


@dataclass(frozen=True, slots=True, eq=False)
class Lines:
    """The contents of a block: rows as clean CSV, their line numbers, and the lines that are not rows.

    `count` lines are parsed; `tail` is the rest, a row that ends after this block.
    """

    rows: bytes
    starts: np.ndarray
    ends: np.ndarray
    places: np.ndarray
    rejects: list[Reject]
    count: int
    tail: bytes


class _Problem(NamedTuple):
    """Why a line is not a row; `open_after` are the fields before an unclosed quote."""

    kind: RejectKind
    reason: str
    open_after: list[bytes] | None = None


def split_row(line: bytes, layout: Layout, open_after: list[bytes] | None = None) -> list[bytes] | _Problem:
    """The fields of one row, or what is wrong with it.

    With `open_after`, the line continues a quoted field that an earlier line opened after those fields.
    """
    fields = [] if open_after is None else open_after.copy()
    known = _patterns(layout.delimiter)
    pattern, closed = known.field, known.closed
    if open_after is not None:
        pattern, closed = known.rest, known.rest_closed
    position = 0
    while position <= len(line):
        column = len(fields)
        if column == layout.width:
            # Loggers write a delimiter after the last field, too.
            more = _Problem(RejectKind.COLUMNS, f"expected {layout.width} fields, found more")
            return fields if position == len(line) else more
        match = pattern.match(line, position)
        if match is None:
            if closed.match(line, position):
                return _Problem(RejectKind.QUOTE, f"text after the closing quote of column {column + 1}")
            return _Problem(RejectKind.QUOTE, f"quote in column {column + 1} is never closed", fields)
        quoted, plain = match.groups()
        if quoted is None and b'"' in plain and column in layout.needed:
            return _Problem(RejectKind.QUOTE, f"stray quote in column {column + 1}")
        fields.append(plain if quoted is None else quoted.replace(b'""', b'"'))
        position = match.end() + 1
        pattern, closed = known.field, known.closed
    if len(fields) != layout.width:
        return _Problem(RejectKind.COLUMNS, f"expected {layout.width} fields, found {len(fields)}")
    return fields


def read_lines(
    data: bytes | memoryview, layout: Layout, *, final: bool, is_reading: Callable[[list[bytes]], bool]
) -> Lines:
    """Sort the lines of a block into rows and rejects.

    Args:
        data: whole lines; only the last line of a file can be without a line end.
        layout: where the columns are.
        final: no data follows, so that there is no tail.
        is_reading: whether the needed fields of a row make a reading.
    """
    content = np.frombuffer(data, np.uint8)
    starts, ends = line_bounds(content, cr_ends=layout.cr_ends)
    scan = _Scan(bytes(data), layout, starts, ends, is_reading)
    plain = _plain_lines(content, starts, ends, layout)
    for line in np.flatnonzero(~plain & (ends > starts)).tolist():
        scan.check(line, plain, final=final)
        if scan.tail is not None:
            break
    return scan.lines(plain)


class _Scan:
    """Checks the lines that are not plain rows."""

    def __init__(
        self,
        data: bytes,
        layout: Layout,
        starts: np.ndarray,
        ends: np.ndarray,
        is_reading: Callable[[list[bytes]], bool],
    ) -> None:
        self._data, self._layout, self._is_reading = data, layout, is_reading
        self._starts, self._ends = starts, ends
        self._delimiter = layout.delimiter.encode()
        self._rewritten: dict[int, bytes] = {}
        self._last_lines: dict[int, int] = {}
        self._rejects: list[Reject] = []
        self._done = 0
        self.tail: int | None = None

    def check(self, line: int, plain: np.ndarray, *, final: bool) -> None:
        """Make `line` a row or a reject, unless it is part of the row before."""
        if line < self._done:
            return
        text = self._text(line, line).rstrip(b"\r")
        if not text:
            return
        if b'"' not in text:
            width, found = self._layout.width, text.count(self._delimiter) + 1
            ends = found == width + 1 and text.endswith(self._delimiter)
            if ends and b"\r" not in text:
                self._replace(line, line, text[:-1])  # as `split_row` does, in a tenth of its time
                return
            if found != width and not ends:
                self._reject(line, _Problem(RejectKind.COLUMNS, f"expected {width} fields, found {found}"))
                return
        row = split_row(text, self._layout)
        if isinstance(row, list):
            self._rewrite(line, line, row)
        elif not self._can_continue(row):
            self._reject(line, row)
        else:
            self._join(line, row, plain, final=final)

    def _can_continue(self, problem: _Problem) -> bool:
        return problem.open_after is not None and len(problem.open_after) not in self._layout.needed

    def _join(self, line: int, problem: _Problem, plain: np.ndarray, *, final: bool) -> None:
        """Find the end of a field that continues in the next lines."""
        row: list[bytes] | _Problem = problem
        last = line
        while isinstance(row, _Problem) and self._can_continue(row):
            last += 1
            if last == len(self._starts) and not final:
                self.tail = line
                return
            if (
                last == len(self._starts)
                or last - line >= MAX_JOINED_LINES
                or self._ends[last] - self._starts[line] > MAX_JOINED_BYTES
                or (plain[last] and self._is_reading_alone(last))
            ):
                break
            row = split_row(self._text(last, last).rstrip(b"\r"), self._layout, row.open_after)
        if isinstance(row, list):
            self._rewrite(line, last, row)
            plain[line : last + 1] = False
        else:
            self._reject(line, problem)

    def _is_reading_alone(self, line: int) -> bool:
        row = split_row(self._text(line, line), self._layout)
        return isinstance(row, list) and self._is_reading([row[column] for column in self._layout.needed])

    def _text(self, first: int, last: int) -> bytes:
        return self._data[self._starts[first] : self._ends[last]]

    def _reject(self, line: int, problem: _Problem) -> None:
        text = excerpt(self._text(line, line))
        hint = ""
        if problem.kind is RejectKind.COLUMNS:
            layout = self._layout
            hint = hints.of_fields(text, layout.width, layout.needed[-1], layout.delimiter)
        self._rejects.append(Reject(line, problem.kind, problem.reason, text, hint=hint))

    def _rewrite(self, first: int, last: int, row: list[bytes]) -> None:
        fields = [b""] * self._layout.width
        for column in self._layout.needed:
            fields[column] = b'"' + row[column].replace(b'"', b'""') + b'"'
        self._replace(first, last, self._delimiter.join(fields))

    def _replace(self, first: int, last: int, row: bytes) -> None:
        self._rewritten[first] = row
        self._last_lines[first] = last
        self._done = last + 1

    def lines(self, plain: np.ndarray) -> Lines:
        """The result, when every line is checked."""
        count = len(self._starts) if self.tail is None else self.tail
        starts, ends = self._starts[:count], self._ends[:count].copy()
        kept = plain[:count].copy()
        # Runs of plain lines are copied unchanged; the rewritten rows come between them.
        edges = np.flatnonzero(np.diff(kept, prepend=False, append=False)).reshape(-1, 2).tolist()
        pieces = [(first, self._data[starts[first] : ends[last - 1]]) for first, last in edges]
        pieces = sorted([*pieces, *self._rewritten.items()])
        for first, last in self._last_lines.items():
            kept[first] = True
            ends[first] = self._ends[last]
        return Lines(
            rows=b"\n".join([b"", *(piece for _, piece in pieces), b""]),
            starts=starts,
            ends=ends,
            places=np.flatnonzero(kept),
            rejects=self._rejects,
            count=count,
            tail=b"" if self.tail is None else self._data[self._starts[self.tail] :],
        )


def line_bounds(content: np.ndarray, *, cr_ends: bool) -> tuple[np.ndarray, np.ndarray]:
    """Where lines start, and where they end, without their line breaks."""
    breaks = content == _LF
    if cr_ends:
        alone = content == _CR
        alone[:-1] &= ~breaks[1:]
        breaks = breaks | alone
    stops = np.flatnonzero(breaks)
    starts = np.concatenate([[0], stops + 1])
    ends = np.append(stops, len(content))
    if starts[-1] == len(content):
        starts, ends = starts[:-1], ends[:-1]
    crlf = (ends > starts) & (ends < len(content)) & (content[ends - 1] == _CR)
    return starts, ends - crlf


def is_regular(content: np.ndarray, delimiter: str = ",") -> bool:
    """Whether quotes open and close fields, and each carriage return is followed by a newline.

    Where no field spans lines, arrow then reads the same as `read_lines`.
    """
    quotes = np.flatnonzero(content == _QUOTE)
    returns = np.flatnonzero(content == _CR)
    opening, closing = quotes[0::2], quotes[1::2]
    return (
        len(opening) == len(closing)
        and bool((content.take(returns + 1, mode="clip") == _LF).all())
        and bool(_besides(content, opening - 1, delimiter).all())
        and bool(_besides(content, closing + 1, delimiter).all())
    )


def _besides(content: np.ndarray, neighbours: np.ndarray, delimiter: str) -> np.ndarray:
    """Whether the neighbour of a quote lets it open or close a field, or makes it one of a pair.

    Before the first byte and after the last one, clipping finds the quote itself, which counts as valid.
    """
    found: np.ndarray = _besides_quotes(delimiter)[content.take(neighbours, mode="clip")]
    return found


def _plain_lines(content: np.ndarray, starts: np.ndarray, ends: np.ndarray, layout: Layout) -> np.ndarray:
    """Which lines are, each by itself, rows with every field and with every quote in place.

    In parts, because the positions of all delimiters and quotes can take many times the memory of the lines;
    so a line that is longer than a part is never plain.
    """
    plain = np.zeros(len(starts), bool)
    firsts = np.searchsorted(starts, np.arange(0, len(content) + _PART_BYTES, _PART_BYTES)).tolist()
    for first, stop in pairwise(firsts):
        lines = slice(first, stop - 1 if stop and ends[stop - 1] - starts[stop - 1] > _PART_BYTES else stop)
        if lines.start < lines.stop:
            base, end = starts[lines][0], ends[lines][-1]
            plain[lines] = _plain_part(content[base:end], starts[lines] - base, ends[lines] - base, layout)
    return plain


def _plain_part(content: np.ndarray, starts: np.ndarray, ends: np.ndarray, layout: Layout) -> np.ndarray:
    commas = np.flatnonzero(content == ord(layout.delimiter))
    quotes = np.flatnonzero(content == _QUOTE)
    odd = np.flatnonzero(content == _CR)
    line_of_comma = np.searchsorted(starts, commas, "right") - 1
    flawed = np.zeros(len(starts), bool)
    if len(quotes):
        first_quotes = np.searchsorted(quotes, np.append(starts, len(content)))
        line_of_quote = np.searchsorted(starts, quotes, "right") - 1
        opening = (np.arange(len(quotes)) - first_quotes[line_of_quote]) % 2 == 0
        flawed |= np.diff(first_quotes) % 2 == 1
        well_placed = _besides(content, np.where(opening, quotes - 1, quotes + 1), layout.delimiter)
        flawed[line_of_quote[~well_placed]] = True
        before = np.searchsorted(quotes, commas) - first_quotes[line_of_comma]
        line_of_comma = line_of_comma[before % 2 == 0]
    if len(odd):
        line_of_odd = np.searchsorted(starts, odd, "right") - 1
        flawed[line_of_odd[odd < ends[line_of_odd]]] = True
    complete: np.ndarray = np.bincount(line_of_comma, minlength=len(starts)) == layout.width - 1
    return complete & ~flawed
