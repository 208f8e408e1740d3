"""Finished runs, newest first: the row of each on the page of runs, in the metadata of an empty blob.

    runs/ended/<9999999999 minus the second in which it ended>-<run>    metadata: version, row, more

A listing returns them newest first, page by page, and writers never conflict: the process that finishes a
run writes its blob, and a sweep that finds the run still marked writes it again, with the same name and
content. To change the content of a row: raise `VERSION`; the page omits rows of other versions. `more` is
what `python -m pipeline runs` shows beside it; earlier releases did not write it.
"""

import json
import re
from bisect import insort
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any
from urllib.parse import quote, unquote

from pipeline.runs.names import series
from pipeline.runs.record import CauseKind, RunRecord
from pipeline.storage.container import Container
from pipeline.storage.listing import PAGE, BlobInfo
from scoring.formats import REPORT_HTML

VERSION = "1"
FOLDER = "ended"

_LAST_SECOND = 9_999_999_999
_NAME = re.compile(rf"{FOLDER}/(?P<left>[0-9]{{10}})-(?P<run>.+)")
_SHORT_PAGE = 100
"""Rows per request where few are needed: a row takes about a kilobyte."""
_LONGEST_CAUSE, _LONGEST_ERROR, _LONGEST_NOTE = 120, 200, 80
"""Characters: the metadata of a blob must fit into 8 KiB, and some characters take 16 bytes there."""

_UNSCORED = ("sensors_failed", "sensors_missing", "sensors_without_model")


def add(runs: Container, record: RunRecord) -> None:
    """Add a finished run; adding it again changes nothing."""
    if name := blob_name(record):
        runs.put(name, b"", metadata=metadata(record))


def metadata(record: RunRecord) -> dict[str, str]:
    """What the blob of a finished run says of it."""
    return {"version": VERSION, "row": _text(_short(row(record))), "more": _text(_more(record))}


def newest(runs: Container, most: int) -> list[dict[str, Any]]:
    """The rows of the runs that finished last, newest first."""
    return list(islice(_rows(runs), most))


def last_of_series(runs: Container) -> dict[str, tuple[str, int]]:
    """For landings that differ by dates only, by `series`: the last run that had readings, and its sensors.

    Of the runs that finished last: one request.
    """
    found: dict[str, tuple[str, int]] = {}
    for row in islice(_full_rows(runs, _SHORT_PAGE), _SHORT_PAGE):
        if row["sensors"] and (key := row.get("series")):
            found.setdefault(key, (row["run"], row["sensors"]))
    return found


def latest(runs: Container, unfinished: Sequence[RunRecord], most: int | None = None) -> list[dict[str, Any]]:
    """The full rows of all runs, or of the `most` that were created last, newest first.

    The history does not have the unfinished runs. Its listing ends early: a run that ended before the `most`
    newest were created was created before them, too, and so were all that follow it.
    """
    found = {record.run: full_row(record) for record in unfinished}
    created = sorted(row["started"] for row in found.values())
    for row in _full_rows(runs, PAGE if most is None else max(_SHORT_PAGE, 2 * most)):
        if most is not None and len(created) >= most and row["ended"] < created[-most]:
            break
        if row["run"] not in found:
            insort(created, row["started"])
        found[row["run"]] = row
    return newest_first(found.values())[:most]


def newest_first(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """These rows, by the time at which their runs were created."""
    return sorted(rows, key=lambda row: (row["started"], row["run"]), reverse=True)


def names(runs: Container) -> Iterator[tuple[str, datetime, str]]:
    """Of each finished run: its name, the second in which it ended, and the name of its blob."""
    for blob in runs.list(f"{FOLDER}/"):
        if found := _NAME.fullmatch(blob.name):
            yield found["run"], datetime.fromtimestamp(_LAST_SECOND - int(found["left"]), UTC), blob.name


def blob_name(record: RunRecord) -> str | None:
    """Name of the blob of a finished run; None if the run has no end."""
    if record.ended is None:
        return None
    return f"{FOLDER}/{_LAST_SECOND - int(record.ended.timestamp()):010}-{record.run}"


def row(record: RunRecord) -> dict[str, Any]:
    """The row of a run on the page of runs; `report` is relative to the page."""
    counts = record.counts
    return {
        "run": record.run,
        "state": record.state.value,
        "cause": record.cause.sentence,
        "started": _written(record.created),
        "ended": _written(record.ended),
        "seconds": (record.ended - record.created).total_seconds() if record.ended else None,
        "readings": counts.get("scored"),
        "anomalies": counts.get("anomalies"),
        "sensors": counts.get("sensors"),
        "unscored": sum(counts.get(name, 0) for name in _UNSCORED) if counts else None,
        "error": record.error,
        "report": report(record),
    }


def full_row(record: RunRecord) -> dict[str, Any]:
    """The row of a run with more than the page shows."""
    return row(record) | _more(record)


def report(record: RunRecord) -> str | None:
    """The blob of a run's report; None if the run has no summary."""
    return f"{record.run}/{REPORT_HTML}" if record.counts else None


def _short(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"cause": _cut(row["cause"], _LONGEST_CAUSE), "error": _cut(row["error"], _LONGEST_ERROR)}


def _cut(text: str | None, most: int) -> str | None:
    return text if text is None or len(text) <= most else f"{text[: most - 1]}…"


def _more(record: RunRecord) -> dict[str, Any]:
    cause = record.cause
    alone = cause.kind is CauseKind.BLOB and record.counts.get("landings", 1) == 1
    return {
        "rejected": record.counts.get("rejected"),
        "note": _cut(record.note, _LONGEST_NOTE),
        "series": series(cause.detail) if alone else None,
    }


def _rows(runs: Container) -> Iterator[dict[str, Any]]:
    for blob in _current(runs, PAGE):
        yield _read(blob.metadata["row"])


def _full_rows(runs: Container, page: int) -> Iterator[dict[str, Any]]:
    for blob in _current(runs, page):
        yield _read(blob.metadata["row"]) | _read(blob.metadata.get("more", "{}"))


def _current(runs: Container, page: int) -> Iterator[BlobInfo]:
    listed = runs.list(f"{FOLDER}/", metadata=True, page=page)
    return (blob for blob in listed if blob.metadata.get("version") == VERSION)


def _text(fields: dict[str, Any]) -> str:
    """Fields as the value of a header; what is common in JSON stays as it is: a page decodes a thousand."""
    return quote(json.dumps(fields, separators=(",", ":")), safe='{}":,+/')


def _read(text: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(unquote(text))
    return found


def _written(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat(timespec="seconds")
