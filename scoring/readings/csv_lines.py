"""CSV line by line, for irregular blocks: which lines are rows, and what is wrong with the others.

An unclosed quote must not swallow the rows after it. So each line is parsed by itself first. It is joined
with the lines after it only where that makes a well-formed row whose line breaks are all in columns that are
not read, and where none of those lines is a reading by itself.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from scoring.formats import RejectKind
from scoring.readings import hints
from scoring.readings.csv_bounds import line_bounds, plain_lines
from scoring.readings.csv_row import Layout, Problem, split_row
from scoring.readings.rows import Reject, excerpt

MAX_JOINED_LINES = 64
MAX_JOINED_BYTES = 1 << 20


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
    plain = plain_lines(content, starts, ends, layout)
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
                self._reject(line, Problem(RejectKind.COLUMNS, f"expected {width} fields, found {found}"))
                return
        row = split_row(text, self._layout)
        if isinstance(row, list):
            self._rewrite(line, line, row)
        elif not self._can_continue(row):
            self._reject(line, row)
        else:
            self._join(line, row, plain, final=final)

    def _can_continue(self, problem: Problem) -> bool:
        return problem.open_after is not None and len(problem.open_after) not in self._layout.needed

    def _join(self, line: int, problem: Problem, plain: np.ndarray, *, final: bool) -> None:
        """Find the end of a field that continues in the next lines."""
        row: list[bytes] | Problem = problem
        last = line
        while isinstance(row, Problem) and self._can_continue(row):
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

    def _reject(self, line: int, problem: Problem) -> None:
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
