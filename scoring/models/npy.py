"""Arrays of numbers as numpy saves them, and of no other type.

What is a number, or a structure of numbers such as the nodes of a tree, is settled here for files of every
kind: legacy pickles are read as arrays of the same types, so that what is imported can be read again.
"""

import math
import re
from functools import lru_cache
from typing import Any

import numpy as np

from scoring.errors import ModelError

_AGAIN = "; save it again with skops.io.dump"
_MAGIC = b"\x93NUMPY"
MOST_DIMENSIONS = 4
_MOST_NUMBERS = 1 << 27
_MOST_FIELDS = 16
_SHAPE = rf"(?:\d{{1,18}},(?: \d{{1,18}}(?:, \d{{1,18}}){{0,{MOST_DIMENSIONS - 2}}})?)?"
_HEADER = re.compile(
    r"\{'descr': (?P<descr>'[^']{1,8}'|\[[^\[\]]{1,2000}\]), "
    rf"'fortran_order': (?P<fortran>True|False), 'shape': \((?P<shape>{_SHAPE})\), \}} *\n",
    re.ASCII,
)
"""As numpy writes it. Anything else is not what a model was saved with."""
_NUMBER = r"[<>|](?:b1|[iu][1248]|f[248])"
_NAME = r"[a-z_]{1,40}"
_FIELD = re.compile(rf"'(?P<name>{_NAME})', '(?P<kind>{_NUMBER})'|'', '\|V(?P<gap>[1-9])'", re.ASCII)


def array_from(content: bytes) -> np.ndarray:
    """The array in the bytes of a .npy file; no copy is made but of foreign byte orders.

    Raises:
        ModelError: it is not one of numbers, or is not whole.
    """
    if content[:6] != _MAGIC or content[6:7] not in {b"\1", b"\2", b"\3"}:
        raise ModelError(f"holds an array that is not one of numpy{_AGAIN}")
    width = 2 if content[6] == 1 else 4
    start = 8 + width
    end = start + int.from_bytes(content[8:start], "little")
    header = _HEADER.fullmatch(content[start : min(end, start + 4096)].decode("latin1"))
    if header is None:
        raise ModelError(f"holds an array that is not one of plain numbers{_AGAIN}")
    dtype = _dtype(header["descr"])
    shape = tuple(int(size) for size in header["shape"].split(",") if size)
    room = math.prod(size or 1 for size in shape)  # numpy counts so, where an array is empty
    if room > _MOST_NUMBERS or math.prod(shape) * dtype.itemsize != len(content) - end:
        raise ModelError(f"holds an array that is cut off{_AGAIN}")
    flat = np.frombuffer(content, dtype, offset=end)
    array = flat.reshape(shape, order="F" if header["fortran"] == "True" else "C")
    return array if dtype.isnative else array.astype(dtype.newbyteorder("="))


def holds_numbers(dtype: np.dtype[Any]) -> bool:
    """Whether `array_from` reads arrays of this type: numbers, or structures of named numbers."""
    if dtype.fields is None:
        return re.fullmatch(_NUMBER, dtype.str) is not None
    kinds = [kind for kind, *_ in dtype.fields.values()]
    return (
        len(kinds) <= _MOST_FIELDS
        and all(re.fullmatch(_NAME, name) for name in dtype.fields)
        and all(kind.fields is None and holds_numbers(kind) for kind in kinds)
    )


@lru_cache(maxsize=64)
def _dtype(descr: str) -> np.dtype[Any]:
    """The type of plain numbers, or of the nodes of a tree, field by field."""
    refused = ModelError(f"holds an array that is not one of plain numbers{_AGAIN}")
    if descr.startswith("'"):
        if not re.fullmatch(_NUMBER, descr[1:-1]):
            raise refused
        return np.dtype(descr[1:-1])
    names, formats, offsets, place = [], [], [], 0
    for part in descr[2:-2].split("), ("):
        field = _FIELD.fullmatch(part)
        if field is None or field["name"] in names:
            raise refused
        size = field["gap"] or field["kind"][2:]
        if not field["gap"]:
            names.append(field["name"])
            formats.append(field["kind"])
            offsets.append(place)
        place += int(size)
    return np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": place})
