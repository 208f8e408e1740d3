"""A legacy file as `import-models` takes it: read, saved, and read again."""

from collections.abc import Callable
from typing import Any

import numpy as np

from scoring.legacy.compression import unpacked
from scoring.legacy.unpickle import read_pickle
from scoring.legacy.write import skops_bytes
from scoring.models.detector import Detector, detector_of
from scoring.models.interpret import model_parameters
from scoring.models.skops import read_skops


def imported(content: bytes, beside: Callable[[str], bytes] | None = None) -> Detector:
    """The detector in a legacy file, after saving it as .skops."""
    document = read_pickle(unpacked(content), beside)
    model_parameters(document)
    return detector_of(model_parameters(read_skops(skops_bytes(document))))


def predicted(detector: Any, probe: np.ndarray) -> tuple[list[int], np.ndarray]:
    """Labels as scikit-learn gives them, and scores."""
    labels, scores = detector.predict(probe)
    return np.where(labels, -1, 1).tolist(), scores
