"""Scikit-learn's search for neighbours, repeated step by step.

It visits readings leaf by leaf, the nearer branch of each node first, or one after the other by brute force,
and keeps the nearest on a heap: which of equally near ones it keeps follows from the order of visits and from
how the heap is rebuilt.
"""

import math
from collections.abc import Callable
from functools import cached_property, lru_cache
from operator import itemgetter

import numpy as np

from scoring.models.detector_parameters import Neighbours
from scoring.models.parameter_checks import MOST_NEIGHBOURS, MOST_PUSHES, Floats, expect

type Places = np.ndarray

_CELLS = 1 << 20
"""Numbers that are worked on at once."""


def rank(p: Neighbours, x: Floats, y: Floats, *, exact: bool = False) -> Floats:
    """Scikit-learn's reduced distance over the last axis: it ranks as the distance does.

    Powers of numpy can differ in the last bit from those of C, which `exact` ones are.
    """
    power = _exact_power if exact else np.power
    total: Floats = np.zeros(np.broadcast_shapes(x.shape, y.shape)[:-1])
    for j in range(p.features_in):
        away = np.abs(x[..., j] - y[..., j])
        match p.metric:
            case "euclidean" | "l2":
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
        case "euclidean" | "l2":
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

    def neighbours(self, x: Floats, below: Floats) -> Places:
        """The places of the neighbours of readings of shape (n, f); int64, shape (n, neighbours).

        `below` has a rank for each reading, up to that of its furthest neighbour.
        """
        return self._found(x, below.tolist(), lambda heap: heap.places)

    def neighbours_in_order(self, x: Floats) -> Places:
        """The same as scikit-learn sorts them, on which the last bit of a sum depends."""
        return self._found(x, [0.0] * len(x), _Heap.in_order)

    def _found(self, x: Floats, below: list[float], places_of: "Callable[[_Heap], list[int]]") -> Places:
        rows = max(1, _CELLS // (2 * len(self._bounds[-1])))
        found = []
        for start in range(0, len(x), rows):
            chunk = slice(start, start + rows)
            nodes = self._least(x[chunk]).tolist()
            for row, rank_below, least in zip(x[chunk], below[chunk], nodes, strict=True):
                heap = _Heap(self._p.neighbours, rank_below)
                self._visit(heap, self._ranks_of(row), least)
                found.append(places_of(heap))
        return self._p.order[np.array(found, np.int64)].astype(np.int64)

    def _visit(self, heap: "_Heap", ranks: Callable[[int, int], list[float]], least: list[float]) -> None:
        """Visit the leaves one after the other: what is on the heap decides which are left out."""
        first_leaf = len(least) // 2
        bounds = self._leaves
        nodes = [0]
        while nodes:
            node = nodes.pop()
            if least[node] > heap.distances[0]:
                continue
            if node < first_leaf:
                left, right = 2 * node + 1, 2 * node + 2
                nodes += [right, left] if least[left] <= least[right] else [left, right]
                continue
            start, end = bounds[node - first_leaf], bounds[node - first_leaf + 1]
            heap.push(ranks(start, end), start)

    def _ranks_of(self, x: Floats) -> Callable[[int, int], list[float]]:
        """What gives the ranks of a part of the readings, in the order of the tree, around one of shape (f,).

        Few are asked for at a time: of one feature, plain numbers are faster than arrays.
        """
        p = self._p
        if p.features_in > 1 or p.search == "brute":
            rows = x[None]
            return lambda start, end: self.ranks(rows, p.order[None, start:end])[0].tolist()
        value, values = x.item(), self._plain
        match p.metric:
            case "euclidean" | "l2":
                return lambda start, end: [(away := value - each) * away for each in values[start:end]]
            case "minkowski":
                return lambda start, end: [_power_of(abs(value - each), p.p) for each in values[start:end]]
        return lambda start, end: [abs(value - each) for each in values[start:end]]

    @cached_property
    def _leaves(self) -> list[int]:
        """Where the leaves begin, and the end of the last."""
        leaves: list[int] = self._bounds[-1].tolist()
        return leaves

    @cached_property
    def _plain(self) -> list[float]:
        plain: list[float] = self._values[:, 0].tolist()
        return plain

    def ranks(self, x: Floats, places: Places) -> Floats:
        """What the search compares readings by: of shape (n, f) with those it was fitted on, shape (n, k)."""
        p = self._p
        if not p.multiplies_out:
            return rank(p, x[:, None, :], p.readings[places], exact=True)
        # Multiplied out, which rounds otherwise; distances are made of it as well.
        if p.features_in == 1:
            products = x * p.readings[places, 0]
        else:  # by the library that scikit-learn multiplies matrices with
            products = np.take_along_axis(x @ p.readings.T, places, axis=1)
        ranks: Floats = (_squares(x)[:, None] + -2.0 * products) + self._squares[places]
        return np.maximum(0.0, ranks)

    @cached_property
    def _squares(self) -> Floats:
        return _squares(self._p.readings)

    def _least(self, x: Floats) -> Floats:
        """How near each node of the tree can be, by what scikit-learn keeps of it; shape (n, nodes)."""
        p = self._p
        if p.search == "brute":
            return np.zeros((len(x), 1))
        if p.search == "kd_tree":
            lows, highs = self._boxes
            low, high = lows - x[:, None, :], x[:, None, :] - highs
            return self._reduced(0.5 * ((low + np.abs(low)) + (high + np.abs(high))))
        centres, radii = self._balls
        distances = distance(p, rank(p, x[:, None, :], centres, exact=True), exact=True)
        apart: Floats = np.maximum(0.0, distances - radii)
        match p.metric:
            case "euclidean" | "l2":
                return apart * apart
            case "minkowski":
                return _exact_power(apart, p.p)
        return apart

    @cached_property
    def _boxes(self) -> tuple[Floats, Floats]:
        """The lowest and highest values of each node; shape (nodes, f)."""
        starts = [bounds[:-1] for bounds in self._bounds]
        lows = [np.minimum.reduceat(self._values, each) for each in starts]
        highs = [np.maximum.reduceat(self._values, each) for each in starts]
        return np.concatenate(lows), np.concatenate(highs)

    @cached_property
    def _balls(self) -> tuple[Floats, Floats]:
        """The centre of each node, shape (nodes, f), and its radius."""
        p = self._p
        centres, radii = [], []
        for bounds in self._bounds:
            sizes = np.diff(bounds)
            # Sums from the left, as they are made there.
            parts = np.split(self._values, bounds[1:-1])
            centre = np.stack([np.add.accumulate(part)[-1] for part in parts]) / sizes[:, None]
            away = rank(p, self._values, np.repeat(centre, sizes, axis=0), exact=True)
            centres.append(centre)
            radii.append(distance(p, np.maximum.reduceat(away, bounds[:-1]), exact=True))
        return np.concatenate(centres), np.concatenate(radii)

    def _reduced(self, apart: Floats) -> Floats:
        return rank(self._p, apart, np.zeros(self._p.features_in), exact=True)


def _squares(x: Floats) -> Floats:
    """Of the lengths of readings, by the library that scikit-learn multiplies vectors with."""
    return np.array([np.dot(row, row) for row in x])


def _halves(count: int, levels: int) -> list[Places]:
    """Where the nodes of each level of a tree begin, and the end of the last."""
    bounds = [np.array([0, count])]
    for _ in range(levels - 1):
        starts, ends = bounds[-1][:-1], bounds[-1][1:]
        middles = starts + (ends - starts) // 2
        bounds.append(np.append(np.stack([starts, middles], axis=1).reshape(-1), count))
    return bounds


class _Heap:
    """The nearest readings so far, the one with the largest distance first.

    Plain lists: each step depends on the one before, and few readings need a heap. Where distances stand that
    are not below `below` does not depend on how those below it compare: these count as equal, and move less.
    """

    def __init__(self, size: int, below: float) -> None:
        self.places = [0] * size
        # With room for the children that the last ones do not have: less than anything.
        self.distances = [math.inf] * size + [-math.inf] * (size + 1)
        self._below = below
        self._free = list(_filled(size))
        self._pushes = 0

    def in_order(self) -> list[int]:
        """The places by rising distance, of equal ones in the order that scikit-learn's sort leaves."""
        found = list(zip(self.distances, self.places, strict=False))
        _sort(found)
        return [place for _, place in found]

    def push(self, distances: list[float], start: int) -> None:
        """Visit readings from the place `start` on: a smaller distance takes the place of the largest."""
        kept, places, free, below = self.distances, self.places, self._free, self._below
        pushes = self._pushes
        for place, distance in enumerate(distances, start):
            if distance >= kept[0]:
                continue
            pushes += 1
            at = free.pop() if free else 0
            sinking = distance if distance >= below else -1.0
            child = 2 * at + 1
            while True:  # until neither child is larger
                larger = kept[child]
                if kept[child + 1] > larger:
                    child += 1
                    larger = kept[child]
                if larger <= sinking:
                    break
                kept[at], places[at] = larger, places[child]
                at, child = child, 2 * child + 1
            kept[at], places[at] = sinking, place
        self._pushes = pushes
        expect(
            pushes <= MOST_PUSHES,
            "takes too long to choose among equally near readings: train it again with algorithm='kd_tree'",
        )


@lru_cache(maxsize=MOST_NEIGHBOURS)
def _filled(size: int) -> tuple[int, ...]:
    """Where a heap is filled, the last place first.

    What takes the place of infinity sinks past all that is infinite, to the left before the right.
    """
    order, nodes = [], [0]
    while nodes:
        node = nodes.pop()
        if node < size:
            order.append(node)
            nodes += [2 * node + 1, 2 * node + 2]
    return tuple(order)


_FEW = 15
"""As many and fewer are sorted by insertion, which leaves equal ones as they are."""


def _sort(items: list[tuple[float, int]]) -> None:
    """Scikit-learn's sort by distance: parts around a pivot, the middle one of first, last and central."""
    first, count = 0, len(items)
    while count - first > _FEW:
        last, centre = count - 1, first + (count - first) // 2
        for low, high in ((first, last), (last, centre), (first, last)):
            if items[low][0] > items[high][0]:
                items[low], items[high] = items[high], items[low]
            elif (low, high) == (last, centre):
                break
        pivot = items[last][0]
        i, j = first + 1, last - 1
        while True:
            while i <= j and items[i][0] < pivot:
                i += 1
            while i <= j and items[j][0] > pivot:
                j -= 1
            if i >= j:
                break
            items[i], items[j] = items[j], items[i]
            i, j = i + 1, j - 1
        items[i], items[last] = items[last], items[i]
        left = items[first:i]
        _sort(left)
        items[first:i] = left
        first = i + 1
    items[first:] = sorted(items[first:], key=itemgetter(0))
