"""Packs the models of a folder: reads each file, and writes its parameters to `models.parquet`."""

import base64
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from scoring.atomic_files import atomic_path
from scoring.errors import ModelError
from scoring.formats import PACK_NAME
from scoring.models.detector import NO_MEMORY
from scoring.models.encoding import encode
from scoring.models.files import parameters_from, read_file, scan
from scoring.models.pack_format import GROUP_BYTES, LONGEST, SCHEMA, STAT, digest_of, stat_of

_PARALLEL_FROM = 2_000
"""Fewer models are read faster by one process than others start."""


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
        size += sum(map(len, (row.file, row.sha256, row.md5, row.form, row.numbers))) + LONGEST["digest"]
        if size >= GROUP_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group


def _table(rows: list[_Row]) -> Any:
    columns = {
        "file": [row.file for row in rows],
        **{name: [row.stat[i] for row in rows] for i, name in enumerate(STAT)},
        "sha256": [row.sha256 for row in rows],
        "md5": [row.md5 for row in rows],
        "form": [row.form for row in rows],
        "numbers": [row.numbers for row in rows],
        "digest": [digest_of(row.file, row.sha256, row.md5, row.form, row.numbers) for row in rows],
    }
    return pa.table(columns, SCHEMA)


def _row(name: str) -> _Row:
    path = Path(name)
    stat = stat_of(path)  # before reading: a change in between shows as a difference later
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
