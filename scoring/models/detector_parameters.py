"""The typed parameters of every detector that is supported.

Each says how many features go in, f.
"""

from dataclasses import dataclass
from typing import get_args

import numpy as np

from scoring.models.parameter_checks import (
    MOST_DEGREE,
    MOST_LEAVES,
    MOST_NEIGHBOURS,
    MOST_POWERS,
    MOST_READINGS,
    MOST_TREES,
    MOST_VECTORS,
    FeaturesOf,
    Floats,
    Integers,
    check_array,
    check_features,
    check_finite,
    expect,
)
from scoring.models.trees import node_depths

KERNELS = ("linear", "poly", "rbf", "sigmoid")


@dataclass(frozen=True, slots=True, eq=False)
class SupportVectors:
    """OneClassSVM; `gamma` is the resolved one."""

    kernel: str
    gamma: float
    coef0: float
    degree: int
    vectors: Floats  # (n, f)
    dual: Floats  # (n,)
    intercept: float

    def __post_init__(self) -> None:
        expect(self.kernel in KERNELS, f"kernel {self.kernel[:40]!r} is not one of {', '.join(KERNELS)}")
        check_array("support_vectors_", self.vectors, None, None)
        check_array("dual_coef_", self.dual, len(self.vectors))
        check_features("a OneClassSVM", self.features_in)
        expect(len(self.vectors) <= MOST_VECTORS, f"has more than {MOST_VECTORS:,} support vectors: lower nu")
        check_finite("gamma, coef0 or intercept_", self.gamma, self.coef0, self.intercept)
        expect(self.gamma >= 0, f"gamma {self.gamma} is below 0")
        expect(0 <= self.degree <= MOST_DEGREE, f"degree {self.degree} is out of range")

    features_in = FeaturesOf("vectors")


@dataclass(frozen=True, slots=True, eq=False)
class Hyperplane:
    """SGDOneClassSVM: x · weights - offset."""

    weights: Floats  # (f,)
    offset: float

    def __post_init__(self) -> None:
        check_array("coef_", self.weights, None)
        check_features("an SGDOneClassSVM", self.features_in)
        check_finite("offset_", self.offset)

    features_in = FeaturesOf("weights")


@dataclass(frozen=True, slots=True, eq=False)
class Forest:
    """IsolationForest: the nodes of all trees, one tree's after the other's.

    Attributes:
        sizes: how many nodes each tree has.
        left, right: of an inner node, its children, counted from the root of its tree and behind it;
            of a leaf, -1.
        feature: what an inner node compares, 0 for a leaf.
        numbers: of an inner node, the threshold up to which a reading, as a float32, goes left; of a leaf,
            how deep a reading in it lies, the guess for what was not split included.
        expected: the depth that is expected of a reading, by which the mean of all trees is divided.
    """

    features_in: int
    sizes: Integers  # (trees,)
    left: Integers  # (n,)
    right: Integers  # (n,)
    feature: Integers  # (n,)
    numbers: Floats  # (n,)
    expected: float
    offset: float

    def __post_init__(self) -> None:
        check_features("an IsolationForest", self.features_in)
        check_array("estimators_", self.sizes, None)
        expect(len(self.sizes) <= MOST_TREES, f"has more than {MOST_TREES:,} trees")
        expect(int(self.sizes.min()) > 0, "holds a tree without nodes")
        count = int(self.sizes.sum(dtype=np.int64))
        for name in ("left", "right", "feature", "numbers"):
            check_array(f"{name} of the trees' nodes", getattr(self, name), count)
        check_finite("offset_", self.expected, self.offset)
        expect(self.expected >= 0, "was fitted on too few readings; train it again")
        node_depths(self.sizes, self.left, self.right)
        known = ((self.feature >= 0) & (self.feature < self.features_in)).all()
        expect(bool(known), "holds a tree whose nodes lead nowhere")


@dataclass(frozen=True, slots=True, eq=False)
class Neighbours:
    """LocalOutlierFactor with novelty=True.

    Attributes:
        readings: what it was fitted on.
        densities: the local reachability density of each of them.
        distances: how far the furthest of the neighbours of each is.
        search: how scikit-learn looks for neighbours: `brute`, `kd_tree` or `ball_tree`. Of readings at one
            distance, which become neighbours depends on it.
        order: the readings in the order of the tree; rising where there is none.
        leaf_size: how many readings a leaf of the tree holds, about.
    """

    readings: Floats  # (n, f)
    densities: Floats  # (n,)
    distances: Floats  # (n,)
    search: str
    order: Integers  # (n,)
    leaf_size: int
    neighbours: int
    metric: str
    p: float
    offset: float

    def __post_init__(self) -> None:
        count = len(self.readings)
        check_array("the readings of a LocalOutlierFactor", self.readings, None, None)
        check_array("_lrd", self.densities, count)
        check_array("_distances_fit_X_", self.distances, count)
        check_features("a LocalOutlierFactor", self.features_in)
        most = MOST_POWERS if self.metric == "minkowski" else MOST_READINGS
        expect(
            self.readings.size <= most,
            f"compares with more than {most:,} readings: train it again with fewer",
        )
        check_finite("p or offset_", self.p, self.offset)
        fits = 1 <= self.neighbours <= min(count, MOST_NEIGHBOURS)
        expect(fits, f"n_neighbors_ {self.neighbours} is out of range")
        expect(self.metric in METRICS and self.p >= 1, "has a metric of its own")
        fits = 1 <= self.leaf_size < 1 << 31 and count <= MOST_LEAVES * self.leaf_size
        expect(fits, f"leaf_size {self.leaf_size} is out of range")
        expect(self.search in {"brute", "kd_tree", "ball_tree"}, "searches in a way that is not known")
        check_array("the tree of a LocalOutlierFactor", self.order, count)
        known = np.bincount(np.clip(self.order, 0, count), minlength=count)
        whole = bool((self.order >= 0).all()) and len(known) == count and bool((known == 1).all())
        expect(whole, "holds a tree that does not match its readings")

    features_in = FeaturesOf("readings")

    @property
    def multiplies_out(self) -> bool:
        """Whether squared distances are x² - 2xy + y², which rounds: by this name of the metric alone."""
        return self.search == "brute" and self.metric == "euclidean"


METRICS = ("chebyshev", "euclidean", "l2", "manhattan", "minkowski")


@dataclass(frozen=True, slots=True, eq=False)
class Ellipse:
    """EllipticEnvelope: the squared Mahalanobis distance from `location`, negated, minus `offset`."""

    location: Floats  # (f,)
    precision: Floats  # (f, f)
    offset: float

    def __post_init__(self) -> None:
        check_array("location_", self.location, None)
        check_array("precision_", self.precision, self.features_in, self.features_in)
        check_features("an EllipticEnvelope", self.features_in)
        check_finite("offset_", self.offset)

    features_in = FeaturesOf("location")


type DetectorParameters = SupportVectors | Hyperplane | Forest | Neighbours | Ellipse

DETECTOR_KINDS: tuple[type, ...] = get_args(DetectorParameters.__value__)
