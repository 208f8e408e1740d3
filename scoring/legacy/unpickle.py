"""Legacy pickles read as data: nothing that a pickle asks for is imported, called or built.

A pickle is a program. This machine runs it with inert values only: plain ones, arrays of numbers made here,
and for everything else a `Described`, which holds the name of a class and its attributes. A call gives a
`Described` of the called name. joblib's files are pickles with arrays in between, and are read the same way.
"""

import re
import sys
from collections.abc import Callable
from typing import Any

from scoring.errors import ModelError
from scoring.legacy.arrays import OBJECTS, ArrayShell, Dtype, array_of, byte_count, holds_numbers
from scoring.legacy.calls import Attributes, made, name_of
from scoring.legacy.opcodes import Source, operations
from scoring.models.document import Described
from scoring.models.npy import array_from

MOST_OPERATIONS = 400_000
"""Longest program: a forest of 1,000 trees needs up to 285,000 operations, depending on the protocol."""
MOST_BUILT_BYTES = 144 << 20
"""Maximum memory of what a program builds: texts, bytes and arrays."""

_MOST_PICKLES = 64
"""joblib writes each array of objects as a pickle within the pickle."""
_ENTRY_BYTES = 100
"""Memory of an entry of a dict."""
_OBJECT_BYTES = 400
"""Memory of an object without attributes."""

_JOBLIB = re.compile(r"(?:sklearn\.externals\.)?joblib\.numpy_pickle")
_ARRAY_FILE = re.compile(r"[^/\\\0]+\.npy")


def read_pickle(content: bytes, beside: Callable[[str], bytes] | None = None) -> Described:
    """The estimator in a pickle or joblib file that is not compressed.

    Args:
        content: the file.
        beside: reads another file of the same folder: before 0.10, joblib wrote each array to its own file.

    Raises:
        ModelError: it is broken, too large, or holds no estimator.
    """
    try:
        model = _Machine(Source(content), _Budget(), beside).run()
    except ModelError as error:
        raise ModelError(f"is not a pickle that can be read ({error})") from error
    except MemoryError:
        raise
    except Exception as error:  # a broken pickle can raise any exception
        raise ModelError(
            f"is not a pickle that can be read (it is broken: {type(error).__name__})"
        ) from error
    if not isinstance(model, Described):
        raise ModelError(f"holds no estimator but a {type(model).__name__}")
    return model


class _Budget:
    """The remaining memory budget: a small file can use the same large part many times."""

    def __init__(self) -> None:
        self.operations = MOST_OPERATIONS
        self.bytes = MOST_BUILT_BYTES
        self.pickles = _MOST_PICKLES

    def spend(self, size: int) -> None:
        self.bytes -= size
        if self.bytes < 0:
            raise ModelError(f"it unpacks to more than {MOST_BUILT_BYTES >> 20} MB")


class _Machine:
    """Runs one program. The stack is a list, with the places of its marks beside it."""

    def __init__(self, source: Source, budget: _Budget, beside: Callable[[str], bytes] | None = None) -> None:
        self._source = source
        self._beside = beside
        self._budget = budget
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}

    def run(self) -> Any:
        """What the program ends with."""
        self._budget.pickles -= 1
        if self._budget.pickles < 0:
            raise ModelError(f"it holds more than {_MOST_PICKLES} pickles")
        for code, argument in operations(self._source):
            self._budget.operations -= 1
            if self._budget.operations < 0:
                raise ModelError(f"it takes more than {MOST_OPERATIONS:,} operations")
            if isinstance(argument, str | bytes):
                self._budget.spend(sys.getsizeof(argument))
            _OPERATIONS[code](self, argument)
        return self._stack.pop()

    def ignore(self, _: Any) -> None:
        pass

    def push(self, value: Any) -> None:
        self._stack.append(value)

    def push_name(self, argument: tuple[str, str]) -> None:
        self._budget.spend(2 * _ENTRY_BYTES + len(argument[0]) + len(argument[1]))
        self._stack.append(name_of(*argument))

    def push_stacked_name(self, _: Any) -> None:
        name, module = self._stack.pop(), self._stack.pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise ModelError("it names a class by something other than text")
        self._stack.append(name_of(module, name))

    def push_outside(self, argument: Any) -> None:
        """A reference that only the writing program could resolve; models do not need it."""
        self._stack.append(Described(f"extension {argument}" if isinstance(argument, int) else "outside", {}))

    def replace_by_outside(self, _: Any) -> None:
        self._stack[-1] = Described("outside", {})

    def mark(self, _: Any) -> None:
        self._marks.append(len(self._stack))

    def pop(self, _: Any) -> None:
        if self._marks and self._marks[-1] == len(self._stack):
            self._marks.pop()
        else:
            self._stack.pop()

    def take(self, count: int) -> list[Any]:
        """The topmost values."""
        place = len(self._stack) - count
        if place < 0:
            raise ModelError("it takes more than there is")
        items = self._stack[place:]
        del self._stack[place:]
        return items

    def pop_marked(self) -> list[Any]:
        """The values above the last mark."""
        place = self._marks.pop()
        items = self._stack[place:]
        del self._stack[place:]
        return items

    def drop_marked(self, _: Any) -> None:
        self.pop_marked()

    def copy_top(self, _: Any) -> None:
        self._stack.append(self._stack[-1])

    def get(self, place: int) -> None:
        self._stack.append(self._memo[place])

    def put(self, place: int) -> None:
        value = self._stack[-1]
        self._memo[place] = value
        if isinstance(value, ArrayShell):
            value.places.append(place)

    def memoize(self, _: Any) -> None:
        self.put(len(self._memo))

    def append(self, _: Any) -> None:
        self._extend([self._stack.pop()])

    def append_marked(self, _: Any) -> None:
        self._extend(self.pop_marked())

    def _extend(self, items: list[Any]) -> None:
        if isinstance(self._stack[-1], list):
            self._stack[-1].extend(items)

    def set_item(self, _: Any) -> None:
        value, key = self._stack.pop(), self._stack.pop()
        self._update([key, value])

    def set_marked_items(self, _: Any) -> None:
        self._update(self.pop_marked())

    def push_marked_dict(self, _: Any) -> None:
        items = self.pop_marked()
        self._stack.append({})
        self._update(items)

    def _update(self, items: list[Any]) -> None:
        """Only texts are keys: attributes have names, and other keys can be chosen to hash slowly."""
        target = self._stack[-1]
        if isinstance(target, dict):
            pairs = zip(items[::2], items[1::2], strict=True)
            target.update((key, value) for key, value in pairs if isinstance(key, str))

    def push_set(self, _: Any) -> None:
        self._stack.append(Described("set", {}, "builtins"))

    def push_marked_set(self, _: Any) -> None:
        self.pop_marked()
        self.push_set(None)

    def call(self, _: Any) -> None:
        arguments = self._stack.pop()
        self._stack[-1] = self._make(self._stack[-1], arguments)

    def call_with_keywords(self, _: Any) -> None:
        self._stack.pop()
        self.call(None)

    def call_marked(self, _: Any) -> None:
        maker, *arguments = self.pop_marked()
        self._stack.append(self._make(maker, tuple(arguments)))

    def call_named(self, argument: tuple[str, str]) -> None:
        self._stack.append(self._make(name_of(*argument), tuple(self.pop_marked())))

    def _make(self, maker: Any, arguments: Any) -> Any:
        if not isinstance(arguments, tuple):
            raise ModelError(f"it calls with a {type(arguments).__name__}")
        self._budget.spend(
            _OBJECT_BYTES + sum(len(each) for each in arguments if isinstance(each, str | bytes))
        )
        return made(maker, arguments)

    def build(self, _: Any) -> None:
        state = self._stack.pop()
        target = self._stack[-1]
        if isinstance(target, Described):
            self._set_attributes(target, state)
        elif isinstance(target, ArrayShell):
            _, shape, dtype, fortran, data = state
            value = self._array(dtype, shape, data, fortran=bool(fortran))
            self._memo.update(dict.fromkeys(target.places, value))  # later references are to the array
            target.places.clear()
            self._stack[-1] = value
        elif isinstance(target, Dtype):
            target.set_state(state)

    def _set_attributes(self, target: Described, state: Any) -> None:
        """From a dict, also with one for `__slots__` beside it; compiled classes have a tuple instead."""
        attributes = target.attributes
        if not isinstance(attributes, Attributes):
            return
        if isinstance(state, tuple) and len(state) == 2 and isinstance(state[1], dict | None):  # noqa: PLR2004
            state = state[0]
        if isinstance(state, dict):
            self._budget.spend(_ENTRY_BYTES * len(state))
            attributes.update(state)
        elif isinstance(state, tuple):
            attributes["__state__"] = state
        if _JOBLIB.fullmatch(target.module) and target.class_name == "NumpyArrayWrapper":
            self._stack[-1] = self._wrapped(attributes)
        elif _JOBLIB.fullmatch(target.module) and target.class_name == "NDArrayWrapper":
            self._stack[-1] = self._array_beside(attributes)

    def _array(self, dtype: Any, shape: Any, data: Any, *, fortran: bool) -> Any:
        if not holds_numbers(dtype):
            return OBJECTS
        if isinstance(data, str):  # Python 2 wrote bytes as text
            self._budget.spend(len(data))
            data = data.encode("latin1")
        self._budget.spend(byte_count(dtype, shape))
        return array_of(data, dtype, shape, fortran=fortran)

    def _wrapped(self, state: Any) -> Any:
        """The array that joblib writes behind the wrapper that describes it, after some padding."""
        dtype, shape = state["dtype"], state["shape"]
        if not holds_numbers(dtype):
            return self._pickled_array()
        if state.get("numpy_array_alignment_bytes") is not None:
            self._source.read(self._source.read(1)[0])
        size = byte_count(dtype, shape)
        self._budget.spend(size)
        return self._array(dtype, shape, self._source.read(size), fortran=state["order"] == "F")

    def _array_beside(self, state: Any) -> Any:
        name = state["filename"]
        if self._beside is None or not isinstance(name, str) or not _ARRAY_FILE.fullmatch(name):
            raise ModelError("its arrays are in other files: import it from the folder where they are")
        content = self._beside(name)
        self._budget.spend(len(content))
        return array_from(content)

    def _pickled_array(self) -> Any:
        _Machine(self._source, self._budget).run()
        return OBJECTS


def _constant(value: Any) -> Callable[[_Machine, Any], None]:
    return lambda machine, _: machine.push(value)


def _fresh(kind: type) -> Callable[[_Machine, Any], None]:
    return lambda machine, _: machine.push(kind())


def _tuple_of(count: int) -> Callable[[_Machine, Any], None]:
    return lambda machine, _: machine.push(tuple(machine.take(count)))


_OPERATIONS: dict[int, Callable[[_Machine, Any], None]] = {
    **dict.fromkeys(b".\x80\x95\x98", _Machine.ignore),
    **dict.fromkeys(b"BCFGIJKLMSTUVX\x8a\x8b\x8c\x8d\x8e\x96", _Machine.push),
    **dict.fromkeys(b"P\x82\x83\x84\x97", _Machine.push_outside),
    **dict.fromkeys(b"ghj", _Machine.get),
    **dict.fromkeys(b"pqr", _Machine.put),
    ord("("): _Machine.mark,
    ord(")"): _constant(()),
    ord("0"): _Machine.pop,
    ord("1"): _Machine.drop_marked,
    ord("2"): _Machine.copy_top,
    ord("N"): _constant(None),
    ord("Q"): _Machine.replace_by_outside,
    ord("R"): _Machine.call,
    ord("]"): _fresh(list),
    ord("a"): _Machine.append,
    ord("b"): _Machine.build,
    ord("c"): _Machine.push_name,
    ord("d"): _Machine.push_marked_dict,
    ord("e"): _Machine.append_marked,
    ord("i"): _Machine.call_named,
    ord("l"): lambda machine, _: machine.push(machine.pop_marked()),
    ord("o"): _Machine.call_marked,
    ord("s"): _Machine.set_item,
    ord("t"): lambda machine, _: machine.push(tuple(machine.pop_marked())),
    ord("u"): _Machine.set_marked_items,
    ord("}"): _fresh(dict),
    0x81: _Machine.call,
    0x85: _tuple_of(1),
    0x86: _tuple_of(2),
    0x87: _tuple_of(3),
    0x88: _constant(True),
    0x89: _constant(False),
    0x8F: _Machine.push_set,
    0x90: _Machine.drop_marked,
    0x91: _Machine.push_marked_set,
    0x92: _Machine.call_with_keywords,
    0x93: _Machine.push_stacked_name,
    0x94: _Machine.memoize,
}
"""What each opcode does; `scoring.legacy.opcodes` has read its argument."""
