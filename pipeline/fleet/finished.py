"""What one finished run says about its sensors: read from its episodes, days and summary."""

import csv
import io
import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from pipeline.clock import as_utc
from pipeline.errors import NotFound, RunDocumentError
from pipeline.fleet.state import LONGEST_SECONDS
from pipeline.runs.names import earlier_try
from pipeline.runs.record import RECORD_JSON, RunRecord, RunState
from pipeline.runs.summary import SensorRow, Summary, find_summary, read_summary
from pipeline.storage.account import Store
from scoring import SensorKey
from scoring.formats import (
    DAY_COLUMNS,
    DAYS_CSV,
    EPISODE_COLUMNS,
    EPISODES_CSV,
    NOT_READ,
    NOT_SCORED,
    SUMMARY_JSON,
    LandingStatus,
    SensorStatus,
)
from scoring.printable import original

_LONGEST_WORD, _LONGEST_COUNT = 20, 15

logger = logging.getLogger(__name__)

type Key = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundEpisode:
    """A line of episodes.csv."""

    start: datetime
    end: datetime
    readings: int
    peak_ts: datetime
    peak_value: float
    peak_score: float | None
    direction: str
    gap_s: float
    last_reading: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundDay:
    """A line of days.csv."""

    date: str
    readings: int
    anomalies: int
    rejects: int
    last_reading: datetime | None
    last_anomaly: datetime | None


@dataclass(frozen=True, slots=True)
class LostRows:
    """A landing that was not read, or has more rejects than a run that succeeds can have."""

    landing: str
    status: LandingStatus
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedRun:
    """What one run says."""

    run: str
    created: datetime
    claims: bool
    """Whether no other run has scored the same landings."""
    episodes: dict[Key, list[FoundEpisode]]
    days: dict[Key, list[FoundDay]]
    models: dict[Key, str]
    """The SHA-256 of each model that scored."""
    unscored: Mapping[Key, str | None]
    """Why sensors with readings were not scored, but for those that the next try scores."""
    lost_rows: Sequence[LostRows]
    """The most serious first."""


_LOST = (
    LandingStatus.UNREADABLE,
    LandingStatus.REFUSED,
    LandingStatus.ALL_REJECTED,
    LandingStatus.PARTLY_REJECTED,
)
"""Statuses of a landing whose readings are lost, the most serious first."""


def read_finished(
    record: RunRecord, read: Callable[[str], bytes | None], reported: Callable[[], set[str]]
) -> FinishedRun | None:
    """What the run says; None if it has no results, or they were cleaned up.

    `read` returns the content of a file by its name in the folder of the run, None if there is none;
    `reported` the landings that earlier tries of the run could not read.

    Raises:
        RunDocumentError: one of its files is damaged.
    """

    def lines(name: str, columns: Sequence[str]) -> Iterator[dict[str, str]]:
        return _lines(read(name) or b"", f"{record.run}/{name}", columns)

    content = read(SUMMARY_JSON)
    if content is None:
        return None
    summary = read_summary(content, f"{record.run}/{SUMMARY_JSON}")
    return FinishedRun(
        run=record.run,
        created=record.created,
        claims=record.claims,
        episodes=_by_key(lines(EPISODES_CSV, EPISODE_COLUMNS), _episode, f"{record.run}/{EPISODES_CSV}"),
        days=_by_key(lines(DAYS_CSV, DAY_COLUMNS), _day, f"{record.run}/{DAYS_CSV}"),
        models={
            (row.device, row.sensor): row.model
            for row in summary.sensors
            if row.model and row.status is SensorStatus.SCORED
        },
        unscored={
            (row.device, row.sensor): row.reason for row in summary.sensors if _is_unscored(row, record)
        },
        lost_rows=list(_lost_rows(record, summary, reported)),
    )


def _is_unscored(row: SensorRow, record: RunRecord) -> bool:
    """Whether its readings are lost; those of lost steps are for the next try, whose failure is an event."""
    if not row.readings or row.status not in NOT_SCORED:
        return False
    return SensorKey(row.device, row.sensor).encoded not in record.missing


def _lost_rows(record: RunRecord, summary: Summary, reported: Callable[[], set[str]]) -> Iterator[LostRows]:
    """The landings whose rows this run lost; a run that failed for good says so itself, with its reason."""
    if record.state is RunState.FAILED and record.failed_for_good:
        return
    found = [row for row in summary.landings if row.status in _LOST]
    before = reported() if any(row.status in NOT_READ for row in found) else set()
    for row in sorted(found, key=lambda row: (_LOST.index(row.status), row.name)):
        if row.name not in before:
            yield LostRows(row.name, row.status, row.reason)


def reported_before(store: Store, record: RunRecord) -> set[str]:
    """The landings that earlier tries of this run, which scored its other sensors, could not read either."""
    names: set[str] = set()
    run = earlier_try(record.run)
    while run:
        path = f"{run}/{RECORD_JSON}"
        try:
            earlier = RunRecord.from_bytes(store.runs.read(path).data, f"{store.runs.name}/{path}")
            summary = find_summary(store.preds, run) if earlier.applied else None
        except (NotFound, RunDocumentError):  # then a landing can be announced twice
            break
        names |= {row.name for row in summary.landings if row.status in NOT_READ} if summary else set()
        run = earlier_try(run)
    return names


def _lines(content: bytes, where: str, columns: Sequence[str]) -> Iterator[dict[str, str]]:
    """The lines of a CSV file by column; none of an empty one: earlier releases wrote no file."""
    if not content:
        return
    rows = csv.reader(io.StringIO(content.decode(errors="replace"), newline=""), strict=True)
    try:
        header = next(rows, [])
        if missing := set(columns) - set(header):
            raise RunDocumentError(f"{where} has no column {min(missing)}")
        for fields in rows:
            if len(fields) != len(header):
                raise RunDocumentError(f"{where}, line {rows.line_num}: expected {len(header)} fields")
            yield dict(zip(header, fields, strict=True))
    except csv.Error as error:
        raise RunDocumentError(f"{where}, line {rows.line_num}: {error}") from error


def _by_key[Found](
    lines: Iterator[dict[str, str]], read: Callable[[dict[str, str]], Found], where: str
) -> dict[Key, list[Found]]:
    """What the lines say of each sensor; lines that cannot be read are left out, and the first is logged."""
    found: dict[Key, list[Found]] = {}
    damaged: list[str] = []
    for line in lines:
        try:
            key = original(line["Device"]), original(line["Sensor"])
            found.setdefault(key, []).append(read(line))
        except (ValueError, OverflowError) as error:
            damaged.append(f"{line['Device']}/{line['Sensor']}: {error}")
    if damaged:
        logger.warning("%s: %s lines cannot be read, the first: %s", where, f"{len(damaged):,}", damaged[0])
    return {key: rows for key, rows in found.items() if rows}


def _episode(line: dict[str, str]) -> FoundEpisode:
    score = float(line["peak_score"])
    return FoundEpisode(
        start=_time(line["start"]),
        end=_time(line["end"]),
        readings=_count(line["readings"]),
        peak_ts=_time(line["peak_TS"]),
        peak_value=_finite(line["peak_Value"]),
        peak_score=score if math.isfinite(score) else None,
        direction=line["direction"][:_LONGEST_WORD],
        gap_s=_duration(line["gap_s"] or "0"),
        last_reading=_time(line["last_reading"]),
    )


def _day(line: dict[str, str]) -> FoundDay:
    return FoundDay(
        date=date.fromisoformat(line["date"]).isoformat(),
        readings=_count(line["readings"]),
        anomalies=_count(line["anomalies"]),
        rejects=_count(line["rejected"]),
        last_reading=_time(line["last_reading"]) if line["last_reading"] else None,
        last_anomaly=_time(line["last_anomaly"]) if line["last_anomaly"] else None,
    )


def _time(text: str) -> datetime:
    return as_utc(datetime.fromisoformat(text))


def _count(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= _LONGEST_COUNT):
        raise ValueError(f"expected a count, found {text[:_LONGEST_WORD]!r}")
    return int(text)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"expected a finite number, found {text[:_LONGEST_WORD]!r}")
    return number


def _duration(text: str) -> float:
    seconds = _finite(text)
    if not 0 <= seconds <= LONGEST_SECONDS:
        raise ValueError(f"expected seconds, found {text[:_LONGEST_WORD]!r}")
    return seconds
