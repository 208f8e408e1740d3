"""`index.html`: a page that lists runs, and how many anomalies each found."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from scoring.atomic_files import write_atomically
from scoring.formats import ROWS_VERSION
from scoring.json_files import Document
from scoring.report.formatting import duration, moment, percent
from scoring.report.frame import frame, name, template, text

_STYLES = ("look.css", "runs.css")
_SCRIPTS = ("dom.js", "paint.js", "share.js", "runs.js")

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
"""What needs a look comes first. States are told apart by shape and word, not only by colour."""


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run; what is not known is None."""

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


@dataclass(frozen=True, slots=True)
class Rows:
    """What the page lists: the runs, and a note that says which these are."""

    runs: list[RunRow]
    note: str | None = None

    @staticmethod
    def read(path: Path) -> "Rows":
        """The runs in a JSON file; unknown names are ignored.

        Raises:
            ScoringError: the file holds no runs.
        """
        return _ROWS.read(path)


_ROWS = Document(Rows, ROWS_VERSION, "a list of runs", "see `index --help` for an example")


def write_index(rows: Sequence[RunRow], path: Path, note: str | None = None) -> Path:
    """Write the page that lists `rows`, in their order; `note` says which runs these are.

    Raises:
        OutputError: the page cannot be written.
    """
    rows_html = "\n".join(_row(row) for row in rows)
    body = template("runs.html").substitute(
        headline=text(_headline(rows)),
        note=f'<p class="run">{text(note)}</p>' if note else "",
        rows=rows_html,
    )
    chart = [
        {"run": row.run, "started": row.started, "readings": row.readings, "anomalies": row.anomalies}
        for row in rows
        if row.started and row.readings and row.anomalies is not None
    ]
    write_atomically(path, frame("Runs", body, {"runs": chart}, _STYLES, _SCRIPTS))
    return path


def _headline(rows: Sequence[RunRow]) -> str:
    if not rows:
        return "No run yet"
    count = f"{len(rows):,} run{'s' if len(rows) > 1 else ''}"
    states = Counter(row.state for row in rows)
    if len(rows) > 1 and states["succeeded"] == len(rows):
        return f"All {count} succeeded"
    known = [*_STATES, *states]
    told = (f"{states[state]:,} {_word(state)}" for state in sorted(states, key=known.index))
    return f"{count}: {', '.join(told)}"


def _word(state: str) -> str:
    return _STATES.get(state, ("", state))[1]


def _row(row: RunRow) -> str:
    title = name(row.run)
    link = f'<a href="{text(_address(row.report))}">{title}</a>' if row.report else title
    is_trouble = row.state != "empty"
    error = f"<p{' class=error' if is_trouble else ''}>{name(row.error)}</p>" if row.error else ""
    cause = f"<p>{name(row.cause)}</p>" if row.cause else ""
    took = duration(row.seconds) if row.seconds is not None else ""
    share = (
        f"<small>{percent(row.anomalies / row.readings)}</small>"
        if row.readings and row.anomalies is not None
        else ""
    )
    return (
        f'<tr data-state="{text(row.state)}"><td class="state"><span class="glyph" aria-hidden="true">'
        f"{_STATES.get(row.state, '?')[0]}</span> {text(_word(row.state))}</td>"
        f'<td class="which"><code>{link}</code>{cause}{error}</td><td>{text(moment(row.started))}</td>'
        f'<td class="n">{took}</td><td class="n">{_count(row.readings)}</td>'
        f'<td class="n">{_count(row.anomalies)}{share}</td><td class="n">{_sensors(row)}</td></tr>'
    )


def _count(number: int | None) -> str:
    return "" if number is None else f"{number:,}"


def _sensors(row: RunRow) -> str:
    if row.sensors is None:
        return ""
    bad = f'<small class="error">{row.unscored:,} not scored</small>' if row.unscored else ""
    return f"{row.sensors:,}{bad}"


def _address(report: Any) -> str:
    """Relative, whatever it says: a colon would make it a scheme."""
    return quote(str(report).lstrip("/"), safe="/")
