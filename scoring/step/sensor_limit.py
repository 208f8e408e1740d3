"""How many sensors without a model a run lists: readings come from strangers, and each can name a sensor.

A row of the summary, and everything before it, takes memory for each sensor. Sensors with a model are as many
as the owner wants. Of the others the first `MOST_UNKNOWN` are listed, in the order of the readings; of the
rest only the readings are counted.
"""

from collections.abc import Container

import numpy as np

from scoring.arrow import take
from scoring.keys import SensorKey
from scoring.readings.rows import Batch

MOST_UNKNOWN = 10_000


class SensorLimit:
    """Lets batches through, without the readings of sensors that are too many."""

    def __init__(self, known: Container[SensorKey], most: int = MOST_UNKNOWN) -> None:
        """`known` are not counted: the sensors that have a model, or are expected."""
        self.known = known
        self.unlisted = 0
        """Readings of sensors that are not listed."""
        self._most = most
        self._listed: set[SensorKey] = set()

    def __call__(self, batch: Batch) -> Batch:
        """The readings of the sensors that are listed; rejects stay."""
        listed = np.array([self._lists(key) for key in batch.keys], bool)
        if listed.all():
            return batch
        rows = listed[batch.codes]
        self.unlisted += len(rows) - int(np.count_nonzero(rows))
        places = (np.cumsum(listed) - 1).clip(0).astype(batch.codes.dtype)
        return batch._replace(
            keys=[key for key, kept in zip(batch.keys, listed.tolist(), strict=True) if kept],
            codes=places[batch.codes[rows]],
            ts=take(batch.ts, rows),
            value_text=take(batch.value_text, rows),
            values=batch.values[rows],
            times=batch.times[rows],
        )

    def _lists(self, key: SensorKey) -> bool:
        if key in self.known or key in self._listed:
            return True
        if len(self._listed) >= self._most:
            return False
        self._listed.add(key)
        return True
