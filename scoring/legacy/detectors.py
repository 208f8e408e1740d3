"""From records of legacy detectors to fitted ones of today's scikit-learn.

Each comes with its formula in plain numpy over the numbers of the pickle, to verify the answers with. All
work on one feature. What later versions added is filled in as a fit of today leaves it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from scoring.errors import ModelError, ModelRefused
from scoring.legacy.unpickle import Record
from scoring.legacy.arrays import numbers
from scoring.models.svm import SvmParameters, plain_scores

type Formula = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, slots=True)
class Converted:
    """A fitted detector, and how to verify it.

    Attributes:
        estimator: of today's scikit-learn.
        formula: scores of scaled readings by the numbers of the pickle.
        sizes: how large the terms are that add up to these scores: rounding is measured by it.
        places: scaled readings between and around which the scores are worth a look.
    """

    estimator: Any
    formula: Formula
    sizes: Formula
    places: np.ndarray


def arguments(state: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Constructor arguments that are taken over; those that came later keep their defaults."""
    return {name: plain(state[name]) for name in names if name in state}


def plain(value: Any) -> Any:
    """A constructor argument: text, number, None or a tuple of them."""
    if isinstance(value, tuple | list):
        return tuple(_single(item) for item in value)
    return _single(value)


def _single(value: Any) -> Any:
    if value is None or isinstance(value, str | bool | int | float):
        return value
    raise ModelError(f"has a parameter that is a {type(value).__name__}")


def one(array: Any, what: str) -> float:
    """The number of a single feature."""
    found = numbers(array)
    if found.size != 1:
        raise ModelError(f"has a {what} of shape {found.shape}, and a reading has one feature: its Value")
    return float(found.reshape(-1)[0])


def column(array: Any, what: str) -> np.ndarray:
    """Numbers of shape (n, 1), as float64 of shape (n,)."""
    found = numbers(array)
    if found.ndim != 2 or not len(found):  # noqa: PLR2004
        raise ModelError(f"has {what} of shape {found.shape}")
    if found.shape[1] != 1:
        raise ModelError(f"expects {found.shape[1]} features, and a reading has one: its Value")
    if not np.isfinite(found).all():
        raise ModelError(f"has {what} that are no finite numbers")
    return np.ascontiguousarray(found[:, 0])


def svm(record: Record) -> Converted:
    """OneClassSVM."""
    from sklearn.svm import OneClassSVM

    state = record.state
    raw = _svm_parameters(state)
    names = ("kernel", "degree", "coef0", "tol", "nu", "shrinking", "cache_size", "verbose", "max_iter")
    model = OneClassSVM(gamma=raw.gamma, **arguments(state, *names))
    count = len(raw.dual)
    model.n_features_in_ = 1
    model._gamma = raw.gamma  # noqa: SLF001
    model._sparse = False  # noqa: SLF001
    model._effective_probability = False  # noqa: SLF001
    model.support_ = numbers(state["support_"], np.int32)
    model.support_vectors_ = np.ascontiguousarray(raw.support[:, None])
    model._n_support = np.array([count, count], np.int32)  # noqa: SLF001
    model.dual_coef_ = model._dual_coef_ = np.ascontiguousarray(raw.dual[None, :])
    model.intercept_ = np.array([raw.intercept])
    model._intercept_ = model.intercept_.copy()
    model.offset_ = -model.intercept_
    model._probA = model._probB = np.empty(0)  # noqa: SLF001
    model.class_weight_ = np.empty(0)
    model.fit_status_ = 0
    model._num_iter = np.zeros(1, np.int32)  # noqa: SLF001
    model.n_iter_ = 0
    model.shape_fit_ = (count, 1)
    return Converted(
        model, lambda x: plain_scores(raw, x), lambda x: _svm_sizes(raw, x), np.unique(raw.support)
    )


def _svm_parameters(state: Mapping[str, Any]) -> SvmParameters:
    support = column(state["support_vectors_"], "support vectors")
    dual = numbers(state["_dual_coef_"] if "_dual_coef_" in state else state["dual_coef_"])
    if dual.shape != (1, len(support)) or not isinstance(state["kernel"], str):
        raise ModelError("has support vectors and coefficients that do not fit, or a kernel of its own")
    if numbers(state["support_"], np.int32).shape != (
        len(support),
    ):  # compiled code copies it without looking
        raise ModelError("has support vectors and indexes of them that do not fit")
    intercept = state["_intercept_"] if "_intercept_" in state else state["intercept_"]
    return SvmParameters(
        mean=None,
        scale=None,
        kernel=state["kernel"],
        gamma=float(state["_gamma"]),
        coef0=float(state["coef0"]),
        degree=int(state["degree"]),
        support=support,
        dual=np.ascontiguousarray(dual[0]),
        intercept=one(intercept, "intercept_"),
    )


def _svm_sizes(p: SvmParameters, x: np.ndarray) -> np.ndarray:
    dual, intercept = np.abs(p.dual), abs(p.intercept)
    if p.kernel in {"rbf", "sigmoid"}:
        return np.full(x.shape, dual.sum() + intercept)
    sizes = replace(p, support=np.abs(p.support), dual=dual, coef0=abs(p.coef0), intercept=intercept)
    return plain_scores(sizes, np.abs(x))


def stochastic_svm(record: Record) -> Converted:
    """SGDOneClassSVM."""
    from sklearn.linear_model import SGDOneClassSVM

    state = record.state
    weight, offset = one(state["coef_"], "coef_"), one(state["offset_"], "offset_")
    names = (
        "nu",
        "fit_intercept",
        "max_iter",
        "tol",
        "shuffle",
        "verbose",
        "learning_rate",
        "eta0",
        "average",
    )
    model = SGDOneClassSVM(**arguments(state, *names))
    model.n_features_in_ = 1
    model.coef_, model.offset_ = np.array([weight]), np.array([offset])
    place = offset / weight if weight else 0.0
    return Converted(
        model, lambda x: weight * x - offset, lambda x: np.abs(weight * x) + abs(offset), np.array([place])
    )


def envelope(record: Record) -> Converted:
    """EllipticEnvelope."""
    from sklearn.covariance import EllipticEnvelope

    state = record.state
    center, covariance = one(state["location_"], "location_"), one(state["covariance_"], "covariance_")
    precision = one(state["precision_"], "precision_")
    # Before 0.20 it kept the limit of the distances; scores are their opposite.
    offset = one(state["offset_"], "offset_") if "offset_" in state else -one(state["threshold_"], "limit")
    model = EllipticEnvelope(
        **arguments(state, "store_precision", "assume_centered", "support_fraction", "contamination")
    )
    model.n_features_in_ = 1
    model.location_, model.covariance_ = np.array([center]), np.array([[covariance]])
    model.precision_, model.offset_ = np.array([[precision]]), offset
    width = np.sqrt(abs(covariance))

    def formula(x: np.ndarray) -> np.ndarray:
        scores: np.ndarray = -((x - center) ** 2) * precision - offset
        return scores

    def sizes(x: np.ndarray) -> np.ndarray:
        terms: np.ndarray = (np.abs(x) + abs(center)) ** 2 * abs(precision) + abs(offset)
        return terms

    return Converted(model, formula, sizes, np.array([center - width, center, center + width]))


def outlier_factor(record: Record) -> Converted:
    """LocalOutlierFactor; the tree that finds neighbours is grown again from the readings that it holds."""
    from sklearn.neighbors import LocalOutlierFactor

    state = record.state
    if state.get("novelty") is not True:
        raise ModelRefused("is a LocalOutlierFactor without novelty=True, which cannot predict")
    metric = state["effective_metric_"]
    if not isinstance(metric, str) or metric not in _METRICS or state.get("metric_params"):
        raise ModelRefused("is a LocalOutlierFactor with a metric of its own, which cannot be converted")
    readings = column(state["_fit_X"], "readings")
    count = int(state["n_neighbors_"])
    density = numbers(state["_lrd"])
    distances = numbers(state["_distances_fit_X_"])
    if (density.shape, distances.shape) != (readings.shape, (len(readings), count)) or count < 1:
        raise ModelError("holds densities and distances that do not go with its readings")
    model = LocalOutlierFactor(
        n_neighbors=count, novelty=True, **arguments(state, "algorithm", "leaf_size", "metric", "p")
    )
    model._fit(readings[:, None])  # noqa: SLF001 - what fit does first
    model.n_neighbors_ = count
    model._lrd, model._distances_fit_X_ = density, distances  # noqa: SLF001
    model.negative_outlier_factor_ = numbers(state["negative_outlier_factor_"])
    model.offset_ = offset = one(state["offset_"], "offset_")

    def score(x: float) -> float:
        away = np.abs(readings - x)
        nearest = np.argpartition(away, count - 1)[:count]
        reach = np.maximum(away[nearest], distances[nearest, -1])
        return float(-(density[nearest] * (reach.mean() + 1e-10)).mean() - offset)

    def formula(values: np.ndarray) -> np.ndarray:
        return np.array([score(x) for x in values.tolist()])

    return Converted(model, formula, lambda x: np.abs(formula(x)) + 2 * abs(offset), np.unique(readings))


_METRICS = frozenset({"chebyshev", "cityblock", "euclidean", "l1", "l2", "manhattan", "minkowski"})
"""All the same for one feature."""
