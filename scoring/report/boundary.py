"""What a model calls normal: the ranges of values where its score is above zero."""

import math
from dataclasses import dataclass

import numpy as np

from scoring.errors import ModelError
from scoring.models.detector import Detector

MOST_RANGES = 6
"""A detector whose normal values lie in more ranges than this has no boundary worth drawing."""

_GRID, _REFINE, _ROUNDS = 513, 65, 3


@dataclass(frozen=True, slots=True)
class Boundary:
    """Where normal values lie.

    `normal` holds (low, high) in ascending order; None is an open end: no boundary was found on that side.
    `exact` is whether the boundary was computed from the model, or estimated from the readings it scored.
    """

    normal: tuple[tuple[float | None, float | None], ...]
    exact: bool


def from_readings(values: np.ndarray, scores: np.ndarray, anomalous: np.ndarray) -> Boundary | None:
    """An estimate: between neighbouring values of which one is normal, scores are taken as a straight line.

    None where all values are normal or none is, so that there is no boundary to find, or where there are too
    many boundaries.
    """
    ascending = np.argsort(values, kind="stable")
    values, scores, anomalous = values[ascending], scores[ascending], anomalous[ascending]
    changes = np.flatnonzero(anomalous[1:] != anomalous[:-1])
    if not 0 < len(changes) <= 2 * MOST_RANGES:
        return None
    before, after = scores[changes], scores[changes + 1]
    with np.errstate(all="ignore"):
        part = np.nan_to_num(before / (before - after), nan=0.5).clip(0, 1)
        crossings = values[changes] * (1 - part) + values[changes + 1] * part
    if not np.isfinite(crossings).all():
        return None
    return _boundary(crossings, starts_normal=not anomalous[0], exact=False)


def from_model(detector: Detector, values: np.ndarray) -> Boundary | None:
    """The exact boundary, computed from the model over three times the range of the readings."""
    low, high = float(values.min()), float(values.max())
    span = (high - low) or max(abs(high) * 0.1, 1.0)
    if not (math.isfinite(3 * span) and math.isfinite(low - span) and math.isfinite(high + span)):
        return None
    grid = np.linspace(low - span, high + span, _GRID)
    try:
        normal = detector.predict(grid)[0] == 0
        changes = np.flatnonzero(normal[1:] != normal[:-1])
        if len(changes) > 2 * MOST_RANGES:
            return None
        left, right = grid[changes], grid[changes + 1]
        for _ in range(_ROUNDS):
            left, right = _narrowed(detector, left, right)
    except ModelError:
        return None
    return _boundary(left / 2 + right / 2, starts_normal=bool(normal[0]), exact=True)


def _narrowed(detector: Detector, left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if not len(left):
        return left, right
    grid = np.linspace(left, right, _REFINE, axis=1)
    normal = (detector.predict(grid.ravel())[0] == 0).reshape(grid.shape)
    first = (normal[:, 1:] != normal[:, :-1]).argmax(axis=1)
    rows = np.arange(len(grid))
    return grid[rows, first], grid[rows, first + 1]


def _boundary(crossings: np.ndarray, *, starts_normal: bool, exact: bool) -> Boundary:
    ends: list[float | None] = [float(crossing) for crossing in crossings]
    if starts_normal:
        ends.insert(0, None)
    if len(ends) % 2:
        ends.append(None)
    return Boundary(tuple(zip(ends[::2], ends[1::2], strict=True)), exact)
