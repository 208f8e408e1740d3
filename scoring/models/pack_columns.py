"""The columns of a pack, read so that a hostile one stays within memory.

Nothing in a pack is compressed, a footer or a column longer than `write_pack` makes them is not read, and
each column of texts or bytes is read as its distinct values, which are no more than the file is long.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from scoring.arrow import ParquetReader, call, to_numpy
from scoring.models.pack_footer import Chunk, Group, read_groups
from scoring.models.pack_format import GROUP_BYTES, LONGEST, SCHEMA, STAT, TEXTS, VERSION, VERSION_KEY

UNREADABLE = (pa.ArrowException, OSError, ValueError, KeyError, MemoryError)
"""What reading a damaged or hostile file raises."""

_MOST_TEXT_BYTES = GROUP_BYTES + (1 << 20)
"""Longest column of texts of a group: all that is beyond it is the numbers of one model."""
_LEAST_FOOTER, _FOOTER_SHARE = 64 << 10, 1_000
"""Longest footer, in bytes and as a part of the file: Arrow takes 25 times its length to read it."""
_LEAST_ROW_BYTES = 100
"""A row has a name of its own, which repeats nothing, and two digests of 64 characters."""


@dataclass(frozen=True, slots=True)
class PackFile:
    """An open pack, and the groups of rows that its footer lists."""

    reader: ParquetReader
    groups: tuple[Group, ...]

    def read(self, group: int, names: Sequence[str]) -> Any:
        """These columns of a group, as a table."""
        return self.reader.read_row_group(group, [SCHEMA.names.index(name) for name in names])

    def stored_bytes(self, group: int, name: str) -> int:
        """The bytes of a column of a group in the file: as many are read."""
        chunk: Chunk = self.groups[group].chunks[SCHEMA.names.index(name)]
        return chunk.stored_bytes


def open_columns(path: Path) -> PackFile:
    """Open a pack, and check what it says of itself.

    Raises:
        One of `UNREADABLE`: it is not what `write_pack` writes; so does everything below.
    """
    # Not pyarrow.parquet, whose import costs a short step more than reading the pack.
    # Arrow's own pool keeps what was freed, which doubles the memory that a large group takes.
    reader = ParquetReader(pa.system_memory_pool())
    source = pa.OSFile(str(path))
    groups = read_groups(_footer(source))
    reader.open(source, read_dictionary=list(TEXTS))
    _check(reader, groups, source.size())
    return PackFile(reader, groups)


class RowGroup:
    """The small columns of a group of rows."""

    def __init__(self, file: PackFile, group: int) -> None:
        # Names first: each is there once, so that there are no more rows than the file can hold.
        names = read_distinct(file, group, "file")
        self.rows = len(names.places)
        if len(names.values) != self.rows:
            raise ValueError("it names a file twice")
        self.texts = {"file": names}
        for name in ("sha256", "md5", "form", "digest"):
            self.texts[name] = read_distinct(file, group, name)
        table = file.read(group, STAT)
        if any(table[name].type != pa.int64() for name in STAT):
            raise ValueError("it is of another version; pack the models again")
        self.stat = {name: to_numpy(_whole(table[name])) for name in STAT}


class DistinctValues:
    """A column of texts or bytes, as its distinct values and the place of each row's among them."""

    def __init__(self, column: Any) -> None:
        self.places = to_numpy(column.indices)
        self.values = column.dictionary

    def value(self, row: int) -> Any:
        """Of one row."""
        return self.values[int(self.places[row])].as_py()

    def view(self, row: int) -> memoryview:
        """The bytes of one row, not copied."""
        return memoryview(self.values[int(self.places[row])].as_buffer())

    def all(self) -> list[Any]:
        """Of all rows."""
        values = self.values.to_pylist()
        return [values[place] for place in self.places.tolist()]


def read_distinct(file: PackFile, group: int, name: str) -> DistinctValues:
    """A column of texts or bytes of a group."""
    longest = LONGEST.get(name)
    if longest is not None and file.stored_bytes(group, name) > _MOST_TEXT_BYTES:
        raise ValueError(f"{name} holds what no pack has")
    column = _whole(file.read(group, [name])[name])
    if column.type != pa.dictionary(pa.int32(), SCHEMA.field(name).type):
        raise ValueError("it is of another version; pack the models again")
    column.validate(full=True)
    found = DistinctValues(column)
    if longest is not None and to_numpy(call("utf8_length", [found.values])).max(initial=0) > longest:
        raise ValueError(f"{name} holds what no pack has")
    return found


def _whole(column: Any) -> Any:
    if column.num_chunks != 1 or column.null_count:
        raise ValueError("its columns are not what they should be")
    return column.chunk(0)


def _footer(source: Any) -> bytes:
    """Its length is checked first: the list of groups and columns can be all there is of a file."""
    size = source.size()
    source.seek(max(0, size - 8))
    length = int.from_bytes(source.read(4), "little")
    if length > _LEAST_FOOTER + size // _FOOTER_SHARE:
        raise ValueError("it has more groups than fit into it; pack the models again")
    source.seek(max(0, size - 8 - length))
    footer: bytes = source.read(length)
    return footer


def _check(reader: ParquetReader, groups: Sequence[Group], size: int) -> None:
    metadata = reader.metadata
    version = (metadata.metadata or {}).get(VERSION_KEY)
    names = [metadata.schema.column(i).path for i in range(len(metadata.schema))]
    if version != VERSION or names != SCHEMA.names:
        raise ValueError("it is of another version; pack the models again")
    if sum(group.rows for group in groups) * _LEAST_ROW_BYTES > size:
        raise ValueError("it has more rows than fit into it; pack the models again")
    for group in groups:
        if [chunk.values for chunk in group.chunks] != [group.rows] * len(names):
            raise ValueError("its columns are not what they should be; pack the models again")
        if any(chunk.compressed for chunk in group.chunks):
            raise ValueError("it is compressed; pack the models again")
