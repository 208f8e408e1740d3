"""Arrays of numbers from legacy pickles, made by checked code of ours."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from scoring.errors import ModelError

_MOST_FIELDS = 16
_MOST_ITEM_BYTES = 256


class ArrayShell:
    """An array whose content is still to come."""


@dataclass(slots=True)
class Dtype:
    """The type of an array's elements; a pickle tells it in two parts."""

    dtype: Any

    @classmethod
    def named(cls, text: Any) -> "Dtype":
        """The type that a short text such as `f8` names."""
        if not isinstance(text, str):
            raise ModelError("holds an array of something other than numbers")
        return cls(np.dtype(text))

    def set_state(self, state: Any) -> None:
        """Take the second part: the order of bytes, or the fields of a structure."""
        _, order, subarray, names, fields, size, *_ = state
        if subarray is not None:
            raise ModelError("holds an array of something other than numbers")
        self.dtype = _structure(names, fields, size) if names else self.dtype.newbyteorder(order)


def _structure(names: Any, fields: Any, size: Any) -> Any:
    """A structure of plain numbers, as the nodes of a decision tree are."""
    if not (
        isinstance(names, tuple)
        and 0 < len(names) <= _MOST_FIELDS
        and all(isinstance(name, str) for name in names)
        and isinstance(size, int)
        and 0 < size <= _MOST_ITEM_BYTES
    ):
        raise ModelError("holds an array of structures that are none of ours")
    formats = [_plain_number(fields[name][0]) for name in names]
    offsets = [fields[name][1] for name in names]
    return np.dtype({"names": list(names), "formats": formats, "offsets": offsets, "itemsize": size})


def _plain_number(dtype: Any) -> Any:
    if not isinstance(dtype, Dtype) or dtype.dtype.kind not in "biuf":
        raise ModelError("holds an array of something other than numbers")
    return dtype.dtype


def numeric(dtype: Any) -> Any:
    """The numpy type of numbers, or of structures of them."""
    if isinstance(dtype, Dtype) and dtype.dtype.fields:
        return dtype.dtype
    return _plain_number(dtype)


def shape_of(shape: Any) -> tuple[int, ...]:
    """A possible shape."""
    if not (isinstance(shape, tuple) and all(isinstance(n, int) and 0 <= n < 1 << 31 for n in shape)):
        raise ModelError("holds an array of no possible shape")
    return shape


def array_of(data: Any, dtype: Any, shape: Any, order: Any) -> np.ndarray:
    """An array of this machine's own byte order, copied from its bytes."""
    flat = np.frombuffer(data, numeric(dtype))
    native = flat.dtype.newbyteorder("=")
    return flat.reshape(shape_of(shape), order="F" if order == "F" else "C").astype(native)


def numbers(value: Any, kind: Any = np.float64) -> np.ndarray:
    """An array, or a single number, as an array of `kind`.

    No list: one that holds another twice, which does so too, is short to write and endless to unfold.

    Raises:
        ModelError: it is something else.
    """
    if isinstance(value, np.ndarray | np.generic | int | float):
        return np.asarray(value, kind)
    raise ModelError(f"holds a {type(value).__name__} where numbers should be")
