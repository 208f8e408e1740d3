"""Sums of groups that do not depend on the order of what is added: two doubles to a number.

Rows come in any order and in batches of any size, and the same rows should give the same bytes. A sum is
kept as `high + low` of twice the digits of a double, so that its order of addition is lost in digits which
the mean, rounded to one double, does not have. It shows where values cancel each other out so far that only
those digits are left, and where a sum passes beyond all doubles on its way.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np


@dataclass(frozen=True, slots=True, eq=False)
class Sums:
    """Sums of values by integer `group`; all of shape (n,): int64, float64, float64, int64."""

    group: np.ndarray
    high: np.ndarray
    low: np.ndarray
    count: np.ndarray

    @classmethod
    def of_values(cls, group: np.ndarray, values: np.ndarray) -> Self:
        """Each value alone, as a sum of one."""
        return cls(group, values, np.zeros(len(values)), np.ones(len(values), np.int64))

    @classmethod
    def concatenate(cls, parts: list[Self]) -> Self:
        """All of `parts`; a group may be in several of them."""
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in cls.__slots__))

    def at(self, places: np.ndarray) -> "Sums":
        """The sums at some places."""
        return Sums(*(getattr(self, name)[places] for name in self.__slots__))

    def merged(self) -> "Sums":
        """The same sums with each group once, in ascending order."""
        sums = self.at(np.argsort(self.group, kind="stable"))
        while True:
            starts = np.flatnonzero(np.diff(sums.group, prepend=sums.group[:1] - 1))
            if len(starts) == len(sums.group):
                return sums
            # Each round adds neighbours of a group two by two: the 1st and 2nd, the 3rd and 4th, ...
            sizes = np.diff(starts, append=len(sums.group))
            rank = np.arange(len(sums.group)) - np.repeat(starts, sizes)
            left = np.flatnonzero(rank % 2 == 0)
            paired = np.repeat(sizes, sizes)[left] > rank[left] + 1
            sums = _add_next(sums, left, left[paired] + 1, paired)

    def means(self) -> np.ndarray:
        """The mean of each group as the nearest double; not finite where the sum is beyond all doubles."""
        with np.errstate(over="ignore", invalid="ignore"):
            count = self.count.astype(np.float64)
            mean = self.high / count
            product, error = _multiply(mean, count)
            refined = mean + ((self.high - product) - error + self.low) / count
        # The product of the largest doubles has no exact form; a single value is its own mean.
        means: np.ndarray = np.where(np.isfinite(refined) & (self.count > 1), refined, mean)
        return means


def _add_next(sums: Sums, left: np.ndarray, right: np.ndarray, paired: np.ndarray) -> Sums:
    kept = sums.at(left)
    kept.count[paired] += sums.count[right]
    with np.errstate(over="ignore", invalid="ignore"):
        high, error = _add(kept.high[paired], sums.high[right])
        low, low_error = _add(kept.low[paired], sums.low[right])
        high, error = _add(high, error + low)
        high, error = _add(high, error + low_error)
    kept.high[paired], kept.low[paired] = high, error
    return kept


def _add(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rounded sum, and what rounding took from it (Knuth's TwoSum)."""
    total = a + b
    b_part = total - a
    return total, (a - (total - b_part)) + (b - b_part)


def _multiply(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rounded product, and what rounding took from it (Dekker's product)."""
    product = a * b
    a_high, a_low = _split(a)
    b_high, b_low = _split(b)
    error = ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low
    return product, error


def _split(a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two halves of 26 bits, whose products are exact (Veltkamp's split)."""
    scaled = 134_217_729.0 * a  # 2**27 + 1
    high = scaled - (scaled - a)
    return high, a - high
