"""Days and episodes: equal to a plain loop over the readings, in any order and any batches."""

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import groupby, pairwise
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.formats import Direction
from scoring.readings.timestamps import DAY_NS, iso_texts
from scoring.step import history_limit
from scoring.step.days import count_days
from scoring.step.episodes import anomalous
from scoring.step.history import Day, History, SensorHistory

SECOND = 1_000_000_000
START = 20_454 * DAY_NS - 30 * SECOND
"""Half a minute before 2026-01-01."""


class Reading(NamedTuple):
    sensor: int
    time: int
    value: float
    score: float

    @property
    def anomalous(self) -> bool:
        return self.score <= 0


def remembered(batches: list[list[Reading]], sensors: int, gap: float | None = None) -> list[SensorHistory]:
    """The history of sensors, as a step computes it from batches of readings."""
    history = History()
    lowest, highest = np.full(sensors, np.inf), np.full(sensors, -np.inf)
    for batch in batches:
        rows = sorted(batch, key=lambda reading: reading.sensor)  # stable, as in a step
        if not rows:
            continue
        places = np.array([row.sensor for row in rows], np.int32)
        times = np.array([row.time for row in rows], np.int64)
        values, scores = np.array([row.value for row in rows]), np.array([row.score for row in rows])
        history.add(
            count_days(places, times, (scores <= 0).astype(np.uint8)),
            anomalous(places, times, values, (scores <= 0).astype(np.uint8), scores),
        )
        for row in rows:
            if not row.anomalous:
                lowest[row.sensor] = min(lowest[row.sensor], row.value)
                highest[row.sensor] = max(highest[row.sensor], row.value)
    return list(history.of_sensors(lowest, highest, np.zeros(sensors, bool), gap))


def text(time: int) -> str:
    """A time as Python writes it."""
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=time // 1000)
    return at.isoformat(timespec="milliseconds" if time % SECOND else "seconds").replace("+00:00", "Z")


def plain(readings: list[Reading], gap: float | None) -> tuple[str, list[Any], list[Any]]:
    """The history of one sensor: gap, days and episodes, by the definition."""
    rows = sorted(readings, key=lambda row: row.time)
    days, means = [], []
    for date, group in groupby(rows, key=lambda row: text(row.time)[:10]):
        day = list(group)
        bad = [text(row.time) for row in day if row.anomalous]
        days.append(
            (date, len(day), len(bad), text(day[0].time), text(day[-1].time), bad[-1] if bad else None)
        )
        if day[-1].time > day[0].time:
            means.append((day[-1].time - day[0].time) // (len(day) - 1))
    if not means and rows[-1].time > rows[0].time:
        means = [(rows[-1].time - rows[0].time) // (len(rows) - 1)]
    means.sort()
    usual = (means[(len(means) - 1) // 2] + means[len(means) // 2]) // 2 if means else 0
    apart = round(gap * SECOND) if gap else 6 * usual
    episodes: list[list[Reading]] = []
    for row in rows:
        if row.anomalous:
            if episodes and row.time - episodes[-1][-1].time <= apart:
                episodes[-1].append(row)
            else:
                episodes.append([row])
    normal = [row.value for row in rows if not row.anomalous]
    return Fraction(apart, SECOND) if apart else "", days, [_episode(each, normal) for each in episodes]  # type: ignore[return-value]


def _episode(rows: list[Reading], normal: list[float]) -> tuple[Any, ...]:
    peak = min(rows, key=lambda row: (row.score, row.time, row.value))
    values = [row.value for row in rows]
    direction = Direction.MIXED
    if normal and min(values) > max(normal):
        direction = Direction.HIGH
    if normal and max(values) < min(normal):
        direction = Direction.LOW
    return (
        text(rows[0].time),
        text(rows[-1].time),
        len(rows),
        text(peak.time),
        peak.value,
        peak.score,
        direction,
    )


readings = st.builds(
    Reading,
    sensor=st.integers(0, 2),
    time=st.one_of(st.integers(0, 40), st.integers(0, 12).map(lambda third: third * 28_800)).map(
        lambda step: START + step * 5 * SECOND // 2
    ),
    value=st.sampled_from([-1.5, 0.0, 2.0, 7.25, 1e20]),
    score=st.sampled_from([-np.inf, -2.5, -0.1, 0.0, 0.5, 3.0]),
)
gaps = st.sampled_from([None, 5.0, 7.5, 60.0, 86_400.0])


@given(rows=st.lists(readings, max_size=40), cuts=st.lists(st.integers(0, 40), max_size=4), gap=gaps)
def test_days_and_episodes_equal_a_plain_loop(
    rows: list[Reading], cuts: list[int], gap: float | None
) -> None:
    ends = sorted({0, len(rows), *(cut for cut in cuts if cut < len(rows))})
    batches = [rows[first:last] for first, last in pairwise(ends)]
    for sensor, found in enumerate(remembered(batches, 3, gap)):
        of_sensor = [row for row in rows if row.sensor == sensor]
        if not of_sensor:
            assert (found.days, found.episodes) == ([], [])
            continue
        gap_text, days, episodes = plain(of_sensor, gap)
        assert (Fraction(found.gap) if found.gap else "") == gap_text
        assert [tuple(day) for day in found.days] == days
        assert [
            (*each[:4], float(each.peak_value), float(each.peak_score), each.direction)
            for each in found.episodes
        ] == episodes


@given(data=st.data(), rows=st.lists(readings, max_size=30), gap=gaps)
def test_the_order_of_readings_and_batches_does_not_matter(
    data: st.DataObject, rows: list[Reading], gap: float | None
) -> None:
    shuffled = data.draw(st.permutations(rows))
    half = len(rows) // 2
    assert remembered([rows], 3, gap) == remembered([shuffled[half:], shuffled[:half]], 3, gap)


def test_days_that_are_merged_while_they_are_counted_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [Reading(i % 3, START + i * 7_777 * SECOND, 1.0, 1.0) for i in range(200)]
    batches = [rows[first : first + 9] for first in range(0, 200, 9)]
    expected = remembered(batches, 3)
    assert sum(day.readings for each in expected for day in each.days) == 200
    monkeypatch.setattr(history_limit, "_MOST_PARTS", 4)
    assert remembered(batches, 3) == expected


def test_times_that_are_centuries_apart_are_apart() -> None:
    times = [-9_000_000_000 * SECOND, 9_000_000_000 * SECOND]
    (found,) = remembered([[Reading(0, time, 1.0, -1.0) for time in times]], 1, gap=60)
    assert [each.start for each in found.episodes] == ["1684-10-19T08:00:00Z", "2255-03-14T16:00:00Z"]


def test_a_sensor_with_readings_at_one_time_only_has_no_known_gap() -> None:
    (found,) = remembered([[Reading(0, START, 1.0, -1.0), Reading(0, START, 2.0, -1.0)]], 1)
    assert found.gap == ""
    assert [each.readings for each in found.episodes] == [2]


def test_a_day_without_anomalies_has_no_last_anomaly() -> None:
    (found,) = remembered([[Reading(0, START, 1.0, 1.0)]], 1)
    at = "2025-12-31T23:59:30Z"
    assert found.days == [Day("2025-12-31", 1, 0, at, at, None)]


@pytest.mark.parametrize(
    ("nanoseconds", "expected"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (-1, "1969-12-31T23:59:59.999999999Z"),
        (5 * SECOND + 500_000_000, "1970-01-01T00:00:05.500Z"),
        (1_000, "1970-01-01T00:00:00.000001Z"),
    ],
)
def test_a_time_is_written_with_as_many_digits_as_it_needs(nanoseconds: int, expected: str) -> None:
    assert iso_texts(np.array([nanoseconds])) == [expected]
    if nanoseconds % 1000 == 0:
        assert datetime.fromisoformat(expected) == datetime(1970, 1, 1, tzinfo=UTC) + timedelta(
            microseconds=nanoseconds // 1000
        )
