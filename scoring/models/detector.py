"""Evaluators of typed parameters behind one interface."""

from collections.abc import Callable
from typing import Protocol

import numpy as np

from scoring.errors import ModelError
from scoring.models.detector_parameters import Ellipse, Forest, Hyperplane, Neighbours, SupportVectors
from scoring.models.elliptic import ellipse_scores
from scoring.models.forest import forest_scorer
from scoring.models.linear import hyperplane_scores
from scoring.models.neighbours import NeighbourScorer
from scoring.models.parameter_checks import Floats
from scoring.models.parameters import ModelParameters
from scoring.models.svm import SvmDetector, SvmParameters, vector_scores
from scoring.models.transformer_parameters import Scaling
from scoring.models.transformers import transform

_CHUNK = 1 << 20
"""Numbers that are worked on at once: readings times the most features that each of them becomes."""

NO_MEMORY = "needs more memory than there is; train a smaller one"


class Detector(Protocol):
    """What a model does: labels (1 is an anomaly) and scores of shape (n,).

    A score below zero is anomalous; of a OneClassSVM also zero, as in scikit-learn.
    """

    def predict(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]: ...  # noqa: D102


def detector_of(model: ModelParameters) -> Detector:
    """What predicts with these parameters."""
    detector = model.detector
    if isinstance(detector, SupportVectors) and detector.features_in == 1:
        match model.transformers:
            case ():
                return _svm(detector, None)
            case (Scaling(clip=False) as scaling,):
                return _svm(detector, scaling)
    return ModelDetector(model)


def _svm(p: SupportVectors, scaling: Scaling | None) -> SvmDetector:
    """The common model, which many sensors share and can be predicted together."""
    center = scaling.center if scaling else None
    scale = scaling.scale if scaling else None
    return SvmDetector(
        SvmParameters(
            mean=None if center is None else float(center[0]),
            scale=None if scale is None else float(scale[0]),
            kernel=p.kernel,
            gamma=p.gamma,
            coef0=p.coef0,
            degree=p.degree,
            support=p.vectors[:, 0],
            dual=p.dual,
            intercept=p.intercept,
        )
    )


class ModelDetector:
    """Predicts with any detector, after any transformers."""

    def __init__(self, model: ModelParameters) -> None:
        self._steps = model.transformers
        self._score = _scorer(model.detector)
        self._zero_is_normal = not isinstance(model.detector, SupportVectors)
        self._takes_infinity = isinstance(model.detector, Forest)
        self._rows = max(1, _CHUNK // _widest(model))

    def predict(self, values: Floats) -> tuple[np.ndarray, Floats]:
        """Labels and scores of readings of shape (n,), finite.

        A reading so far out that arithmetic fails on its way, or that a transformer cannot take, is an
        anomaly with a score of minus infinity.

        Raises:
            ModelError: it needs more memory than there is.
        """
        scores = np.empty(len(values))
        try:
            with np.errstate(all="ignore"):
                for start in range(0, len(values), self._rows):
                    chunk = slice(start, start + self._rows)
                    scores[chunk] = self._scores(values[chunk])
        except MemoryError as error:
            raise ModelError(NO_MEMORY) from error
        scores[np.isnan(scores)] = -np.inf
        normal = scores >= 0 if self._zero_is_normal else scores > 0
        return (~normal).astype(np.uint8), scores

    def _scores(self, values: Floats) -> Floats:
        x = values.reshape(-1, 1).astype(np.float64)
        failed = np.zeros(len(x), bool)
        for number, step in enumerate(self._steps, 1):
            x = transform(step, x)
            last = number == len(self._steps)
            bad = np.isnan(x) if last and self._takes_infinity else ~np.isfinite(x)
            if bad.any():
                bad = bad.any(axis=1)
                failed |= bad
                x[bad] = 0.0
        scores = self._score(x)
        scores[failed] = -np.inf
        return scores


def _scorer(p: SupportVectors | Hyperplane | Forest | Neighbours | Ellipse) -> Callable[[Floats], Floats]:
    match p:
        case SupportVectors():
            return lambda x: vector_scores(p, x)
        case Hyperplane():
            return lambda x: hyperplane_scores(p, x)
        case Forest():
            return forest_scorer(p)
        case Neighbours():
            return NeighbourScorer(p).scores
        case Ellipse():
            return lambda x: ellipse_scores(p, x)


def _widest(model: ModelParameters) -> int:
    """The most numbers that one reading takes anywhere on its way."""
    widths = [step.features_out for step in model.transformers]
    if isinstance(model.detector, Neighbours) and model.detector.features_in > 1:
        widths.append(len(model.detector.readings))
    return max(widths, default=1)
