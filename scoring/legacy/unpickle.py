"""Legacy pickles read as data: nothing that a pickle asks for is imported, called or built.

A pickle is a program. This reader runs it with a closed table of names, each of which stands for an inert
record, an array of numbers or a plain value made by code of ours; every other name is refused. joblib's files
are pickles with arrays in between, and are read the same way.
"""

import bz2
import io
import lzma
import pickle
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from scoring.errors import ModelError, ModelRefused
from scoring.legacy.arrays import ArrayShell, Dtype, array_of, numeric, shape_of
from scoring.legacy.names import Name, known

MOST_BYTES = 256 << 20
"""Largest pickle, as a file and unpacked."""


@dataclass(slots=True)
class Record:
    """An estimator as its pickle describes it: the name of its class, and its attributes."""

    name: str
    state: dict[str, Any] = field(default_factory=dict)


class _Unused:
    """Something that no prediction needs; whatever belongs to it is dropped."""


_KEYS = (str, int, float, bytes, type(None))
"""What may be a key of a dict: the hash of nested tuples can take for ever."""


def read_pickle(content: bytes) -> Record:
    """The estimator in a pickle or joblib file.

    Raises:
        ModelRefused: it asks for something that no model of ours is made of; all of it is named.
        ModelError: it is broken, too large, or holds no estimator.
    """
    if len(content) > MOST_BYTES:
        raise ModelError(f"is larger than {MOST_BYTES >> 20} MB")
    reader = _Reader(io.BytesIO(_decompressed(content)))
    failure: Exception | None = None
    model: Any = None
    try:
        model = reader.load()
    except ModelRefused:
        raise
    except MemoryError as error:
        failure = error
    except Exception as error:  # noqa: BLE001 - a broken pickle fails in any way that there is
        failure = error
    if reader.refused:
        raise ModelRefused(f"asks for {', '.join(sorted(reader.refused))[:300]}: nothing of it was run")
    if failure is not None:
        reason = (str(failure) or type(failure).__name__).splitlines()[0][:120]
        raise ModelError(f"is no pickle that can be read ({reason})") from failure
    if not isinstance(model, Record):
        raise ModelError(f"holds no estimator but a {type(model).__name__}")
    return model


def _decompressed(content: bytes) -> bytes:
    makers: tuple[tuple[bytes, Callable[[], Any]], ...] = (
        (b"\x1f\x8b", lambda: zlib.decompressobj(31)),
        (b"x", zlib.decompressobj),
        (b"BZ", bz2.BZ2Decompressor),
        (b"\xfd7zXZ", lambda: lzma.LZMADecompressor(memlimit=MOST_BYTES)),
        (b"]\x00\x00", lambda: lzma.LZMADecompressor(lzma.FORMAT_ALONE, MOST_BYTES)),
    )
    for magic, maker in makers:
        if content.startswith(magic):
            try:
                plain: bytes = maker().decompress(content, MOST_BYTES + 1)
            except (zlib.error, OSError, lzma.LZMAError, EOFError, ValueError) as error:
                raise ModelError(f"is compressed, and broken ({error})") from error
            if len(plain) > MOST_BYTES:
                raise ModelError(f"unpacks to more than {MOST_BYTES >> 20} MB")
            return plain
    return content


_Unpickler: Any = pickle._Unpickler  # noqa: SLF001 - the C one has no hooks


class _Reader(_Unpickler):  # type: ignore[misc]
    """The pure Python unpickler, with every opcode that makes something replaced."""

    dispatch: ClassVar[dict[int, Any]] = dict(_Unpickler.dispatch)

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file, encoding="latin1")
        self._raw = file
        self._room = MOST_BYTES
        self.refused: set[str] = set()

    def charge(self, size: int) -> None:
        """Account for memory or work: a small file can ask for the same large part many times."""
        self._room -= size
        if self._room < 0:
            raise ModelError(f"unpacks to more than {MOST_BYTES >> 20} MB")

    def find_class(self, module: str, name: str) -> Name:
        found = known(module, name)
        if found is None:
            self.refused.add(f"{module}.{name}"[:100])
            return Name("refused", name)
        return found

    def get_extension(self, code: int) -> None:
        self._refuse(f"extension {code}")

    def persistent_load(self, pid: Any) -> None:
        name = repr(pid[:40]) if isinstance(pid, str) else f"that is a {type(pid).__name__}"
        self._refuse(f"persistent object {name}")

    def _refuse(self, what: str) -> None:
        self.refused.add(what)
        raise ModelRefused(f"asks for {', '.join(sorted(self.refused))[:300]}: nothing of it was run")

    def _make(self, maker: Any, args: Any) -> Any:
        if not isinstance(maker, Name) or not isinstance(args, tuple):
            self._refuse(f"a call of a {type(maker).__name__}")
        if maker.role in {"estimator", "wrapper", "refused"}:
            return Record(maker.name)
        if maker.role == "unused":
            return _Unused()
        if maker.role not in _MAKERS:
            self._refuse(f"a call of {maker.name}")
        return _MAKERS[maker.role](self, *args)

    def load_reduce(self) -> None:
        args = self.stack.pop()
        self.stack[-1] = self._make(self.stack[-1], args)

    def load_newobj(self) -> None:
        self.load_reduce()

    def load_newobj_ex(self) -> None:
        keywords = self.stack.pop()
        if keywords:
            self._refuse("a call with keywords")
        self.load_reduce()

    def load_obj(self) -> None:
        maker, *args = self.pop_mark()
        self.append(self._make(maker, tuple(args)))

    def load_inst(self) -> None:
        module = self.readline()[:-1].decode("ascii")
        name = self.readline()[:-1].decode("ascii")
        args = tuple(self.pop_mark())
        self.append(self._make(self.find_class(module, name), args))

    def load_build(self) -> None:
        state = self.stack.pop()
        target = self.stack[-1]
        if isinstance(target, Record):
            if isinstance(state, tuple) and len(state) == 2 and not state[1]:  # noqa: PLR2004 - no slots
                state = state[0]
            if not isinstance(state, dict | None):
                self._refuse(f"a state that is a {type(state).__name__}")
            self.charge(len(state or ()))
            target.state.update(state or {})
            if target.name == "NumpyArrayWrapper":
                self.stack[-1] = self._read_wrapped(target.state)
        elif isinstance(target, ArrayShell):
            _, shape, dtype, fortran, data = state
            array = _array(self, data, dtype, shape, "F" if fortran else "C")
            self.stack[-1] = self._replace(target, array)
        elif isinstance(target, Dtype):
            target.set_state(state)
        elif not isinstance(target, _Unused):
            self._refuse(f"a state for a {type(target).__name__}")

    def _replace(self, shell: ArrayShell, array: np.ndarray) -> np.ndarray:
        """The array takes the place of its shell in the memo as well: later references mean it."""
        self.charge(8 * len(self.memo))
        for place, value in self.memo.items():
            if value is shell:
                self.memo[place] = array
        return array

    def _read_wrapped(self, state: dict[str, Any]) -> np.ndarray:
        """Joblib writes an array's bytes after the wrapper that describes it, behind some padding."""
        dtype = numeric(state["dtype"])
        shape = shape_of(state["shape"])
        if state.get("numpy_array_alignment_bytes") is not None:
            self._raw.read(self._raw.read(1)[0])
        size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        data = self._raw.read(size)
        return _array(self, data, Dtype(dtype), shape, state["order"])

    def load_bytearray8(self) -> None:
        (size,) = struct.unpack("<Q", self.read(8))
        self.charge(size)  # before it is allocated
        self.append(self.read(size))

    def load_setitem(self) -> None:
        self._expect_keys(self.stack[-2:-1])
        super().load_setitem()

    def load_setitems(self) -> None:
        self._expect_keys(self.stack[::2])
        super().load_setitems()

    def load_dict(self) -> None:
        self._expect_keys(self.stack[::2])
        super().load_dict()

    def _expect_keys(self, keys: list[Any]) -> None:
        for key in keys:
            if not isinstance(key, _KEYS):
                self._refuse(f"a key that is a {type(key).__name__}")

    def load_set(self) -> None:
        self._refuse("a set")

    dispatch[pickle.BYTEARRAY8[0]] = load_bytearray8
    dispatch[pickle.DICT[0]] = load_dict
    dispatch[pickle.SETITEM[0]] = load_setitem
    dispatch[pickle.SETITEMS[0]] = load_setitems
    dispatch[pickle.EMPTY_SET[0]] = load_set
    dispatch[pickle.FROZENSET[0]] = load_set
    dispatch[pickle.REDUCE[0]] = load_reduce
    dispatch[pickle.NEWOBJ[0]] = load_newobj
    dispatch[pickle.NEWOBJ_EX[0]] = load_newobj_ex
    dispatch[pickle.OBJ[0]] = load_obj
    dispatch[pickle.INST[0]] = load_inst
    dispatch[pickle.BUILD[0]] = load_build


def _array(reader: _Reader, data: Any, dtype: Any, shape: Any, order: Any) -> np.ndarray:
    if isinstance(data, str):  # Python 2 wrote bytes as text
        data = data.encode("latin1")
    reader.charge(len(data))
    return array_of(data, dtype, shape, order)


def _make_dtype(reader: _Reader, text: Any, *_: Any) -> Dtype:  # noqa: ARG001
    return Dtype.named(text)


def _make_scalar(reader: _Reader, dtype: Any, data: Any) -> Any:
    return _array(reader, data, dtype, (1,), "C")[0].item()


def _make_shell(reader: _Reader, *_: Any) -> ArrayShell:  # noqa: ARG001
    return ArrayShell()


def _make_from_buffer(reader: _Reader, data: Any, dtype: Any, shape: Any, order: Any) -> np.ndarray:
    return _array(reader, data, dtype, shape, order)


def _make_bytes(reader: _Reader, text: Any, encoding: Any = "latin1") -> bytes:
    if not isinstance(text, str):
        raise ModelError("holds bytes made of no text")
    reader.charge(len(text))
    return text.encode("latin1" if encoding == "latin1" else "utf-8")


def _make_bytearray(reader: _Reader, data: Any = b"", *_: Any) -> bytes:
    if not isinstance(data, bytes | bytearray | str):
        raise ModelError("holds bytes made of no text")
    reader.charge(len(data))
    return data.encode("latin1") if isinstance(data, str) else bytes(data)


def _make_instance(reader: _Reader, what: Any, *_: Any) -> Any:
    return reader._make(what, ())


_MAKERS: dict[str, Callable[..., Any]] = {
    "array": _make_shell,
    "bytearray": _make_bytearray,
    "bytes": _make_bytearray,  # of nothing: how old protocols spell an empty one
    "dtype": _make_dtype,
    "encode": _make_bytes,
    "frombuffer": _make_from_buffer,
    "instance": _make_instance,
    "scalar": _make_scalar,
}
