"""The days of sensors that sent readings and were not scored, where no step has counted them.

A step for one sensor reads no others, so nobody but `collect` sees a sensor without a model; and a step that
was killed counts nothing. A `missing` sensor is left out: the next try of the run counts its days.
"""

from collections.abc import Collection, Mapping

import numpy as np

from scoring.formats import SensorStatus
from scoring.keys import SensorKey
from scoring.readings.rows import Batch
from scoring.step.days import count_days
from scoring.step.episodes import ANOMALIES
from scoring.step.history import Day, History
from scoring.step.outcome import SensorOutcome

_NOT_SCORED = frozenset({SensorStatus.FAILED, SensorStatus.NO_MODEL})


class UnscoredDays:
    """Counts the days of the sensors that it covers."""

    def __init__(self, models: Collection[SensorKey], outcomes: Mapping[SensorKey, SensorOutcome]) -> None:
        """`models` are the sensors that have a model; `outcomes` are those of the steps."""
        self._models, self._outcomes = models, outcomes
        self._places: dict[SensorKey, int] = {}
        self._history = History()

    def add(self, batch: Batch) -> None:
        """Count a batch."""
        covered = [code for code, key in enumerate(batch.keys) if self._covers(key)]
        if not covered:
            return
        places = np.full(len(batch.keys), -1, np.int32)
        places[covered] = [self._places.setdefault(batch.keys[i], len(self._places)) for i in covered]
        of_rows = places[batch.codes]
        order = np.argsort(of_rows, kind="stable")
        order = order[np.searchsorted(of_rows[order], 0) :]
        if len(order):
            normal = np.zeros(len(order), np.int64)
            days = count_days(of_rows[order], batch.times[order], normal)
            self._history.add(days, np.empty(0, ANOMALIES))

    def by_key(self) -> dict[SensorKey, list[Day]]:
        """The days of each covered sensor that sent readings."""
        count = len(self._places)
        none, failed = np.zeros(count), np.ones(count, bool)
        history = self._history.of_sensors(none, none, failed, None)
        return {key: found.days for key, found in zip(self._places, history, strict=True)}

    def _covers(self, key: SensorKey) -> bool:
        outcome = self._outcomes.get(key)
        if outcome is None:
            return key not in self._models
        return outcome.status in _NOT_SCORED and not outcome.days
