"""The readings of each sensor per UTC day, and the usual interval between them."""

from collections.abc import Iterable

import numpy as np

from scoring.formats import GAP_INTERVALS
from scoring.readings.timestamps import DAY_NS

DAYS = np.dtype(
    [
        ("place", np.int32),  # of the sensor
        ("day", np.int32),  # since 1970
        ("readings", np.int64),
        ("first", np.int64),  # nanoseconds since 1970
        ("last", np.int64),
        ("anomalies", np.int64),
        ("last_anomaly", np.int64),  # where there is one
    ]
)
"""The readings of a sensor on a day, or a part of them."""

_LONGEST = np.iinfo(np.int64).max // GAP_INTERVALS
"""Nanoseconds of an interval of which several still fit into 64 bits."""

_NEVER = np.iinfo(np.int64).min

_WHOLE = {
    "readings": np.add,
    "first": np.minimum,
    "last": np.maximum,
    "anomalies": np.add,
    "last_anomaly": np.maximum,
}
"""What makes one row of parts of a day."""


def count_days(places: np.ndarray, times: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Rows of `DAYS`, one or more of each sensor and day; the readings of a sensor stand together."""
    day = times // DAY_NS
    starts = np.flatnonzero((places[1:] != places[:-1]) | (day[1:] != day[:-1])) + 1
    starts = np.concatenate([np.zeros(1, np.intp), starts])
    rows = np.empty(len(starts), DAYS)
    rows["place"], rows["day"] = places[starts], day[starts]
    rows["readings"] = np.diff(starts, append=len(times))
    rows["first"] = np.minimum.reduceat(times, starts)
    rows["last"] = np.maximum.reduceat(times, starts)
    rows["anomalies"] = np.add.reduceat(labels, starts, dtype=np.int64)
    rows["last_anomaly"] = np.maximum.reduceat(np.where(labels, times, _NEVER), starts)
    return rows


def merge_days(parts: Iterable[np.ndarray]) -> np.ndarray:
    """One row of `DAYS` for each sensor and day, in their order."""
    rows = np.concatenate([np.empty(0, DAYS), *parts])
    if not len(rows):
        return rows
    rows = rows[np.lexsort((rows["day"], rows["place"]))]
    place, day = rows["place"], rows["day"]
    starts = np.flatnonzero(np.concatenate([[True], (place[1:] != place[:-1]) | (day[1:] != day[:-1])]))
    merged = rows[starts]
    for name, whole in _WHOLE.items():
        merged[name] = whole.reduceat(rows[name], starts)
    return merged


def intervals(days: np.ndarray, sensors: int) -> np.ndarray:
    """The usual nanoseconds between readings of each sensor, int64; 0 where its readings do not show it.

    That is the median over its days of the mean distance of the day's readings; for a sensor with one reading
    a day, the mean distance of its readings. Neither needs the time of each reading to be kept, and neither
    depends on the order in which readings come.

    Args:
        days: merged rows of `DAYS`.
        sensors: how many there are; places are below it.
    """
    usual = np.zeros(sensors, np.int64)
    first, last = np.full(sensors, np.iinfo(np.int64).max), np.full(sensors, np.iinfo(np.int64).min)
    np.minimum.at(first, days["place"], days["first"])
    np.maximum.at(last, days["place"], days["last"])
    readings = np.bincount(days["place"], days["readings"], sensors).astype(np.int64)
    known = last > first
    usual[known] = _mean_distance(first[known], last[known], readings[known])

    days = days[days["last"] > days["first"]]
    means = _mean_distance(days["first"], days["last"], days["readings"])
    order = np.lexsort((means, days["place"]))
    places, starts, counts = np.unique(days["place"], return_index=True, return_counts=True)
    lower, upper = (means[order][starts + offset] for offset in ((counts - 1) // 2, counts // 2))
    usual[places] = (lower + upper) // 2
    return usual


def _mean_distance(first: np.ndarray, last: np.ndarray, readings: np.ndarray) -> np.ndarray:
    # As unsigned numbers: five centuries of nanoseconds need all 64 bits.
    span = last.astype(np.uint64) - first.astype(np.uint64)
    return np.minimum(span // (readings - 1).astype(np.uint64), np.uint64(_LONGEST)).astype(np.int64)
