"""From what a file describes to typed parameters, by the attributes that every version of scikit-learn has.

An attribute that prediction does not need is not read, and where versions differ the difference is
settled here: evaluators know one kind of each.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from scoring.errors import ModelError, ModelRefused
from scoring.models.detector_parameters import DetectorParameters
from scoring.models.document import Described
from scoring.models.fields import Fields
from scoring.models.parameter_checks import MOST_STEPS
from scoring.models.parameters import ModelParameters
from scoring.models.read_detectors import ellipse, hyperplane, neighbours, support_vectors
from scoring.models.read_forest import forest
from scoring.models.read_transformers import (
    fourier_map,
    imputation,
    kernel_map,
    max_abs_scaling,
    min_max_scaling,
    polynomial,
    power_transform,
    projection,
    quantile_transform,
    robust_scaling,
    standard_scaling,
)
from scoring.models.transformer_parameters import Transformer

DETECTORS: dict[str, Callable[[Fields], DetectorParameters]] = {
    "EllipticEnvelope": ellipse,
    "IsolationForest": forest,
    "LocalOutlierFactor": neighbours,
    "OneClassSVM": support_vectors,
    "SGDOneClassSVM": hyperplane,
}
"""By the name of the class."""

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

_MOST_NESTED = 5
"""Pipelines in each other."""
_MOST_PARTS = 100


def model_parameters(document: Described) -> ModelParameters:
    """The parameters of the model that a file describes.

    Raises:
        ModelRefused: it is made of parts that are not supported; they are named, and what is supported.
        ModelError: an attribute is missing or is not what it should be, or it expects other features.
    """
    version = document.version
    try:
        *before, last = _steps(document)
        _refuse(before, last)
        with np.errstate(all="ignore"):  # of what overflows, the result is refused
            transformers = tuple(TRANSFORMERS[step.class_name](Fields(step)) for step in before)
            return ModelParameters(transformers, DETECTORS[last.class_name](Fields(last)), version)
    except ModelError as error:
        if version is None:
            raise
        raise type(error)(f"{error} (saved by scikit-learn {version})") from error


def _refuse(before: list[Described], last: Described) -> None:
    """Name all that is not supported at once."""
    supported = "supported are {}; train it again with one of them (docs/models.md)"
    if last.class_name not in DETECTORS:
        detectors = supported.format(", ".join(DETECTORS))
        raise ModelRefused(f"ends in {last.name[:100]}, which is not a supported detector: {detectors}")
    unknown = sorted({step.name[:100] for step in before if step.class_name not in TRANSFORMERS})
    if unknown:
        transformers = supported.format(", ".join(TRANSFORMERS))
        raise ModelRefused(f"has {', '.join(unknown)[:300]} before its detector: {transformers}")


def _steps(document: Described) -> list[Described]:
    """What readings go through, in order, also where a pipeline stands in a pipeline."""
    steps: list[Described] = []
    for count, step in enumerate(_flattened(document, 0), 1):
        if isinstance(step, Described):
            steps.append(step)
        if count > _MOST_PARTS or len(steps) > MOST_STEPS + 1:
            raise ModelRefused(f"has more than {MOST_STEPS} steps")
    if not steps:
        raise ModelRefused("is a Pipeline without steps; save a fitted one")
    return steps


def _flattened(part: Any, depth: int) -> Iterator[Described | None]:
    """Every step, and None for each that passes readings through, or holds others."""
    if part is None or (isinstance(part, str) and part == "passthrough"):
        yield None
    elif not isinstance(part, Described):
        raise ModelError("is a Pipeline with a step that is not an estimator; save it again")
    elif part.class_name != "Pipeline":
        yield part
    elif depth == _MOST_NESTED:
        raise ModelRefused(f"nests pipelines more than {_MOST_NESTED} deep")
    else:
        yield None
        for step in Fields(part).items("steps", object):
            if not isinstance(step, tuple | list) or len(step) != 2:  # noqa: PLR2004 - a name, an estimator
                raise ModelError("is a Pipeline whose steps are not pairs; save it again")
            yield from _flattened(step[1], depth + 1)
