"""The first rows of a file as texts, and what the texts of a column look like."""

import csv
import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from scoring.arrow import strings
from scoring.mapping import DELIMITERS, Mapping
from scoring.readings import numbers

_ROWS = 200
_MOST = 0.5
"""Share of the texts of a column that have to be what the column seems to hold, and of rows in a table."""

_UNIX = {10: "unix-s", 9: "unix-s", 13: "unix-ms", 12: "unix-ms", 16: "unix-us", 19: "unix-ns"}
_FORMATS = ("", "year-first", "day-first", "month-first")
_COMPACT = ("%Y%m%d", "%Y%m%d %H:%M:%S", "%Y%m%d %H:%M", "%Y%m%dT%H%M%S", "%Y%m%d%H%M%S")
"""Formats of timestamps that start with eight digits."""

_NUMBER, _DIGIT = re.compile(r"[+-]?\d*[.,]?\d+"), re.compile(r"\d")
_TIME_OF_DAY = re.compile(r"\d{1,2}:\d\d(:\d\d([.,]\d+)?)?( ?[ap]\.?m\.?)?", re.IGNORECASE)


class Sample(NamedTuple):
    """The first rows of a file, as texts; `header` is the line of the titles where others stand above it."""

    titles: Sequence[str]
    rows: Sequence[Sequence[str]]
    delimiter: str = ","
    encoding: str = ""
    header: int = 0

    def column(self, place: int) -> list[str]:
        """The texts of a column that are not empty."""
        return self.joined((place,))

    def joined(self, places: Sequence[int]) -> list[str]:
        """The texts of columns, joined by a space as for a timestamp; without rows where one is empty."""
        rows = ([row[place].strip() for place in places] for row in self.rows if len(row) > max(places))
        return [" ".join(texts) for texts in rows if all(texts)]


class _Table(NamedTuple):
    """Lines split by a delimiter: rows, each with the index of its first line, from that of the titles."""

    delimiter: str
    rows: list[tuple[int, list[str]]]

    @property
    def regularity(self) -> tuple[bool, bool, int, float, int]:
        """How likely it is that the delimiter is right; a space can be one if no other is."""
        if not self.rows or len(self.rows[0][1]) < 2:  # noqa: PLR2004 - one column is no table
            return False, False, 0, 0.0, 0
        first, titles = self.rows[0]
        share = sum(len(row) == len(titles) for _, row in self.rows) / len(self.rows)
        return share >= _MOST, self.delimiter != DELIMITERS["space"], -first, share, len(titles)


def sample_of(head: bytes, mapping: Mapping) -> Sample:
    """A sample of the first bytes of a CSV file in UTF-8; its last line can be cut.

    A text that is not UTF-8 is read as cp1252, which decodes nearly all bytes.
    """
    encoding = mapping.encoding
    head = head[: head.rfind(b"\n", len(head) // 2) + 1] or head
    try:
        text = head.decode("utf-8-sig")
    except UnicodeDecodeError:
        text, encoding = head.decode("cp1252", errors="replace"), encoding or "cp1252"
    numbered = [
        (number, line) for number, line in enumerate(re.split(r"\r\n|\n|\r", text), 1) if line.strip()
    ]
    lines = [line for _, line in numbered[: _ROWS + 1]]
    choices = [mapping.separator] if mapping.separator else DELIMITERS.values()
    best = max((_table(lines, choice) for choice in choices), key=lambda table: table.regularity)
    first, titles = best.rows[0] if best.rows else (0, [])
    header = mapping.header or (numbered[first][0] if first else 0)
    return Sample(
        [title.strip() for title in titles],
        [row for _, row in best.rows[1:]],
        best.delimiter,
        encoding,
        header,
    )


def _table(lines: Sequence[str], delimiter: str) -> _Table:
    """A table without the lines above it: those before the first that has as many fields as most have."""
    reader = csv.reader(lines, delimiter=delimiter)
    rows, first = [], 0
    try:
        for row in reader:
            rows.append((first, row))
            first = reader.line_num
    except csv.Error:
        return _Table(delimiter, [])
    if len(rows) > 1 and all(row[-1:] == [""] for _, row in rows[1:]):  # a delimiter at the end of each row
        rows = [(at, row[:-1] if row[-1:] == [""] else row) for at, row in rows]
    widths = [len(row) for _, row in rows]
    [(common, count)] = Counter(width for width in widths if width > 1).most_common(1) or [(0, 0)]
    if count > _MOST * len(rows) and count > 1:
        rows = rows[widths.index(common) :]
    return _Table(delimiter, rows)


def ts_format(texts: list[str]) -> str | None:
    """The format of timestamps, empty for ISO 8601; None if they are in none."""
    from scoring.readings import ts_formats

    if not texts:
        return None
    column = strings(texts)
    typical = texts[len(texts) // 2]  # the first can be a unit
    whole = typical.partition(".")[0]
    units = [_UNIX[len(whole)]] if whole.isdecimal() and len(whole) in _UNIX else []
    compact = _COMPACT if typical[:8].isdecimal() and not units else ()
    if not units and not compact and (_NUMBER.fullmatch(typical) or not _DIGIT.search(typical)):
        return None  # what nearly all columns of a wide file are; the rest takes long
    formats = (*_FORMATS, *units, *compact)
    shares = {form: float(ts_formats.parse(column, Mapping(ts_format=form))[1].mean()) for form in formats}
    best = max(formats, key=lambda form: shares[form])
    return best if shares[best] >= _MOST else None


def has_timestamp(texts: list[str]) -> bool:
    """Whether one of them is a timestamp."""
    from scoring.readings import ts_formats

    if any(text.isdecimal() and len(text) in _UNIX for text in texts):
        return True
    column = strings([text for text in texts if _DIGIT.search(text)])
    return any(ts_formats.parse(column, Mapping(ts_format=form))[1].any() for form in _FORMATS)


def has_number(texts: list[str]) -> bool:
    """Whether one of them is a number."""
    column = strings(texts)
    parsed = (numbers.parse_grouped(column, decimal)[2] for decimal in numbers.DECIMALS)
    return bool(numbers.parse(column)[1].any()) or any(valid.any() for valid in parsed)


def are_times_of_day(texts: list[str]) -> bool:
    """Whether most are times without a day."""
    return sum(map(bool, map(_TIME_OF_DAY.fullmatch, texts))) > _MOST * len(texts)


def decimal_of(texts: list[str]) -> str | None:
    """The sign of decimals that numbers need: none, comma or point; None if they are not numbers."""
    if not texts:
        return None
    column = strings(texts)
    plain = numbers.parse(column)[1]
    if plain.all():
        return ""
    shares = {"": plain.mean()} | {
        decimal: numbers.parse_grouped(column, decimal)[2].mean() for decimal in numbers.DECIMALS
    }
    best = max(shares, key=lambda decimal: shares[decimal])
    return best if shares[best] >= _MOST else None
