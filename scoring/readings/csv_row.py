"""One row of CSV: its fields, or what is wrong with it."""

import re
from functools import cache
from typing import NamedTuple

from scoring.formats import RejectKind


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


class Problem(NamedTuple):
    """Why a line is not a row; `open_after` are the fields before an unclosed quote."""

    kind: RejectKind
    reason: str
    open_after: list[bytes] | None = None


def split_row(line: bytes, layout: Layout, open_after: list[bytes] | None = None) -> list[bytes] | Problem:
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
            more = Problem(RejectKind.COLUMNS, f"expected {layout.width} fields, found more")
            return fields if position == len(line) else more
        match = pattern.match(line, position)
        if match is None:
            if closed.match(line, position):
                return Problem(RejectKind.QUOTE, f"text after the closing quote of column {column + 1}")
            return Problem(RejectKind.QUOTE, f"quote in column {column + 1} is never closed", fields)
        quoted, plain = match.groups()
        if quoted is None and b'"' in plain and column in layout.needed:
            return Problem(RejectKind.QUOTE, f"stray quote in column {column + 1}")
        fields.append(plain if quoted is None else quoted.replace(b'""', b'"'))
        position = match.end() + 1
        pattern, closed = known.field, known.closed
    if len(fields) != layout.width:
        return Problem(RejectKind.COLUMNS, f"expected {layout.width} fields, found {len(fields)}")
    return fields
