"""The readings of many files as one stream of batches.

What is done once for each batch takes a hundred times as long as a row. So small files of CSV that follow
each other and have the same header are parsed together, as if they were one. Only files in which every line
is a row without quotes are: the result is that of each by itself, and a file in which something else turns up
is read by itself.
"""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from itertools import accumulate
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from scoring.arrow import from_numpy, strings, take, to_numpy
from scoring.errors import ReadingsError
from scoring.formats import LandingStatus
from scoring.mapping import PLAIN
from scoring.readings.csv_blocks import MAX_LINES, CsvFile, parse_rows
from scoring.readings.csv_header import read_header
from scoring.readings.files import BLOCK_BYTES, FoundLanding, Source, is_packed, read_batches
from scoring.readings.rows import Batch

SMALL_BYTES = 64 << 10
"""A larger file is read by itself."""


class Part(NamedTuple):
    """What one file has in a batch."""

    source: Source
    readings: int
    rejected: int


class ReadBatch(NamedTuple):
    """A batch, and the files that it comes from."""

    batch: Batch
    parts: list[Part]


class _Small(NamedTuple):
    """A file whose rows can be parsed together with those of others."""

    source: Source
    header: bytes
    rows: bytes
    """Each ends in a newline."""
    lines: int


@dataclass(slots=True)
class _Group:
    """Small files with the same header."""

    file: CsvFile
    header: bytes
    files: list[_Small] = field(default_factory=list)
    size: int = 0
    lines: int = 0

    def takes(self, small: _Small) -> bool:
        """Whether a file fits, and adds it if so."""
        if (
            small.header != self.header
            or self.size + len(small.rows) > BLOCK_BYTES
            or self.lines + small.lines > MAX_LINES
        ):
            return False
        self.files.append(small)
        self.size += len(small.rows)
        self.lines += small.lines
        return True


def read_files(
    sources: Iterable[Source], executor: Executor | None = None
) -> Iterator[ReadBatch | FoundLanding]:
    """Read files in order: their batches, and after those of each file how it was found.

    `executor` parses ahead in a file that is read by itself.
    """
    group: _Group | None = None
    for source in sources:
        small = _small(source)
        if group and small and group.takes(small):
            continue
        if group:
            yield from _read_together(group.files, group.file, executor)
        group = _new_group(small) if small else None
        if group is None:
            yield from _read_alone(source, executor)
    if group:
        yield from _read_together(group.files, group.file, executor)


def _new_group(small: _Small) -> _Group | None:
    """A group that starts with this file; None where its header is not one of readings."""
    name = small.source.name
    try:
        header = read_header(small.header, 1, PLAIN, name, cr_ends=False)
    except ReadingsError:
        return None
    if not header.columns.are_plain:  # the folder of each file can name its device
        return None
    group = _Group(CsvFile(name, header, small.source.limits.row_bytes), small.header)
    return group if group.takes(small) else None


def _small(source: Source) -> _Small | None:
    """A file, if it is one of those that can be read together."""
    if source.mapping != PLAIN:
        return None
    most = min(SMALL_BYTES, source.limits.row_bytes)
    try:
        with open(source.path, "rb", buffering=0) as file:  # noqa: PTH123 - a third of the time of pathlib's
            content = file.read(most + 1)
    except OSError:
        return None  # reading it by itself reports why
    if len(content) > most or b'"' in content or is_packed(content):
        return None
    if content.count(b"\r") != content.count(b"\r\n"):
        return None
    header, newline, rows = content.partition(b"\n")
    if not newline or rows.startswith(b"\xef\xbb\xbf"):
        return None
    if rows and not rows.endswith(b"\n"):
        rows += b"\n"
    return _Small(source, header, rows, rows.count(b"\n"))


def _read_together(
    files: Sequence[_Small], csv: CsvFile, executor: Executor | None
) -> Iterator[ReadBatch | FoundLanding]:
    if len(files) == 1:
        yield from _read_alone(files[0].source, executor)
        return
    starts = list(accumulate((small.lines for small in files), initial=0))
    batch = parse_rows(b"".join(small.rows for small in files), starts[-1], csv)
    if batch is None:  # in one of them, at least
        half = len(files) // 2
        yield from _read_together(files[:half], csv, executor)
        yield from _read_together(files[half:], csv, executor)
        return
    batch, rejected = _attributed(batch, files, starts)
    parts = [
        Part(small.source, small.lines - count, count) for small, count in zip(files, rejected, strict=True)
    ]
    yield ReadBatch(batch, parts)
    for small in files:
        yield FoundLanding(small.source.name, LandingStatus.READ, None)


def _read_alone(source: Source, executor: Executor | None) -> Iterator[ReadBatch | FoundLanding]:
    try:
        for batch in read_batches(source, executor=executor):
            yield ReadBatch(batch, [Part(source, len(batch.codes), batch.rejects.num_rows)])
    except ReadingsError as error:
        yield FoundLanding(source.name, LandingStatus.UNREADABLE, str(error))
    else:
        yield FoundLanding(source.name, LandingStatus.READ, None)


def _attributed(batch: Batch, files: Sequence[_Small], starts: Sequence[int]) -> tuple[Batch, Sequence[int]]:
    """The batch with each reject's own file and line, and the number of rejects of each file."""
    if batch.rejects.num_rows == 0:
        return batch, [0] * len(files)
    _, lines, *others = (column.chunk(0) for column in batch.rejects.columns)
    places = to_numpy(lines)
    of_file = np.searchsorted(starts, places, "right") - 1
    own_lines = from_numpy(places - np.array(starts)[of_file] + 2)
    names = take(strings([small.source.name for small in files]), of_file)
    rejects = pa.Table.from_arrays([names, own_lines, *others], names=batch.rejects.column_names)
    counts: list[int] = np.bincount(of_file, minlength=len(files)).tolist()
    return batch._replace(rejects=rejects), counts
