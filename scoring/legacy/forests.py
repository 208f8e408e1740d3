"""From records of legacy isolation forests to today's."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from scoring.errors import ModelError
from scoring.legacy.unpickle import Record
from scoring.legacy.arrays import numbers
from scoring.legacy.detectors import Converted, arguments, one

_FIELDS = (
    "left_child",
    "right_child",
    "feature",
    "threshold",
    "impurity",
    "n_node_samples",
    "weighted_n_node_samples",
)
_LEAF = -1
_MOST_DEPTH = 100
"""A tree of n samples has the logarithm of n levels."""

_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class _Tree:
    """A tree as columns of its nodes, and how deep each lies below the root."""

    nodes: Any
    values: np.ndarray
    depths: np.ndarray

    def leaves(self, x: np.ndarray) -> np.ndarray:
        """The leaf that each reading ends in; readings are compared as float32."""
        at = np.zeros(len(x), np.intp)
        single = x.astype(np.float32).astype(np.float64)
        for _ in range(int(self.depths.max())):
            left, right = self.nodes["left_child"][at], self.nodes["right_child"][at]
            below = np.where(single <= self.nodes["threshold"][at], left, right)
            at = np.where(left == _LEAF, at, below)
        return at


def forest(record: Record) -> Converted:
    """IsolationForest.

    Versions before 0.21 guessed the depth below a leaf by other formulas. A forest keeps these guesses, so
    theirs are kept; where the guess for the whole sample differs too, all depths are scaled alike.
    """
    from sklearn.ensemble import IsolationForest
    from sklearn.tree import ExtraTreeRegressor

    state = record.state
    trees = [_tree(each) for each in _list(state["estimators_"])]
    samples = int(state["max_samples_"])
    if samples < 2:  # noqa: PLR2004 - there is nothing to split
        raise ModelError("was fitted on too few readings; train it again")
    model = IsolationForest(n_estimators=len(trees), **arguments(state, "max_samples", "bootstrap"))
    model.n_features_in_ = model._max_features = 1  # noqa: SLF001
    model.max_samples_ = model._max_samples = samples  # noqa: SLF001
    model.estimator_ = ExtraTreeRegressor(max_features=1, splitter="random")
    model.estimators_ = [_estimator(tree) for tree in trees]
    model.estimators_features_ = [np.zeros(1, np.int64)] * len(trees)
    model.offset_ = offset = _offset(state)

    version = str(state["_sklearn_version"])
    factor = float(_guess(np.array([samples]), "")[0] / _guess(np.array([samples]), version)[0])
    guesses = [_guess(tree.nodes["n_node_samples"], version) for tree in trees]
    model._decision_path_lengths = tuple(tree.depths + 1 for tree in trees)  # noqa: SLF001
    model._average_path_length_per_tree = tuple(  # noqa: SLF001
        guess * factor + tree.depths * (factor - 1) for tree, guess in zip(trees, guesses, strict=True)
    )

    def formula(x: np.ndarray) -> np.ndarray:
        total = np.zeros(len(x))
        for tree, guess in zip(trees, guesses, strict=True):
            leaves = tree.leaves(x)
            total += tree.depths[leaves] + guess[leaves]
        expected = len(trees) * _guess(np.array([samples]), version)[0]
        scores: np.ndarray = -(2.0 ** (-total / expected)) - offset
        return scores

    thresholds = [tree.nodes["threshold"][tree.nodes["left_child"] != _LEAF] for tree in trees]
    places = np.unique(np.concatenate([[0.0], *thresholds]))
    return Converted(model, formula, lambda x: np.full(x.shape, 1.0 + abs(offset)), places)


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list) or not value:
        raise ModelError("is a forest without trees")
    return value


def _offset(state: Mapping[str, Any]) -> float:
    """Where the scores are cut; before 0.22 there was a threshold besides, or instead."""
    if "_threshold_" in state:  # a score at the threshold is normal, however its sum is rounded
        return one(state["_threshold_"], "threshold_") - 0.5 - _ROUNDING
    if "offset_" in state:
        return one(state["offset_"], "offset_")
    return one(state["threshold_"], "threshold_") - 0.5 + _ROUNDING  # and before 0.20 it was an anomaly


def _guess(samples: np.ndarray, version: str) -> np.ndarray:
    """How deep below a leaf a reading would lie, were its `samples` split on: by that version's formula."""
    rounded_up = version.startswith(("0.18", "0.19", "0.20"))
    count = samples.astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        logarithm = (
            np.log(count) + 0.5772156649 if version.startswith("0.18") else np.log(count - 1) + np.euler_gamma
        )
        guess: np.ndarray = 2 * logarithm - 2 * (count - 1) / count
    guess[count <= 1] = 1 if rounded_up else 0
    if not rounded_up:
        guess[count == 2] = 1  # noqa: PLR2004 - the formula is for more
    return guess


def _tree(estimator: Any) -> _Tree:
    record = estimator.state["tree_"]
    nodes, values = record.state["nodes"], numbers(record.state["values"])
    count = len(nodes)
    if nodes.ndim != 1 or not count or values.shape != (count, 1, 1):
        raise ModelError("holds a tree that is none of one feature")
    left, right, places = nodes["left_child"], nodes["right_child"], np.arange(count)
    inner = left != _LEAF
    if not (
        (left[inner] > places[inner]).all()
        and (right[inner] > places[inner]).all()
        and (np.maximum(left, right)[inner] < count).all()
        and (nodes["feature"][inner] == 0).all()
    ):
        raise ModelError("holds a tree whose nodes lead nowhere")
    return _Tree(nodes, values, _depths(left, right))


def _depths(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    depths = np.zeros(len(left), np.int64)
    level = np.zeros(1, np.intp)
    for depth in range(_MOST_DEPTH):
        depths[level] = depth
        level = level[left[level] != _LEAF]
        if not len(level):
            return depths
        level = np.unique(np.concatenate([left[level], right[level]]))
    raise ModelError(f"holds a tree of more than {_MOST_DEPTH} levels")


def _estimator(tree: _Tree) -> Any:
    from sklearn.tree import ExtraTreeRegressor
    from sklearn.tree._tree import NODE_DTYPE, Tree

    nodes = np.zeros(len(tree.nodes), NODE_DTYPE)
    for name in _FIELDS:
        nodes[name] = tree.nodes[name]
    built = Tree(1, np.array([1], np.intp), 1)
    depth = int(tree.depths.max())
    state = {"max_depth": depth, "node_count": len(nodes), "nodes": nodes, "values": tree.values}
    built.__setstate__(state)
    estimator = ExtraTreeRegressor(max_features=1, splitter="random")
    estimator.n_features_in_ = estimator.n_outputs_ = estimator.max_features_ = 1
    estimator.tree_ = built
    return estimator
