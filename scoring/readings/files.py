"""Files of readings: which there are, and their contents (CSV, gzip'd CSV or Parquet) in batches."""

import gzip
import os
import zlib
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from scoring.errors import ReadingsError, UsageError
from scoring.formats import LandingStatus
from scoring.mapping import PLAIN, Mapping, Mappings
from scoring.readings.csv_blocks import Block, BlockCutter, CsvFile, Parsed, parse_block
from scoring.readings.manifest import RunManifest, locate
from scoring.readings.rows import Batch, shift_lines
from scoring.readings.text_streams import ByteStream, as_csv

if TYPE_CHECKING:
    from scoring.readings.samples import Sample

__all__ = [
    "BLOCK_BYTES",
    "FileLimits",
    "FoundLanding",
    "Source",
    "check_headers",
    "find_sources",
    "read_batches",
    "read_sample",
]

BLOCK_BYTES = 4 << 20

_AHEAD = 2
"""Blocks that an executor parses ahead of the one that is needed."""

_PEEKED = 16
"""Bytes that show how a text is encoded."""

_SAMPLED_BYTES = 1 << 16

_GZIP, _PARQUET = b"\x1f\x8b", b"PAR1"


class FileLimits(NamedTuple):
    """How large a row, and an unpacked file, can be."""

    row_bytes: int = 4 << 20
    """A longer row of CSV is rejected."""
    unpacked_bytes: int = 10 << 30
    """A compressed file that holds more cannot be read."""


LIMITS = FileLimits()
"""The defaults."""


class Source(NamedTuple):
    """One file of readings; `name` is what people call it."""

    name: str
    path: Path
    limits: FileLimits = LIMITS
    mapping: Mapping = PLAIN


@dataclass(frozen=True, slots=True)
class FoundLanding:
    """How a landing was found."""

    name: str
    status: LandingStatus
    reason: str | None


def find_sources(
    data: Path,
    manifest: RunManifest | None,
    limits: FileLimits = LIMITS,
    mappings: Mappings = Mappings(),  # noqa: B008 - it is frozen
) -> tuple[list[Source], list[FoundLanding]]:
    """The files to read, and the landings that cannot be read.

    Without a manifest: `data` itself, or every file below it, in the order of their names, except those whose
    name, or whose folder's name, starts with `_` or `.`.

    Raises:
        UsageError: `data` does not exist, or is a single file although there is a manifest.
    """
    if not data.exists():
        raise UsageError(f"{data}: there is no such file or folder")
    if manifest is None:
        if not data.is_dir():
            name = _readable(data.name)
            return [Source(name, data, limits, mappings.of(name))], []
        below, unreadable = _files_below(data)
        named = ((_name_below(data, path), path) for path in below)
        return [Source(name, path, limits, mappings.of(name)) for name, path in named], unreadable
    if not data.is_dir():
        raise UsageError(f"--data {data} is a file: a manifest names files in a folder")
    sources, missing = [], []
    for landing in manifest.landings:
        path, status, reason = locate(landing, data)
        if path is None:
            missing.append(FoundLanding(landing.name, status, reason))
        else:
            sources.append(Source(landing.name, path, limits, mappings.of(landing.name)))
    return sources, missing


def read_batches(
    source: Source, *, block_bytes: int = BLOCK_BYTES, executor: Executor | None = None
) -> Iterator[Batch]:
    """Read one file in batches, in the order of its rows; its first bytes decide what kind of file it is.

    Args:
        source: the file.
        block_bytes: how much is read at once.
        executor: parses a few blocks of CSV ahead of the one that is needed.

    Raises:
        ReadingsError: the file cannot be read at all, or not to its end; the message has what was expected
            and what was found.
    """
    with _opened(source) as (file, stream):
        if stream is None:
            from scoring.readings.parquet import read_parquet

            yield from read_parquet(file, source.name, source.limits.unpacked_bytes, source.mapping)
        else:
            yield from _read_csv(stream, source, block_bytes, executor)


def is_packed(content: bytes) -> bool:
    """Whether a file that starts so is a gzip'd or a Parquet file."""
    return content.startswith((_GZIP, _PARQUET))


def read_sample(source: Source) -> "Sample":
    """The first rows of a file, from which its columns can be described.

    Raises:
        ReadingsError: the file cannot be opened, or is damaged.
    """
    with _opened(source) as (file, stream):
        if stream is None:
            from scoring.readings import parquet

            with parquet.reported():
                return parquet.read_sample(parquet.open_reader(file))
        from scoring.readings.samples import sample_of

        head = bytearray(_SAMPLED_BYTES)
        filled = 0
        while filled < len(head) and (count := stream.readinto(memoryview(head)[filled:])):
            filled += count
        return sample_of(bytes(head[:filled]), source.mapping)


def check_headers(sources: Iterable[Source]) -> tuple[list[Source], list[FoundLanding]]:
    """The files that start as files of readings, and those that cannot be read, as their header shows.

    Reads a header of CSV or the schema of a Parquet file only: what is damaged further on shows later.
    """
    usable, unreadable = [], []
    for source in sources:
        try:
            with _opened(source) as (file, stream):
                if stream is None:
                    from scoring.readings.parquet import open_parquet

                    open_parquet(file, source.name, source.limits.unpacked_bytes, source.mapping)
                else:
                    cutter = BlockCutter(stream, BLOCK_BYTES, source.limits.row_bytes)
                    cutter.header(source.mapping, source.name)
        except ReadingsError as error:
            unreadable.append(FoundLanding(source.name, LandingStatus.UNREADABLE, str(error)))
        else:
            usable.append(source)
    return usable, unreadable


@contextmanager
def _opened(source: Source) -> Iterator[tuple[BinaryIO, ByteStream | None]]:
    """A file, and its CSV unpacked; None where it is a Parquet file. Errors of the block name the file."""
    try:
        with source.path.open("rb") as file:
            start = file.peek(4)
            if start.startswith(_PARQUET):
                yield file, None
            else:
                stream = _Gunzip(file, source.limits.unpacked_bytes) if start.startswith(_GZIP) else file
                yield file, as_csv(stream, stream.peek(_PEEKED)[:_PEEKED], source.mapping)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError) as error:
        raise ReadingsError(f"{source.name}: {error.strerror}") from error
    except ReadingsError as error:
        raise ReadingsError(f"{source.name}: {error}") from error


def _files_below(folder: Path) -> tuple[list[Path], list[FoundLanding]]:
    """All files below a folder in order, and what cannot be read there: links, closed folders, devices."""
    found: list[Path] = []
    unreadable: list[FoundLanding] = []

    def skip(path: Path, reason: str) -> None:
        unreadable.append(FoundLanding(_name_below(folder, path), LandingStatus.UNREADABLE, reason))

    def closed(error: OSError) -> None:
        skip(Path(os.fsdecode(error.filename)), f"{error.strerror}: the folder cannot be listed")

    for base, folders, files in os.walk(folder, onerror=closed):
        folders[:] = sorted(name for name in folders if not name.startswith(("_", ".")))
        for path in (Path(base, name) for name in folders):
            if os.path.islink(path):  # noqa: PTH114 - that of pathlib raises where a path is too long
                skip(path, "links to folders are not followed: name that folder")
        for path in (Path(base, name) for name in files if not name.startswith(("_", "."))):
            if os.path.isfile(path):  # noqa: PTH113
                found.append(path)
            else:
                is_link = os.path.islink(path)  # noqa: PTH114
                skip(path, "it is a broken link" if is_link else "it is not a file")
    return sorted(found), sorted(unreadable, key=lambda status: status.name)


def _name_below(folder: Path, path: Path) -> str:
    return _readable(path.relative_to(folder).as_posix())


def _readable(name: str) -> str:
    """A file's name as text, even where its bytes are not UTF-8."""
    return os.fsencode(name).decode(errors="replace")


@contextmanager
def _whole_gzip() -> Iterator[None]:
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ReadingsError(f"expected a whole gzip file, found it damaged ({error})") from error


class _Gunzip:
    """The contents of a gzip'd file, unpacked as it is read."""

    def __init__(self, file: BinaryIO, most: int) -> None:
        self._file = gzip.GzipFile(fileobj=file)
        self._most = self._left = most

    def peek(self, count: int, /) -> bytes:
        with _whole_gzip():
            return self._file.peek(count)

    def readinto(self, buffer: memoryview, /) -> int:
        with _whole_gzip():
            count = self._file.readinto(buffer)
        self._left -= count
        if self._left < 0:
            raise ReadingsError(
                f"it unpacks to more than {self._most:,} bytes: split it, or raise that limit"
            )
        return count


def _read_csv(
    stream: ByteStream, source: Source, block_bytes: int, executor: Executor | None
) -> Iterator[Batch]:
    longest = source.limits.row_bytes
    cutter = BlockCutter(stream, block_bytes, longest)
    file = CsvFile(source.name, cutter.header(source.mapping, source.name), longest)
    line, tail = file.header.line + 1, b""
    for block, future in _ahead(cutter.blocks(file.header), file, executor):
        if tail and block.too_long is not None:
            parsed = parse_block(Block(tail, tail.count(b"\n"), final=True), file)
            yield shift_lines(parsed.batch, line)
            line, tail = line + parsed.lines, b""
        if tail:
            joined = tail + block.data
            parsed = parse_block(Block(joined, joined.count(b"\n"), block.final), file)
        else:
            parsed = future.result() if future else parse_block(block, file)
        yield shift_lines(parsed.batch, line)
        line, tail = line + parsed.lines, parsed.tail


def _ahead(
    blocks: Iterator[Block], file: CsvFile, executor: Executor | None
) -> Iterator[tuple[Block, Future[Parsed] | None]]:
    """Blocks in order, parsed ahead by `executor`; those before an error are returned before it is raised."""
    waiting: deque[tuple[Block, Future[Parsed] | None]] = deque()
    failure: ReadingsError | None = None
    while failure is None:
        try:
            block = next(blocks)
        except StopIteration:
            break
        except ReadingsError as error:
            failure = error
            continue
        waiting.append((block, executor.submit(parse_block, block, file) if executor else None))
        if len(waiting) > (_AHEAD if executor else 0):
            yield waiting.popleft()
    yield from waiting
    if failure:
        raise failure
