"""Cuts the anomalous readings of each sensor into episodes: those that belong together in time."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from scoring.arrow import cast, from_numpy
from scoring.formats import Direction
from scoring.readings.timestamps import iso_texts
from scoring.step.history_limit import MOST_EPISODES, newest

ANOMALIES = np.dtype(
    [
        ("place", np.int32),  # of the sensor
        ("time", np.int64),  # nanoseconds since 1970
        ("value", np.float64),
        ("score", np.float64),
    ]
)
"""An anomalous reading."""

_DIRECTIONS = (Direction.MIXED, Direction.LOW, Direction.HIGH)


class Episode(NamedTuple):
    """Anomalies of a sensor that belong together; times and numbers are texts, as in `episodes.csv`.

    Its peak is the reading with the lowest score; of several, the earliest, then that of the lowest value.
    """

    start: str
    end: str
    readings: int
    peak_ts: str
    peak_value: str
    peak_score: str
    direction: Direction


def anomalous(
    places: np.ndarray, times: np.ndarray, values: np.ndarray, labels: np.ndarray, scores: np.ndarray
) -> np.ndarray:
    """Rows of `ANOMALIES`: the readings whose label is 1."""
    found = np.flatnonzero(labels)
    rows = np.empty(len(found), ANOMALIES)
    rows["place"], rows["time"] = places[found], times[found]
    rows["value"], rows["score"] = values[found], scores[found]
    return rows


def merge_anomalies(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Rows of `ANOMALIES`, in the order of place and time; of the same time, in that of their numbers."""
    rows = np.concatenate([np.empty(0, ANOMALIES), *parts])
    return rows[np.lexsort((rows["score"], rows["value"], rows["time"], rows["place"]))]


def cut(
    anomalies: np.ndarray, gaps: np.ndarray, lowest: np.ndarray, highest: np.ndarray
) -> tuple[np.ndarray, Sequence[Episode]]:
    """The place of the sensor of each episode, and the episodes: in order of place and time.

    Of more than `MOST_EPISODES`, the newest of each sensor.

    Args:
        anomalies: rows of `ANOMALIES`, merged.
        gaps: of each place: readings up to this many nanoseconds apart are one episode; int64.
        lowest: of each place: its lowest normal value; infinity where there is none.
        highest: its highest normal value; negative infinity where there is none.
    """
    if not len(anomalies):
        return np.empty(0, np.int64), []
    rows, place, time = anomalies, anomalies["place"], anomalies["time"]
    # As unsigned numbers: five centuries of nanoseconds need all 64 bits.
    apart = np.diff(time.astype(np.uint64)) > gaps[place[1:]].astype(np.uint64)
    first = np.concatenate([[True], (place[1:] != place[:-1]) | apart])
    starts = np.flatnonzero(first)
    ends = np.append(starts[1:], len(rows)) - 1
    by_score = np.lexsort((rows["value"], time, rows["score"], np.cumsum(first)))
    peaks = rows[by_score[starts]]
    places = place[starts]
    above = np.minimum.reduceat(rows["value"], starts) > highest[places]
    below = np.maximum.reduceat(rows["value"], starts) < lowest[places]
    if len(starts) > MOST_EPISODES:
        kept = newest(places, MOST_EPISODES)
        starts, ends, peaks, places = starts[kept], ends[kept], peaks[kept], places[kept]
        above, below = above[kept], below[kept]
    direction = np.where(np.isfinite(highest[places]), 2 * above + below, 0)
    columns = (
        iso_texts(time[starts]),
        iso_texts(time[ends]),
        (ends - starts + 1).tolist(),
        iso_texts(peaks["time"]),
        _texts(peaks["value"]),
        _texts(peaks["score"]),
        map(_DIRECTIONS.__getitem__, direction.tolist()),
    )
    return places, [Episode(*fields) for fields in zip(*columns, strict=True)]


def _texts(numbers: np.ndarray) -> list[str]:
    texts: list[str] = cast(from_numpy(numbers), pa.string()).to_pylist()
    return texts
