"""Results of calls in a legacy pickle: arrays of numbers, plain values, or objects without attributes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from scoring.errors import ModelError
from scoring.legacy.arrays import OBJECTS, ArrayShell, Dtype, array_of, holds_numbers
from scoring.models.document import Described


class Attributes(dict[str, Any]):
    """The attributes of an object; it records which are read, because only those are saved again."""

    __slots__ = ("asked",)

    def __init__(self) -> None:
        super().__init__()
        self.asked: set[str] = set()

    def __getitem__(self, name: str) -> Any:
        self.asked.add(name)
        return super().__getitem__(name)

    def __contains__(self, name: object) -> bool:
        found = super().__contains__(name)
        if found:
            self.asked.add(str(name))
        return found

    def get(self, name: str, default: Any = None) -> Any:
        """As in any dict, and recorded."""
        self.asked.add(name)
        return super().get(name, default)


@dataclass(frozen=True, slots=True, eq=False)
class Name(Described):
    """A class or function itself, as a pickle refers to it, not an instance."""

    def describe(self) -> Described:
        """An instance of that class, without attributes yet."""
        return Described(self.class_name, Attributes(), self.module)


def name_of(module: str, name: str) -> Name:
    """The class or function that a pickle refers to by these names."""
    return Name(name, {}, module)


def _scalar(dtype: Any, data: Any = b"", *_: Any) -> Any:
    if not isinstance(dtype, Dtype) or dtype.dtype is None:
        return OBJECTS
    data = data.encode("latin1") if isinstance(data, str) else data
    return np.frombuffer(data, dtype.dtype, count=1)[0].item()


def _from_buffer(data: Any, dtype: Any, shape: Any, order: Any) -> Any:
    return array_of(data, dtype, shape, fortran=order == "F") if holds_numbers(dtype) else OBJECTS


def _encoded(text: str, encoding: str = "latin1") -> bytes:
    return text.encode("latin1" if encoding == "latin1" else "utf-8")


def _bytes(data: Any = b"", *_: Any) -> bytes:
    if not isinstance(data, bytes | str):
        return b""
    return data.encode("latin1") if isinstance(data, str) else data


def _instance(of: Any, *_: Any) -> Described:
    if not isinstance(of, Name):
        raise ModelError(f"it makes an object of a {type(of).__name__}")
    return of.describe()


def _shell(*_: Any) -> ArrayShell:
    return ArrayShell()


def _dtype(text: Any, *_: Any) -> Dtype:
    return Dtype.named(text)


_OBJECT_MAKERS = ("_reconstructor", "__newobj__")
_MAKERS: dict[tuple[str, str], Callable[..., Any]] = {
    ("_codecs", "encode"): _encoded,
    ("numpy", "dtype"): _dtype,
    **{(parent, name): _bytes for parent in ("__builtin__", "builtins") for name in ("bytearray", "bytes")},
    **{(parent, name): _instance for parent in ("copy_reg", "copyreg") for name in _OBJECT_MAKERS},
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _shell for core in ("core", "_core")},
    **{(f"numpy.{core}.multiarray", "scalar"): _scalar for core in ("core", "_core")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): _from_buffer for core in ("core", "_core")},
}
"""The supported callables; a call of any other name gives a `Described`."""


def made(maker: Any, arguments: tuple[Any, ...]) -> Any:
    """The result of a call.

    Raises:
        ModelError: the callee has no name.
    """
    if not isinstance(maker, Name):
        raise ModelError(f"it calls a {type(maker).__name__}")
    make = _MAKERS.get((maker.module, maker.class_name))
    return make(*arguments) if make else maker.describe()
