"""`index.html`: a page that lists runs, and how many anomalies each found."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from scoring.atomic_files import write_atomically
from scoring.printable import all_of, counted
from scoring.report.formatting import format_duration, format_share, format_time
from scoring.report.templates import render

_ASSETS = ("look.css", "runs.css", "dom.js", "paint.js", "share.js", "runs.js")

_STATES = {
    "failed": ("✕", "failed"),
    "partly": ("◐", "partly scored"),
    "canceled": ("■", "canceled"),
    "running": ("▶", "running"),
    "submitted": ("…", "submitted"),
    "pending": ("…", "pending"),
    "succeeded": ("✓", "succeeded"),
    "empty": ("○", "empty"),
}
"""What needs attention comes first. States differ by shape and word, not only by colour."""


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run; what is unknown is None."""

    run: str
    state: str
    cause: str | None = None
    started: str | None = None
    ended: str | None = None
    seconds: float | None = None
    readings: int | None = None
    anomalies: int | None = None
    sensors: int | None = None
    unscored: int | None = None
    error: str | None = None
    report: str | None = None


def write_index(
    rows: Sequence[RunRow],
    path: Path,
    note: str | None = None,
    swept: str | None = None,
    late_after_seconds: float | None = None,
    *,
    fleet: str | None = None,
) -> Path:
    """Write the page that lists `rows`, in their order.

    Args:
        rows: the runs.
        path: where to write it.
        note: which runs these are.
        swept: when the last sweep finished.
        late_after_seconds: how long after it the next one is late, by the clock of the reader.
        fleet: the address of the page of the fleet, relative to this one.

    Raises:
        OutputError: the page cannot be written.
    """
    context = {
        "headline": _headline(rows),
        "note": note,
        "swept": swept,
        "fleet": fleet,
        "rows": rows,
        "glyph": lambda state: _STATES.get(state, "?")[0],
        "word": _word,
        "address": _address,
        "time": format_time,
        "duration": format_duration,
        "share": format_share,
    }
    chart = [
        {"run": row.run, "started": row.started, "readings": row.readings, "anomalies": row.anomalies}
        for row in rows
        if row.started and row.readings and row.anomalies is not None
    ]
    data = {"runs": chart, "swept": swept, "late_after_seconds": late_after_seconds}
    write_atomically(path, render("runs.html", "Runs", context, data, _ASSETS))
    return path


def _headline(rows: Sequence[RunRow]) -> str:
    if not rows:
        return "No run yet"
    states = Counter(row.state for row in rows)
    if states["succeeded"] == len(rows):
        return f"{all_of(len(rows), 'run')} succeeded"
    order = [*_STATES, *states]
    parts = (f"{states[state]:,} {_word(state)}" for state in sorted(states, key=order.index))
    return f"{counted(len(rows), 'run')}: {', '.join(parts)}"


def _word(state: str) -> str:
    return _STATES.get(state, ("", state))[1]


def _address(report: str) -> str:
    """The report's address, always relative: a colon would make it a scheme."""
    return quote(report.lstrip("/"), safe="/")
