"""Size limits of models, and the checks that all typed parameters share."""

import math
from typing import Any

import numpy as np

from scoring.errors import ModelError

type Floats = np.ndarray[Any, np.dtype[np.float64]]
type Integers = np.ndarray[Any, np.dtype[np.int32]]

MOST_FEATURES = 4096
"""Most features anywhere in a model: a reading becomes this many numbers at most."""
MOST_STEPS = 20
"""Most transformers before a detector."""
MOST_DEGREE = 64
"""Of polynomials, as features and as a kernel."""
MOST_VECTORS = 50_000
MOST_TREES = 1_000
MOST_DEPTH = 40
"""Most levels of a tree: of n samples, an isolation tree has the logarithm of n."""
MOST_READINGS = 40_000
"""Most readings that a LocalOutlierFactor compares with, times its features."""
MOST_NEIGHBOURS = 256
MOST_LEAVES = 4_000
MOST_POWERS = 10_000
"""The same for the metric minkowski, whose powers take longer."""
MOST_NUMBERS = 1 << 19
"""Most numbers of a model that works on several features: each reading is combined with each of them."""
MOST_PUSHES = 2_500
"""Most neighbours of one reading that are found before nearer ones are, where several are equally near: 1,600
of 40,000 in random order, if 256 are wanted, but all of them if each is nearer than the one before."""


class FeaturesOf:
    """The number of features that an array has a place for along an axis, the last one if none is named."""

    def __init__(self, array: str, axis: int = -1) -> None:
        self._array = array
        self._axis = axis

    def __get__(self, parameters: Any, owner: type | None = None) -> int:
        return int(getattr(parameters, self._array).shape[self._axis])


def expect(condition: bool, problem: str) -> None:
    """Refuse a model with this problem, where the condition does not hold."""
    if not condition:
        raise ModelError(problem)


def check_finite(what: str, *numbers: float | None) -> None:
    """Refuse numbers that are not finite; None and 0 are fine."""
    if not all(map(math.isfinite, filter(None, numbers))):
        raise ModelError(f"{what} is not a finite number: train this model again")


def check_array(what: str, numbers: np.ndarray | None, *shape: int | None) -> None:
    """Check an array for its shape, None standing for any size but 0, and for finite numbers."""
    if numbers is None:
        return
    if numbers.shape != shape and not _fits(numbers.shape, shape):
        text = ", ".join("any" if size is None else str(size) for size in shape)
        raise ModelError(f"{what} has the shape {numbers.shape}, and should have ({text}): save it again")
    if numbers.dtype.kind == "f" and not _all_finite(numbers):
        raise ModelError(f"{what} holds what is not a finite number: train this model again")


def _all_finite(array: np.ndarray) -> bool:
    if array.size == 1:  # as in most models
        return math.isfinite(array.item())
    return bool(np.logical_and.reduce(np.isfinite(array), axis=None))


def _fits(shape: tuple[int, ...], wanted: tuple[int | None, ...]) -> bool:
    return len(shape) == len(wanted) and all(
        size > 0 if each is None else size == each for size, each in zip(shape, wanted, strict=True)
    )


def check_features(what: str, count: int) -> None:
    """Refuse a number of features that is out of range."""
    expect(0 < count <= MOST_FEATURES, f"{what} works on {count:,} features, not 1 to {MOST_FEATURES:,}")
