"""Tumbling-window means: one reading per sensor and window, from any number of raw readings.

Windows are cut from 1970-01-01T00:00:00 UTC on. A mean bears the time at which its window ends, and a window
holds what came after the end of the one before, its own end included: the 5-second mean of 23:00:05 is made
of readings after 23:00:00 up to 23:00:05. So means that are averaged again over the same windows stay as
they are. A window's mean is out only when all data is read, so late readings and any order are welcome.
"""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from scoring.errors import ReadingsError
from scoring.keys import SensorKey
from scoring.readings.files import Batch
from scoring.tools.sums import Sums
from scoring.tools.tables import READINGS_SCHEMA

NS_PER_MS = 1_000_000

_MERGE_ROWS = 1 << 20
"""Sums that wait to be merged, at least; more than that, as many as are merged already."""

_OUTPUT_ROWS = 1 << 18


class WindowMeans:
    """The mean of each sensor in each window; holds the sums of each window that has readings, no rows.

    Attributes:
        written: means that `batches` gave out.
        too_large: windows that it left out, because the sum of their values is beyond all doubles.
    """

    def __init__(self, window_ms: int, merge_rows: int = _MERGE_ROWS) -> None:
        self._window_ms, self._merge_rows = window_ms, merge_rows
        # A group is window * span + sensor. Windows of so many ns are few enough that this fits into int64.
        self._span = window_ms * NS_PER_MS // 2
        self._sensors: dict[SensorKey, int] = {}
        self._sums: list[Sums] = []
        self.written = self.too_large = 0

    def add(self, batch: Batch) -> None:
        """Take in some readings.

        Raises:
            ReadingsError: more sensors than can be told apart in windows as short as these.
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
        self._sums.append(Sums.of_values(group, batch.values).merged())
        if sum(len(sums.group) for sums in self._sums[1:]) > max(self._merge_rows, len(self._sums[0].group)):
            self._merge()

    @property
    def keys(self) -> list[SensorKey]:
        """The sensors seen, in the order of the rows."""
        return sorted(self._sensors)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The means in the order of TS, Device and Sensor, Device and Sensor as texts."""
        if not self._sums:
            return
        self._merge()
        (sums,) = self._sums
        means = sums.means()
        finite = np.isfinite(means)
        self.written, self.too_large = int(finite.sum()), int((~finite).sum())
        keys = self.keys
        rank = np.empty(len(keys), np.int64)
        rank[[self._sensors[key] for key in keys]] = np.arange(len(keys))
        window, sensor = np.divmod(sums.group[finite], self._span)
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

    def _merge(self) -> None:
        self._sums = [Sums.concatenate(self._sums).merged()]
