"""What a step remembers of each sensor over time: its days, and its anomalous readings, as episodes."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from scoring.formats import GAP_INTERVALS
from scoring.readings.timestamps import DAY_NS, date_of, iso_texts
from scoring.step.days import intervals, merge_days
from scoring.step.episodes import Episode, cut, merge_anomalies
from scoring.step.history_limit import MOST_ANOMALIES, MOST_DAYS, NewestRows


class Day(NamedTuple):
    """A sensor's readings on a UTC day; times are texts, as `days.csv` has them."""

    date: str
    readings: int
    anomalies: int
    first: str
    last: str
    last_anomaly: str | None


class SensorHistory(NamedTuple):
    """One sensor's days and episodes, each in their order.

    `gap` is how many seconds apart the readings of an episode can be, as text; empty where that is unknown,
    because no two readings have different times and no gap was given.
    """

    gap: str
    days: list[Day]
    episodes: list[Episode]


class History:
    """Collects the days and the anomalies of all sensors; a sensor is known by its place, from 0 up."""

    def __init__(self) -> None:
        self._days = NewestRows(merge_days, MOST_DAYS)
        self._anomalies = NewestRows(merge_anomalies, MOST_ANOMALIES)

    def add(self, days: np.ndarray, anomalies: np.ndarray) -> None:
        """Add the rows of a batch, in any order."""
        self._days.add(days)
        self._anomalies.add(anomalies)

    def of_sensors(
        self, lowest: np.ndarray, highest: np.ndarray, failed: np.ndarray, gap: float | None
    ) -> Iterator[SensorHistory]:
        """The history of each sensor, in order of their places.

        Args:
            lowest: of each sensor: its lowest normal value; infinity where there is none.
            highest: its highest normal value; negative infinity where there is none.
            failed: whether its scoring failed, so that it has no anomalies.
            gap: seconds between the readings of an episode at most; None for that of each sensor's interval.
        """
        count = len(failed)
        days = self._days.merged()
        days["anomalies"][failed[days["place"]]] = 0
        anomalies = self._anomalies.merged()
        anomalies = anomalies[~failed[anomalies["place"]]]
        usual = intervals(days, count) * GAP_INTERVALS
        gaps = usual if gap is None else np.full(count, round(gap * 1e9), np.int64)
        places, episodes = cut(anomalies, gaps, lowest, highest)
        day_rows = _days(days)
        day_ends = np.searchsorted(days["place"], np.arange(count + 1)).tolist()
        episode_ends = np.searchsorted(places, np.arange(count + 1)).tolist()
        for place, nanoseconds in enumerate(gaps.tolist()):
            yield SensorHistory(
                _seconds(nanoseconds) if nanoseconds else "",
                day_rows[day_ends[place] : day_ends[place + 1]],
                list(episodes[episode_ends[place] : episode_ends[place + 1]]),
            )


def _seconds(nanoseconds: int) -> str:
    whole, rest = divmod(nanoseconds, 10**9)
    return f"{whole}.{rest:09}".rstrip("0").rstrip(".")


def _days(days: np.ndarray) -> list[Day]:
    """The days of all sensors; `days` are merged."""
    with_anomalies = np.flatnonzero(days["anomalies"])
    last_anomaly: list[str | None] = [None] * len(days)
    latest = iso_texts(days["last_anomaly"][with_anomalies])
    for row, text in zip(with_anomalies.tolist(), latest, strict=True):
        last_anomaly[row] = text
    dates = {day: date_of(day * DAY_NS) for day in set(days["day"].tolist())}
    columns = (
        map(dates.__getitem__, days["day"].tolist()),
        days["readings"].tolist(),
        days["anomalies"].tolist(),
        iso_texts(days["first"]),
        iso_texts(days["last"]),
        last_anomaly,
    )
    return [Day(*fields) for fields in zip(*columns, strict=True)]
