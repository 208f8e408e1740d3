"""What transformers do to readings, by the same operations in the same order as scikit-learn.

Each takes an array of shape (n, features that go in), which it can write to, and gives one of shape (n,
features that come out). What cannot be transformed comes out as NaN.
"""

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from scoring.models.normal import normal_quantiles
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


def transform(step: Transformer, x: Floats) -> Floats:
    """Readings as `step` makes them."""
    return _TRANSFORMS[type(step)](step, x)


def _scaling(p: Scaling, x: Floats) -> Floats:
    if p.center is not None:
        x -= p.center
    if p.scale is not None:
        x /= p.scale
    return np.clip(x, -1.0, 1.0, out=x) if p.clip else x


def _min_max(p: MinMaxScaling, x: Floats) -> Floats:
    x *= p.scale
    x += p.minimum
    if p.low is not None and p.high is not None:
        np.clip(x, p.low, p.high, out=x)
    return x


def _power(p: PowerTransform, x: Floats) -> Floats:
    apply = _yeo_johnson if p.method == "yeo-johnson" else _box_cox
    for i, power in enumerate(p.lambdas.tolist()):
        x[:, i] = apply(x[:, i], power)
    if p.scaling is None:
        return x
    x[np.isinf(x)] = np.nan  # its own scaler refuses them
    return _scaling(p.scaling, x)


def _yeo_johnson(x: Floats, power: float) -> Floats:
    epsilon = np.finfo(np.float64).eps
    result = np.zeros_like(x)
    positive = x >= 0
    logarithm = np.log1p(x[positive])
    result[positive] = logarithm if abs(power) < epsilon else np.expm1(power * logarithm) / power
    logarithm = np.log1p(-x[~positive])
    power = 2 - power
    result[~positive] = -np.expm1(power * logarithm) / power if abs(power) > epsilon else -logarithm
    return result


_TINY_POWER = 1e-19
_LARGEST_EXPONENT = 709.78


def _box_cox(x: Floats, power: float) -> Floats:
    """By functions of C, whose last bits numpy's do not always have."""
    distinct, places = np.unique(x, return_inverse=True)
    found = np.array([_box_cox_of(each, power) if each > 0 else math.nan for each in distinct.tolist()])
    result: Floats = found[places]
    return result


def _box_cox_of(x: float, power: float) -> float:
    logarithm = math.log(x)
    if abs(power) < _TINY_POWER:
        return logarithm
    if power * logarithm < _LARGEST_EXPONENT:
        return math.expm1(power * logarithm) / power
    return math.copysign(_exponential(power * logarithm - math.log(abs(power))), power) - 1 / power


def _exponential(x: float) -> float:
    try:
        return math.exp(x)
    except OverflowError:
        return math.inf


_BOUND = 1e-7
"""How near the ends of what it was fitted on QuantileTransformer begins to clip, and where it cuts a normal
distribution."""


def _quantile(p: QuantileTransform, x: Floats) -> Floats:
    for i, column in enumerate(x.T.copy()):
        quantiles = p.quantiles[:, i]
        # From both sides, as quantiles can repeat.
        upward = np.interp(column, quantiles, p.references)
        downward = np.interp(-column, -quantiles[::-1], -p.references[::-1])
        result = 0.5 * (upward - downward)
        if p.normal:
            low, high = column - _BOUND < quantiles[0], column + _BOUND > quantiles[-1]
        else:
            low, high = column == quantiles[0], column == quantiles[-1]
        result[high] = 1
        result[low] = 0
        x[:, i] = _normal(result) if p.normal else result
    return x


def _normal(shares: Floats) -> Floats:
    bound = _BOUND - np.spacing(1)
    distinct, places = np.unique(np.clip(shares, bound, 1 - bound), return_inverse=True)
    result: Floats = normal_quantiles(distinct)[places]
    return result


def _polynomial(p: Polynomial, x: Floats) -> Floats:
    factors = _factors(p.features_in, p.lowest, p.highest, p.interaction_only, p.bias)
    products: dict[int, Floats] = {0: np.ones(len(x))}
    for number, (feature, rest) in enumerate(factors.products, 1):
        products[number] = x[:, feature] if rest == 0 else products[rest] * x[:, feature]
    return np.stack([products[number] for number in factors.kept], axis=1)


class _Factors:
    """Products of features, numbered from 1: each is a feature times a product from before, 0 being 1."""

    def __init__(self, features: int, lowest: int, highest: int, interaction_only: bool, bias: bool) -> None:
        self.products: list[tuple[int, int]] = []
        self.kept = [0] if bias else []
        # Of each product of the last degree, its number and its first feature.
        last = [(0, features)]
        for degree in range(1, highest + 1):
            found = []
            for feature in range(features):
                # The factors of a product stand in order, each once where only interactions count.
                for rest, first in last:
                    if first > feature or (first == feature and not interaction_only):
                        self.products.append((feature, rest))
                        found.append((len(self.products), feature))
            last = found
            if degree >= lowest:
                self.kept += [number for number, _ in found]


@lru_cache(maxsize=16)
def _factors(features: int, lowest: int, highest: int, interaction_only: bool, bias: bool) -> _Factors:
    return _Factors(features, lowest, highest, interaction_only, bias)


def _imputation(p: Imputation, x: Floats) -> Floats:
    return x if p.missing is None else np.where(x == p.missing, p.statistics, x)


def _projection(p: Projection, x: Floats) -> Floats:
    result: Floats = x @ p.components.T
    result -= p.mean.reshape(1, -1) @ p.components.T
    if p.deviations is not None:
        result /= p.deviations
    return result


def _kernel_map(p: KernelMap, x: Floats) -> Floats:
    result: Floats = _KERNELS[p.kernel](p, x) @ p.normalization.T
    return result


def _rbf(p: KernelMap, x: Floats) -> Floats:
    distances = -2 * (x @ p.components.T)
    distances += _squares(x)[:, None]
    distances += _squares(p.components)[None, :]
    np.maximum(distances, 0, out=distances)
    distances *= -p.gamma
    return np.exp(distances, out=distances)


def _laplacian(p: KernelMap, x: Floats) -> Floats:
    distances = np.zeros((len(x), len(p.components)))
    for i in range(p.features_in):
        distances += np.abs(x[:, i, None] - p.components[None, :, i])
    distances = -p.gamma * distances
    return np.exp(distances, out=distances)


def _linear(p: KernelMap, x: Floats) -> Floats:
    product: Floats = x @ p.components.T
    return product


def _affine(p: KernelMap, x: Floats) -> Floats:
    product = _linear(p, x)
    product *= p.gamma
    product += p.coef0
    return product


def _poly(p: KernelMap, x: Floats) -> Floats:
    product = _affine(p, x)
    product **= int(p.degree) if p.degree == int(p.degree) else p.degree
    return product


def _sigmoid(p: KernelMap, x: Floats) -> Floats:
    product = _affine(p, x)
    return np.tanh(product, out=product)


def _cosine(p: KernelMap, x: Floats) -> Floats:
    product: Floats = _normalized(x) @ _normalized(p.components).T
    return product


def _squares(x: Floats) -> Floats:
    sums: Floats = np.einsum("ij,ij->i", x, x)
    return sums


def _normalized(x: Floats) -> Floats:
    norms = np.sqrt(_squares(x))
    norms[norms < 10 * np.finfo(np.float64).eps] = 1.0
    result: Floats = x / norms[:, None]
    return result


_KERNELS: dict[str, Callable[[KernelMap, Floats], Floats]] = {
    "cosine": _cosine,
    "laplacian": _laplacian,
    "linear": _linear,
    "poly": _poly,
    "polynomial": _poly,
    "rbf": _rbf,
    "sigmoid": _sigmoid,
}


def _fourier_map(p: FourierMap, x: Floats) -> Floats:
    projection: Floats = x @ p.weights
    projection += p.offsets
    np.cos(projection, projection)
    projection *= (2.0 / p.features_out) ** 0.5
    return projection


_TRANSFORMS: dict[type, Callable[[Any, Floats], Floats]] = {
    FourierMap: _fourier_map,
    Imputation: _imputation,
    KernelMap: _kernel_map,
    MinMaxScaling: _min_max,
    Polynomial: _polynomial,
    PowerTransform: _power,
    Projection: _projection,
    QuantileTransform: _quantile,
    Scaling: _scaling,
}
