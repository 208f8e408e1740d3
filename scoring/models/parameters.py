"""The typed parameters of every model that is supported: what prediction needs, and nothing else.

They are the one representation of a model, whatever file it comes from, and are checked when they are made:
numbers are finite, shapes fit together, every index leads to what is there, and sizes are bounded. Evaluators
rely on it. Arrays are float64 or int32, C-contiguous; f stands for the number of features that go in.
"""

import math
from dataclasses import dataclass
from math import comb
from typing import Any

import numpy as np

from scoring.errors import ModelError

type Floats = np.ndarray[Any, np.dtype[np.float64]]
type Integers = np.ndarray[Any, np.dtype[np.int32]]

KERNELS = ("linear", "poly", "rbf", "sigmoid")
NYSTROEM_KERNELS = (*KERNELS, "cosine", "laplacian", "polynomial")

MOST_FEATURES = 4096
"""Most features anywhere in a model: a reading becomes this many numbers at most."""
MOST_STEPS = 20
"""Most transformers before a detector."""
MOST_DEGREE = 64
MOST_VECTORS = 100_000
MOST_TREES = 1_000
MOST_DEPTH = 40
"""Most levels of a tree: of n samples, an isolation tree has the logarithm of n."""
MOST_READINGS = 100_000
"""Most readings that a LocalOutlierFactor compares with."""
MOST_NEIGHBOURS = 1_000
MOST_LEAVES = 10_000


def _expect(condition: bool, problem: str) -> None:
    if not condition:
        raise ModelError(problem)


def _finite(what: str, *numbers: float | None) -> None:
    if not all(map(math.isfinite, filter(None, numbers))):
        raise ModelError(f"{what} is not a finite number: train this model again")


def _array(what: str, array: np.ndarray | None, *shape: int | None) -> None:
    """Check an array for its shape, None standing for any size but 0, and for finite numbers."""
    if array is None:
        return
    if array.shape != shape and not _fits(array.shape, shape):
        text = ", ".join("any" if size is None else str(size) for size in shape)
        raise ModelError(f"{what} has the shape {array.shape}, and should have ({text}): save it again")
    if array.dtype.kind == "f" and not _all_finite(array):
        raise ModelError(f"{what} holds what is not a finite number: train this model again")


def _all_finite(array: np.ndarray) -> bool:
    if array.size == 1:  # as in most models
        return math.isfinite(array.item())
    return bool(np.logical_and.reduce(np.isfinite(array), axis=None))


def _fits(shape: tuple[int, ...], wanted: tuple[int | None, ...]) -> bool:
    return len(shape) == len(wanted) and all(
        size > 0 if each is None else size == each for size, each in zip(shape, wanted, strict=True)
    )


def _features(what: str, count: int) -> None:
    _expect(0 < count <= MOST_FEATURES, f"{what} works on {count:,} features: 1 to {MOST_FEATURES:,} do")


@dataclass(frozen=True, slots=True, eq=False)
class Scaling:
    """StandardScaler, RobustScaler and MaxAbsScaler: (x - center) / scale, clipped where bounds are given."""

    features_in: int
    center: Floats | None  # (f,)
    scale: Floats | None  # (f,)
    clip: bool
    """To -1 and 1."""

    def __post_init__(self) -> None:
        _features("a scaler", self.features_in)
        _array("center", self.center, self.features_in)
        _array("scale", self.scale, self.features_in)
        _expect(self.scale is None or bool(self.scale.all()), "scale is 0: train this model again")

    @property
    def features_out(self) -> int:
        """As many as go in."""
        return self.features_in


@dataclass(frozen=True, slots=True, eq=False)
class MinMaxScaling:
    """MinMaxScaler: x * scale + minimum, clipped to low and high where they are given."""

    scale: Floats  # (f,)
    minimum: Floats  # (f,)
    low: float | None
    high: float | None

    def __post_init__(self) -> None:
        _array("scale_", self.scale, None)
        _array("min_", self.minimum, len(self.scale))
        _features("a MinMaxScaler", self.features_in)
        _finite("feature_range", self.low, self.high)

    @property
    def features_in(self) -> int:
        """The length of its arrays."""
        return len(self.scale)

    features_out = features_in


@dataclass(frozen=True, slots=True, eq=False)
class PowerTransform:
    """PowerTransformer, with the scaler that standardizes after it where there is one."""

    method: str
    lambdas: Floats  # (f,)
    scaling: Scaling | None

    def __post_init__(self) -> None:
        _expect(self.method in {"yeo-johnson", "box-cox"}, "method is neither yeo-johnson nor box-cox")
        _array("lambdas_", self.lambdas, None)
        _features("a PowerTransformer", self.features_in)
        fits = self.scaling is None or self.scaling.features_in == self.features_in
        _expect(fits, "the scaler in a PowerTransformer expects another number of features")

    @property
    def features_in(self) -> int:
        """The length of its array."""
        return len(self.lambdas)

    features_out = features_in


@dataclass(frozen=True, slots=True, eq=False)
class QuantileTransform:
    """QuantileTransformer; `normal` says which of the two distributions comes out."""

    quantiles: Floats  # (n, f)
    references: Floats  # (n,)
    normal: bool

    def __post_init__(self) -> None:
        _array("quantiles_", self.quantiles, None, None)
        _array("references_", self.references, len(self.quantiles))
        _features("a QuantileTransformer", self.features_in)
        rising = (np.diff(self.quantiles, axis=0) >= 0).all() and (np.diff(self.references) >= 0).all()
        _expect(bool(rising), "quantiles_ or references_ do not rise: train this model again")

    @property
    def features_in(self) -> int:
        """The number of columns of its quantiles."""
        return int(self.quantiles.shape[1])

    features_out = features_in


@dataclass(frozen=True, slots=True, eq=False)
class Polynomial:
    """PolynomialFeatures of the degrees from lowest to highest."""

    features_in: int
    lowest: int
    highest: int
    interaction_only: bool
    bias: bool

    def __post_init__(self) -> None:
        _features("PolynomialFeatures", self.features_in)
        fits = 0 <= self.lowest <= self.highest <= MOST_DEGREE
        _expect(fits, f"PolynomialFeatures has degrees {self.lowest} to {self.highest}: out of range")
        # First all that are computed, then those that are kept.
        _features("PolynomialFeatures", self.count(0))
        _features("PolynomialFeatures", self.features_out)

    def count(self, lowest: int) -> int:
        """How many features of the degrees from `lowest` to the highest there are, the bias included."""
        n = self.features_in
        degrees = range(max(1, lowest), self.highest + 1)
        if self.interaction_only:
            return sum(comb(n, degree) for degree in degrees) + self.bias
        return sum(comb(n + degree - 1, degree) for degree in degrees) + self.bias

    @property
    def features_out(self) -> int:
        """How many products there are."""
        return self.count(self.lowest)


@dataclass(frozen=True, slots=True, eq=False)
class Imputation:
    """SimpleImputer: what equals `missing` is replaced; None stands for NaN, which no reading is."""

    missing: float | None
    statistics: Floats  # (f,)

    def __post_init__(self) -> None:
        _array("statistics_", self.statistics, None)
        _features("a SimpleImputer", self.features_in)
        _finite("missing_values", self.missing)

    @property
    def features_in(self) -> int:
        """The length of its array."""
        return len(self.statistics)

    features_out = features_in


@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """PCA; divided by `deviations` where it whitens."""

    components: Floats  # (m, f)
    mean: Floats  # (f,)
    deviations: Floats | None  # (m,)

    def __post_init__(self) -> None:
        _array("components_", self.components, None, None)
        _array("mean_", self.mean, self.features_in)
        _array("explained_variance_", self.deviations, self.features_out)
        _features("a PCA", self.features_in)
        positive = self.deviations is None or bool((self.deviations > 0).all())
        _expect(positive, "explained_variance_ is negative: train this model again")

    @property
    def features_in(self) -> int:
        """The number of columns of its components."""
        return int(self.components.shape[1])

    @property
    def features_out(self) -> int:
        """The number of its components."""
        return len(self.components)


@dataclass(frozen=True, slots=True, eq=False)
class KernelMap:
    """Nystroem: a kernel between readings and components, times a matrix."""

    kernel: str
    gamma: float
    coef0: float
    degree: float
    components: Floats  # (m, f)
    normalization: Floats  # (m, m)

    def __post_init__(self) -> None:
        _expect(
            self.kernel in NYSTROEM_KERNELS,
            f"the kernel of a Nystroem is not one of {', '.join(sorted(NYSTROEM_KERNELS))}",
        )
        _array("components_", self.components, None, None)
        _array("normalization_", self.normalization, self.features_out, self.features_out)
        _features("a Nystroem", self.features_in)
        _features("a Nystroem", self.features_out)
        _finite("gamma, coef0 or degree", self.gamma, self.coef0, self.degree)
        _expect(self.gamma >= 0 <= self.degree, "gamma or degree is out of range")

    @property
    def features_in(self) -> int:
        """The number of columns of its components."""
        return int(self.components.shape[1])

    @property
    def features_out(self) -> int:
        """The number of its components."""
        return len(self.components)


@dataclass(frozen=True, slots=True, eq=False)
class FourierMap:
    """RBFSampler: cosines of random projections."""

    weights: Floats  # (f, m)
    offsets: Floats  # (m,)

    def __post_init__(self) -> None:
        _array("random_weights_", self.weights, None, None)
        _array("random_offset_", self.offsets, self.features_out)
        _features("an RBFSampler", self.features_in)
        _features("an RBFSampler", self.features_out)

    @property
    def features_in(self) -> int:
        """The number of rows of its weights."""
        return len(self.weights)

    @property
    def features_out(self) -> int:
        """The number of columns of its weights."""
        return int(self.weights.shape[1])


type Transformer = (
    Scaling
    | MinMaxScaling
    | PowerTransform
    | QuantileTransform
    | Polynomial
    | Imputation
    | Projection
    | KernelMap
    | FourierMap
)


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
        _expect(self.kernel in KERNELS, f"kernel {self.kernel[:40]!r} is not one of {', '.join(KERNELS)}")
        _array("support_vectors_", self.vectors, None, None)
        _array("dual_coef_", self.dual, len(self.vectors))
        _features("a OneClassSVM", self.features_in)
        _expect(len(self.vectors) <= MOST_VECTORS, f"has more than {MOST_VECTORS:,} support vectors")
        _finite("gamma, coef0 or intercept_", self.gamma, self.coef0, self.intercept)
        _expect(self.gamma >= 0, f"gamma {self.gamma} is below 0")
        _expect(0 <= self.degree < 1 << 31, f"degree {self.degree} is out of range")

    @property
    def features_in(self) -> int:
        """The number of columns of its vectors."""
        return int(self.vectors.shape[1])


@dataclass(frozen=True, slots=True, eq=False)
class Hyperplane:
    """SGDOneClassSVM: x · weights - offset."""

    weights: Floats  # (f,)
    offset: float

    def __post_init__(self) -> None:
        _array("coef_", self.weights, None)
        _features("an SGDOneClassSVM", self.features_in)
        _finite("offset_", self.offset)

    @property
    def features_in(self) -> int:
        """The length of its array."""
        return len(self.weights)


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
        _features("an IsolationForest", self.features_in)
        _array("estimators_", self.sizes, None)
        _expect(len(self.sizes) <= MOST_TREES, f"has more than {MOST_TREES:,} trees")
        _expect(int(self.sizes.min()) > 0, "holds a tree without nodes")
        count = int(self.sizes.sum(dtype=np.int64))
        for name in ("left", "right", "feature", "numbers"):
            _array(f"{name} of the trees' nodes", getattr(self, name), count)
        _finite("offset_", self.expected, self.offset)
        _expect(self.expected >= 0, "was fitted on too few readings; train it again")
        self._check_links()

    def _check_links(self) -> None:
        """Children lie behind their parents, within their tree, and each node but the root is one child."""
        sizes = self.sizes.astype(np.int64)
        roots = np.cumsum(sizes) - sizes
        start = np.repeat(roots, sizes)
        place = np.arange(len(self.left)) - start
        inner = self.left >= 0
        first, last = np.minimum(self.left, self.right), np.maximum(self.left, self.right)
        good = (
            (self.left[~inner] == -1).all()
            and (self.right[~inner] == -1).all()
            and (first > place)[inner].all()
            and (last < np.repeat(sizes, sizes))[inner].all()
            and ((self.feature >= 0) & (self.feature < self.features_in)).all()
        )
        _expect(bool(good), "holds a tree whose nodes lead nowhere")
        children = np.concatenate([(self.left + start)[inner], (self.right + start)[inner]])
        parents = np.bincount(children, minlength=len(place))
        parents[roots] += 1
        _expect(bool((parents == 1).all()), "holds a tree whose nodes lead nowhere")
        level = roots
        for _ in range(MOST_DEPTH + 1):
            level = level[inner[level]]
            if not len(level):
                return
            level = np.concatenate([array[level] + start[level] for array in (self.left, self.right)])
        raise ModelError(f"holds a tree of more than {MOST_DEPTH} levels")


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
        _array("the readings of a LocalOutlierFactor", self.readings, None, None)
        _array("_lrd", self.densities, count)
        _array("_distances_fit_X_", self.distances, count)
        _features("a LocalOutlierFactor", self.features_in)
        _expect(count <= MOST_READINGS, f"compares with more than {MOST_READINGS:,} readings")
        _finite("p or offset_", self.p, self.offset)
        fits = 1 <= self.neighbours <= min(count, MOST_NEIGHBOURS)
        _expect(fits, f"n_neighbors_ {self.neighbours} is out of range")
        _expect(self.metric in METRICS and self.p >= 1, "has a metric of its own")
        fits = 1 <= self.leaf_size < 1 << 31 and count <= MOST_LEAVES * self.leaf_size
        _expect(fits, f"leaf_size {self.leaf_size} is out of range")
        _expect(self.search in {"brute", "kd_tree", "ball_tree"}, "searches in a way that is not known")
        _array("the tree of a LocalOutlierFactor", self.order, count)
        known = np.bincount(np.clip(self.order, 0, count), minlength=count)
        whole = bool((self.order >= 0).all()) and len(known) == count and bool((known == 1).all())
        _expect(whole, "holds a tree that does not go with its readings")

    @property
    def features_in(self) -> int:
        """The number of columns of its readings."""
        return int(self.readings.shape[1])


METRICS = ("chebyshev", "euclidean", "manhattan", "minkowski")


@dataclass(frozen=True, slots=True, eq=False)
class Ellipse:
    """EllipticEnvelope: the squared Mahalanobis distance from `location`, negated, minus `offset`."""

    location: Floats  # (f,)
    precision: Floats  # (f, f)
    offset: float

    def __post_init__(self) -> None:
        _array("location_", self.location, None)
        _array("precision_", self.precision, self.features_in, self.features_in)
        _features("an EllipticEnvelope", self.features_in)
        _finite("offset_", self.offset)

    @property
    def features_in(self) -> int:
        """The length of its location."""
        return len(self.location)


type DetectorParameters = SupportVectors | Hyperplane | Forest | Neighbours | Ellipse


@dataclass(frozen=True, slots=True, eq=False)
class ModelParameters:
    """A model: transformers, in order, and the detector at their end; made for readings of one feature.

    Raises (all of these classes):
        ModelError: they cannot be the parameters of a fitted model.
    """

    transformers: tuple[Transformer, ...]
    detector: DetectorParameters
    version: str | None = None
    """Of the scikit-learn that fitted it, where known."""

    def __post_init__(self) -> None:
        _expect(len(self.transformers) <= MOST_STEPS, f"has more than {MOST_STEPS} transformers")
        count = 1
        for step in self.transformers:
            _expect(isinstance(step, TRANSFORMER_KINDS), "has a step that is not a transformer")
            _expect_features(step.features_in, count)
            count = step.features_out
        _expect(isinstance(self.detector, DETECTOR_KINDS), "does not end in a detector")
        _expect_features(self.detector.features_in, count)


def _expect_features(expected: int, found: int) -> None:
    if expected == found:
        return
    if found == 1:
        raise ModelError(
            f"expects {expected} features, and a reading has one: its Value; train a model per sensor"
        )
    raise ModelError(f"has a step that expects {expected} features where {found} come in; save it again")


TRANSFORMER_KINDS = (
    Scaling,
    MinMaxScaling,
    PowerTransform,
    QuantileTransform,
    Polynomial,
    Imputation,
    Projection,
    KernelMap,
    FourierMap,
)
DETECTOR_KINDS = (SupportVectors, Hyperplane, Forest, Neighbours, Ellipse)
