"""What files of readings hold: columns, sensors, times, rejects, and the mapping that would read them."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from scoring.arrow import strings
from scoring.errors import ReadingsError
from scoring.keys import SensorKey
from scoring.mapping import PLAIN, Mapping
from scoring.readings.columns import find_columns
from scoring.readings.files import Source, read_batches, read_sample
from scoring.readings.hints import in_brackets
from scoring.readings.missing_words import find_missing_words
from scoring.readings.rows import Batch
from scoring.readings.samples import Sample
from scoring.readings.suggest import suggest
from scoring.readings.ts_formats import are_local

MOST_TIMES = 20_000_000
"""Up to this many readings are kept to find intervals and gaps: 160 MB."""

GAP = 3
"""A gap is longer than this many intervals."""


@dataclass(slots=True)
class FileFacts:
    """One file: how it is read, and what of it is read."""

    name: str
    titles: tuple[str, ...] = ()
    delimiter: str = ""
    mapping: Mapping = PLAIN
    refused: str = ""
    """Why it cannot be read without `mapping`, where that is a suggestion; or at all, if `unreadable`."""
    unreadable: bool = False
    notes: tuple[str, ...] = ()
    readings: int = 0
    rejected: int = 0


@dataclass(slots=True)
class SensorFacts:
    """One sensor; times are nanoseconds since 1970."""

    readings: int = 0
    first: int = 0
    last: int = 0
    interval: int | None = None
    """The median of the times between readings; None for a single reading."""
    gaps: int = 0
    longest: int = 0
    """The longest time between two readings."""
    repeated: int = 0
    """Readings that have the time of another."""


@dataclass(slots=True)
class RejectFacts:
    """The rejects of one kind."""

    count: int
    first: str


@dataclass(slots=True)
class Inspection:
    """Everything that was found."""

    files: list[FileFacts] = field(default_factory=list)
    sensors: dict[SensorKey, SensorFacts] = field(default_factory=dict)
    rejects: dict[str, RejectFacts] = field(default_factory=dict)
    timed: bool = True
    """Whether all readings were used to find intervals and gaps."""

    @property
    def readings(self) -> int:
        """How many readings there are."""
        return sum(file.readings for file in self.files)

    @property
    def rejected(self) -> int:
        """How many rows, or cells of wide files, are rejected."""
        return sum(file.rejected for file in self.files)


def inspect(sources: Iterable[Source]) -> Iterator[Inspection]:
    """Inspect files; yields what was found so far after each of them, the same object each time."""
    found = Inspection()
    times: defaultdict[SensorKey, list[np.ndarray]] = defaultdict(list)
    kept = 0
    for source in sources:
        facts = _described(source)
        found.files.append(facts)
        try:
            for batch in read_batches(source._replace(mapping=facts.mapping)):
                facts.readings += len(batch.codes)
                facts.rejected += batch.rejects.num_rows
                _count_rejects(found, batch.rejects)
                found.timed = found.timed and kept < MOST_TIMES
                kept += len(batch.codes)
                _count_sensors(found, times, batch)
        except ReadingsError as error:
            facts.unreadable, facts.refused = True, facts.refused or str(error)
        yield found
    for key, parts in times.items():
        every = np.concatenate(parts)
        distinct = np.unique(every)
        found.sensors[key].repeated = len(every) - len(distinct)
        _find_gaps(found.sensors[key], distinct)


def _described(source: Source) -> FileFacts:
    """How a file is read: as it is, by the mapping that was given, or by one that is suggested."""
    facts = FileFacts(source.name, mapping=source.mapping)
    try:
        sample = read_sample(source)
    except ReadingsError:
        return facts
    facts.titles, facts.delimiter = tuple(sample.titles), sample.delimiter
    problem = _problem(source)
    if problem is not None:
        facts.refused = problem
        suggestion = suggest(sample, source.name)
        if suggestion.mapping != source.mapping:
            facts.mapping, facts.notes = suggestion.mapping or source.mapping, suggestion.notes
    facts.notes += _assumptions(sample, facts.mapping, source.name)
    return facts


def _assumptions(sample: Sample, mapping: Mapping, file: str) -> tuple[str, ...]:
    """What a person should check: words in place of values, the device from the file's name, and UTC."""
    try:
        columns = find_columns(sample.titles, mapping, file)
    except ReadingsError:
        return ()
    notes = []
    if missing := [
        word for word in find_missing_words(sample, columns.values) if word not in mapping.missing
    ]:
        option = Mapping(missing=(*mapping.missing, *missing))
        notes.append(f"words in place of values are rejects: {option} if they mean that there is no reading")
    if mapping.device_from == "file":
        notes.append(
            f"the device is {columns.device!r}, the name of the file: "
            "device-is=NAME if files of other names are of the same machine"
        )
    if not mapping.ts_zone and are_local(strings(sample.joined(columns.ts)), mapping).any():
        notes.append(
            "times without an offset are read as UTC: "
            "ts-zone=NAME, such as Europe/Berlin, if they are local times"
        )
    return tuple(notes)


def _problem(source: Source) -> str | None:
    """Why a file cannot be read as it is: it has other columns, or most of its first rows are rejected."""
    try:
        batch = next(read_batches(source), None)
    except ReadingsError as error:
        return str(error)
    if batch is None or len(batch.codes) >= batch.rejects.num_rows:
        return None
    first = batch.rejects.slice(0, 1).to_pylist()[0]
    return f"{source.name}: {_first(first)}"


def _first(reject: dict[str, Any]) -> str:
    return f"line {reject['line']}: {reject['reason']}{in_brackets(reject['kind'], reject['hint'])}"


def _count_rejects(found: Inspection, rejects: pa.Table) -> None:
    if rejects.num_rows == 0:
        return
    kinds = rejects["kind"].to_pylist()
    for kind, count in Counter(kinds).items():
        if kind not in found.rejects:
            row = rejects.slice(kinds.index(kind), 1).to_pylist()[0]
            found.rejects[kind] = RejectFacts(0, f"{row['file']} {_first(row)}")
        found.rejects[kind].count += count


def _count_sensors(found: Inspection, times: defaultdict[SensorKey, list[np.ndarray]], batch: Batch) -> None:
    order = np.argsort(batch.codes, kind="stable")
    bounds = np.searchsorted(batch.codes[order], np.arange(len(batch.keys) + 1)).tolist()
    for code, key in enumerate(batch.keys):
        own = batch.times[order[bounds[code] : bounds[code + 1]]]
        if len(own) == 0:
            continue
        first, last = int(own.min()), int(own.max())
        facts = found.sensors.get(key)
        if facts is None:
            facts = found.sensors[key] = SensorFacts(0, first, last)
        facts.readings += len(own)
        facts.first, facts.last = min(facts.first, first), max(facts.last, last)
        if found.timed:
            times[key].append(own)


def _find_gaps(facts: SensorFacts, times: np.ndarray) -> None:
    between = np.diff(times)
    if len(between) == 0:
        return
    facts.interval = int(np.median(between))
    facts.longest = int(between.max())
    facts.gaps = int(np.count_nonzero(between > GAP * facts.interval))
