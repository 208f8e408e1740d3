"""Columns of numbers as short texts: a number type, a colon, and the little-endian bytes in base64.

Readings have few decimals and come at even intervals, so most columns fit one or two bytes a number
without losing a digit: `numbers` finds the power of ten that makes them whole, `moments` the step in time.
The reader is in `assets/decode.js`.
"""

import base64
from typing import TypedDict

import numpy as np

MOST_DECIMALS = 6
_EXACT_BELOW = 2.0**52
_INVISIBLE = 1e-5
"""An error of this part of a sensor's range cannot be seen in a chart."""


class Numbers(TypedDict):
    """`(offset + x) / 10**decimals` for each x of data; decimals is None where data are the numbers."""

    decimals: int | None
    offset: int
    data: str


class Moments(TypedDict):
    """Milliseconds since 1970: `first`, then `step` times each x of data more than the one before."""

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
    """Floating-point numbers, four bytes each where the difference could not be seen."""
    finite = np.isfinite(values)
    with np.errstate(over="ignore"):  # to infinity, which is an error or a span like any other
        short = values.astype("<f4")
        error = np.abs(short[finite] - values[finite]).max(initial=0)
        span = np.ptp(values[finite]) if finite.any() else 0.0
    lost = (short == 0) & (values != 0)  # a score that close to zero still has a sign
    return (
        _text("f8", values.astype("<f8")) if error > span * _INVISIBLE or lost.any() else _text("f4", short)
    )


def moments(times: np.ndarray) -> Moments:
    """Moments in time, milliseconds since 1970, in ascending order."""
    if not len(times):
        return Moments(first=0, step=1, data=whole(times))
    steps = np.diff(times, prepend=times[:1])
    step = int(np.gcd.reduce(steps)) or 1
    return Moments(first=int(times[0]), step=step, data=whole(steps // step))


def _text(kind: str, array: np.ndarray) -> str:
    return f"{kind}:{base64.b64encode(array.tobytes()).decode()}"
