"""The readings that a notebook gives, as files: those at a path, or a DataFrame as a Parquet file."""

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from scoring.errors import ReadingsError, UsageError
from scoring.formats import READING_COLUMNS
from scoring.mapping import PLAIN, Mappings
from scoring.mapping import Mapping as ReadingsMapping
from scoring.mapping_text import read_mappings
from scoring.readings.columns import find_columns
from scoring.readings.files import FoundLanding, Source, find_sources, read_batches
from scoring.readings.rows import Batch

type GivenReadings = pd.DataFrame | str | PathLike[str]
"""A frame, or the path of a file or of a folder of files."""

type GivenMapping = str | Mapping[str, Any]
"""What `--mapping` takes; or its JSON as a dict."""

FRAME = "frame"
"""The name of the file of a frame."""


@dataclass(slots=True)
class Readings:
    """Files of readings, and what cannot be read at their path."""

    sources: Sequence[Source]
    not_read: Sequence[FoundLanding] = ()
    ts: Any = None
    """The column of a frame whose timestamps come back in the predictions; None where they change."""

    rejected: int = 0
    """Rows that were rejected when all batches were read."""

    def batches(self) -> Iterator[Batch]:
        """All readings, file by file.

        Raises:
            ReadingsError: a file cannot be read; the message names it.
        """
        for found in self.not_read:
            raise ReadingsError(f"{found.name}: {found.reason}")
        self.rejected = 0
        for source in self.sources:
            for batch in read_batches(source):
                self.rejected += batch.rejects.num_rows
                yield batch


@contextmanager
def opened_readings(given: GivenReadings, mapping: GivenMapping) -> Iterator[Readings]:
    """The readings as files, which are there while the block runs.

    Raises:
        ReadingsError: a frame has no such columns, or they cannot be stored; or a folder has no file.
        UsageError: there is no such file, or the mapping is invalid.
    """
    mappings = read_mappings(mapping if isinstance(mapping, str) else json.dumps(mapping))
    if isinstance(given, (str, PathLike)):
        sources, not_read = find_sources(Path(given), None, mappings=mappings)
        if not sources and not not_read:
            raise ReadingsError(f"{given}: there is no file in this folder")
        yield Readings(sources, not_read)
        return
    if not isinstance(given, pd.DataFrame):
        found = type(given).__name__
        raise ReadingsError(f"expected a DataFrame, or the path of a file, found {found}")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "frame.parquet"
        yield Readings(*_stored(given, _of_frame(mappings), path))


def _of_frame(mappings: Mappings) -> ReadingsMapping:
    mapping = mappings.of(FRAME)
    for part in ("device", "sensor"):
        if getattr(mapping, f"{part}_from"):
            raise UsageError(f"mapping: a frame has no file that names its {part}: give {part}-is=NAME")
    return mapping


def _stored(frame: pd.DataFrame, mapping: ReadingsMapping, path: Path) -> tuple[list[Source], tuple[()], Any]:
    """Write the columns that are read to a Parquet file; the fields of `Readings`."""
    names = [str(name) for name in frame.columns]
    if mapping == PLAIN:
        if wrong := [name for name in READING_COLUMNS if names.count(name) != 1]:
            raise ReadingsError(
                f"expected a frame with one column of each name {', '.join(READING_COLUMNS)}, found none or "
                f"several of {', '.join(wrong)} among {', '.join(names)[:200]!r}: "
                "use mapping, or frame.rename(columns=...)"
            )
        places, ts = [names.index(name) for name in READING_COLUMNS], [names.index("TS")]
    else:
        try:
            columns = find_columns(names, mapping, FRAME)
        except ReadingsError as error:
            raise ReadingsError(f"the frame has {error}") from error
        places, ts = columns.places, list(columns.ts)
    try:
        table = pa.Table.from_pandas(frame.iloc[:, places], preserve_index=False)
    except (pa.ArrowException, TypeError, ValueError) as error:
        line = " ".join(map(str, error.args))[:200]
        raise ReadingsError(f"a column of the frame mixes types: {line}; use astype") from error
    pq.write_table(table.rename_columns([names[place] for place in places]), path)
    kept = None if len(ts) > 1 or mapping.converts_ts else frame.iloc[:, ts[0]]
    return [Source(FRAME, path, mapping=mapping)], (), kept
