"""Runs that are over, newest first: what the page of runs says of each, in the metadata of an empty blob.

    runs/ended/<9999999999 less the second in which it ended>-<run>    metadata: version, row

One listing tells of a thousand runs, newest first, and no two writers ever meet: a run's blob is written by
whoever brings the run to its end, and again by a sweep that finds it not settled, with the same name and the
same words. To change what a row says: raise `VERSION`; rows of other versions are left out of the page.
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
"""Characters: all metadata of a blob have to fit into 8 KiB, and some characters take 16 bytes there."""

_UNSCORED = ("sensors_failed", "sensors_missing", "sensors_without_model")


def note(runs: Container, record: RunRecord) -> None:
    """Write down that a run is over; nothing changes where that is written already."""
    if name := blob_name(record):
        text = quote(json.dumps(_short(row(record))), safe="")
        runs.put(name, b"", metadata={"version": VERSION, "row": text})


def noted(runs: Container, most: int) -> list[dict[str, Any]]:
    """The rows of the runs that ended last, newest first."""
    return list(islice(_rows(runs), most))


def blob_name(record: RunRecord) -> str | None:
    """The blob that says that a run is over; none where it is not, or ended before it began."""
    if record.ended is None:
        return None
    return f"{FOLDER}/{_LAST_SECOND - int(record.ended.timestamp()):010}-{record.run}"


def row(record: RunRecord) -> dict[str, Any]:
    """What the page of runs says of a run; its report lies in its folder beside the page."""
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
        "report": f"{record.run}/{REPORT_HTML}" if counts else None,
    }


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
