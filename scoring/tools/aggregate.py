"""Tumbling-window means: one reading per sensor and window, from any number of raw readings.

Windows are aligned to 1970-01-01T00:00:00 UTC. A mean has the time at which its window ends, and a window
holds the readings after the end of the one before, its own end included: the 5-second mean of 23:00:05 covers
readings after 23:00:00 up to 23:00:05. So means that are averaged again over the same windows do not change.
Means are written only when all data is read, so late readings and any order are accepted.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from scoring.errors import ReadingsError
from scoring.keys import SensorKey
from scoring.readings.rows import Batch
from scoring.tools.tables import READINGS_SCHEMA

NS_PER_MS = 1_000_000

_MERGE_ROWS = 1 << 20
"""Sums are merged when this many wait for it, or as many as are merged already."""

_OUTPUT_ROWS = 1 << 18


class _Sums(NamedTuple):
    """Sums of values by integer group; each of shape (n,): int64, float64, int64."""

    groups: np.ndarray
    totals: np.ndarray
    counts: np.ndarray


class WindowMeans:
    """The mean of each sensor in each window; keeps the sum of each window that has readings, but no rows.

    Attributes:
        written: means that `batches` has returned.
        too_large: windows that it left out, because the sum of their values overflows.
    """

    def __init__(self, window_ms: int, merge_rows: int = _MERGE_ROWS) -> None:
        self._window_ms, self._merge_rows = window_ms, merge_rows
        # A group is window * span + sensor; there are few enough windows that this fits into int64.
        self._span = window_ms * NS_PER_MS // 2
        self._sensors: dict[SensorKey, int] = {}
        self._sums: list[_Sums] = []
        self.written = self.too_large = 0

    def add(self, batch: Batch) -> None:
        """Add readings.

        Raises:
            ReadingsError: there are too many sensors for windows as short as these.
        """
        if not batch.keys:
            return
        numbers = [self._sensors.setdefault(key, len(self._sensors)) for key in batch.keys]
        if len(self._sensors) > self._span:
            raise ReadingsError(
                f"more than {self._span:,} sensors in windows of {self._window_ms} ms: use a longer --window"
            )
        ends = -(-batch.times // (self._window_ms * NS_PER_MS))
        group = ends * self._span + np.array(numbers, np.int64)[batch.codes]
        self._sums.append(_merged([_Sums(group, batch.values, np.ones(len(group), np.int64))]))
        if sum(len(sums.groups) for sums in self._sums[1:]) > max(
            self._merge_rows, len(self._sums[0].groups)
        ):
            self._sums = [_merged(self._sums)]

    @property
    def keys(self) -> list[SensorKey]:
        """The sensors that have readings, in the order of the rows."""
        return sorted(self._sensors)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The means in the order of TS, Device and Sensor, Device and Sensor as texts."""
        if not self._sums:
            return
        self._sums = [_merged(self._sums)]
        (sums,) = self._sums
        means = sums.totals / sums.counts
        finite = np.isfinite(means)
        self.written, self.too_large = int(finite.sum()), int((~finite).sum())
        keys = self.keys
        rank = np.empty(len(keys), np.int64)
        rank[[self._sensors[key] for key in keys]] = np.arange(len(keys))
        window, sensor = np.divmod(sums.groups[finite], self._span)
        place = rank[sensor]
        order = np.argsort(window * self._span + place, kind="stable")
        ends, place, means = (window * self._window_ms)[order], place[order], means[finite][order]
        names = [
            pa.array(texts).dictionary_encode()
            for texts in ([key.device for key in keys], [key.sensor for key in keys])
        ]
        for start in range(0, len(means), _OUTPUT_ROWS):
            rows = slice(start, start + _OUTPUT_ROWS)
            key = pa.array(place[rows])
            columns = [
                pa.array(ends[rows].view("datetime64[ms]")),
                *(texts.take(key) for texts in names),
                pa.array(means[rows]),
            ]
            yield pa.RecordBatch.from_arrays(columns, schema=READINGS_SCHEMA)


def _merged(parts: Sequence[_Sums]) -> _Sums:
    """The sums of all parts with each group once, in ascending order."""
    groups, totals, counts = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    order = np.argsort(groups, kind="stable")
    groups = groups[order]
    starts = np.flatnonzero(np.diff(groups, prepend=groups[:1] - 1))
    if not len(starts):
        return _Sums(groups, totals, counts)
    with np.errstate(over="ignore", invalid="ignore"):
        return _Sums(
            groups[starts], np.add.reduceat(totals[order], starts), np.add.reduceat(counts[order], starts)
        )
