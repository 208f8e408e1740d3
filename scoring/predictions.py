"""The files of predictions: one CSV per sensor, in the order in which the readings came."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from scoring.errors import OutputError
from scoring.keys import SensorKey

NAMES = ["TS", "Device", "Sensor", "Val", "Prediction", "Score"]
HEADER = (",".join(NAMES) + "\n").encode()

_NEWLINE = ord("\n")
_STRUCTURAL = frozenset(',"\r\n')


def csv_text(text: str) -> str:
    """A Device or a Sensor as a field of CSV, in quotes only where it needs them."""
    return text if _STRUCTURAL.isdisjoint(text) else '"' + text.replace('"', '""') + '"'


def format_rows(columns: Sequence[pa.Array], *, quoted: bool) -> tuple[memoryview, np.ndarray]:
    """Predictions as CSV rows without a header.

    Args:
        columns: the six columns in their order; Device and Sensor as `csv_text` gives them.
        quoted: whether one of those has quotes. arrow's CSV writer either quotes every text or refuses such
            a one, so these rows are joined, which takes a little longer.

    Returns:
        The bytes, and where each row ends in them: int64, shape (rows + 1,), from 0.
    """
    if quoted:
        texts = [column.cast(pa.string()) for column in columns]
        rows = pc.binary_join_element_wise(*texts, ",")
        buffer = pc.binary_join_element_wise(rows, "", "\n").buffers()[2]
    else:
        options = pa_csv.WriteOptions(include_header=False, batch_size=16384, quoting_style="none")
        sink = pa.BufferOutputStream()
        pa_csv.write_csv(pa.table(list(columns), names=NAMES), sink, options)
        buffer = sink.getvalue()
    # No field holds a newline: keys, timestamps and numbers have no control characters.
    newlines = np.flatnonzero(np.frombuffer(buffer, np.uint8) == _NEWLINE)
    return memoryview(buffer), np.concatenate([[0], newlines + 1])


class PredictionFiles:
    """Collects predictions in a hidden folder below `out`; on a good end each file takes its place.

    A killed process leaves only that hidden folder, which the next one removes.
    """

    def __init__(self, out: Path, step: str) -> None:
        self._out = out
        self._partial = out / f".partial-{step}"
        self._names: dict[SensorKey, str] = {}

    def __enter__(self) -> Self:
        try:
            shutil.rmtree(self._partial, ignore_errors=True)
            self._partial.mkdir(parents=True)
        except (FileExistsError, NotADirectoryError, PermissionError) as error:
            message = f"cannot write to {self._out}: {error.strerror}; choose another --out"
            raise OutputError(message) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            for name in self._names.values():
                (self._partial / name).replace(self._out / name)
        shutil.rmtree(self._partial, ignore_errors=True)

    def append(self, key: SensorKey, rows: memoryview) -> None:
        """Add rows to a sensor's file."""
        name = self._names.get(key)
        if name is None:
            name = self._names[key] = key.preds_name
            self._write(name, os.O_CREAT | os.O_TRUNC, HEADER, rows)
        else:
            self._write(name, 0, rows)

    def drop(self, key: SensorKey) -> None:
        """Forget a sensor that failed half-way: a file that is there is whole."""
        if name := self._names.pop(key, None):
            (self._partial / name).unlink()

    def _write(self, name: str, flags: int, *chunks: bytes | memoryview) -> None:
        # Opened for each batch: a fleet has more sensors than a process may have open files.
        descriptor = os.open(self._partial / name, os.O_WRONLY | os.O_APPEND | flags, 0o666)
        try:
            pending = [memoryview(chunk) for chunk in chunks if len(chunk)]
            while pending:
                written = os.writev(descriptor, pending)
                while pending and written >= len(pending[0]):
                    written -= len(pending.pop(0))
                if pending:
                    pending[0] = pending[0][written:]
        finally:
            os.close(descriptor)
