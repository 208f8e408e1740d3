"""LocalOutlierFactor: how dense it is around a reading, compared with around its nearest neighbours.

Of several readings at the distance of the last neighbour, the search of scikit-learn decides which become
neighbours, and scores depend on it. Where that happens, the search is repeated step by step (`ties`); all
other readings of one feature find their neighbours as a window of the sorted ones.
"""

from functools import partial

import numpy as np

from scoring.models.detector_parameters import Neighbours
from scoring.models.parameter_checks import Floats
from scoring.models.ties import Search, distance, rank

type Places = np.ndarray

_CELLS = 1 << 20
"""Distances that are computed at once."""
_NEAR = 1e-9


class NeighbourScorer:
    """The scores of one LocalOutlierFactor."""

    def __init__(self, p: Neighbours) -> None:
        self._p = p
        self._rank = partial(rank, p)
        self._search = Search(p)
        self._largest_square = float((p.readings**2).sum(axis=1).max())
        if p.features_in == 1:
            self._order = np.argsort(p.readings[:, 0], kind="stable")
            self._sorted = p.readings[self._order, 0]

    def scores(self, x: Floats) -> Floats:
        """Scores of readings of shape (n, f)."""
        rows = max(1, _CELLS // max(self._p.neighbours, len(self._p.readings) if x.shape[1] > 1 else 1))
        parts = [self._some(x[start : start + rows]) for start in range(0, len(x), rows)]
        return np.concatenate(parts) if parts else np.empty(0)

    def _some(self, x: Floats) -> Floats:
        if self._p.features_in == 1:
            values, places = np.unique(x[:, 0], return_inverse=True)
            distinct = values[:, None]
            neighbours, furthest, others = self._window(distinct)
        else:
            distinct, places = x, np.arange(len(x))
            neighbours, furthest, others = self._nearest(distinct)
        tied = others <= furthest + self._rounding(distinct, furthest)
        if tied.any():
            neighbours[tied] = self._search.neighbours(distinct[tied])
        scores = self._score(distinct, neighbours)
        near = np.abs(scores) < _NEAR
        if near.any():  # where a label hangs on the last bit: sums are made in scikit-learn's order
            ranks = self._search.ranks(distinct[near, None, :], self._p.readings[neighbours[near]])
            order = np.argsort(ranks, axis=1, kind="stable")
            scores[near] = self._score(distinct[near], np.take_along_axis(neighbours[near], order, axis=1))
        result: Floats = scores[places]
        return result

    def _rounding(self, x: Floats, ranks: Floats) -> Floats:
        """How far ranks here can be from those of scikit-learn: most are the same to the last bit."""
        p, epsilon = self._p, np.finfo(np.float64).eps
        if p.metric == "minkowski":
            return 1e3 * epsilon * ranks
        if p.metric == "euclidean" and p.search == "brute":
            return 16 * epsilon * ((x * x).sum(axis=1) + self._largest_square)
        return np.zeros(len(x))

    def _score(self, x: Floats, neighbours: Places) -> Floats:
        p = self._p
        distances = distance(p, self._search.ranks(x[:, None, :], p.readings[neighbours]))
        reach = np.maximum(distances, p.distances[neighbours])
        density = 1.0 / (np.mean(reach, axis=1) + 1e-10)
        ratios = p.densities[neighbours] / density[:, None]
        scores: Floats = -np.mean(ratios, axis=1) - p.offset
        return scores

    def _nearest(self, x: Floats) -> tuple[Places, Floats, Floats]:
        """The neighbours of readings, the rank of the furthest of them, and that of the nearest other."""
        count = self._p.neighbours
        ranks = self._rank(x[:, None, :], self._p.readings[None, :, :])
        if count == len(self._p.readings):
            return np.tile(np.arange(count), (len(x), 1)), ranks.max(axis=1), np.full(len(x), np.inf)
        order = np.argpartition(ranks, (count - 1, count), axis=1)
        ends = np.take_along_axis(ranks, order[:, count - 1 : count + 1], axis=1)
        return order[:, :count], ends[:, 0], ends[:, 1]

    def _window(self, x: Floats) -> tuple[Places, Floats, Floats]:
        """The same for one feature: neighbours are a window of the sorted readings."""
        count, total = self._p.neighbours, len(self._sorted)
        value = x[:, 0]
        middle = np.searchsorted(self._sorted, value)
        low, high = np.clip([middle - count, middle], 0, total - count)
        while (open_ := low < high).any():  # the first window that is not nearer from its other end
            middle = (low + high) // 2
            beyond = np.minimum(middle + count, total - 1)
            right = open_ & (value - self._sorted[middle] > self._sorted[beyond] - value)
            low, high = np.where(right, middle + 1, low), np.where(open_ & ~right, middle, high)
        furthest = np.maximum(self._rank_of(x, low), self._rank_of(x, low + count - 1))
        before = np.where(low > 0, self._rank_of(x, low - 1), np.inf)
        behind = np.where(low + count < total, self._rank_of(x, low + count), np.inf)
        return self._order[low[:, None] + np.arange(count)], furthest, np.minimum(before, behind)

    def _rank_of(self, x: Floats, places: Places) -> Floats:
        return self._rank(x, self._sorted[np.clip(places, 0, len(self._sorted) - 1), None])
