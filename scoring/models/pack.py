"""Many models in one Parquet file, as data: `models.parquet` beside the single files.

A pack is an index of the single files, never a second truth. Each row names its file with size, times,
SHA-256 and MD5, and holds the parameters of the model with a SHA-256 of their own. A file that still has that
size and those times is unchanged; of any other one the content is compared, and where it differs the single
file is used. The same applies if the parameters are not those that were packed of this file. A file that was
refused has none. Of a file that was not downloaded, the MD5 is known from the listing of its container.

A pack can be hostile, and stays within memory: nothing in it is compressed, a footer or a column longer than
`write_pack` makes them is not read, and each column of texts or bytes is read as its distinct values, which
are no more than the file is long.

Stored, so it has a version: raise `VERSION` with any change of `SCHEMA`, of `encoding` or of `parameters`;
other versions are not used.
"""

import base64
import hashlib
import os
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from scoring.arrow import ParquetReader, call, to_numpy
from scoring.atomic_files import atomic_path
from scoring.errors import ModelError
from scoring.formats import PACK_NAME
from scoring.models.detector import NO_MEMORY
from scoring.models.encoding import MOST_FORM, Content, decode, encode
from scoring.models.files import parameters_from, read_file, scan
from scoring.models.parameters import ModelParameters

VERSION = b"4"
_VERSION_KEY = b"fleet-scoring-pack"

SCHEMA = pa.schema(
    {
        "file": pa.string(),
        "size": pa.int64(),
        "mtime": pa.int64(),  # nanoseconds, as stat gives them
        "ctime": pa.int64(),
        "sha256": pa.string(),  # of the file
        "md5": pa.string(),  # of the file, in base64, as storage has it
        "form": pa.string(),  # empty where the file was refused
        "numbers": pa.binary(),
        "digest": pa.string(),  # of file, sha256, md5, form and numbers: that they belong together
    },
    metadata={_VERSION_KEY: VERSION},
)
_TEXTS = ("file", "sha256", "md5", "form", "numbers", "digest")
_STAT = ("size", "mtime", "ctime")

_PARALLEL_FROM = 2_000
"""Fewer models are read faster by one process than others start."""
_GROUP_BYTES = 8 << 20
"""A group of rows is read at once, when one of its models is asked for; its last row can go beyond."""
_MOST_TEXT_BYTES = _GROUP_BYTES + (1 << 20)
"""Longest column of texts of a group: all that is beyond it is the numbers of one model."""
_MOST_GROUP_BYTES = 24 << 20
"""A larger group holds one large model, which takes less memory from its own file."""
_LEAST_FOOTER, _FOOTER_SHARE = 64 << 10, 1_000
"""Longest footer, in bytes and as a part of the file: Arrow takes 25 times its length to read it."""
_MOST_GROUPS = 32
"""Groups whose numbers are kept at a time."""
_UNREADABLE = (pa.ArrowException, OSError, ValueError, KeyError, MemoryError)
_LEAST_ROW_BYTES = 100
"""A row has a name of its own, which repeats nothing, and two digests of 64 characters."""
_LONGEST = {"file": 255, "sha256": 64, "md5": 24, "digest": 64, "form": MOST_FORM}


@dataclass(frozen=True, slots=True)
class PackReport:
    """What a pack was made of: how many models are in it, and why each refused one is not, by its file."""

    path: Path
    packed: int
    refused: dict[str, str]


@dataclass(frozen=True, slots=True)
class _Row:
    file: str
    stat: tuple[int, int, int]
    sha256: str
    md5: str
    form: str
    numbers: bytes
    refusal: str


def write_pack(directory: Path) -> PackReport:
    """Write the pack of all models in `directory`; unchanged files give the same bytes.

    Raises:
        UsageError: there is no such folder.
        OutputError: it cannot be written.
    """
    import pyarrow.parquet as pa_parquet

    paths = [entry.path for entry in scan(directory)]
    path = directory / PACK_NAME
    refused: dict[str, str] = {}
    options = {"compression": "none", "use_dictionary": ["form"], "write_statistics": False}
    with atomic_path(path) as partial, pa_parquet.ParquetWriter(partial, SCHEMA, **options) as writer:
        for group in _groups(_rows(paths)):
            refused |= {row.file: row.refusal for row in group if row.refusal}
            writer.write_table(_table(group), row_group_size=len(group))
    return PackReport(path, len(paths) - len(refused), refused)


def _rows(paths: list[str]) -> Iterator[_Row]:
    if len(paths) < _PARALLEL_FROM:
        yield from map(_row, paths)
        return
    from concurrent.futures import ProcessPoolExecutor

    with ProcessPoolExecutor() as pool:
        yield from pool.map(_row, paths, chunksize=100)


def _groups(rows: Iterable[_Row]) -> Iterator[list[_Row]]:
    group: list[_Row] = []
    size = 0
    for row in rows:
        group.append(row)
        size += sum(map(len, (row.file, row.sha256, row.md5, row.form, row.numbers))) + _LONGEST["digest"]
        if size >= _GROUP_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group


def _table(rows: list[_Row]) -> Any:
    columns = {
        "file": [row.file for row in rows],
        **{name: [row.stat[i] for row in rows] for i, name in enumerate(_STAT)},
        "sha256": [row.sha256 for row in rows],
        "md5": [row.md5 for row in rows],
        "form": [row.form for row in rows],
        "numbers": [row.numbers for row in rows],
        "digest": [_digest(row.file, row.sha256, row.md5, row.form, row.numbers) for row in rows],
    }
    return pa.table(columns, SCHEMA)


def _row(name: str) -> _Row:
    path = Path(name)
    stat = _stat(path)  # before reading: a change in between shows as a difference later
    sha256 = md5 = ""
    try:
        content = read_file(path)
        sha256, md5 = hashlib.sha256(content).hexdigest(), _md5(content)
        form, numbers = encode(parameters_from(content))
    except ModelError as error:
        return _Row(path.name, stat, sha256, md5, "", b"", str(error))
    except MemoryError:
        return _Row(path.name, stat, sha256, md5, "", b"", NO_MEMORY)
    return _Row(path.name, stat, sha256, md5, form, numbers, "")


def _md5(content: bytes) -> str:
    return base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()


def _digest(file: str, sha256: str, md5: str, form: str, numbers: Content) -> str:
    digest = hashlib.sha256(f"{file}\n{sha256}\n{md5}\n{form}\n".encode())
    digest.update(numbers)
    return digest.hexdigest()


def _stat(file: Path | os.DirEntry[str]) -> tuple[int, int, int]:
    try:
        stat = file.stat()
    except OSError:  # removed meanwhile, or a link that leads nowhere: reading it says what is wrong
        return -1, -1, -1
    return stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


class Pack:
    """The columns of a pack; numbers are read when a model is asked for, a group of rows at a time.

    Raises:
        ModelError: it cannot be used.
    """

    def __init__(self, path: Path) -> None:
        try:
            # Not pyarrow.parquet, whose import costs a short step more than reading the pack.
            # Arrow's own pool keeps what was freed, which doubles the memory that a large group takes.
            self._file = ParquetReader(pa.system_memory_pool())
            # Kept open: a pack that is written meanwhile has other rows.
            source = pa.OSFile(str(path))
            _check_footer(source)
            self._file.open(source, read_dictionary=list(_TEXTS))
            _check_schema(self._file, source.size())
            self._read_columns()
        except _UNREADABLE as error:
            reason = (str(error) or type(error).__name__).splitlines()[0][:120]
            raise ModelError(f"{path.name} is not used: it cannot be read ({reason})") from error
        self._numbers: OrderedDict[int, _Distinct] = OrderedDict()
        self._by_name: dict[str, int] | None = None
        self.unchanged = np.zeros(self._starts[-1], np.bool_)

    def _read_columns(self) -> None:
        groups = range(self._file.num_row_groups)
        parts = [_Group(self._file, group) for group in groups]
        self._starts: list[int] = list(accumulate((part.rows for part in parts), initial=0))
        self._texts = {name: [part.texts[name] for part in parts] for name in _TEXTS if name != "numbers"}
        self._stat = [
            np.concatenate([part.stat[name] for part in parts]) if parts else np.empty(0, np.int64)
            for name in _STAT
        ]

    def compare(self, entries: list[Any]) -> int:
        """Find out which files are unchanged since they were packed, and how many."""
        rows = np.array([self._rows().get(entry.name, -1) for entry in entries], np.int64)
        stats = np.array([_stat(entry) for entry in entries], np.int64).reshape(-1, 3)
        same = rows >= 0
        for i, packed in enumerate(self._stat):
            same[same] = packed[rows[same]] == stats[same, i]
        self.unchanged[rows[same]] = True
        return int(same.sum())

    def compare_md5(self, files: Mapping[str, str]) -> int:
        """Find out which of these files, which have an MD5 each, were packed as they are, and how many."""
        rows, packed = self._rows(), self._all("md5")
        same = [row for name, md5 in files.items() if (row := rows.get(name, -1)) >= 0 and packed[row] == md5]
        self.unchanged[same] = True
        return len(same)

    def held(self) -> dict[str, str]:
        """The MD5 of each file whose model can be taken from here: those of others are not needed."""
        found, packed = {}, self._all("md5")
        for name, row in self._rows().items():
            with suppress(ModelError, MemoryError):
                if self.parameters(row) is not None:
                    found[name] = packed[row]
        return found

    def row(self, name: str) -> int | None:
        """Where a file's row is."""
        return self._rows().get(name)

    def sha256(self, row: int) -> str:
        """Of the file that was packed."""
        return self._text("sha256", row)

    def parameters(self, row: int) -> ModelParameters | None:
        """The parameters of a model, None where its file was refused, or takes less memory than its group.

        Raises:
            ModelError: they are not what was packed, or no fitted model has such parameters.
        """
        form = self._text("form", row)
        if not form or self._is_large(row):
            return None
        numbers = self._numbers_of(row)
        known = (self._text("file", row), self._text("sha256", row), self._text("md5", row))
        if numbers is None or _digest(*known, form, numbers) != self._text("digest", row):
            raise ModelError("its row in the pack is not what was packed; pack the models again")
        return decode(form, numbers)

    def _rows(self) -> dict[str, int]:
        if self._by_name is None:
            self._by_name = {name: row for row, name in enumerate(self._all("file"))}
        return self._by_name

    def _all(self, name: str) -> list[str]:
        return [text for part in self._texts[name] for text in part.all()]

    def _group(self, row: int) -> tuple[int, int]:
        group = bisect_right(self._starts, row) - 1
        return group, row - self._starts[group]

    def _text(self, name: str, row: int) -> str:
        group, place = self._group(row)
        return str(self._texts[name][group].value(place))

    def _is_large(self, row: int) -> bool:
        return _stored(self._file, self._group(row)[0], "numbers") > _MOST_GROUP_BYTES

    def _numbers_of(self, row: int) -> Content | None:
        """The bytes of a model, None where they cannot be read."""
        group, place = self._group(row)
        column = self._numbers.get(group)
        if column is None:
            try:
                column = _distinct(self._file, group, "numbers")
            except _UNREADABLE:
                return None
            self._numbers[group] = column
            if len(self._numbers) > _MOST_GROUPS:
                self._numbers.popitem(last=False)
        return column.view(place)


class _Group:
    """The small columns of a group of rows."""

    def __init__(self, file: ParquetReader, group: int) -> None:
        # Names first: each is there once, so that there are no more rows than the file can hold.
        names = _distinct(file, group, "file")
        self.rows = len(names.places)
        if len(names.values) != self.rows:
            raise ValueError("it names a file twice")
        self.texts = {"file": names}
        for name in ("sha256", "md5", "form", "digest"):
            self.texts[name] = _distinct(file, group, name)
        table = file.read_row_group(group, [SCHEMA.names.index(name) for name in _STAT])
        if any(table[name].type != pa.int64() for name in _STAT):
            raise ValueError("it is of another version; pack the models again")
        self.stat = {name: to_numpy(_whole(table[name])) for name in _STAT}


class _Distinct:
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


def _distinct(file: ParquetReader, group: int, name: str) -> _Distinct:
    longest = _LONGEST.get(name)
    if longest is not None and _stored(file, group, name) > _MOST_TEXT_BYTES:
        raise ValueError(f"{name} holds what no pack has")
    column = _whole(file.read_row_group(group, [SCHEMA.names.index(name)])[name])
    if column.type != pa.dictionary(pa.int32(), SCHEMA.field(name).type):
        raise ValueError("it is of another version; pack the models again")
    column.validate(full=True)
    found = _Distinct(column)
    if longest is not None and to_numpy(call("utf8_length", [found.values])).max(initial=0) > longest:
        raise ValueError(f"{name} holds what no pack has")
    return found


def _stored(file: ParquetReader, group: int, name: str) -> int:
    """The bytes of a column of a group in the file: as many are read."""
    size: int = file.metadata.row_group(group).column(SCHEMA.names.index(name)).total_compressed_size
    return size


def _whole(column: Any) -> Any:
    if column.num_chunks != 1 or column.null_count:
        raise ValueError("its columns are not what they should be")
    return column.chunk(0)


def _check_footer(source: Any) -> None:
    """Before it is read: the list of groups and columns at the end of a file can be all there is of it."""
    size = source.size()
    source.seek(max(0, size - 8))
    if int.from_bytes(source.read(4), "little") > _LEAST_FOOTER + size // _FOOTER_SHARE:
        raise ValueError("it has more groups than fit into it; pack the models again")


def _check_schema(file: ParquetReader, size: int) -> None:
    metadata = file.metadata
    version = (metadata.metadata or {}).get(_VERSION_KEY)
    names = [metadata.schema.column(i).path for i in range(len(metadata.schema))]
    if version != VERSION or names != SCHEMA.names:
        raise ValueError("it is of another version; pack the models again")
    parts = [metadata.row_group(group) for group in range(file.num_row_groups)]
    if sum(part.num_rows for part in parts) * _LEAST_ROW_BYTES > size:
        raise ValueError("it has more rows than fit into it; pack the models again")
    for part in parts:
        if any(part.column(i).num_values != part.num_rows for i in range(part.num_columns)):
            raise ValueError("its columns are not what they should be; pack the models again")
        if any(part.column(i).compression != "UNCOMPRESSED" for i in range(part.num_columns)):
            raise ValueError("it is compressed; pack the models again")
