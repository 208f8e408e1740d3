"""Tables written batch by batch: CSV, gzip'd CSV or Parquet, chosen by the file's name."""

import gzip
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pa_parquet

from scoring.atomic_files import atomic_path
from scoring.errors import UsageError

if TYPE_CHECKING:
    import io

ENDINGS = (".csv", ".csv.gz", ".parquet")

READINGS_SCHEMA = pa.schema(
    {
        "TS": pa.timestamp("ms"),
        "Device": pa.dictionary(pa.int32(), pa.string()),
        "Sensor": pa.dictionary(pa.int32(), pa.string()),
        "Value": pa.float64(),
    }
)
"""The columns of written readings; TS in UTC."""

_GZIP_LEVEL = 1
"""A quarter of the time of level 6 for files a quarter larger: there can be gigabytes of readings."""


def check_output(path: Path, option: str) -> None:
    """Refuse, before any work is done, a path that a table cannot be written to.

    Raises:
        UsageError: the name has no known ending, or belongs to something that is not a file.
    """
    if not path.name.endswith(ENDINGS):
        endings = f"{', '.join(ENDINGS[:-1])} or {ENDINGS[-1]}"
        raise UsageError(f"{option} {path}: the name should end in {endings}, the format")
    if path.exists() and not path.is_file():
        raise UsageError(f"{option} {path} is not a file that can be replaced: choose another name")


@contextmanager
def table_writer(
    path: Path, schema: pa.Schema, *, quotes: bool = False
) -> Iterator[Callable[[pa.RecordBatch | pa.Table], None]]:
    """Write batches of `schema` to `path`, which appears, complete, when the block succeeds.

    The same batches give the same bytes. `quotes` is for CSV with texts that need them: pyarrow then puts
    all texts in quotes.

    Raises:
        OutputError: the folder cannot be made or written.
    """
    with ExitStack() as stack:
        partial = stack.enter_context(atomic_path(path))
        if path.name.endswith(".parquet"):
            yield stack.enter_context(pa_parquet.ParquetWriter(partial, schema)).write
            return
        file: io.BufferedIOBase = stack.enter_context(partial.open("wb"))
        if path.name.endswith(".gz"):
            # Without a name and a time in the header: they would differ between runs.
            file = stack.enter_context(gzip.GzipFile("", "wb", _GZIP_LEVEL, file, mtime=0))
        file.write((",".join(schema.names) + "\n").encode())
        options = pa_csv.WriteOptions(
            include_header=False, batch_size=16384, quoting_style="needed" if quotes else "none"
        )

        def write(batch: pa.RecordBatch | pa.Table) -> None:
            pa_csv.write_csv(batch, file, options)

        yield write
