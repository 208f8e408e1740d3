"""Scikit-learn's search for neighbours, repeated step by step.

It visits readings leaf by leaf, the nearer branch of each node first, or one after the other by brute force,
and keeps the nearest on a heap: which of equally near ones it keeps follows from the order of visits and from
how the heap is rebuilt.
"""

import math
from collections.abc import Iterator
from functools import cached_property
from itertools import islice
from operator import itemgetter

import numpy as np

from scoring.models.detector_parameters import Neighbours
from scoring.models.parameter_checks import MOST_PUSHES, Floats, expect

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

    def neighbours(self, x: Floats, *, in_order: bool = False) -> Places:
        """The places of the neighbours of readings of shape (n, f); int64, shape (n, neighbours).

        With `in_order` they stand as scikit-learn sorts them, of which the last bit of a sum depends.
        """
        leaves = len(self._bounds[-1]) - 1
        rows = max(1, _CELLS // (2 * leaves + 2 * self._p.neighbours + _BLOCK))
        found = [
            heap.in_order() if in_order else heap.places
            for start in range(0, len(x), rows)
            for heap in self._heaps(x[start : start + rows])
        ]
        return self._p.order[np.array(found, np.int64)].astype(np.int64)

    def _heaps(self, x: Floats) -> "list[_Heap]":
        heaps = [_Heap(self._p.neighbours) for _ in x]
        least = self._least(x).tolist()
        visits = [_visits(heap, each) for heap, each in zip(heaps, least, strict=True)]
        rows = list(range(len(x)))
        while rows:  # each continues with its next leaf
            leaves = {row: leaf for row in rows for leaf in islice(visits[row], 1)}
            rows = list(leaves)
            self._push([heaps[row] for row in rows], x[rows], np.array(list(leaves.values()), np.int64))
        return heaps

    def _push(self, heaps: "list[_Heap]", x: Floats, leaves: Places) -> None:
        """Visit the readings of a leaf for each reading of `x`."""
        starts, ends = self._bounds[-1][leaves], self._bounds[-1][leaves + 1]
        for offset in range(0, int((ends - starts).max(initial=0)), _BLOCK):
            places = np.minimum(starts[:, None] + np.arange(offset, offset + _BLOCK), len(self._p.order) - 1)
            ranks = self.ranks(x, self._p.order[places]).tolist()
            counts = np.clip(ends - starts - offset, 0, _BLOCK).tolist()
            for heap, near, count, start in zip(heaps, ranks, counts, starts.tolist(), strict=True):
                heap.push(near[:count], start + offset)

    def ranks(self, x: Floats, places: Places) -> Floats:
        """What the search compares readings by: of shape (n, f) with those it was fitted on, shape (n, k)."""
        p = self._p
        if p.search != "brute" or p.metric != "euclidean":
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
            case "euclidean":
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


def _visits(heap: "_Heap", least: list[float]) -> Iterator[int]:
    """The leaves to visit, one after the other: what is on the heap meanwhile decides what is left out."""
    first_leaf = len(least) // 2
    nodes = [0]
    while nodes:
        node = nodes.pop()
        if least[node] > heap.largest:
            continue
        if node >= first_leaf:
            yield node - first_leaf
            continue
        left, right = 2 * node + 1, 2 * node + 2
        nodes += [right, left] if least[left] <= least[right] else [left, right]


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

    Plain lists: each step depends on the one before, and few readings need a heap.
    """

    def __init__(self, size: int) -> None:
        self.places = [0] * size
        self._pushes = 0
        # With room for the children that the last ones do not have: less than anything.
        self._distances = [math.inf] * size + [-math.inf] * (size + 1)

    def in_order(self) -> list[int]:
        """The places by rising distance, of equal ones in the order that scikit-learn's sort leaves."""
        found = list(zip(self._distances, self.places, strict=False))
        _sort(found)
        return [place for _, place in found]

    @property
    def largest(self) -> float:
        """Of the distances."""
        return self._distances[0]

    def push(self, distances: list[float], start: int) -> None:
        """Visit readings from the place `start` on: a smaller distance takes the place of the largest."""
        kept, places = self._distances, self.places
        for place, distance in enumerate(distances, start):
            if distance >= kept[0]:
                continue
            self._pushes += 1
            at, child = 0, 1
            while True:  # until neither child is larger
                larger = kept[child]
                if kept[child + 1] > larger:
                    child += 1
                    larger = kept[child]
                if larger <= distance:
                    break
                kept[at], places[at] = larger, places[child]
                at, child = child, 2 * child + 1
            kept[at], places[at] = distance, place
        expect(
            self._pushes <= MOST_PUSHES,
            "takes too long to choose among equally near readings: train it again with algorithm='kd_tree'",
        )


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
