"""What a run's summary says of the run: its final state, its counts, and its error in one line."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.json_documents import read_document
from pipeline.runs.record import RunState

SUMMARY = "summary.json"
SUCCESS = "_SUCCESS"
VERSION = 1

_BAD_SENSORS = frozenset({"failed", "missing", "no-model"})
_BAD_LANDINGS = frozenset({"unreadable", "refused"})
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a run came out."""

    state: RunState
    error: str | None = None
    retry: bool = False
    counts: Mapping[str, int] = field(default_factory=dict)


def judge(summary: bytes, where: str) -> Verdict:
    """The verdict of a summary: succeeded, partly where something was not scored, failed where nothing was.

    A landing that was replaced or removed meanwhile is no failure, nor is a model without readings.

    Raises:
        RunDocumentError: it is not a summary.
    """

    def read(document: Any) -> tuple[dict[str, int], list[str], int]:
        counts = {str(name): int(count) for name, count in document["totals"].items()}
        return counts, list(_problems(document, counts)), counts["scored"]

    counts, problems, scored = read_document(
        summary, read, version=VERSION, where=where, what="a summary", hint="see the log of collect"
    )
    if not problems:
        return Verdict(RunState.SUCCEEDED, counts=counts)
    more = f"; and {len(problems) - _SHOWN:,} more" if len(problems) > _SHOWN else ""
    line = "; ".join(problems[:_SHOWN]) + more
    return Verdict(RunState.PARTLY if scored else RunState.FAILED, line, counts=counts)


def _problems(document: Mapping[str, Any], counts: Mapping[str, int]) -> Iterator[str]:
    for landing in document["landings"]:
        if landing["status"] in _BAD_LANDINGS:
            yield f"{landing['name']} is {landing['status']}: {landing['reason']}"
    for sensor in document["sensors"]:
        if sensor["status"] in _BAD_SENSORS:
            why = f": {sensor['reason']}" if sensor["reason"] else ""
            yield f"sensor {sensor['device']}/{sensor['sensor']} {_WORDS[sensor['status']]}{why}"
    if counts["rejected"] and not counts["readings"]:
        yield f"all {counts['rejected']:,} rows were rejected: rejects.csv tells why"


_WORDS = {"failed": "failed", "missing": "is missing", "no-model": "has no model"}
