"""Tables for people and JSON for scripts."""

import json
import os
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from scoring.printable import printable

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

_GAP = 2
_INDENT = 4
_UNLIMITED = 1 << 20


def is_interactive() -> bool:
    """Whether output and errors both go to a terminal that can redraw lines."""
    capable = os.environ.get("TERM") not in {"dumb", "unknown"}
    return capable and sys.stdout.isatty() and sys.stderr.isatty()


def show_json(document: Any) -> None:
    """Print a document as JSON."""
    print(json.dumps(document, ensure_ascii=False, indent=1))


def show_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table in plain columns; on a terminal, columns that do not fit are printed below their row.

    The first column is never cut: it is the name that other commands need.
    """
    from rich.console import Console
    from rich.padding import Padding
    from rich.text import Text

    screen = Console(color_system=None, height=1)
    cells = [[printable(cell) for cell in row] for row in rows]
    width = screen.width if sys.stdout.isatty() else _UNLIMITED
    lines, count = _fitting(columns, cells, width)
    for number, line in enumerate(lines):
        print(line)
        if number and count < len(columns):
            pairs = zip(columns[count:], cells[number - 1][count:], strict=True)
            rest = Text(", ".join(f"{column.lower()} {cell}" for column, cell in pairs if cell))
            for more in _lines(screen, Padding(rest, (0, 0, 0, _INDENT))) if rest else ():
                print(more)


def _fitting(columns: Sequence[str], cells: Sequence[Sequence[str]], width: int) -> "tuple[list[str], int]":
    """The lines of a table with as many columns as fit, and the number of these columns."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    page = Console(color_system=None, width=_UNLIMITED, height=1)
    for count in range(len(columns), 0, -1):
        table = Table(box=None, padding=(0, _GAP, 0, 0), pad_edge=False, header_style="")
        for column in columns[:count]:
            table.add_column(column, no_wrap=True)
        for row in cells:
            table.add_row(*map(Text, row[:count]))
        if count == 1 or page.measure(table).maximum <= width:
            return _lines(page, table), count
    return [], 0


def _lines(page: "Console", what: "RenderableType") -> list[str]:
    """The lines that rich renders, without trailing blanks."""
    return ["".join(part.text for part in line).rstrip() for line in page.render_lines(what)]


def format_time(time: datetime | None) -> str:
    """A time in UTC, to the second."""
    return "" if time is None else f"{time:%Y-%m-%d %H:%M:%S}"


def format_duration(start: datetime | None, end: datetime | None) -> str:
    """The time from `start` to `end` for people; empty if one of them is unknown."""
    return "" if start is None or end is None else format_seconds((end - start).total_seconds())


def format_seconds(seconds: float) -> str:
    """A duration for people."""
    seconds = max(0.0, seconds)
    if seconds < 60:  # noqa: PLR2004
        return f"{seconds:.1f} s"
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min {seconds} s"  # noqa: PLR2004
