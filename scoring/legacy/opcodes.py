"""The operations of a pickle: the meaning of each byte of the program, and its argument.

The format is that of Python's `pickletools`, which documents every opcode. Its parser is not used: it
cannot read protocol 0 of Python 2, and a short text can make it use four times the size of the file.
"""

import re
import struct
from collections.abc import Callable, Iterator

from scoring.errors import ModelError

type Argument = int | float | str | bytes | tuple[str, str] | None

LONG_TEXT = 1 << 20
"""A longer text is an array as Python 2 or protocol 2 writes it: each character is a byte."""

_WIDE = re.compile(rb"[\xc4-\xff]")
_WIDE_ESCAPE = re.compile(rb"\\(?:u(?!00)|U(?!000000))")
_ESCAPED = re.compile(rb"""(?:[^\\]++|\\x[0-9a-fA-F]{2}|\\[\\'"nrt])*+""")
_MOST_DIGITS = 100


class Source:
    """The bytes of a pickle, read from the front."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    def read(self, size: int) -> bytes:
        """The next bytes.

        Raises:
            ModelError: there are fewer.
        """
        end = self._at + size
        if end > len(self._content):
            raise ModelError("it is cut off")
        part = self._content[self._at : end]
        self._at = end
        return part

    def line(self) -> bytes:
        """The bytes before the next end of a line.

        Raises:
            ModelError: no line ends.
        """
        end = self._content.find(b"\n", self._at)
        if end < 0:
            raise ModelError("it is cut off")
        part = self._content[self._at : end]
        self._at = end + 1
        return part


def operations(source: Source) -> Iterator[tuple[int, Argument]]:
    """Each opcode and its argument, up to the last one of the program.

    Raises:
        ModelError: there is no such opcode, or the file is cut off.
    """
    code = -1
    while code != _STOP:
        code = source.read(1)[0]
        if code in _BARE:
            yield code, None
            continue
        reader = _READERS.get(code)
        if reader is None:
            raise ModelError(f"there is no opcode {code:#04x}")
        yield code, reader(source)


def _number(form: str) -> Callable[[Source], Argument]:
    unpack, size = struct.Struct(form).unpack, struct.calcsize(form)

    def read(source: Source) -> Argument:
        value: int | float = unpack(source.read(size))[0]
        return value

    return read


def _sized(form: str, decode: Callable[[bytes], Argument]) -> Callable[[Source], Argument]:
    unpack, size = struct.Struct(form).unpack, struct.calcsize(form)
    return lambda source: decode(source.read(unpack(source.read(size))[0]))


def _line(decode: Callable[[bytes], Argument]) -> Callable[[Source], Argument]:
    return lambda source: decode(source.line())


def _utf8(data: bytes) -> str:
    if len(data) > LONG_TEXT and _WIDE.search(data):
        raise ModelError("it holds a text that is too long")
    return data.decode("utf-8", "surrogatepass")


def _raw_unicode(line: bytes) -> str:
    if len(line) > LONG_TEXT and _WIDE_ESCAPE.search(line):
        raise ModelError("it holds a text that is too long")
    return line.decode("raw-unicode-escape")


def _quoted(line: bytes) -> str:
    """A text as `repr` writes it in Python 2."""
    text = line[1:-1]
    if line[:1] not in {b'"', b"'"} or line[-1:] != line[:1] or not _ESCAPED.fullmatch(text):
        raise ModelError("it holds a text without quotes")
    return text.decode("unicode_escape")


def _decimal(line: bytes) -> int | bool:
    if line in {b"00", b"01"}:
        return line == b"01"
    if len(line) > _MOST_DIGITS:
        raise ModelError("it holds a number that is too long")
    return int(line.removesuffix(b"L"))


def _little_endian(data: bytes) -> int:
    if len(data) > _MOST_DIGITS:
        raise ModelError("it holds a number that is too long")
    return int.from_bytes(data, "little", signed=True)


def _float(line: bytes) -> float:
    if len(line) > _MOST_DIGITS:
        raise ModelError("it holds a number that is too long")
    return float(line)


def _latin1(data: bytes) -> str:
    return data.decode("latin1")


def _as_it_is(data: bytes) -> bytes:
    return data


def _name(source: Source) -> tuple[str, str]:
    return source.line().decode(), source.line().decode()


_STOP = ord(".")
_BARE = frozenset(b"().012NQR]abdelostu}\x81\x85\x86\x87\x88\x89\x8f\x90\x91\x92\x93\x94\x97\x98")
"""Opcodes without an argument."""

_READERS: dict[int, Callable[[Source], Argument]] = {
    **{ord(code): _line(_decimal) for code in "ILgp"},
    **{ord(code): _number("<B") for code in "Khq\x80\x82"},
    **{ord(code): _number("<H") for code in "M\x83"},
    **{ord(code): _number("<i") for code in "J\x84"},
    **{ord(code): _number("<I") for code in "jr"},
    **{ord(code): _name for code in "ci"},
    ord("B"): _sized("<I", _as_it_is),
    ord("C"): _sized("<B", _as_it_is),
    ord("F"): _line(_float),
    ord("G"): _number(">d"),
    ord("P"): _line(_latin1),
    ord("S"): _line(_quoted),
    ord("T"): _sized("<I", _latin1),
    ord("U"): _sized("<B", _latin1),
    ord("V"): _line(_raw_unicode),
    ord("X"): _sized("<I", _utf8),
    0x8A: _sized("<B", _little_endian),
    0x8B: _sized("<I", _little_endian),
    0x8C: _sized("<B", _utf8),
    0x8D: _sized("<Q", _utf8),
    0x8E: _sized("<Q", _as_it_is),
    0x95: _number("<Q"),
    0x96: _sized("<Q", _as_it_is),
}
"""How the argument behind each of the others is read."""
