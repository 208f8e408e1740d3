"""The files of predictions: one CSV per sensor, in the order of its readings."""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

from scoring.arrow import text_offsets
from scoring.atomic_files import name_full_disk, writing
from scoring.formats import PREDICTION_COLUMNS
from scoring.keys import SensorKey

HEADER = (",".join(PREDICTION_COLUMNS) + "\n").encode()

BUFFER_BYTES = 64 << 20
"""Bytes of rows buffered in memory, so that a file is opened once for many batches."""

PARTIAL_PREFIX = ".partial-"
"""The start of the name of a step's hidden folder; the step's name follows."""

_MOST_CHUNKS = 512
"""Fewer than a system accepts in one call."""


def format_rows(
    columns: Sequence[pa.Array], bounds: np.ndarray, *, quoted: bool
) -> tuple[memoryview, np.ndarray]:
    """Predictions as CSV rows without a header.

    Args:
        columns: the six columns in their order, as texts; Device and Sensor as `csv_text` gives them.
        bounds: rows whose offsets in the bytes are wanted, the last of them one past the last row.
        quoted: whether a Device or Sensor has quotes. arrow's CSV writer either quotes every text or refuses
            these, so the columns are joined instead, which takes a little longer.

    Returns:
        The bytes, and the offsets of the rows of `bounds` in them: int64.
    """
    # Each text of a row is followed by one comma or newline.
    offsets = sum((text_offsets(column, bounds) for column in columns), bounds * len(columns))
    if quoted:
        import pyarrow.compute as pc

        rows = pc.binary_join_element_wise(*columns, ",")
        buffer = pc.binary_join_element_wise(rows, "", "\n").buffers()[2]
    else:
        options = pa_csv.WriteOptions(include_header=False, batch_size=16384, quoting_style="none")
        buffer = pa.allocate_buffer(offsets[-1])
        sink = pa.FixedSizeBufferWriter(buffer)  # one that grows takes memory twice, and copies
        pa_csv.write_csv(pa.table(list(columns), names=list(PREDICTION_COLUMNS)), sink, options)
    return memoryview(buffer), offsets


class PredictionFiles:
    """Writes predictions to files in `folder`, which are complete when the block has succeeded."""

    def __init__(self, folder: Path, buffer_bytes: int = BUFFER_BYTES) -> None:
        self._folder = folder
        self._buffer_bytes = buffer_bytes
        self._names: dict[SensorKey, str] = {}
        self._buffered: dict[SensorKey, list[memoryview]] = {}
        self._bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._flush()

    @property
    def written(self) -> set[str]:
        """The names of the files, after success."""
        return set(self._names.values())

    def append(self, key: SensorKey, rows: memoryview) -> None:
        """Add rows to a sensor's file."""
        self._buffered.setdefault(key, []).append(rows)
        self._bytes += len(rows)
        if self._bytes > self._buffer_bytes:
            self._flush()

    def drop(self, key: SensorKey) -> None:
        """Discard a sensor that failed half-way: every file is complete."""
        self._buffered.pop(key, None)
        if name := self._names.pop(key, None):
            (self._folder / name).unlink()

    def _flush(self) -> None:
        """Write the buffered rows. Files do not stay open: there are more sensors than open files allowed."""
        for key, rows in self._buffered.items():
            name = self._names.get(key)
            if name is None:
                name = self._names[key] = key.preds_name
                self._write(name, [HEADER, *rows])
            else:
                self._write(name, rows)
        self._buffered.clear()
        self._bytes = 0

    def _write(self, name: str, chunks: Sequence[bytes | memoryview]) -> None:
        # Plain texts and descriptors: for a thousand small files, objects take as long as the writing.
        file = os.open(f"{self._folder}/{name}", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        try:
            for first in range(0, len(chunks), _MOST_CHUNKS):
                _write_all(file, chunks[first : first + _MOST_CHUNKS])
        except OSError as error:
            name_full_disk(error, self._folder / name)
            raise
        finally:
            os.close(file)


@contextmanager
def predictions_of_step(out: Path, step: str) -> Iterator[PredictionFiles]:
    """Predictions in a hidden folder below `out`; the files move to `out` when the block has succeeded.

    A killed process leaves only that hidden folder. It is removed when the same step scores again, or when
    everything is scored or collected.

    Raises:
        OutputError: `out` cannot be written.
    """
    hidden = out / f"{PARTIAL_PREFIX}{step}"
    with writing(out):
        shutil.rmtree(hidden, ignore_errors=True)
        hidden.mkdir(parents=True)
    try:
        with PredictionFiles(hidden) as files:
            yield files
        for name in files.written:
            os.replace(f"{hidden}/{name}", f"{out}/{name}")  # noqa: PTH105 - see `_write`
    finally:  # a full disk most often shows in the last write
        shutil.rmtree(hidden, ignore_errors=True)


def _write_all(file: int, chunks: Sequence[bytes | memoryview]) -> None:
    written = os.writev(file, chunks)
    if written == sum(map(len, chunks)):
        return
    pending = memoryview(b"".join(chunks))[written:]
    while pending:
        pending = pending[os.write(file, pending) :]
