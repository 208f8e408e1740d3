"""Which of some readings a model can answer for, where it refuses to answer for all of them.

Estimators look at their whole input, so that one reading which overflows on its way through a pipeline would
keep all others from being scored. What is refused lies beyond a bound, above or below: two bounds are found
with a few questions about single readings.
"""

from collections.abc import Callable

import numpy as np

type Answers = Callable[[np.ndarray], bool]

_ORDINARY = 1.0
"""A value that every kind of scaling takes; where a model refuses it too, the model is at fault."""

_LOOKED_AT = 64
"""So many of the readings beyond the bounds are looked at one by one: mostly all of them."""


def answerable(values: np.ndarray, answers: Answers) -> np.ndarray | None:
    """The readings that lie between the bounds.

    Args:
        values: the readings, shape (n,).
        answers: whether the model answers for some readings.

    Returns:
        bool, shape (n,); None where the model refuses an ordinary value, too, or takes one beyond a bound.
    """
    ascending = np.sort(values)
    for ordinary in (float(ascending[len(ascending) // 2]), _ORDINARY):
        if answers(np.array([ordinary])):
            break
    else:
        return None
    middle = int(np.searchsorted(ascending, ordinary))
    above = _until_refused(ascending[middle:], answers)
    below = _until_refused(ascending[:middle][::-1], answers)
    refused = np.concatenate([ascending[: middle - below], ascending[middle + above :]])
    chosen = np.unique(np.linspace(0, len(refused), _LOOKED_AT, endpoint=False).astype(np.int64))
    if len(refused) and any(answers(refused[i : i + 1]) for i in chosen.tolist()):
        return None
    good = np.zeros(len(values), bool)
    good[np.argsort(values)[middle - below : middle + above]] = True
    return good


def _until_refused(outward: np.ndarray, answers: Answers) -> int:
    """How many readings, from the ordinary ones outward, come before the first that is refused."""
    low, high = 0, len(outward)
    while low < high:
        middle = (low + high) // 2
        if answers(outward[middle : middle + 1]):
            low = middle + 1
        else:
            high = middle
    return low
