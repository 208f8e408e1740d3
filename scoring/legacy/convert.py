"""From records of legacy pickles to estimators of today's scikit-learn, verified number by number."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from scoring.errors import ModelError, ModelRefused
from scoring.legacy.unpickle import Record
from scoring.legacy.detectors import (
    Converted,
    Formula,
    arguments,
    envelope,
    one,
    outlier_factor,
    plain,
    stochastic_svm,
    svm,
)
from scoring.legacy.forests import forest

DETECTORS: dict[str, Callable[[Record], Converted]] = {
    "EllipticEnvelope": envelope,
    "IsolationForest": forest,
    "LocalOutlierFactor": outlier_factor,
    "OneClassSVM": svm,
    "SGDOneClassSVM": stochastic_svm,
}

_PARAMETERS = {
    "MaxAbsScaler": ("copy", "clip"),
    "MinMaxScaler": ("feature_range", "copy", "clip"),
    "PCA": ("n_components", "copy", "whiten"),
    "RobustScaler": ("with_centering", "with_scaling", "quantile_range", "copy"),
    "StandardScaler": ("with_mean", "with_std", "copy"),
}
"""Constructor arguments that are taken over; those that came later keep their defaults."""

_FITTED = {
    "MaxAbsScaler": ("scale_", "max_abs_", "n_samples_seen_"),
    "MinMaxScaler": ("min_", "scale_", "data_min_", "data_max_", "data_range_", "n_samples_seen_"),
    "PCA": ("components_", "mean_", "explained_variance_", "explained_variance_ratio_", "n_components_"),
    "RobustScaler": ("center_", "scale_"),
    "StandardScaler": ("mean_", "var_", "scale_", "n_samples_seen_"),
}
"""Fitted attributes that are taken over as they are."""

_MOST_PLACES = 150


def convert(model: Record) -> Any:
    """A fitted estimator of today's scikit-learn that gives the answers of the legacy model.

    Raises:
        ModelRefused: it is made of parts that are not known here.
        ModelError: an attribute is missing or wrong, or the converted model answers differently.
    """
    steps = _steps(model)
    *scalers, (last_name, last) = steps
    if last.name not in DETECTORS:
        raise ModelRefused(f"ends in a {last.name}, which is no detector that can be converted")
    for _, scaler in scalers:
        if scaler.name not in _FITTED:
            raise ModelRefused(f"has a {scaler.name} before its detector, which cannot be converted")
    try:
        built = [(name, _scaler(scaler)) for name, scaler in scalers]
        transforms = [_TRANSFORMS[scaler.name](scaler.state) for _, scaler in scalers]
        converted = DETECTORS[last.name](last)
        detector = converted.estimator
        estimator = _pipeline([*built, (last_name, detector)]) if model.name == "Pipeline" else detector
        _verify(estimator, transforms, converted)
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


def _scaler(record: Record) -> Any:
    from sklearn import decomposition, preprocessing

    module = decomposition if record.name == "PCA" else preprocessing
    scaler = getattr(module, record.name)(**arguments(record.state, *_PARAMETERS[record.name]))
    scaler.n_features_in_ = 1
    for name in _FITTED[record.name]:
        value = record.state.get(name)
        if isinstance(value, np.ndarray):
            one(value, f"{record.name}.{name}")
        else:
            value = plain(value)
        setattr(scaler, name, value)
    return scaler


def _affine(shift: str, factor: str) -> Callable[[Mapping[str, Any]], Formula]:
    """`(x - shift) / factor`, where an attribute that is None leaves its part out."""

    def make(state: Mapping[str, Any]) -> Formula:
        center = np.zeros(1) if not shift or state.get(shift) is None else state[shift]
        scale = np.ones(1) if state.get(factor) is None else state[factor]
        return lambda values: (values - center) / scale

    return make


def _clipped(transform: Formula, state: Mapping[str, Any], low: float, high: float) -> Formula:
    if not state.get("clip"):
        return transform
    return lambda values: np.clip(transform(values), low, high)


def _max_abs(state: Mapping[str, Any]) -> Formula:
    return _clipped(_affine("", "scale_")(state), state, -1.0, 1.0)


def _min_max(state: Mapping[str, Any]) -> Formula:
    return _clipped(lambda values: values * state["scale_"] + state["min_"], state, *state["feature_range"])


def _standard(state: Mapping[str, Any]) -> Formula:
    kept = {"mean_": state["mean_"] if state["with_mean"] else None}
    return _affine("mean_", "scale_")(kept | {"scale_": state["scale_"] if state["with_std"] else None})


def _components(state: Mapping[str, Any]) -> Formula:
    direction, mean = one(state["components_"], "components_"), one(state["mean_"], "mean_")
    width = np.sqrt(one(state["explained_variance_"], "explained_variance_")) if state["whiten"] else 1.0
    return lambda values: (values - mean) * direction / width


_TRANSFORMS: dict[str, Callable[[Mapping[str, Any]], Formula]] = {
    "MaxAbsScaler": _max_abs,
    "MinMaxScaler": _min_max,
    "PCA": _components,
    "RobustScaler": _affine("center_", "scale_"),
    "StandardScaler": _standard,
}


def _verify(estimator: Any, transforms: list[Formula], converted: Converted) -> None:
    """Compare with the plain formula over the numbers of the pickle, without scikit-learn."""

    def scale(values: np.ndarray) -> np.ndarray:
        for transform in transforms:
            values = transform(values)
        return values

    values = _readings(scale, converted.places)
    scaled = scale(values)
    if not np.isfinite(scaled).all():
        raise ModelError("scales by what is no finite number")
    expected = converted.formula(scaled)
    found = estimator.decision_function(values[:, None]).reshape(-1)
    if not np.allclose(found, expected, rtol=1e-9, atol=1e-12 * converted.sizes(scaled)):
        raise ModelError("answers differently after conversion; train it again")


def _readings(scale: Formula, places: np.ndarray) -> np.ndarray:
    """Readings that come to lie between and around the places where the scores are worth a look."""
    if len(places) > _MOST_PLACES:
        places = places[np.linspace(0, len(places) - 1, _MOST_PLACES).astype(np.intp)]
    spread = float(places[-1] - places[0]) or abs(float(places[0])) or 1.0
    around = [-100.0, -3.0, -1.0, -0.1, 0.1, 1.0, 3.0, 100.0]
    between = (places[1:] + places[:-1]) / 2
    wanted = np.concatenate([between, [places[0 if n < 0 else -1] + n * spread for n in around]])
    origin, unit = scale(np.zeros(1)), scale(np.ones(1))  # every scaler is a line, but for where it clips
    slope = unit - origin
    return (wanted - origin) / np.where(slope == 0, 1.0, slope)
