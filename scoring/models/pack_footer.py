"""What the footer of a pack says of the size of its parts, decoded here.

pyarrow has the same on request, but does not catch what the library throws there: one wrong byte, such as a
compression that does not exist, would end the process. Reading a column raises an error instead.

The footer is Thrift, in its compact protocol: of structures only the fields' numbers are stored.
"""

from dataclasses import dataclass
from typing import Any

_TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = range(1, 13)
_MORE = 15
"""Size in the first byte of a list that means that the size follows."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """One column of a group of rows."""

    values: int
    stored_bytes: int
    compressed: bool


@dataclass(frozen=True, slots=True)
class Group:
    """A group of rows."""

    rows: int
    chunks: tuple[Chunk, ...]


def read_groups(footer: bytes) -> tuple[Group, ...]:
    """The groups of rows that a footer lists.

    Raises:
        ValueError: it is damaged.
    """
    try:
        return tuple(map(_group, _Compact(footer).struct()[4]))
    except (LookupError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError("its footer is damaged; pack the models again") from error


def _group(group: Any) -> Group:
    return Group(int(group[3]), tuple(_chunk(chunk[3]) for chunk in group[1]))


def _chunk(chunk: Any) -> Chunk:
    return Chunk(values=int(chunk[5]), stored_bytes=int(chunk[7]), compressed=int(chunk[4]) != 0)


class _Compact:
    """Decodes values: structures as dictionaries by number of the field."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def struct(self) -> dict[int, Any]:
        """The next structure."""
        found: dict[int, Any] = {}
        field = 0
        while head := self._byte():
            field = field + (head >> 4) if head >> 4 else self._integer()
            if field in found:
                raise LookupError("Arrow could take the other one")
            kind = head & 15
            found[field] = kind == _TRUE if kind in {_TRUE, _FALSE} else self._value(kind)
        return found

    def _value(self, kind: int) -> Any:
        if kind in {_I16, _I32, _I64}:
            return self._integer()
        if kind == _BINARY:
            return self._skip(self._size())
        if kind == _STRUCT:
            return self.struct()
        if kind in {_LIST, _SET}:
            head = self._byte()
            size = self._size() if head >> 4 == _MORE else head >> 4
            return [self._value(head & 15) for _ in range(size)]
        if kind == _DOUBLE:
            return self._skip(8)
        if kind in {_TRUE, _FALSE, _BYTE}:
            return self._skip(1)
        raise LookupError("Parquet has no maps, and Thrift no others")

    def _byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1]

    def _size(self) -> int:
        found = 0
        for shift in range(0, 64, 7):
            byte = self._byte()
            found |= (byte & 127) << shift
            if byte < 128:  # noqa: PLR2004 - the highest bit says that more follow
                return found
        raise LookupError("no integer has more bytes")

    def _integer(self) -> int:
        found = self._size()
        return found >> 1 ^ -(found & 1)

    def _skip(self, count: int) -> None:
        self._at += count
        if self._at > len(self._data):  # a list can say that it has 2^60 bytes
            raise LookupError("it ends before that")
