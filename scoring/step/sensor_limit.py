"""How many sensors without a model a run lists: readings come from strangers, and each can name a sensor.

A row of the summary, and everything before it, takes memory for each sensor. Sensors with a model are as many
as the owner wants. Of the others the first `MOST_UNKNOWN` are listed, in the order of the readings; of the
rest only the readings are counted.
"""

from collections.abc import Container

import numpy as np

from scoring.arrow import take
from scoring.keys import SensorKey
from scoring.readings.many_files import Part, ReadBatch

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

    def __call__(self, read: ReadBatch) -> ReadBatch:
        """The readings of the sensors that are listed; rejects stay."""
        batch = read.batch
        listed = np.array([self._lists(key) for key in batch.keys], bool)
        if listed.all():
            return read
        rows = listed[batch.codes]
        self.unlisted += len(rows) - int(np.count_nonzero(rows))
        places = (np.cumsum(listed) - 1).clip(0).astype(batch.codes.dtype)
        kept = batch._replace(
            keys=[key for key, lists in zip(batch.keys, listed.tolist(), strict=True) if lists],
            codes=places[batch.codes[rows]],
            ts=take(batch.ts, rows),
            value=take(batch.value, rows),
            values=batch.values[rows],
            times=batch.times[rows],
        )
        return ReadBatch(kept, _counted(read.parts, rows))

    def _lists(self, key: SensorKey) -> bool:
        if key in self.known or key in self._listed:
            return True
        if len(self._listed) >= self._most:
            return False
        self._listed.add(key)
        return True


def _counted(parts: list[Part], rows: np.ndarray) -> list[Part]:
    """The parts of a batch of which these rows are left."""
    left = np.concatenate([[0], np.cumsum(rows)])
    ends = np.cumsum([0, *(part.readings for part in parts)])
    counts = np.diff(left[ends]).tolist()
    return [part._replace(readings=count) for part, count in zip(parts, counts, strict=True)]
