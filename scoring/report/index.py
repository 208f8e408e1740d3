"""`index.html`: a page that lists runs, and how many anomalies each found."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from scoring.atomic_files import write_atomically
from scoring.errors import ScoringError
from scoring.report.formatting import duration, moment, percent
from scoring.report.frame import frame, name, template, text

VERSION = 1

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


_COUNTS = frozenset({"readings", "anomalies", "sensors", "unscored"})


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

    @classmethod
    def read_all(cls, path: Path) -> tuple[list[Self], str | None, "Swept | None"]:
        """The runs in a JSON file, its note, and its last sweep; unknown names are ignored.

        Raises:
            ScoringError: the file holds no runs.
        """
        known = [field.name for field in fields(cls)]
        try:
            document = json.loads(path.read_bytes())
            if document["version"] != VERSION:
                raise ScoringError(
                    f"{path}: version {document['version']} is not {VERSION}; update this project"
                )
            rows = [
                cls(**{key: _checked(path, key, row[key]) for key in known if key in row})
                for row in document["runs"]
            ]
            note = document.get("note")
            at, late_after = document.get("swept"), document.get("late_after_seconds")
            swept = Swept(_checked(path, "swept", at), float(late_after)) if at and late_after else None
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ScoringError(f"{path} holds no list of runs: {error!r}") from error
        return rows, note, swept


@dataclass(frozen=True, slots=True)
class Swept:
    """When the last sweep finished, and after how many seconds the next one is late."""

    at: str
    late_after: float


def write_index(
    rows: Sequence[RunRow], path: Path, note: str | None = None, swept: Swept | None = None
) -> Path:
    """Write the page that lists `rows`, in their order; `note` says which runs these are.

    The page says when the last sweep finished, and its script, which knows the time, whether that is late.

    Raises:
        OutputError: the page cannot be written.
    """
    rows_html = "\n".join(_row(row) for row in rows)
    body = template("runs.html").substitute(
        headline=text(_headline(rows)),
        note=f'<p class="run">{text(note)}</p>' if note else "",
        swept=f'<p class="note swept">Last sweep: {text(moment(swept.at))}</p>' if swept else "",
        rows=rows_html,
    )
    chart = [
        {"run": row.run, "started": row.started, "readings": row.readings, "anomalies": row.anomalies}
        for row in rows
        if row.started and row.readings and row.anomalies is not None
    ]
    write_atomically(
        path, frame("Runs", body, {"runs": chart, "swept": swept and asdict(swept)}, _STYLES, _SCRIPTS)
    )
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


def _checked(path: Path, name: str, value: Any) -> Any:
    expected = int if name in _COUNTS else (int, float) if name == "seconds" else str
    optional = name not in {"run", "state"}
    is_good = isinstance(value, expected) and not isinstance(value, bool) and value == value  # noqa: PLR0124
    if (value is None and optional) or is_good:
        return value
    raise ScoringError(f"{path} holds no list of runs: {name} is {value!r}")


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
