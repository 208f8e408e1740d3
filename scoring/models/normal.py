"""The inverse of the normal distribution, to the last bit as scipy computes it.

Where neighbours are equally near, the last bit decides between them. The approximations are those of Cephes:
quotients of polynomials, one for the middle and one for both tails.
"""

import math

import numpy as np

from scoring.models.parameter_checks import Floats

_TAIL = 0.13533528323661269189
"""exp(-2): the tails begin here."""
_ROOT_OF_2_PI = 2.50662827463100050242
# fmt: off
_MIDDLE = (
    (
        -59.96335010141079, 98.00107541859997, -56.67628574690703,
        13.931260938727968, -1.2391658386738125,
    ),
    (
        1.0, 1.9544885833814176, 4.676279128988815,
        86.36024213908905, -225.46268785411937, 200.26021238006066,
        -82.03722561683334, 15.90562251262117, -1.1833162112133,
    ),
)
_ENDS = (
    (
        4.0554489230596245, 31.525109459989388, 57.16281922464213,
        44.08050738932008, 14.684956192885803, 2.1866330685079025,
        -0.1402560791713545, -0.03504246268278482, -0.0008574567851546854,
    ),
    (
        1.0, 15.779988325646675, 45.39076351288792,
        41.3172038254672, 15.04253856929075, 2.504649462083094,
        -0.14218292285478779, -0.03808064076915783, -0.0009332594808954574,
    ),
)
# fmt: on
"""Numerator and denominator, highest power first."""


def normal_quantiles(shares: Floats) -> Floats:
    """The values below which these shares of a standard normal distribution lie; from 1e-14 to 1 - 1e-14."""
    upper = shares > 1.0 - _TAIL
    y = np.where(upper, 1.0 - shares, shares)
    away = y - 0.5
    square = away * away
    middle = (
        away + away * (square * _value(_MIDDLE[0], square) / _value(_MIDDLE[1], square))
    ) * _ROOT_OF_2_PI
    root = np.sqrt(-2.0 * _logarithm(y))
    z = 1.0 / root
    end = (root - _logarithm(root) / root) - z * _value(_ENDS[0], z) / _value(_ENDS[1], z)
    return np.where(y > _TAIL, middle, np.where(upper, end, -end))


def _value(coefficients: tuple[float, ...], x: Floats) -> Floats:
    total = np.full_like(x, coefficients[0])
    for coefficient in coefficients[1:]:
        total = total * x + coefficient
    return total


def _logarithm(x: Floats) -> Floats:
    """By the function of C, whose last bit numpy's does not always have."""
    return np.array([math.log(each) for each in x.tolist()], np.float64)
