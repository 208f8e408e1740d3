"""From records of legacy pickles to estimators of today's scikit-learn, verified number by number."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from scoring.errors import ModelError, ModelRefused
from scoring.legacy import Record
from scoring.svm import SvmParameters, plain_scores

_PARAMETERS = {
    "MaxAbsScaler": ("copy", "clip"),
    "MinMaxScaler": ("feature_range", "copy", "clip"),
    "OneClassSVM": (
        "kernel",
        "degree",
        "coef0",
        "tol",
        "nu",
        "shrinking",
        "cache_size",
        "verbose",
        "max_iter",
    ),
    "RobustScaler": ("with_centering", "with_scaling", "quantile_range", "copy"),
    "StandardScaler": ("with_mean", "with_std", "copy"),
}
"""Constructor arguments that are taken over; those that came later keep their defaults."""

_FITTED = {
    "MaxAbsScaler": ("scale_", "max_abs_", "n_samples_seen_"),
    "MinMaxScaler": ("min_", "scale_", "data_min_", "data_max_", "data_range_", "n_samples_seen_"),
    "RobustScaler": ("center_", "scale_"),
    "StandardScaler": ("mean_", "var_", "scale_", "n_samples_seen_"),
}
"""Fitted attributes that are taken over as they are."""

_GRID = np.concatenate([np.linspace(-4, 4, 161), [-1e3, -50.0, 50.0, 1e3]])
"""Where converted models are compared, around the support vectors in units of their spread."""

type Transform = Callable[[np.ndarray], np.ndarray]


def convert(model: Record) -> Any:
    """A fitted estimator of today's scikit-learn that gives the answers of the legacy model.

    Raises:
        ModelRefused: it is made of parts that are not known here.
        ModelError: an attribute is missing or wrong, or the converted model answers differently.
    """
    steps = _steps(model)
    *scalers, svm = [step for _, step in steps]
    if svm.name != "OneClassSVM":
        raise ModelRefused(f"ends in a {svm.name}, which is no detector that can be converted")
    for scaler in scalers:
        if scaler.name not in _FITTED:
            raise ModelRefused(f"has a {scaler.name} before its detector, which cannot be converted")
    try:
        built = [(name, _svm(step) if step is svm else _scaler(step)) for name, step in steps]
        transforms = [_TRANSFORMS[scaler.name](scaler.state) for scaler in scalers]
        estimator = _pipeline(built) if model.name == "Pipeline" else built[0][1]
        _verify(estimator, transforms, raw_parameters(svm.state))
    except (ModelError, MemoryError):
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0][:120]
        raise ModelError(f"lacks or spoils an attribute ({reason})") from error
    return estimator


def _steps(model: Record) -> list[tuple[str, Record]]:
    if model.name != "Pipeline":
        return [("detector", model)]
    steps = model.state.get("steps")
    good = isinstance(steps, list) and steps and all(_is_step(step) for step in steps)
    if not isinstance(steps, list) or not good:
        raise ModelError("is a Pipeline without steps that can be read")
    return [(name, record) for name, record in steps]


def _is_step(step: Any) -> bool:
    return (
        isinstance(step, tuple | list)
        and len(step) == 2  # noqa: PLR2004 - a name and an estimator
        and isinstance(step[0], str)
        and isinstance(step[1], Record)
    )


def _pipeline(steps: list[tuple[str, Any]]) -> Any:
    from sklearn.pipeline import Pipeline

    return Pipeline(steps)


def _class(name: str) -> Any:
    from sklearn import preprocessing, svm

    return svm.OneClassSVM if name == "OneClassSVM" else getattr(preprocessing, name)


def _new(record: Record) -> Any:
    state = record.state
    names = [name for name in _PARAMETERS[record.name] if name in state]
    estimator = _class(record.name)(**{name: _plain(state[name]) for name in names})
    estimator.n_features_in_ = 1
    return estimator


def _scaler(record: Record) -> Any:
    scaler = _new(record)
    for name in _FITTED[record.name]:
        value = record.state.get(name)
        if isinstance(value, np.ndarray):
            _one(value.reshape(-1), f"{record.name}.{name}")
        else:
            value = _plain(value)
        setattr(scaler, name, value)
    return scaler


def _plain(value: Any) -> Any:
    """A constructor argument: text, number, None or a tuple of them."""
    if isinstance(value, tuple | list):
        return tuple(_plain(item) for item in value)
    if value is None or isinstance(value, str | bool | int | float):
        return value
    raise ModelError(f"has a parameter that is a {type(value).__name__}")


def raw_parameters(state: Mapping[str, Any]) -> SvmParameters:
    """The numbers of a pickled OneClassSVM, without a scaler.

    Raises:
        ModelError: they are not those of a fitted model of one feature.
        KeyError: an attribute is missing.
    """
    support = np.asarray(state["support_vectors_"], np.float64)
    dual = np.asarray(state["_dual_coef_"] if "_dual_coef_" in state else state["dual_coef_"], np.float64)
    if support.ndim != 2 or support.shape[1] != 1:  # noqa: PLR2004
        raise ModelError(f"expects {support.shape[-1]} features, and a reading has one: its Value")
    if dual.shape != (1, len(support)) or not isinstance(state["kernel"], str):
        raise ModelError("has support vectors and coefficients that do not fit, or a kernel of its own")
    if np.shape(state["support_"]) != (len(support),):  # compiled code copies it without looking
        raise ModelError("has support vectors and indexes of them that do not fit")
    intercept = state["_intercept_"] if "_intercept_" in state else state["intercept_"]
    return SvmParameters(
        mean=None,
        scale=None,
        kernel=state["kernel"],
        gamma=float(state["_gamma"]),
        coef0=float(state["coef0"]),
        degree=int(state["degree"]),
        support=np.ascontiguousarray(support[:, 0]),
        dual=np.ascontiguousarray(dual[0]),
        intercept=_one(np.asarray(intercept, np.float64), "intercept_"),
    )


def _svm(record: Record) -> Any:
    """Attributes that later versions added are filled in as a fit of today leaves them."""
    raw = raw_parameters(record.state)
    svm = _new(record)
    svm.gamma = raw.gamma
    count = len(raw.dual)
    svm._gamma = raw.gamma  # noqa: SLF001
    svm._sparse = False  # noqa: SLF001
    svm._effective_probability = False  # noqa: SLF001
    svm.support_ = np.asarray(record.state["support_"], np.int32)
    svm.support_vectors_ = np.ascontiguousarray(raw.support[:, None])
    svm._n_support = np.array([count, count], np.int32)  # noqa: SLF001
    svm.dual_coef_ = svm._dual_coef_ = np.ascontiguousarray(raw.dual[None, :])
    svm.intercept_ = np.array([raw.intercept])
    svm._intercept_ = svm.intercept_.copy()
    svm.offset_ = -svm.intercept_
    svm._probA = svm._probB = np.empty(0)  # noqa: SLF001
    svm.class_weight_ = np.empty(0)
    svm.fit_status_ = 0
    svm._num_iter = np.zeros(1, np.int32)  # noqa: SLF001
    svm.n_iter_ = 0
    svm.shape_fit_ = tuple(int(size) for size in record.state.get("shape_fit_", (count, 1)))
    return svm


def _one(array: np.ndarray, what: str) -> float:
    if array.shape != (1,):
        raise ModelError(f"has a {what} of shape {array.shape}, and a reading has one feature")
    return float(array[0])


def _affine(shift: str, factor: str) -> Callable[[Mapping[str, Any]], Transform]:
    """`(x - shift) / factor`, where an attribute that is None leaves its part out."""

    def make(state: Mapping[str, Any]) -> Transform:
        center = np.zeros(1) if not shift or state.get(shift) is None else state[shift]
        scale = np.ones(1) if state.get(factor) is None else state[factor]
        return lambda values: (values - center) / scale

    return make


def _clipped(transform: Transform, state: Mapping[str, Any], low: float, high: float) -> Transform:
    if not state.get("clip"):
        return transform
    return lambda values: np.clip(transform(values), low, high)


def _max_abs(state: Mapping[str, Any]) -> Transform:
    return _clipped(_affine("", "scale_")(state), state, -1.0, 1.0)


def _min_max(state: Mapping[str, Any]) -> Transform:
    return _clipped(lambda values: values * state["scale_"] + state["min_"], state, *state["feature_range"])


def _standard(state: Mapping[str, Any]) -> Transform:
    kept = {"mean_": state["mean_"] if state["with_mean"] else None}
    return _affine("mean_", "scale_")(kept | {"scale_": state["scale_"] if state["with_std"] else None})


_TRANSFORMS: dict[str, Callable[[Mapping[str, Any]], Transform]] = {
    "MaxAbsScaler": _max_abs,
    "MinMaxScaler": _min_max,
    "RobustScaler": _affine("center_", "scale_"),
    "StandardScaler": _standard,
}


def _verify(estimator: Any, transforms: list[Transform], parameters: SvmParameters) -> None:
    """Compare with the plain formula over the numbers of the pickle, without scikit-learn."""
    values = _GRID * 30 + 30
    scaled = values
    for transform in transforms:
        scaled = transform(scaled)
    if not np.isfinite(scaled).all():
        raise ModelError("scales by what is no finite number")
    expected = plain_scores(parameters, scaled)
    found = estimator.decision_function(values[:, None])
    if not np.allclose(found, expected, rtol=1e-9, atol=1e-12 * _magnitude(parameters, scaled)):
        raise ModelError("answers differently after conversion; train it again")


def _magnitude(p: SvmParameters, scaled: np.ndarray) -> np.ndarray:
    """The sum of all terms' sizes: rounding is measured by it where large terms cancel out."""
    dual, intercept = np.abs(p.dual), abs(p.intercept)
    if p.kernel in {"rbf", "sigmoid"}:
        return np.full(scaled.shape, dual.sum() + intercept)
    sizes = replace(p, support=np.abs(p.support), dual=dual, coef0=abs(p.coef0), intercept=intercept)
    return plain_scores(sizes, np.abs(scaled))
