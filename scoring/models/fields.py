"""The attributes of a described object, each checked for its type as it is taken."""

from collections.abc import Mapping
from typing import Any, overload

import numpy as np

from scoring.errors import ModelError
from scoring.models.document import Described
from scoring.models.parameter_checks import Floats

_MOST_INTEGER = 1 << 53
"""Beyond it, not every integer is a float."""


class Fields:
    """What an object is read through.

    Raises (each method):
        ModelError: the attribute is missing, or is not what it should be; the class and it are named.
    """

    def __init__(self, described: Described) -> None:
        self.described = described
        self._attributes = described.attributes

    def with_values(self, values: Mapping[str, Any]) -> "Fields":
        """Values from within an attribute, to be taken like attributes of the object itself."""
        return Fields(Described(self.described.class_name, values))

    def has(self, name: str) -> bool:
        """Whether there is such an attribute; it can be None."""
        return name in self._attributes

    def first(self, *names: str) -> str:
        """The first of these names that there is: versions called one attribute by different names."""
        for name in names:
            if name in self._attributes:
                return name
        raise self.error(names[0], "is missing")

    def value(self, name: str) -> Any:
        """An attribute as it is."""
        if name not in self._attributes:
            raise self.error(name, "is missing")
        return self._attributes[name]

    def error(self, name: str, problem: str) -> ModelError:
        """An error that says where it is, and what to do."""
        return ModelError(f"{name} of its {self.described.class_name} {problem}; save it again")

    @overload
    def flag(self, name: str) -> bool: ...
    @overload
    def flag(self, name: str, default: bool) -> bool: ...
    def flag(self, name: str, default: bool | None = None) -> bool:
        """True or False; `default` is for versions that did not know this attribute."""
        if default is not None and not self.has(name):
            return default
        value = self._scalar(name)
        if not isinstance(value, bool):
            raise self.error(name, "is not True or False")
        return value

    def text(self, name: str) -> str:
        """A text."""
        value = self.value(name)
        if not isinstance(value, str):
            raise self.error(name, "is not a text")
        return value

    def whole(self, name: str) -> int:
        """An integer."""
        value = self._scalar(name)
        if isinstance(value, bool) or not isinstance(value, int) or abs(value) > _MOST_INTEGER:
            raise self.error(name, "is not an integer in range")
        return value

    def number(self, name: str) -> float:
        """A number, or an array of one number; whether it is finite is checked with the parameters."""
        value = self._scalar(name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.error(name, "is not a number")
        if isinstance(value, int) and abs(value) > _MOST_INTEGER:
            raise self.error(name, "is not a number in range")
        return float(value)

    def array(self, name: str) -> Floats:
        """Numbers as float64, C-contiguous, of any shape."""
        value = self.value(name)
        if not isinstance(value, np.ndarray) or value.dtype.kind not in "iuf":
            raise self.error(name, "is not an array of numbers")
        with np.errstate(all="ignore"):
            return np.ascontiguousarray(value, np.float64).reshape(value.shape)

    def object(self, name: str, *class_names: str) -> "Fields":
        """Another object, of one of these classes."""
        value = self.value(name)
        if not isinstance(value, Described) or value.class_name not in class_names:
            raise self.error(name, f"is not a {class_names[0]}")
        return Fields(value)

    def items(self, name: str, kind: type[Any]) -> list[Any]:
        """A list or tuple of objects or arrays."""
        value = self.value(name)
        if not isinstance(value, list | tuple) or not all(isinstance(item, kind) for item in value):
            raise self.error(name, f"is not a list of {kind.__name__}")
        return list(value)

    def _scalar(self, name: str) -> Any:
        value = self.value(name)
        if isinstance(value, np.ndarray | np.generic) and value.size == 1 and value.dtype.kind in "biuf":
            return value.reshape(-1)[0].item()
        return value
