"""Typed parameters as a form and bytes, and back: how a pack holds a model of any kind.

The form is a JSON text that names the classes and their fields, with what is discrete as it is, and the shape
of each array in place of its numbers, which follow each other in the bytes. Models of one form are many, and
share its text. A number that stands alone is an array without dimensions.
"""

import json
import math
import struct
from collections.abc import Callable
from dataclasses import fields
from functools import lru_cache
from types import UnionType
from typing import Any, TypeAliasType, get_args, get_origin

import numpy as np

from scoring.errors import ModelError
from scoring.models.detector_parameters import DETECTOR_KINDS
from scoring.models.parameter_checks import Floats, Integers
from scoring.models.parameters import ModelParameters
from scoring.models.transformer_parameters import TRANSFORMER_KINDS

MOST_FORM = 8 << 10
"""Longest form, in bytes."""
MOST_NUMBERS = 1 << 24

type Content = bytes | memoryview
"""The bytes of a model, also as a part of others: of a large model, a copy would take as much again."""

_KINDS = {kind.__name__: kind for kind in (*TRANSFORMER_KINDS, *DETECTOR_KINDS, ModelParameters)}
_TYPES: dict[str, Any] = {"float": np.dtype("<f8"), "int": np.dtype("<i4")}


def _accepted(hint: Any) -> frozenset[Any]:
    """The types that a field takes; arrays by the name of the type of their numbers."""
    if hint in {Floats, Integers}:
        return frozenset({"float" if hint is Floats else "int"})
    if isinstance(hint, TypeAliasType):
        return _accepted(hint.__value__)
    if isinstance(hint, UnionType):
        return frozenset().union(*map(_accepted, get_args(hint)))
    return frozenset({get_origin(hint) or hint})


_FIELDS = {
    name: {field.name: _accepted(field.type) for field in fields(kind)} for name, kind in _KINDS.items()
}


def encode(model: ModelParameters) -> tuple[str, bytes]:
    """The form and the bytes of a model."""
    parts: list[bytes] = []
    form = _form(model, parts)
    return json.dumps(form, separators=(",", ":")), b"".join(parts)


def _form(value: Any, parts: list[bytes]) -> Any:
    kind = type(value).__name__
    if kind in _KINDS:
        return {"kind": kind} | {name: _form(getattr(value, name), parts) for name in _FIELDS[kind]}
    if isinstance(value, tuple):
        return [_form(item, parts) for item in value]
    if isinstance(value, float | np.ndarray):
        array = np.asarray(value)
        name = "int" if array.dtype.kind == "i" else "float"
        parts.append(array.astype(_TYPES[name]).tobytes())
        return {name: array.shape}
    return value


def decode(form: str, content: Content) -> ModelParameters:
    """The model of a form and bytes.

    Raises:
        ModelError: they do not fit together, or no fitted model has such parameters.
    """
    try:
        make, size = _plan(form)
        if size == len(content):
            found: ModelParameters = make(content)
            return found
    except (ValueError, TypeError, KeyError, RecursionError, OverflowError) as error:
        raise ModelError("its row in the pack is broken; pack the models again") from error
    raise ModelError("its row in the pack is broken; pack the models again")


type _Make = Callable[[Content], Any]


@lru_cache(maxsize=512)
def _plan(form: str) -> tuple[_Make, int]:
    """What makes a model of the bytes that go with a form, and how many they are."""
    parsed = json.loads(form)
    if parsed["kind"] != "ModelParameters":
        raise ValueError
    make, size, _ = _part(parsed, 0)
    return make, size


def _part(form: Any, start: int) -> tuple[_Make, int, Any]:
    """What makes a value, where its bytes end, and its type, as of `_accepted`."""
    if isinstance(form, list):
        parts, end = [], start
        for item in form:
            make, end, _ = _part(item, end)
            parts.append(make)
        return lambda content: tuple([each(content) for each in parts]), end, tuple
    if not isinstance(form, dict):
        return lambda _: form, start, type(form)
    if "kind" in form:
        return _object(form, start)
    ((name, shape),) = form.items()
    return _numbers(name, tuple(shape), start)


def _object(form: dict[str, Any], start: int) -> tuple[_Make, int, Any]:
    kind = _KINDS[form["kind"]]
    parts, end = [], start
    for name, accepted in _FIELDS[form["kind"]].items():
        make, end, found = _part(form[name], end)
        if found not in accepted:
            raise TypeError
        parts.append(make)
    return lambda content: kind(*[each(content) for each in parts]), end, kind


def _numbers(name: str, shape: tuple[int, ...], start: int) -> tuple[_Make, int, Any]:
    dtype = _TYPES[name]
    count = math.prod(shape)
    if not all(type(size) is int and size >= 0 for size in shape) or count > MOST_NUMBERS:
        raise ValueError
    end = start + count * dtype.itemsize
    if not shape:
        if name != "float":
            raise TypeError
        number = struct.Struct("<d").unpack_from
        return lambda content: number(content, start)[0], end, float
    return lambda content: np.frombuffer(content, dtype, count, start).reshape(shape).copy(), end, name
