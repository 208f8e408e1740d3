"""IsolationForest: how deep a reading lies in the trees, on average.

A forest of one feature is a step function of the reading: between two neighbouring thresholds nothing
changes. All steps are computed once, by the sums that scikit-learn makes, and a reading is looked up.
"""

from collections.abc import Callable

import numpy as np

from scoring.models.detector_parameters import Forest
from scoring.models.parameter_checks import MOST_DEPTH, Floats
from scoring.models.trees import LEAF


def forest_scorer(p: Forest) -> Callable[[Floats], Floats]:
    """What gives the scores of readings of shape (n, f)."""
    if p.features_in > 1:
        return _Walk(p).scores
    with np.errstate(over="ignore"):  # a threshold can be larger than any float32
        return _Steps(p).scores


def _score(p: Forest, depths: Floats) -> Floats:
    """From the sums of depths in all trees, by scikit-learn's operations."""
    denominator = np.array([len(p.sizes) * p.expected])
    ratio = np.divide(depths, denominator, out=np.ones_like(depths), where=denominator != 0)
    scores: Floats = -(2**-ratio) - p.offset
    return scores


def _single(x: Floats) -> np.ndarray:
    """Readings as trees compare them; what is too large for a float32 is infinite."""
    return x.astype(np.float32)


class _Steps:
    """The scores of a forest of one feature: `levels[i]` up to the threshold `edges[i]`, it included."""

    def __init__(self, p: Forest) -> None:
        tree, low, depth = _leaves(p)
        low = _rounded_down(low)
        edges, places = np.unique(low, return_inverse=True)  # the first is minus infinity
        # A leaf is where a reading goes from its edge to the next of its tree.
        starts = np.searchsorted(tree, np.arange(len(p.sizes) + 1))
        depths = np.zeros(len(edges))
        for first, last in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True):
            widths = np.diff(places[first:last], append=len(edges))
            depths += np.repeat(depth[first:last], widths)
        self._edges = edges[1:].astype(np.float32)
        self._levels = _score(p, depths)

    def scores(self, x: Floats) -> Floats:
        found: Floats = self._levels[np.searchsorted(self._edges, _single(x[:, 0]))]
        return found


def _leaves(p: Forest) -> tuple[np.ndarray, Floats, Floats]:
    """Of all leaves that a reading can reach, by tree and in rising order: tree, lower edge, depth.

    Down from the roots, each node has the readings above `low` and up to `high`; every level at once.
    """
    starts = np.cumsum(p.sizes, dtype=np.int64) - p.sizes
    tree, node = np.arange(len(p.sizes)), starts
    low, high = np.full(len(starts), -np.inf), np.full(len(starts), np.inf)
    found = []
    for _ in range(MOST_DEPTH + 1):
        leaf = p.left[node] == LEAF
        found.append((tree[leaf], low[leaf], p.numbers[node[leaf]]))
        tree, node, low, high = (values[~leaf] for values in (tree, node, low, high))
        if not len(node):
            break
        edge = p.numbers[node]
        base = starts[tree]
        tree = np.concatenate([tree, tree])
        node = np.concatenate([p.left[node] + base, p.right[node] + base])
        low, high = (
            np.concatenate([low, np.maximum(low, edge)]),
            np.concatenate([np.minimum(high, edge), high]),
        )
        some = low < high
        tree, node, low, high = (values[some] for values in (tree, node, low, high))
    trees, lows, depths = (np.concatenate(parts) for parts in zip(*found, strict=True))
    order = np.lexsort((lows, trees))
    return trees[order], lows[order], depths[order]


def _rounded_down(edges: Floats) -> Floats:
    """The largest float32 that is not above each: for a float32, to be above either is the same."""
    single = edges.astype(np.float32)
    above = single > edges
    single[above] = np.nextafter(single[above], np.float32(-np.inf))
    return single.astype(np.float64)


class _Walk:
    """A forest of several features: every reading goes down every tree, all readings at once."""

    def __init__(self, p: Forest) -> None:
        self._p = p
        self._starts = (np.cumsum(p.sizes, dtype=np.int64) - p.sizes).tolist()

    def scores(self, x: Floats) -> Floats:
        p, single = self._p, _single(x)
        depths = np.zeros(len(x))
        rows = np.arange(len(x))
        for start in self._starts:
            node = np.full(len(x), start)
            for _ in range(MOST_DEPTH + 1):
                inner = p.left[node] != LEAF
                if not inner.any():
                    break
                goes_left = single[rows, p.feature[node]] <= p.numbers[node]
                node = np.where(inner, start + np.where(goes_left, p.left[node], p.right[node]), node)
            depths += p.numbers[node]
        return _score(p, depths)
