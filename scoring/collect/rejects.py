"""Counts readings and rejects per sensor, per landing and per kind, and writes `rejects.csv`."""

from collections import Counter
from collections.abc import Container, Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

from scoring.atomic_files import atomic_path
from scoring.collect.unscored_days import UnscoredDays
from scoring.formats import REJECT_COLUMNS, REJECTS_CSV, LandingStatus, RejectKind
from scoring.keys import InvalidKey, SensorKey
from scoring.readings.files import FoundLanding, Source
from scoring.readings.many_files import Part, ReadBatch, read_files
from scoring.readings.rows import NO_REJECTS, for_csv
from scoring.step.history import Day
from scoring.step.history_limit import MOST_DAYS
from scoring.step.sensor_limit import MOST_UNKNOWN, SensorLimit

MOST_REJECTS = 100_000
"""Rows of one landing in `rejects.csv`."""


@dataclass(slots=True)
class RejectGroup:
    """The rejects of one kind: how many, where the first is, and what they look like."""

    kind: RejectKind
    file: str
    line: int
    reason: str
    """Of the first, as its text."""
    text: str
    count: int = 0
    hints: Counter[str] = field(default_factory=Counter)

    @property
    def hint(self) -> str:
        """The hint of at least half of them, or an empty text."""
        for hint, count in self.hints.most_common(1):
            if 2 * count >= self.count:
                return hint
        return ""

    def add(self, more: "RejectGroup") -> None:
        """Add rejects of the same kind that were found later."""
        self.count += more.count
        self.hints.update(more.hints)

    def row(self) -> dict[str, Any]:
        """The group as a row of the summary."""
        fields = {name: getattr(self, name) for name in ("kind", "count", "file", "line", "reason", "text")}
        return fields | {"hint": self.hint or None}


type RejectGroups = dict[RejectKind, RejectGroup]


def largest_first(landings: Iterable[RejectGroups]) -> list[RejectGroup]:
    """The groups of several landings together, in order of their counts."""
    all_groups: RejectGroups = {}
    for groups in landings:
        for kind, group in groups.items():
            if kind not in all_groups:
                all_groups[kind] = replace(group, count=0, hints=Counter())
            all_groups[kind].add(group)
    return sorted(all_groups.values(), key=lambda group: -group.count)


@dataclass(slots=True)
class LandingCount:
    """One landing: how it was found, how many rows it has, and its rejects."""

    name: str
    status: LandingStatus
    reason: str | None = None
    readings: int = 0
    rejected: int = 0
    groups: RejectGroups = field(default_factory=dict)

    def row(self) -> dict[str, Any]:
        """The landing as a row of the summary."""
        return {name: getattr(self, name) for name in ("name", "status", "reason", "readings", "rejected")}


@dataclass
class RowCounter:
    """Counts every batch that is read, and writes rejected rows to `rejects.csv` in `out`.

    Rejects of every row of a file take more space than the file: of each landing the first `MOST_REJECTS` are
    written, and all are counted.
    """

    out: Path
    limit: SensorLimit
    """What the batches have passed."""
    readings: Counter[SensorKey] = field(default_factory=Counter)
    rejected: Counter[SensorKey] = field(default_factory=Counter)
    rejected_on: Counter[tuple[SensorKey, str]] = field(default_factory=Counter)
    """Rejects of a sensor on a UTC day, of the first `MOST_DAYS` such days; not those without a time."""
    landings: dict[str, LandingCount] = field(default_factory=dict)
    days: dict[SensorKey, list[Day]] = field(default_factory=dict)
    """Of sensors that were not scored, where no step has counted them."""

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

    def add(self, read: ReadBatch) -> None:
        """Count one batch."""
        batch, listed, start = read.batch, [], 0
        for part in read.parts:
            landing = self._landing(part.source.name)
            rejects = batch.rejects.slice(start, part.rejected)
            listed.append(rejects.slice(0, max(0, MOST_REJECTS - landing.rejected)))
            start += part.rejected
            landing.readings += part.readings
            landing.rejected += part.rejected
        counts = np.bincount(batch.codes, minlength=len(batch.keys)).tolist()
        self.readings.update(dict(zip(batch.keys, counts, strict=True)))
        if batch.rejects.num_rows:
            rows = for_csv(pa.concat_tables(listed))
            pa_csv.write_csv(rows, self._file, pa_csv.WriteOptions(include_header=False))
            for reject in batch.rejects.to_pylist():
                if (key := _key(reject["device"], reject["sensor"])) and self._counts(key):
                    self.rejected[key] += 1
                _count_kind(self._landing(reject["file"]).groups, reject)
            for (device, sensor, date), count in batch.rejected_on.items():
                if (key := _key(device, sensor)) and self._counts(key) and self._lists((key, date)):
                    self.rejected_on[key, date] += count

    def add_landing(self, found: FoundLanding) -> None:
        """Record how a landing was found."""
        landing = self._landing(found.name)
        landing.status, landing.reason = found.status, found.reason

    def _landing(self, name: str) -> LandingCount:
        return self.landings.setdefault(name, LandingCount(name, LandingStatus.READ))

    def _counts(self, key: SensorKey) -> bool:
        return key in self.limit.known or key in self.rejected or len(self.rejected) < MOST_UNKNOWN

    def _lists(self, day: tuple[SensorKey, str]) -> bool:
        return day in self.rejected_on or len(self.rejected_on) < MOST_DAYS


def _key(device: str, sensor: str) -> SensorKey | None:
    """The sensor of a reject, if there is one."""
    if device and sensor:
        with suppress(InvalidKey):  # a row rejected for its key belongs to no sensor
            return SensorKey(device, sensor)
    return None


def _count_kind(groups: RejectGroups, reject: dict[str, Any]) -> None:
    kind = RejectKind(reject["kind"])
    group = groups.get(kind)
    if group is None:
        first = {name: reject[name] for name in ("file", "line", "reason", "text")}
        group = groups[kind] = RejectGroup(kind, **first)
    group.count += 1
    if reject["hint"]:
        group.hints[reject["hint"]] += 1


def count_rows(
    sources: Iterable[Source],
    counter: RowCounter,
    unscored: UnscoredDays,
    listed: Container[SensorKey] | None = None,
) -> None:
    """Count all rows of `sources` without scoring them; only readings of the `listed` sensors, if any are.

    Then the rejects are those of an earlier try of the run, which has reported them.
    """
    others = None if listed is None else SensorLimit(listed, most=0)
    for read in read_files(sources):
        if isinstance(read, FoundLanding):
            counter.add_landing(read)
        else:
            counted = counter.limit(read) if others is None else _without_rejects(others(read))
            counter.add(counted)
            unscored.add(counted.batch)
    counter.days = unscored.by_key()


def _without_rejects(read: ReadBatch) -> ReadBatch:
    parts = [Part(part.source, part.readings, 0) for part in read.parts]
    return ReadBatch(read.batch._replace(rejects=NO_REJECTS, rejected_on={}), parts)
