"""Tables and documents on a terminal: columns for people, JSON for scripts."""

import json
import os
import shutil
import sys
import textwrap
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

_GAP = "  "
_INDENT = "    "


def watched() -> bool:
    """Whether a person is watching: a terminal that can draw a line anew, for output and errors alike."""
    capable = os.environ.get("TERM") not in {"dumb", "unknown"}
    return capable and sys.stdout.isatty() and sys.stderr.isatty()


def show_json(document: Any) -> None:
    """Print a document as scripts read it."""
    print(json.dumps(document, ensure_ascii=False, indent=1))


def show_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table in plain columns; on a terminal, what is too wide for it goes below its row.

    The first column always stands whole: it is the name that other commands are given.
    """
    cells = [[plain(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
    fitting = _fitting(widths, shutil.get_terminal_size().columns) if sys.stdout.isatty() else len(columns)
    for row in (columns, *cells):
        table = zip(row[:fitting], widths[:fitting], strict=True)
        print(_GAP.join(cell.ljust(width) for cell, width in table).rstrip())
        if row is not columns:
            _show_rest(columns[fitting:], row[fitting:])


def plain(text: str) -> str:
    """A text from outside in one line that does nothing to a terminal."""
    return "".join(character if character.isprintable() else "\ufffd" for character in text)


def told_time(time: datetime | None) -> str:
    """A time in UTC, to the second."""
    return "" if time is None else f"{time:%Y-%m-%d %H:%M:%S}"


def told_duration(start: datetime | None, end: datetime | None) -> str:
    """How long something took, or takes so far."""
    if start is None or end is None:
        return ""
    seconds = max(timedelta(0), end - start).total_seconds()
    if seconds < 60:  # noqa: PLR2004
        return f"{seconds:.1f} s"
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min {seconds} s"  # noqa: PLR2004


def _fitting(widths: Sequence[int], room: int) -> int:
    """How many columns, from the first on, stand side by side in so many characters."""
    needed = 0
    for count, width in enumerate(widths):
        needed += width + (len(_GAP) if count else 0)
        if needed > room:
            return max(1, count)
    return len(widths)


def _show_rest(columns: Sequence[str], cells: Sequence[str]) -> None:
    told = [f"{column.lower()} {cell}" for column, cell in zip(columns, cells, strict=True) if cell]
    for line in textwrap.wrap(
        ", ".join(told),
        shutil.get_terminal_size().columns,
        initial_indent=_INDENT,
        subsequent_indent=_INDENT,
        break_on_hyphens=False,
    ):
        print(line)
