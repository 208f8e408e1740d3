"""Anomalies over the time that a run covers, all sensors with a chart together."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from scoring.arrow import strings
from scoring.readings import timestamps
from scoring.report.folder import Predictions, SensorRow

MOST_BINS = 120

_MS = {"s": 1_000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}
_STEPS = [
    *(count * _MS["s"] for count in (1, 5, 10, 30)),
    *(count * _MS["min"] for count in (1, 2, 5, 10, 30)),
    *(count * _MS["h"] for count in (1, 2, 6, 12)),
    *(count * _MS["d"] for count in (1, 7, 30, 90, 365, 3650)),
]


class Timeline:
    """Counts readings and anomalies in equal bins of time between the first and the last reading."""

    def __init__(self, sensors: Iterable[SensorRow]) -> None:
        texts = [text for sensor in sensors for text in (sensor.first, sensor.last) if text and sensor.file]
        times, valid = timestamps.parse(strings(texts))
        times = times[valid] // 1_000_000
        self.first: int | None = int(times.min()) if len(times) else None
        self.last: int | None = int(times.max()) if len(times) else None
        span = self.last - self.first if self.first is not None and self.last is not None else 0
        self._step = next((step for step in _STEPS if span <= step * (MOST_BINS - 1)), _STEPS[-1])
        self._start = (self.first or 0) // self._step * self._step
        bins = ((self.last or 0) - self._start) // self._step + 1
        self._readings = np.zeros(bins, np.int64)
        self._anomalies = np.zeros(bins, np.int64)

    def add(self, predictions: Predictions) -> None:
        """Count one sensor's predictions."""
        bins = len(self._readings)
        place = (predictions.times - self._start) // self._step
        inside = (place >= 0) & (place < bins)
        self._readings += np.bincount(place[inside], minlength=bins)
        self._anomalies += np.bincount(place[inside & predictions.anomalous], minlength=bins)

    def counts(self) -> dict[str, Any] | None:
        """For the page: start and step in milliseconds, and two numbers per bin; None without readings."""
        if not self._readings.any():
            return None
        return {
            "start": self._start,
            "step": self._step,
            "readings": self._readings.tolist(),
            "anomalies": self._anomalies.tolist(),
        }
