"""OneClassSVM on one feature, computed from its support vectors as libsvm does it, to the last bit.

libsvm adds the terms in the order of the support vectors, so the same order here gives the same sums.
numpy's `exp` and `tanh` can differ from the C library's in the last place; where that could show (next to
the boundary, where a label or the ninth digit depends on it) the reading is computed again with `math`,
which calls the same C functions as libsvm.
"""

import math
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from scoring.models.detector_parameters import SupportVectors

type Floats = np.ndarray[tuple[int], np.dtype[np.float64]]
type Numbers = float | Floats
type Labels = np.ndarray[tuple[int], np.dtype[np.uint8]]

RELATIVE_ERROR = 1e-9
"""Scores agree with scikit-learn's at least this closely."""


@dataclass(frozen=True, slots=True, eq=False)
class SvmParameters:
    """A fitted OneClassSVM of one feature, after a StandardScaler where `mean` or `scale` is given.

    `support` and `dual` have shape (n,); `gamma` is the resolved one, `intercept` scikit-learn's
    `intercept_`. The names follow scikit-learn's attributes.
    """

    mean: float | None
    scale: float | None
    kernel: str
    gamma: float
    coef0: float
    degree: int
    support: Floats
    dual: Floats
    intercept: float


class SvmDetector:
    """Predicts with one OneClassSVM."""

    def __init__(self, parameters: SvmParameters) -> None:
        p = self.parameters = parameters
        # |error| <= (n + 8) rounding errors of a sum whose terms are at most |dual|: both kernels that
        # need care, rbf and sigmoid, stay within 1.
        magnitude = float(np.abs(p.dual).sum()) + abs(p.intercept)
        self.near = (len(p.dual) + 8) * sys.float_info.epsilon * magnitude / RELATIVE_ERROR
        """A score this close to zero is computed again, exactly."""
        self.form = (p.kernel, p.degree, len(p.support), p.mean is None, p.scale is None)
        """Detectors of one form take the same steps, and can take them together."""

    def predict(self, values: Floats) -> tuple[Labels, Floats]:
        """Labels and scores of readings.

        Args:
            values: shape (n,), finite, in the sensor's own unit.

        Returns:
            Labels, shape (n,): 1 is an anomaly, 0 is normal. Scores, shape (n,): the decision function,
            zero and below is anomalous. A reading so large that arithmetic fails is an anomaly of score -inf.
        """
        p = self.parameters
        terms = list(zip(p.support.tolist(), p.dual.tolist(), strict=True))
        same = _Form(p.kernel, p.degree, p.mean, p.scale, p.gamma, p.coef0, p.intercept, self.near, terms)
        return _predict(same, values, lambda _: p)


def predict_together(
    detectors: Sequence[SvmDetector], sizes: Sequence[int], values: Floats
) -> tuple[Labels, Floats]:
    """What each detector's `predict` says of its readings, to the last bit, for many detectors of one form.

    Args:
        detectors: of one `form`, at least one.
        sizes: how many readings each has.
        values: shape (sum of sizes,): the readings, one detector's after the other's.

    Returns:
        Labels and scores as of `SvmDetector.predict`.
    """
    all_p = [detector.parameters for detector in detectors]
    owners = np.repeat(np.arange(len(all_p)), sizes)

    def each(numbers: Iterable[float | None]) -> Floats:
        return np.array(list(numbers), np.float64)[owners]

    first = all_p[0]
    support, dual = np.stack([p.support for p in all_p], 1), np.stack([p.dual for p in all_p], 1)
    form = _Form(
        first.kernel,
        first.degree,
        None if first.mean is None else each(p.mean for p in all_p),
        None if first.scale is None else each(p.scale for p in all_p),
        each(p.gamma for p in all_p),
        each(p.coef0 for p in all_p),
        each(p.intercept for p in all_p),
        each(detector.near for detector in detectors),
        ((vector[owners], weight[owners]) for vector, weight in zip(support, dual, strict=True)),
    )
    return _predict(form, values, lambda index: all_p[owners[index]])


class _Form(NamedTuple):
    """The parameters of one detector as numbers, or of many as an array with one for each reading."""

    kernel: str
    degree: int
    mean: Numbers | None
    scale: Numbers | None
    gamma: Numbers
    coef0: Numbers
    intercept: Numbers
    near: Numbers
    terms: Iterable[tuple[Numbers, Numbers]]
    """Support vector and coefficient, in libsvm's order."""


def _predict(form: _Form, values: Floats, owner: Callable[[int], SvmParameters]) -> tuple[Labels, Floats]:
    scaled = _scale(form, values)
    kernel = _KERNELS[form.kernel]
    scores = np.zeros(len(scaled))
    term = np.empty(len(scaled))
    with np.errstate(all="ignore"):  # overflow ends in inf or nan, which are dealt with below
        for vector, weight in form.terms:
            kernel(form, scaled, vector, term)
            term *= weight
            scores += term
        scores += form.intercept
        if form.kernel in _EXACT_KERNELS:
            for index in np.flatnonzero(np.abs(scores) <= form.near).tolist():
                scores[index] = _exact_score(owner(index), float(scaled[index]))
        scores[np.isnan(scores)] = -np.inf
    return (~(scores > 0)).astype(np.uint8), scores


def _scale(p: _Form, values: Floats) -> Floats:
    scaled = values
    with np.errstate(over="ignore"):
        if p.mean is not None:
            scaled = scaled - p.mean
        if p.scale is not None:
            scaled = scaled / p.scale
    return scaled


def _rbf(p: _Form, scaled: Floats, vector: Numbers, out: Floats) -> None:
    np.subtract(scaled, vector, out=out)
    np.multiply(out, out, out=out)
    np.multiply(out, -p.gamma, out=out)
    np.exp(out, out=out)


def _linear(_: _Form, scaled: Floats, vector: Numbers, out: Floats) -> None:
    np.multiply(scaled, vector, out=out)


def _affine(p: _Form, scaled: Floats, vector: Numbers, out: Floats) -> None:
    np.multiply(scaled, vector, out=out)
    np.multiply(out, p.gamma, out=out)
    np.add(out, p.coef0, out=out)


def _poly(p: _Form, scaled: Floats, vector: Numbers, out: Floats) -> None:
    _affine(p, scaled, vector, out)
    base = out.copy()
    out.fill(1.0)
    times = p.degree
    while times:  # by repeated squaring: libsvm's order of multiplications
        if times % 2:
            out *= base
        base *= base
        times //= 2


def _sigmoid(p: _Form, scaled: Floats, vector: Numbers, out: Floats) -> None:
    _affine(p, scaled, vector, out)
    np.tanh(out, out=out)


_KERNELS: dict[str, Callable[[_Form, Floats, Numbers, Floats], None]] = {
    "rbf": _rbf,
    "linear": _linear,
    "poly": _poly,
    "sigmoid": _sigmoid,
}

_EXACT_KERNELS: dict[str, Callable[[SvmParameters, float, float], float]] = {
    "rbf": lambda p, x, vector: math.exp(-p.gamma * ((x - vector) * (x - vector))),
    "sigmoid": lambda p, x, vector: math.tanh(p.gamma * (x * vector) + p.coef0),
}
"""The kernels with a transcendental function; the others are the same operations in numpy and in C."""


def _exact_score(p: SvmParameters, x: float) -> float:
    kernel = _EXACT_KERNELS[p.kernel]
    score = 0.0
    for vector, weight in zip(p.support.tolist(), p.dual.tolist(), strict=True):
        score += weight * kernel(p, x, vector)
    return score + p.intercept


def vector_scores(p: SupportVectors, x: np.ndarray) -> Floats:
    """Scores of readings of shape (n, f), by the textbook's formula in libsvm's order of support vectors."""
    scores = np.zeros(len(x))
    with np.errstate(all="ignore"):
        for vector, weight in zip(p.vectors, p.dual.tolist(), strict=True):
            scores += weight * _kernel_values(p, x, vector)
    return scores + p.intercept


def _kernel_values(p: SupportVectors, x: np.ndarray, vector: Floats) -> Floats:
    if p.kernel == "rbf":
        away = x - vector
        squares: Floats = np.einsum("ij,ij->i", away, away)
        return np.exp(-p.gamma * squares)
    product: Floats = x @ vector
    match p.kernel:
        case "poly":
            product = (p.gamma * product + p.coef0) ** p.degree
        case "sigmoid":
            product = np.tanh(p.gamma * product + p.coef0)
    return product
