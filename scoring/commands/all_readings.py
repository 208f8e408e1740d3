"""All readings below a path, for commands that need every file: one unreadable file stops them."""

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa

from scoring.errors import ReadingsError
from scoring.formats import LandingStatus
from scoring.mapping import Mappings
from scoring.printable import counted
from scoring.progress import progress
from scoring.readings.files import FoundLanding, find_sources
from scoring.readings.hints import in_brackets
from scoring.readings.many_files import read_files
from scoring.readings.rows import Batch

_THREADS = 2


class AllReadings:
    """Reads every file of `data`, and counts rejected rows; `on_rejects` is called with them.

    Raises:
        ReadingsError: something below `data` cannot be read, or there are no files.
    """

    def __init__(
        self, data: Path, mappings: Mappings, on_rejects: Callable[[pa.Table], None] | None = None
    ) -> None:
        self._sources, unreadable = find_sources(data, None, mappings=mappings)
        for status in unreadable:
            raise ReadingsError(f"{status.name}: {status.reason}")
        if not self._sources:
            raise ReadingsError(f"--data {data}: there is no file in this folder")
        self._on_rejects = on_rejects
        self.readings = self.rejected = 0
        self._first_reject = ""

    def batches(self, what: str) -> Iterator[Batch]:
        """The readings, counted from zero; `what` names the work in the progress display.

        Raises:
            ReadingsError: a file cannot be read; the message names it.
        """
        self.readings = self.rejected = 0
        with ThreadPoolExecutor(_THREADS) as pool, progress(what, len(self._sources), "files") as advance:
            for read in read_files(self._sources, pool):
                if isinstance(read, FoundLanding):
                    if read.status is LandingStatus.UNREADABLE:
                        raise ReadingsError(read.reason)
                    advance()
                else:
                    self.readings += len(read.batch.codes)
                    self._count(read.batch.rejects)
                    yield read.batch

    def report_rejects(self, more: str = "") -> None:
        """Report in one line how many rows were rejected, and why the first of them was."""
        if self.rejected:
            line = f"{counted(self.rejected, 'row')} rejected, the first is {self._first_reject}{more}"
            print(line, file=sys.stderr)

    def _count(self, rejects: pa.Table) -> None:
        if rejects.num_rows == 0:
            return
        if self.rejected == 0:
            first = rejects.slice(0, 1).to_pylist()[0]
            hint = in_brackets(first["kind"], first["hint"])
            self._first_reject = f"{first['file']} line {first['line']}: {first['reason']}{hint}"
        self.rejected += rejects.num_rows
        if self._on_rejects:
            self._on_rejects(rejects)
