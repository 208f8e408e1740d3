"""LocalOutlierFactor: how dense it is around a reading, compared with around its nearest neighbours.

Of several readings at the distance of the last neighbour, the search of scikit-learn decides which become
neighbours. Where they differ, scores depend on it, and the search is repeated step by step (`ties`); all
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
            alike = [p.densities[self._order], p.distances[self._order]]
            # Multiplied out, readings apart can be equally near, and then their distances still differ.
            self._runs, self._run_bounds = _runs(*alike, *([self._sorted] if p.multiplies_out else []))

    def scores(self, x: Floats) -> Floats:
        """Scores of readings of shape (n, f)."""
        rows = max(1, _CELLS // max(self._p.neighbours, len(self._p.readings) if x.shape[1] > 1 else 1))
        parts = [self._some(x[start : start + rows]) for start in range(0, len(x), rows)]
        return np.concatenate(parts) if parts else np.empty(0)

    def _some(self, x: Floats) -> Floats:
        if self._p.features_in == 1:
            values, places = np.unique(x[:, 0], return_inverse=True)
            distinct = values[:, None]
            neighbours, open_, furthest = self._window(distinct)
        else:
            distinct, places = x, np.arange(len(x))
            neighbours, open_, furthest = self._nearest(distinct)
        if open_.any():
            below = furthest[open_] - self._rounding(distinct[open_], furthest[open_])
            neighbours[open_] = self._search.neighbours(distinct[open_], below)
        scores = self._score(distinct, neighbours)
        near = np.abs(scores) < _NEAR * max(1.0, abs(self._p.offset))
        if near.any():  # where a label depends on the last bit: sums are made in scikit-learn's order
            found = self._search.neighbours_in_order(distinct[near])
            scores[near] = self._score(distinct[near], found)
        result: Floats = scores[places]
        return result

    def _rounding(self, x: Floats, ranks: Floats) -> Floats:
        """How far ranks here can be from those of scikit-learn: most are the same to the last bit."""
        p, epsilon = self._p, np.finfo(np.float64).eps
        if p.metric == "minkowski":
            return 1e3 * epsilon * ranks
        if p.multiplies_out:
            return 16 * epsilon * ((x * x).sum(axis=1) + self._largest_square)
        return np.zeros(len(x))

    def _score(self, x: Floats, neighbours: Places) -> Floats:
        p = self._p
        distances = distance(p, self._search.ranks(x, neighbours))
        reach = np.maximum(distances, p.distances[neighbours])
        density = 1.0 / (np.mean(reach, axis=1) + 1e-10)
        ratios = p.densities[neighbours] / density[:, None]
        scores: Floats = -np.mean(ratios, axis=1) - p.offset
        return scores

    def _nearest(self, x: Floats) -> tuple[Places, np.ndarray, Floats]:
        """The neighbours of readings, of which the search could find others, and the rank of the furthest."""
        p, count = self._p, self._p.neighbours
        ranks = self._rank(x[:, None, :], p.readings[None, :, :])
        if count == len(p.readings):
            return np.tile(np.arange(count), (len(x), 1)), np.zeros(len(x), bool), ranks.max(axis=1)
        order = np.argpartition(ranks, (count - 1, count), axis=1)
        furthest, other = np.take_along_axis(ranks, order[:, count - 1 : count + 1], axis=1).T
        tied = other <= furthest + self._rounding(x, furthest)
        return order[:, :count], tied, furthest

    def _window(self, x: Floats) -> tuple[Places, np.ndarray, Floats]:
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
        return self._order[low[:, None] + np.arange(count)], *self._is_open(x, low)

    def _is_open(self, x: Floats, low: Places) -> tuple[np.ndarray, Floats]:
        """Whether the search decides, and the rank of the furthest neighbour.

        It does where not all readings as far as that one are alike: they lie at one or both ends of the
        window, within and beyond it.
        """
        count = self._p.neighbours
        ends = np.stack([low - 1, low, low + count - 1, low + count])
        ranks = self._rank_of(x, ends)
        furthest = np.maximum(ranks[1], ranks[2])
        rounding = 2 * self._rounding(x, furthest)
        at_end = np.abs(ranks - furthest) <= rounding
        runs = self._runs[np.clip(ends, 0, len(self._sorted) - 1)]
        run = np.where(at_end[0], runs[0], runs[3])
        # All of them belong to this run, if all at the ends do, and it has further ones on both sides.
        around = self._rank_of(x, np.stack([self._run_bounds[run] - 1, self._run_bounds[run + 1]]))
        beyond = (np.abs(around - furthest) <= rounding).any(axis=0)
        several = (at_end & (runs != run)).any(axis=0) | beyond
        return (at_end[0] | at_end[3]) & several, furthest

    def _rank_of(self, x: Floats, places: Places) -> Floats:
        """Ranks of sorted readings, shape (k, n); infinite where there is none."""
        there = (places >= 0) & (places < len(self._sorted))
        ranks = self._rank(x, self._sorted[np.where(there, places, 0), None])
        return np.where(there, ranks, np.inf)


def _runs(*alike: Floats) -> tuple[Places, Places]:
    """Of sorted readings, the number of the run of equal ones that each belongs to, and where runs begin."""
    changes = np.any([np.diff(each) != 0 for each in alike], axis=0)
    runs = np.concatenate([[0], np.cumsum(changes)])
    return runs, np.searchsorted(runs, np.arange(runs[-1] + 2))
