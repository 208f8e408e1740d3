"""Decision trees as arrays of nodes, one tree's after the other's: whether they are trees, and how deep."""

import numpy as np

from scoring.errors import ModelError
from scoring.models.parameter_checks import MOST_DEPTH, Floats, Integers, expect

LEAF = -1
"""What stands in place of a leaf's children."""


def node_depths(sizes: Integers, left: Integers, right: Integers) -> Floats:
    """How deep each node lies, counted from 1 for the roots.

    Args:
        sizes: how many nodes each tree has, at least one.
        left: of an inner node, its left child, counted from the root of its tree; of a leaf, -1.
        right: the same for right children.

    Raises:
        ModelError: children do not lie behind their parents and within their tree, a node that is not a root
            is not the child of one other, or a tree is too deep. Otherwise each way ends in a leaf.
    """
    counts = sizes.astype(np.int64)
    roots = np.cumsum(counts) - counts
    start = np.repeat(roots, counts)
    inner = left != LEAF
    first, last = np.minimum(left, right), np.maximum(left, right)
    good = (
        (right[~inner] == LEAF).all()
        and (first > np.arange(len(left)) - start)[inner].all()
        and (last < np.repeat(counts, counts))[inner].all()
    )
    expect(bool(good), "holds a tree whose nodes lead nowhere")
    below = np.where(inner, left + start, LEAF), np.where(inner, right + start, LEAF)
    parents = np.bincount(np.concatenate([children[inner] for children in below]), minlength=len(left))
    parents[roots] += 1
    expect(bool((parents == 1).all()), "holds a tree whose nodes lead nowhere")
    depths = np.zeros(len(left))
    level = roots
    for depth in range(1, MOST_DEPTH + 2):
        depths[level] = depth
        level = level[inner[level]]
        if not len(level):
            return depths
        level = np.concatenate([children[level] for children in below])
    raise ModelError(f"holds a tree of more than {MOST_DEPTH} levels")
