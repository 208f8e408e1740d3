"""Fewer readings to draw: keeps the lowest and highest of each bucket, every anomaly and both ends.

Min-max, not LTTB: no spike is lost, in the values or in the scores, and it is a few numpy expressions.
"""

import numpy as np

type Indices = np.ndarray[tuple[int], np.dtype[np.int64]]

_PER_BUCKET = 3
"""A bucket keeps its lowest value, its highest value and its lowest score."""


def keep(values: np.ndarray, scores: np.ndarray, anomalous: np.ndarray, points: int) -> Indices:
    """Which readings to draw, in their order.

    Args:
        values: shape (n,).
        scores: shape (n,).
        anomalous: bool, shape (n,); all of these are kept.
        points: about how many others are kept.
    """
    count = len(values)
    if count <= points:
        return np.arange(count)
    buckets = max(1, points // _PER_BUCKET)
    size = -(-count // buckets)
    starts = np.arange(0, count, size)
    chosen = [_lowest(values, size), _lowest(-values, size), _lowest(scores, size)]
    kept = anomalous.copy()
    for offset in chosen:
        kept[np.minimum(starts + offset, count - 1)] = True
    kept[[0, -1]] = True
    return np.flatnonzero(kept)


def thin(indices: Indices, most: int) -> Indices:
    """At most `most` of them, spread evenly."""
    if len(indices) <= most:
        return indices
    return indices[np.linspace(0, len(indices) - 1, most).astype(np.int64)]


def _lowest(series: np.ndarray, size: int) -> np.ndarray:
    """The offset of the lowest value in each bucket of `size`."""
    missing = -len(series) % size
    padded = np.pad(series.astype(np.float64), (0, missing), constant_values=np.inf)
    offsets: np.ndarray = padded.reshape(-1, size).argmin(axis=1)
    return offsets
