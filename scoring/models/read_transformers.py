"""Transformers: from described objects to typed parameters."""

from collections.abc import Callable

import numpy as np

from scoring.errors import ModelRefused
from scoring.models.document import Described
from scoring.models.fields import Fields
from scoring.models.parameter_checks import Floats
from scoring.models.transformer_parameters import (
    FourierMap,
    Imputation,
    KernelMap,
    MinMaxScaling,
    Polynomial,
    PowerTransform,
    Projection,
    QuantileTransform,
    Scaling,
    Transformer,
)


def _scaling(fields: Fields, center: Floats | None, scale: Floats | None, *, clip: bool = False) -> Scaling:
    arrays = [array for array in (center, scale) if array is not None]
    if arrays:
        count = arrays[0].size
    else:  # nothing is done, to however many; before 0.24 the number was not kept
        count = fields.whole("n_features_in_") if fields.has("n_features_in_") else 1
    return Scaling(count, center, scale, clip)


def standard_scaling(fields: Fields) -> Scaling:
    """StandardScaler."""
    center = fields.array("mean_") if fields.flag("with_mean") else None
    scale = fields.array("scale_") if fields.flag("with_std") else None
    return _scaling(fields, center, scale)


def robust_scaling(fields: Fields) -> Scaling:
    """RobustScaler."""
    center = fields.array("center_") if fields.flag("with_centering") else None
    scale = fields.array("scale_") if fields.flag("with_scaling") else None
    return _scaling(fields, center, scale)


def max_abs_scaling(fields: Fields) -> Scaling:
    """MaxAbsScaler."""
    return _scaling(fields, None, fields.array("scale_"), clip=fields.flag("clip", default=False))


def min_max_scaling(fields: Fields) -> MinMaxScaling:
    """MinMaxScaler."""
    low = high = None
    if fields.flag("clip", default=False):
        bounds = fields.value("feature_range")
        if not isinstance(bounds, list | tuple) or len(bounds) != 2:  # noqa: PLR2004
            raise fields.error("feature_range", "is not a pair of numbers")
        low, high = (fields.with_values({"feature_range": bound}).number("feature_range") for bound in bounds)
    return MinMaxScaling(fields.array("scale_"), fields.array("min_"), low, high)


def power_transform(fields: Fields) -> PowerTransform:
    """PowerTransformer."""
    scaling = None
    if fields.flag("standardize"):
        scaling = standard_scaling(fields.object("_scaler", "StandardScaler"))
    return PowerTransform(fields.text("method"), fields.array("lambdas_"), scaling)


def quantile_transform(fields: Fields) -> QuantileTransform:
    """QuantileTransformer."""
    distribution = fields.text("output_distribution")
    if distribution not in {"uniform", "normal"}:
        raise fields.error("output_distribution", "is neither uniform nor normal")
    return QuantileTransform(
        fields.array("quantiles_"), fields.array("references_"), distribution == "normal"
    )


def polynomial(fields: Fields) -> Polynomial:
    """PolynomialFeatures; a pair of degrees came with 1.0."""
    degree = fields.value("degree")
    lowest, highest = degree if isinstance(degree, list | tuple) and len(degree) == 2 else (0, degree)  # noqa: PLR2004
    return Polynomial(
        fields.whole(fields.first("n_features_in_", "n_input_features_")),
        fields.with_values({"degree": lowest}).whole("degree"),
        fields.with_values({"degree": highest}).whole("degree"),
        fields.flag("interaction_only"),
        fields.flag("include_bias"),
    )


def imputation(fields: Fields) -> Imputation:
    """SimpleImputer."""
    if fields.flag("add_indicator", default=False):
        raise ModelRefused(
            "has a SimpleImputer with add_indicator=True, which is not supported: train without"
        )
    missing = fields.value("missing_values")
    if missing is None or (isinstance(missing, float) and missing != missing):  # noqa: PLR0124 - NaN
        number = None
    else:
        number = fields.number("missing_values")
    return Imputation(number, fields.array("statistics_"))


def projection(fields: Fields) -> Projection:
    """PCA; a standard deviation below the precision of a float counts as that precision."""
    components, mean = fields.array("components_"), fields.array("mean_")
    deviations = None
    if fields.flag("whiten"):
        with np.errstate(invalid="ignore"):
            deviations = np.sqrt(fields.array("explained_variance_"))
        deviations[deviations < np.finfo(np.float64).eps] = np.finfo(np.float64).eps
    return Projection(components, mean, deviations)


def kernel_map(fields: Fields) -> KernelMap:
    """Nystroem; parameters of the kernel that have a default are resolved."""
    kernel = fields.value("kernel")
    if isinstance(kernel, Described):
        raise ModelRefused(
            f"has a Nystroem with the kernel {kernel.name[:60]}, which is not supported: name a kernel"
        )
    components = fields.array("components_")
    given = {}
    extra = fields.value("kernel_params")
    if extra is not None:
        if not isinstance(extra, dict) or not extra.keys() <= {"gamma", "coef0", "degree"}:
            raise fields.error("kernel_params", "holds more than gamma, coef0 and degree")
        given = {name: fields.with_values(extra).number(name) for name in extra}
    for name in ("gamma", "coef0", "degree"):
        if fields.value(name) is not None:
            given[name] = fields.number(name)
    features = components.shape[-1] if components.ndim else 1
    return KernelMap(
        fields.text("kernel"),
        given.get("gamma", 1.0 / max(1, features)),
        given.get("coef0", 1.0),
        given.get("degree", 3.0),
        components,
        fields.array("normalization_"),
    )


def fourier_map(fields: Fields) -> FourierMap:
    """RBFSampler."""
    return FourierMap(fields.array("random_weights_"), fields.array("random_offset_"))


TRANSFORMERS: dict[str, Callable[[Fields], Transformer]] = {
    "MaxAbsScaler": max_abs_scaling,
    "MinMaxScaler": min_max_scaling,
    "Nystroem": kernel_map,
    "PCA": projection,
    "PolynomialFeatures": polynomial,
    "PowerTransformer": power_transform,
    "QuantileTransformer": quantile_transform,
    "RBFSampler": fourier_map,
    "RobustScaler": robust_scaling,
    "SimpleImputer": imputation,
    "StandardScaler": standard_scaling,
}
"""By the name of the class."""
