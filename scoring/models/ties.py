"""Scikit-learn's search for neighbours, repeated step by step.

It visits readings leaf by leaf, the nearer branch of each node first, or one after the other by brute force,
and keeps the nearest on a heap: which of equally near ones it keeps follows from the order of visits and from
how the heap is rebuilt. Many searches run side by side here, each a row of arrays.
"""

import math

import numpy as np

from scoring.models.detector_parameters import Neighbours
from scoring.models.parameter_checks import Floats

type Places = np.ndarray

_CELLS = 1 << 20
"""Numbers that are worked on at once."""
_BLOCK = 64
"""Readings that are visited at once: a leaf has 30 to 60, but for brute force all are one."""


def rank(p: Neighbours, x: Floats, y: Floats, *, exact: bool = False) -> Floats:
    """Scikit-learn's reduced distance over the last axis: it ranks as the distance does.

    Powers of numpy can differ in the last bit from those of C, which `exact` ones are.
    """
    power = _exact_power if exact else np.power
    total: Floats = np.zeros(np.broadcast_shapes(x.shape, y.shape)[:-1])
    for j in range(p.features_in):
        away = np.abs(x[..., j] - y[..., j])
        match p.metric:
            case "euclidean":
                total += away * away
            case "manhattan":
                total += away
            case "chebyshev":
                np.maximum(total, away, out=total)
            case _:
                total += power(away, p.p)
    return total


def _exact_power(base: Floats, exponent: float) -> Floats:
    powers = [_power_of(each, exponent) for each in base.reshape(-1).tolist()]
    return np.array(powers, np.float64).reshape(base.shape)


def _power_of(base: float, exponent: float) -> float:
    try:
        return math.pow(base, exponent)
    except OverflowError:
        return math.inf


def distance(p: Neighbours, ranks: Floats, *, exact: bool = False) -> Floats:
    """The distances of these ranks; `exact` as for them."""
    match p.metric:
        case "euclidean":
            return np.sqrt(ranks)
        case "minkowski":
            result: Floats = (_exact_power if exact else np.power)(ranks, 1.0 / p.p)
            return result
    return ranks


class Search:
    """The search of one LocalOutlierFactor."""

    def __init__(self, p: Neighbours) -> None:
        self._p = p
        self._values = p.readings[p.order]
        levels = 1
        if p.search != "brute":
            levels = int(np.log2(max(1, (len(p.order) - 1) / p.leaf_size)) + 1)
        self._bounds = _halves(len(p.order), levels)

    def neighbours(self, x: Floats) -> Places:
        """The places of the neighbours of readings of shape (n, f); int64, shape (n, neighbours)."""
        leaves = len(self._bounds[-1]) - 1
        rows = max(1, _CELLS // (2 * leaves + 2 * self._p.neighbours + _BLOCK))
        return np.concatenate([self._some(x[start : start + rows]) for start in range(0, len(x), rows)])

    def _some(self, x: Floats) -> Places:
        heap = _Heap(len(x), self._p.neighbours)
        order, nearest = self._visits(x)
        bounds = self._bounds[-1]
        for leaves, least in zip(order.T, nearest.T, strict=True):
            rows = np.flatnonzero(least <= heap.largest())
            starts, ends = bounds[leaves[rows]], bounds[leaves[rows] + 1]
            for offset in range(0, int((ends - starts).max(initial=0)), _BLOCK):
                self._push(heap, x, rows, starts + offset, np.minimum(ends, starts + offset + _BLOCK))
        found: Places = self._p.order[heap.places()].astype(np.int64)
        return found

    def _push(self, heap: "_Heap", x: Floats, rows: Places, starts: Places, ends: Places) -> None:
        """Visit some readings of a leaf; only those that are near enough at the start are pushed."""
        places = starts[:, None] + np.arange(_BLOCK)
        ranks = self.ranks(x[rows, None, :], self._values[np.minimum(places, len(self._values) - 1)])
        wanted = (places < ends[:, None]) & (ranks < heap.largest()[rows, None])
        for i in np.flatnonzero(wanted.any(axis=0)).tolist():
            chosen = np.flatnonzero(wanted[:, i])
            heap.push(rows[chosen], ranks[chosen, i], places[chosen, i])

    def ranks(self, x: Floats, y: Floats) -> Floats:
        """What the search compares readings by, over the last axis."""
        if self._p.search == "brute" and self._p.metric == "euclidean":
            # Multiplied out, which rounds otherwise; distances are made of it as well.
            squares, product = (x * x).sum(axis=-1), (x * y).sum(axis=-1)
            ranks: Floats = np.maximum(0.0, (squares + -2.0 * product) + (y * y).sum(axis=-1))
            return ranks
        return rank(self._p, x, y, exact=True)

    def _visits(self, x: Floats) -> tuple[Places, Floats]:
        """The leaves in the order of visits, and the least distance of each; both of shape (n, leaves)."""
        order = np.zeros((len(x), 1), np.int64)
        least = np.zeros((len(x), 1))
        for bounds in self._bounds[1:]:
            distances = self._least(x, bounds)
            children = np.stack([2 * order, 2 * order + 1], axis=2)
            both = np.take_along_axis(distances[:, None, :], children, axis=2)
            turned = both[:, :, 0] > both[:, :, 1]
            children[turned] = children[turned][:, ::-1]
            both[turned] = both[turned][:, ::-1]
            order, least = children.reshape(len(x), -1), both.reshape(len(x), -1)
        return order, least

    def _least(self, x: Floats, bounds: Places) -> Floats:
        """How near each node of a level can be, by what scikit-learn keeps of it; shape (n, nodes)."""
        p = self._p
        starts, sizes = bounds[:-1], np.diff(bounds)
        if p.search == "kd_tree":
            low = np.minimum.reduceat(self._values, starts) - x[:, None, :]
            high = x[:, None, :] - np.maximum.reduceat(self._values, starts)
            return self._reduced(0.5 * ((low + np.abs(low)) + (high + np.abs(high))))
        # Sums from the left, as they are made there.
        parts = np.split(self._values, bounds[1:-1])
        centres = np.stack([np.add.accumulate(part)[-1] for part in parts]) / sizes[:, None]
        away = rank(p, self._values, np.repeat(centres, sizes, axis=0), exact=True)
        radii = distance(p, np.maximum.reduceat(away, starts), exact=True)
        distances = distance(p, rank(p, x[:, None, :], centres[None, :, :], exact=True), exact=True)
        apart: Floats = np.maximum(0.0, distances - radii)
        match p.metric:
            case "euclidean":
                return apart * apart
            case "minkowski":
                return _exact_power(apart, p.p)
        return apart

    def _reduced(self, apart: Floats) -> Floats:
        return rank(self._p, apart, np.zeros(self._p.features_in), exact=True)


def _halves(count: int, levels: int) -> list[Places]:
    """Where the nodes of each level of a tree begin, and the end of the last."""
    bounds = [np.array([0, count])]
    for _ in range(levels - 1):
        starts, ends = bounds[-1][:-1], bounds[-1][1:]
        middles = starts + (ends - starts) // 2
        bounds.append(np.append(np.stack([starts, middles], axis=1).reshape(-1), count))
    return bounds


class _Heap:
    """As many heaps as there are rows, each with its largest distance first.

    They lie in one array, each with room for the children that its last ones do not have: less than anything.
    """

    def __init__(self, rows: int, size: int) -> None:
        self._width = 2 * size + 1
        distances = np.full((rows, self._width), -np.inf)
        distances[:, :size] = np.inf
        self._distances = distances.reshape(-1)
        self._places = np.zeros(rows * self._width, np.int64)
        self._size = size

    def places(self) -> Places:
        """What is on the heaps; shape (rows, size)."""
        return self._places.reshape(-1, self._width)[:, : self._size]

    def largest(self) -> Floats:
        """Of each heap."""
        return self._distances[:: self._width]

    def push(self, rows: Places, distances: Floats, places: Places) -> None:
        """Put a distance on each of the heaps `rows`, in place of the largest, where it is smaller."""
        root = rows * self._width
        smaller = np.flatnonzero(distances < self._distances.take(root))
        root, distances, places = root.take(smaller), distances.take(smaller), places.take(smaller)
        at = root
        while len(at):
            child = 2 * at - root + 1
            left, right = self._distances.take(child), self._distances.take(child + 1)
            child += right > left
            largest = np.maximum(left, right)
            sinks = largest > distances
            self._distances[at] = np.where(sinks, largest, distances)
            self._places[at] = np.where(sinks, self._places.take(child), places)
            left_over = np.flatnonzero(sinks)
            root, at = root.take(left_over), child.take(left_over)
            distances, places = distances.take(left_over), places.take(left_over)
