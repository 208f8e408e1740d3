"""Counts readings and rejects per sensor and per landing, and writes `rejects.csv`."""

from collections import Counter
from collections.abc import Container, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import pyarrow.csv as pa_csv

from scoring.atomic_files import atomic_path
from scoring.errors import ReadingsError
from scoring.formats import REJECT_COLUMNS, REJECTS_CSV, LandingStatus
from scoring.keys import InvalidKey, SensorKey
from scoring.readings.files import Batch, FoundLanding, Source, read_batches
from scoring.readings.rows import NO_REJECTS


@dataclass(slots=True)
class LandingCount:
    """One landing: how it was found, and how many rows it has."""

    name: str
    status: LandingStatus
    reason: str | None = None
    readings: int = 0
    rejected: int = 0


@dataclass
class RowCounter:
    """Counts every batch that is read, and writes each rejected row to `rejects.csv` in `out`."""

    out: Path
    readings: Counter[SensorKey] = field(default_factory=Counter)
    rejected: Counter[SensorKey] = field(default_factory=Counter)
    landings: dict[str, LandingCount] = field(default_factory=dict)

    def __enter__(self) -> Self:
        self._atomic = atomic_path(self.out / REJECTS_CSV)
        self._file = self._atomic.__enter__().open("wb")
        self._file.write((",".join(REJECT_COLUMNS) + "\n").encode())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        self._atomic.__exit__(kind, error, trace)

    def add(self, source: Source, batch: Batch) -> None:
        """Count one batch."""
        landing = self._landing(source.name)
        landing.readings += len(batch.codes)
        landing.rejected += batch.rejects.num_rows
        counts = np.bincount(batch.codes, minlength=len(batch.keys)).tolist()
        self.readings.update(dict(zip(batch.keys, counts, strict=True)))
        if batch.rejects.num_rows:
            pa_csv.write_csv(batch.rejects, self._file, pa_csv.WriteOptions(include_header=False))
            columns = (batch.rejects[name].to_pylist() for name in ("device", "sensor"))
            for device, sensor in zip(*columns, strict=True):
                self._count_reject(device, sensor)

    def add_landing(self, found: FoundLanding) -> None:
        """Record how a landing was found."""
        landing = self._landing(found.name)
        landing.status, landing.reason = found.status, found.reason

    def _landing(self, name: str) -> LandingCount:
        return self.landings.setdefault(name, LandingCount(name, LandingStatus.READ))

    def _count_reject(self, device: str | None, sensor: str | None) -> None:
        if device and sensor:
            with suppress(InvalidKey):  # a row rejected for its key belongs to no sensor
                self.rejected[SensorKey(device, sensor)] += 1


def count_rows(
    sources: Iterable[Source], counter: RowCounter, listed: Container[SensorKey] | None = None
) -> None:
    """Count all rows of `sources` without scoring them; only readings of the `listed` sensors, if any are.

    Then the rejects are those of an earlier try of the run, which has reported them.
    """
    for source in sources:
        try:
            for batch in read_batches(source):
                counter.add(source, batch if listed is None else _readings_of(batch, listed))
            counter.add_landing(FoundLanding(source.name, LandingStatus.READ, None))
        except ReadingsError as error:
            counter.add_landing(FoundLanding(source.name, LandingStatus.UNREADABLE, str(error)))


def _readings_of(batch: Batch, listed: Container[SensorKey]) -> Batch:
    """The readings of these sensors, as far as counting needs them, and no rejects."""
    wanted = np.array([key in listed for key in batch.keys], bool)
    return batch._replace(codes=batch.codes[wanted[batch.codes]], rejects=NO_REJECTS)
