"""The typed parameters of every transformer that is supported.

Each says how many features go in, f, and come out.
"""

from dataclasses import dataclass
from math import comb
from typing import get_args

import numpy as np

from scoring.models.parameter_checks import (
    MOST_DEGREE,
    FeaturesOf,
    Floats,
    check_array,
    check_features,
    check_finite,
    expect,
)

NYSTROEM_KERNELS = ("cosine", "laplacian", "linear", "poly", "polynomial", "rbf", "sigmoid")


@dataclass(frozen=True, slots=True, eq=False)
class Scaling:
    """StandardScaler, RobustScaler and MaxAbsScaler: (x - center) / scale, clipped where bounds are given."""

    features_in: int
    center: Floats | None  # (f,)
    scale: Floats | None  # (f,)
    clip: bool
    """To -1 and 1."""

    def __post_init__(self) -> None:
        check_features("a scaler", self.features_in)
        check_array("center", self.center, self.features_in)
        check_array("scale", self.scale, self.features_in)
        expect(self.scale is None or bool(self.scale.all()), "scale is 0: train this model again")

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
        check_array("scale_", self.scale, None)
        check_array("min_", self.minimum, len(self.scale))
        check_features("a MinMaxScaler", self.features_in)
        check_finite("feature_range", self.low, self.high)

    features_in = FeaturesOf("scale")
    features_out = features_in


@dataclass(frozen=True, slots=True, eq=False)
class PowerTransform:
    """PowerTransformer, with the scaler that standardizes after it where there is one."""

    method: str
    lambdas: Floats  # (f,)
    scaling: Scaling | None

    def __post_init__(self) -> None:
        expect(self.method in {"yeo-johnson", "box-cox"}, "method is neither yeo-johnson nor box-cox")
        check_array("lambdas_", self.lambdas, None)
        check_features("a PowerTransformer", self.features_in)
        fits = self.scaling is None or self.scaling.features_in == self.features_in
        expect(fits, "the scaler in a PowerTransformer expects another number of features")

    features_in = FeaturesOf("lambdas")
    features_out = features_in


@dataclass(frozen=True, slots=True, eq=False)
class QuantileTransform:
    """QuantileTransformer; `normal` says which of the two distributions comes out."""

    quantiles: Floats  # (n, f)
    references: Floats  # (n,)
    normal: bool

    def __post_init__(self) -> None:
        check_array("quantiles_", self.quantiles, None, None)
        check_array("references_", self.references, len(self.quantiles))
        check_features("a QuantileTransformer", self.features_in)
        rising = (np.diff(self.quantiles, axis=0) >= 0).all() and (np.diff(self.references) >= 0).all()
        expect(bool(rising), "quantiles_ or references_ do not rise: train this model again")

    features_in = FeaturesOf("quantiles")
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
        check_features("PolynomialFeatures", self.features_in)
        fits = 0 <= self.lowest <= self.highest <= MOST_DEGREE
        expect(fits, f"PolynomialFeatures has degrees {self.lowest} to {self.highest}: out of range")
        # First all that are computed, then those that are kept.
        check_features("PolynomialFeatures", self.count(0))
        check_features("PolynomialFeatures", self.features_out)

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
        check_array("statistics_", self.statistics, None)
        check_features("a SimpleImputer", self.features_in)
        check_finite("missing_values", self.missing)

    features_in = FeaturesOf("statistics")
    features_out = features_in


@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """PCA; divided by `deviations` where it whitens."""

    components: Floats  # (m, f)
    mean: Floats  # (f,)
    deviations: Floats | None  # (m,)

    def __post_init__(self) -> None:
        check_array("components_", self.components, None, None)
        check_array("mean_", self.mean, self.features_in)
        check_array("explained_variance_", self.deviations, self.features_out)
        check_features("a PCA", self.features_in)
        positive = self.deviations is None or bool((self.deviations > 0).all())
        expect(positive, "explained_variance_ is negative: train this model again")

    features_in = FeaturesOf("components")
    features_out = FeaturesOf("components", 0)


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
        expect(
            self.kernel in NYSTROEM_KERNELS,
            f"the kernel of a Nystroem is not one of {', '.join(sorted(NYSTROEM_KERNELS))}",
        )
        check_array("components_", self.components, None, None)
        check_array("normalization_", self.normalization, self.features_out, self.features_out)
        check_features("a Nystroem", self.features_in)
        check_features("a Nystroem", self.features_out)
        check_finite("gamma, coef0 or degree", self.gamma, self.coef0, self.degree)
        expect(self.gamma >= 0 <= self.degree, "gamma or degree is out of range")

    features_in = FeaturesOf("components")
    features_out = FeaturesOf("components", 0)


@dataclass(frozen=True, slots=True, eq=False)
class FourierMap:
    """RBFSampler: cosines of random projections."""

    weights: Floats  # (f, m)
    offsets: Floats  # (m,)

    def __post_init__(self) -> None:
        check_array("random_weights_", self.weights, None, None)
        check_array("random_offset_", self.offsets, self.features_out)
        check_features("an RBFSampler", self.features_in)
        check_features("an RBFSampler", self.features_out)

    features_in = FeaturesOf("weights", 0)
    features_out = FeaturesOf("weights")


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

TRANSFORMER_KINDS: tuple[type, ...] = get_args(Transformer.__value__)
