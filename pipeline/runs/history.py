"""Finished runs, newest first: the row of each on the page of runs, in the metadata of an empty blob.

    runs/ended/<9999999999 minus the second in which it ended>-<run>    metadata: version, row

One listing returns a thousand runs, newest first, and writers never conflict: the process that finishes a run
writes its blob, and a sweep that finds the run still marked writes it again, with the same name and content.
To change the content of a row: raise `VERSION`; the page omits rows of other versions.
"""

import json
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import Any
from urllib.parse import quote, unquote

from pipeline.runs.record import RunRecord
from pipeline.storage.container import Container
from scoring.formats import REPORT_HTML

VERSION = "1"
FOLDER = "ended"

_LAST_SECOND = 9_999_999_999
_LONGEST_CAUSE, _LONGEST_ERROR = 120, 200
"""Characters: the metadata of a blob must fit into 8 KiB, and some characters take 16 bytes there."""

_UNSCORED = ("sensors_failed", "sensors_missing", "sensors_without_model")


def add(runs: Container, record: RunRecord) -> None:
    """Add a finished run; adding it again changes nothing."""
    if name := blob_name(record):
        text = quote(json.dumps(_short(row(record))), safe="")
        runs.put(name, b"", metadata={"version": VERSION, "row": text})


def newest(runs: Container, most: int) -> list[dict[str, Any]]:
    """The rows of the runs that finished last, newest first."""
    return list(islice(_rows(runs), most))


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


def report(record: RunRecord) -> str | None:
    """The blob of a run's report; None if the run has no summary."""
    return f"{record.run}/{REPORT_HTML}" if record.counts else None


def _short(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"cause": _cut(row["cause"], _LONGEST_CAUSE), "error": _cut(row["error"], _LONGEST_ERROR)}


def _cut(text: str | None, most: int) -> str | None:
    return text if text is None or len(text) <= most else f"{text[: most - 1]}…"


def _rows(runs: Container) -> Iterator[dict[str, Any]]:
    for blob in runs.list(f"{FOLDER}/", metadata=True):
        if blob.metadata.get("version") == VERSION:
            found: dict[str, Any] = json.loads(unquote(blob.metadata["row"]))
            yield found


def _written(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat(timespec="seconds")
