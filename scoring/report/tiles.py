"""The numbers at the top of a report."""

from collections.abc import Iterator
from typing import NamedTuple

from scoring.printable import counted
from scoring.report.facts import RunFacts
from scoring.report.folder import Folder
from scoring.report.formatting import format_duration, format_period, format_share, format_time
from scoring.report.timeline import Timeline


class Tile(NamedTuple):
    """What is counted, how many, and a note on it."""

    what: str
    number: str
    note: str


def folder_tiles(folder: Folder, timeline: Timeline) -> Iterator[Tile]:
    """The numbers of the summary, and the time that the readings cover."""
    totals = folder.totals
    share = format_share(totals.anomalies / totals.scored if totals.scored else 0)
    yield Tile("Anomalies", f"{totals.anomalies:,}", f"{share} of the readings scored")
    readings = f"of {totals.readings:,}; {counted(totals.rejected, 'row')} rejected"
    yield Tile("Readings scored", f"{totals.scored:,}", readings)
    silent = f"; {totals.sensors_without_rows:,} sent nothing" if totals.sensors_without_rows else ""
    yield Tile("Sensors scored", f"{totals.sensors_scored:,}", f"of {totals.sensors:,} with readings{silent}")
    yield Tile("Landings", f"{totals.landings:,}", _landings_read(totals.landings, totals.landings_read))
    if timeline.first is not None and timeline.last is not None:
        span = format_duration((timeline.last - timeline.first) / 1000)
        yield Tile("Readings span", span, format_period(timeline.first, timeline.last))


def run_tiles(facts: RunFacts) -> Iterator[Tile]:
    """How long the run took, where that is known."""
    since = facts.asked or facts.started
    if facts.seconds is None and not since:
        return
    took = "not finished" if facts.seconds is None else format_duration(facts.seconds)
    yield Tile("Run took", took, f"from {format_time(since)}" if since else "")


def _landings_read(landings: int, read: int) -> str:
    return "read" if landings == read == 1 else "all read" if landings == read else f"{read:,} of them read"
