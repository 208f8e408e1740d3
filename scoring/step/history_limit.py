"""How many days, anomalies and episodes a step keeps: readings come from strangers, of any time.

All readings are scored and counted. Of what sensors brought over time the newest is kept, so that any order
of the readings gives the same; they share the limit evenly, so that none displaces another's newest.
"""

from collections.abc import Callable, Sequence

import numpy as np

MOST_DAYS = 1_000_000
"""Days of all sensors of a step together."""
MOST_ANOMALIES = 4_000_000
"""Anomalies of which episodes are made."""
MOST_EPISODES = 500_000
LEAST = 60
"""As many of each sensor are kept however many sensors there are: what the fleet state remembers at most."""

_MOST_PARTS = 1 << 20
"""Rows that are added before they are merged."""


def newest(places: np.ndarray, most: int, *, least: int = LEAST) -> np.ndarray:
    """Which rows are the newest of their sensors, of each sensor as many: bool.

    Args:
        places: of the sensor of each row, ascending; the rows of a sensor are in the order of their times.
        most: rows of all sensors together.
        least: rows of each sensor that are kept in any case.
    """
    _, counts = np.unique(places, return_counts=True)
    share = max(most // max(len(counts), 1), least)
    before_end = np.repeat(np.cumsum(counts), counts) - np.arange(len(places))
    kept: np.ndarray = before_end <= share
    return kept


class NewestRows:
    """Collects rows with a `place`; of more than `most`, the newest of each sensor."""

    def __init__(self, merge: Callable[[Sequence[np.ndarray]], np.ndarray], most: int) -> None:
        """`merge` makes one array of several, in the order of place and time."""
        self._merge, self._most = merge, most
        self._parts: list[np.ndarray] = []
        self._rows, self._limit = 0, _MOST_PARTS
        self._cut = False

    def add(self, rows: np.ndarray) -> None:
        """Add rows, in any order."""
        self._parts.append(rows)
        self._rows += len(rows)
        if self._rows > self._limit:
            merged = self.merged()
            self._parts, self._rows = [merged], len(merged)
            self._limit = 2 * len(merged) + _MOST_PARTS

    def merged(self) -> np.ndarray:
        """What is kept, in the order of place and time."""
        rows = self._merge(self._parts)
        # A share only gets smaller. Once rows were cut, they always are: any order ends with the same rows.
        self._cut = self._cut or len(rows) > self._most
        return rows[newest(rows["place"], self._most)] if self._cut else rows
