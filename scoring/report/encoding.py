"""Columns of numbers as short texts: a number type, a colon, and the little-endian bytes in base64.

Readings have few decimals and come at even intervals, so most columns fit in one or two bytes per number
without losing a digit: `numbers` finds the power of ten that makes them whole, `times` the interval.
`assets/decode.js` decodes them.
"""

import base64
from typing import TypedDict

import numpy as np

MOST_DECIMALS = 6
_EXACT_BELOW = 2.0**52
_INVISIBLE = 1e-5
"""An error of this share of a sensor's range is invisible in a chart."""


class Numbers(TypedDict):
    """`(offset + x) / 10**decimals` for each x of data; decimals is None where data are the numbers."""

    decimals: int | None
    offset: int
    data: str


class Times(TypedDict):
    """Milliseconds since 1970: `first`, then each is `step` times an x of data after the one before."""

    first: int
    step: int
    data: str


def whole(numbers: np.ndarray) -> str:
    """Whole numbers from 0 up, in the smallest type that holds them."""
    highest = int(numbers.max(initial=0))
    for kind, dtype in (("u1", "<u1"), ("u2", "<u2"), ("u4", "<u4")):
        if highest <= np.iinfo(dtype).max:
            return _text(kind, numbers.astype(dtype))
    return _text("f8", numbers.astype("<f8"))


def numbers(values: np.ndarray) -> Numbers:
    """Numbers of any kind; exact to the last digit where they have at most six decimals."""
    if np.isfinite(values).all() and np.abs(values).max(initial=0) < _EXACT_BELOW / 10.0**MOST_DECIMALS:
        for decimals in range(MOST_DECIMALS + 1):
            scaled = np.rint(values * 10.0**decimals)
            if (scaled / 10.0**decimals == values).all():
                offset = int(scaled.min(initial=np.inf)) if len(scaled) else 0
                return Numbers(decimals=decimals, offset=offset, data=whole(scaled - offset))
    return Numbers(decimals=None, offset=0, data=floats(values))


def floats(values: np.ndarray) -> str:
    """Floating-point numbers, four bytes each where the difference is invisible."""
    finite = np.isfinite(values)
    with np.errstate(over="ignore"):  # to infinity, which is an error or a span like any other
        short = values.astype("<f4")
        error = np.abs(short[finite] - values[finite]).max(initial=0)
        span = np.ptp(values[finite]) if finite.any() else 0.0
    lost = (short == 0) & (values != 0)  # a score that close to zero still has a sign
    return (
        _text("f8", values.astype("<f8")) if error > span * _INVISIBLE or lost.any() else _text("f4", short)
    )


def times(moments: np.ndarray) -> Times:
    """Times in milliseconds since 1970, in ascending order."""
    if not len(moments):
        return Times(first=0, step=1, data=whole(moments))
    steps = np.diff(moments, prepend=moments[:1])
    step = int(np.gcd.reduce(steps)) or 1
    return Times(first=int(moments[0]), step=step, data=whole(steps // step))


def _text(kind: str, array: np.ndarray) -> str:
    return f"{kind}:{base64.b64encode(array.tobytes()).decode()}"
