"""IsolationForest: from described trees to the typed parameters of a forest."""

import numpy as np

from scoring.errors import ModelError
from scoring.models.detector_parameters import Forest
from scoring.models.document import Described
from scoring.models.fields import Fields
from scoring.models.parameter_checks import MOST_TREES, Floats, Integers
from scoring.models.trees import LEAF, node_depths

_ROUNDING = 1e-12
_GUESSES = "_average_path_length_per_tree"
_MOST_NODES = 1 << 20


def forest(fields: Fields) -> Forest:
    """IsolationForest.

    A file since 1.3 holds, for each node, a guess of how much deeper a reading would lie, were the samples
    in it split on; for others it is computed. Before 0.21 guesses were made by other formulas, and a forest
    keeps those of its version.
    """
    trees = [Fields(tree).object("tree_", "Tree") for tree in fields.items("estimators_", Described)]
    if not 0 < len(trees) <= MOST_TREES:
        raise ModelError(f"has {len(trees):,} trees: 1 to {MOST_TREES:,} are supported")
    nodes = [_nodes(tree) for tree in trees]
    sizes = np.array([len(each) for each in nodes], np.int32)
    if sizes.sum(dtype=np.int64) > _MOST_NODES:
        raise ModelError(f"has more than {_MOST_NODES:,} nodes")
    left, right, feature = (_joined(nodes, name) for name in ("left_child", "right_child", "feature"))
    inner = left != LEAF
    features, feature = _features(fields, trees, sizes, np.where(inner, feature, 0))
    version = fields.described.version or ""
    samples = fields.whole("max_samples_")
    if not 0 < samples < 1 << 53:
        raise fields.error("max_samples_", "is out of range")
    lengths = _lengths(fields, nodes, node_depths(sizes, left, right), version)
    thresholds = np.concatenate([each["threshold"] for each in nodes]).astype(np.float64)
    return Forest(
        features_in=features,
        sizes=sizes,
        left=left,
        right=right,
        feature=feature,
        numbers=np.where(inner, thresholds, lengths),
        expected=float(_guess(np.array([samples]), version)[0]),
        offset=_offset(fields),
    )


def _nodes(tree: Fields) -> np.ndarray:
    nodes = tree.value("nodes")
    wanted = {"left_child": "i", "right_child": "i", "feature": "i", "threshold": "f", "n_node_samples": "i"}
    found = nodes.dtype.fields if isinstance(nodes, np.ndarray) else None
    if not found or any(name not in found or found[name][0].kind != kind for name, kind in wanted.items()):
        raise tree.error("nodes", "is not an array of a tree's nodes")
    if nodes.shape != (tree.whole("node_count"),) or not len(nodes):
        raise tree.error("nodes", "does not hold node_count nodes")
    return nodes  # type: ignore[no-any-return]


def _joined(nodes: list[np.ndarray], name: str) -> Integers:
    """A field of all nodes; what does not fit is cut to what is out of range all the more."""
    values = np.concatenate([each[name] for each in nodes])
    result: Integers = np.clip(values, -(1 << 30), 1 << 30).astype(np.int32)
    return result


def _features(
    fields: Fields, trees: list[Fields], sizes: np.ndarray, feature: Integers
) -> tuple[int, Integers]:
    """How many features go in, and which of them each node compares: a tree numbers those drawn for it."""
    count = fields.whole(fields.first("n_features_in_", "n_features_"))
    if count == 1:
        return count, feature
    drawn = [_drawn(fields, each) for each in fields.items("estimators_features_", np.ndarray)]
    if len(drawn) != len(trees):
        raise fields.error("estimators_features_", "does not match its trees")
    if all(len(each) == count for each in drawn):
        return count, feature
    start = 0
    result = feature.copy()
    for each, size in zip(drawn, sizes.tolist(), strict=True):
        part = feature[start : start + size]
        if part.min() < 0 or part.max() >= len(each):
            raise ModelError("holds a tree whose nodes lead nowhere")
        result[start : start + size] = each[part]
        start += size
    return count, result


def _drawn(fields: Fields, drawn: np.ndarray) -> Integers:
    if drawn.ndim != 1 or not len(drawn) or drawn.dtype.kind not in "iu":
        raise fields.error("estimators_features_", "does not hold lists of features")
    result: Integers = np.clip(drawn, -1, 1 << 30).astype(np.int32)
    return result


def _lengths(fields: Fields, nodes: list[np.ndarray], depths: Floats, version: str) -> Floats:
    """How deep a reading in each node lies."""
    if fields.has(_GUESSES):
        arrays = fields.items(_GUESSES, np.ndarray)
        if [array.shape for array in arrays] != [each.shape for each in nodes]:
            raise fields.error(_GUESSES, "does not match its trees")
        if any(array.dtype.kind not in "iuf" for array in arrays):
            raise fields.error(_GUESSES, "does not hold numbers")
        guesses = np.concatenate(arrays).astype(np.float64)
    else:
        guesses = _guess(np.concatenate([each["n_node_samples"] for each in nodes]), version)
    return depths + guesses - 1.0


def _offset(fields: Fields) -> float:
    """Where the scores are cut; before 0.22 there was a threshold besides, or instead."""
    if fields.has("_threshold_"):  # a score at the threshold is normal, however its sum is rounded
        return fields.number("_threshold_") - 0.5 - _ROUNDING
    if fields.has("offset_"):
        return fields.number("offset_")
    return fields.number("threshold_") - 0.5 + _ROUNDING  # and before 0.20 it was an anomaly


def _guess(samples: np.ndarray, version: str) -> Floats:
    """How deep below a leaf a reading would lie, were its `samples` split on: by that version's formula."""
    rounded_up = version.startswith(("0.18", "0.19", "0.20"))
    count = samples.astype(np.float64)
    with np.errstate(all="ignore"):
        logarithm = (
            np.log(count) + 0.5772156649
            if version.startswith("0.18")
            else np.log(count - 1.0) + np.euler_gamma
        )
        guess: Floats = 2.0 * logarithm - 2.0 * (count - 1.0) / count
    guess[count <= 1] = 1.0 if rounded_up else 0.0
    if not rounded_up:
        guess[count == 2] = 1.0  # noqa: PLR2004 - the formula is for more
    return guess
