"""Arrays of numbers from legacy pickles. Other arrays are skipped: no prediction needs them."""

import math
import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from scoring.errors import ModelError
from scoring.models import npy
from scoring.models.document import Described

OBJECTS = Described("ndarray", {}, "numpy")
"""Placeholder of an array of texts or other objects."""

_PLAIN = re.compile(r"[<>=|]?(?:b1|[iu][1248]|f[248]|[US]\d{1,3})")
_OTHER = re.compile(r"[<>=|]?[a-zA-Z]\d{0,9}(?:\[\w{1,9}\])?")
_MOST_ITEM_BYTES = 256
_MOST_AXES = 32


@dataclass(slots=True)
class Dtype:
    """The type of an array's elements, which a pickle describes in two parts; None if it is not supported."""

    dtype: Any

    @classmethod
    def named(cls, text: Any) -> "Dtype":
        """The type that a short text such as `f8` names."""
        if not isinstance(text, str) or not _OTHER.fullmatch(text):
            raise ModelError("it holds an array of an unknown type")
        return cls(np.dtype(text) if _PLAIN.fullmatch(text) else None)

    def set_state(self, state: Any) -> None:
        """Read the second part: the byte order, or the fields of a structure."""
        _, order, subarray, names, fields, size, *_ = state
        if subarray is not None:
            self.dtype = None
        elif names:
            self.dtype = _structure(names, fields, size)
        elif self.dtype is not None and order in {"<", ">", "|", "="}:
            self.dtype = self.dtype.newbyteorder(order)


def _structure(names: Any, fields: Any, size: Any) -> Any:
    """A structure of plain numbers, like the nodes of a decision tree; None for any other."""
    if not (
        isinstance(names, tuple)
        and all(isinstance(name, str) for name in names)
        and isinstance(size, int)
        and 0 < size <= _MOST_ITEM_BYTES
    ):
        return None
    types = [fields[name][0].dtype for name in names]
    if any(each is None for each in types):
        return None
    offsets = [fields[name][1] for name in names]
    return np.dtype({"names": list(names), "formats": types, "offsets": offsets, "itemsize": size})


@dataclass(slots=True, eq=False)
class ArrayShell:
    """An array whose content follows, and its place in the memo."""

    places: list[int] = field(default_factory=list)


def holds_numbers(dtype: Any) -> bool:
    """Whether an array of this type can be saved, and read again: it holds numbers, or structures of them."""
    return isinstance(dtype, Dtype) and dtype.dtype is not None and npy.holds_numbers(_native(dtype.dtype))


def byte_count(dtype: Dtype, shape: Any) -> int:
    """The size of an array of numbers in bytes.

    Raises:
        ModelError: it is of an impossible shape.
    """
    good = isinstance(shape, tuple) and len(shape) <= _MOST_AXES
    if not good or not all(type(n) is int and 0 <= n < 1 << 31 for n in shape):
        raise ModelError("it holds an array of an impossible shape")
    size: int = dtype.dtype.itemsize * math.prod(shape)
    return size


def array_of(data: Any, dtype: Dtype, shape: tuple[int, ...], *, fortran: bool) -> Any:
    """An array in native byte order and without padding, copied from its bytes; one of many axes is skipped.

    Raises:
        ModelError: the bytes are not those of such an array.
    """
    if not isinstance(data, bytes) or len(data) != byte_count(dtype, shape):
        raise ModelError("it holds an array whose bytes do not fit its shape")
    if len(shape) > npy.MOST_DIMENSIONS:
        return OBJECTS
    flat = np.frombuffer(data, dtype.dtype).astype(_native(dtype.dtype))
    return flat.reshape(shape, order="F" if fortran else "C")


def _native(dtype: Any) -> Any:
    if not dtype.names:
        return dtype.newbyteorder("=")
    return np.dtype([(name, dtype[name].newbyteorder("=")) for name in dtype.names])
