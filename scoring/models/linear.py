"""SGDOneClassSVM: on which side of a hyperplane a reading lies, and how far from it."""

from scoring.models.detector_parameters import Hyperplane
from scoring.models.parameter_checks import Floats


def hyperplane_scores(p: Hyperplane, x: Floats) -> Floats:
    """Scores of readings of shape (n, f)."""
    scores: Floats = x @ p.weights - p.offset
    return scores
