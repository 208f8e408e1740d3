"""EllipticEnvelope: how far a reading lies from the centre, measured by the precision matrix."""

import numpy as np

from scoring.models.detector_parameters import Ellipse
from scoring.models.parameter_checks import Floats


def ellipse_scores(p: Ellipse, x: Floats) -> Floats:
    """Scores of readings of shape (n, f): negative squared Mahalanobis distances, minus the offset."""
    away = x - p.location
    turned = np.stack([_dot(away, row[None, :]) for row in p.precision], axis=1)
    distances: Floats = np.sqrt(_dot(away, turned)) ** 2
    return -distances - p.offset


def _dot(a: Floats, b: Floats) -> Floats:
    """Sums over the last axis as scipy's compiled code adds them: even and odd places apart, then together.

    A precision matrix can be large, and scores next to the boundary depend on the last bit.
    """
    terms = (a * b).T
    pairs = len(terms) // 2 * 2
    total: Floats = terms[0]
    if not pairs:
        return total
    even, odd = terms[0].copy(), terms[1].copy()
    for j in range(2, pairs, 2):
        even += terms[j]
        odd += terms[j + 1]
    total = even + odd
    if pairs < len(terms):
        total += terms[pairs]
    return total
