"""Scikit-learn's search for neighbours, repeated step by step.

It visits readings leaf by leaf, the nearer branch of each node first, or one after the other by brute force,
and keeps the nearest on a heap: which of equally near ones it keeps follows from the order of visits and from
how the heap is rebuilt. Many searches run side by side here, each a row of arrays.
"""

import math

import numpy as np

from scoring.models.parameters import Floats, Neighbours

type Places = np.ndarray

_CELLS = 1 << 20


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
        rows = max(1, _CELLS // (2 * leaves + self._p.neighbours))
        return np.concatenate([self._some(x[start : start + rows]) for start in range(0, len(x), rows)])

    def _some(self, x: Floats) -> Places:
        heap = _Heap(len(x), self._p.neighbours)
        order, nearest = self._visits(x)
        bounds = self._bounds[-1]
        for leaves, least in zip(order.T, nearest.T, strict=True):
            rows = np.flatnonzero(least <= heap.largest())
            starts, ends = bounds[leaves[rows]], bounds[leaves[rows] + 1]
            for i in range(int((ends - starts).max(initial=0))):
                inside = starts + i < ends
                chosen, places = rows[inside], starts[inside] + i
                heap.push(chosen, self.ranks(x[chosen], self._values[places]), places)
        found: Places = self._p.order[heap.places].astype(np.int64)
        return found

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
    """As many heaps as there are rows, each with its largest distance first."""

    def __init__(self, rows: int, size: int) -> None:
        self._distances = np.full((rows, size), np.inf)
        self.places = np.zeros((rows, size), np.int64)
        self._size = size

    def largest(self) -> Floats:
        """Of each heap."""
        return self._distances[:, 0]

    def push(self, rows: Places, distances: Floats, places: Places) -> None:
        """Put a distance on each of the heaps `rows`, in place of the largest, where it is smaller."""
        smaller = distances < self._distances[rows, 0]
        rows, distances, places = rows[smaller], distances[smaller], places[smaller]
        at = np.zeros(len(rows), np.int64)
        while len(rows):
            left = 2 * at + 1
            right = left + 1
            on_left = self._at(rows, left)
            on_right = self._at(rows, right)
            child = np.where(on_left >= on_right, left, right)
            largest = np.maximum(on_left, on_right)
            sinks = largest > distances
            ends = ~sinks
            self._distances[rows[ends], at[ends]] = distances[ends]
            self.places[rows[ends], at[ends]] = places[ends]
            rows, at, child, largest = rows[sinks], at[sinks], child[sinks], largest[sinks]
            self._distances[rows, at] = largest
            self.places[rows, at] = self.places[rows, child]
            distances, places, at = distances[sinks], places[sinks], child

    def _at(self, rows: Places, at: Places) -> Floats:
        found: Floats = np.where(
            at < self._size, self._distances[rows, np.minimum(at, self._size - 1)], -np.inf
        )
        return found
