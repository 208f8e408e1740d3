"""A simulated fleet: readings with a daily pattern, noise and labelled anomalies.

Time is divided into steps of one interval, counted from 1970. A reading depends on the fleet, its seed and
the step only, not on earlier readings: a second day, simulated alone, is the second half of two days
simulated together; and rows can be generated in chunks of any size.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from scoring.tools.tables import READINGS_SCHEMA

SPIKE, LEVEL_SHIFT, DRIFT, STUCK, DROPOUT = range(5)
KINDS = ("spike", "level-shift", "drift", "stuck", "dropout")
"""Kinds of anomaly.

spike: one reading far off. level-shift: consecutive readings off by the same distance. drift: each reading
further off than the one before. stuck: one value repeated. dropout: the rows are missing; only the labels
have them. Distances are 10 to 16 times the sensor's noise.
"""

LABELS_SCHEMA = pa.schema(
    [*(READINGS_SCHEMA.field(i) for i in range(3)), ("Kind", pa.dictionary(pa.int8(), pa.string()))]
)

CHUNK_ROWS = 1 << 18
DAY_MS = 86_400_000

_SLOT = 64
"""Steps in which each sensor has at most one anomaly, from its start to its end."""
_SHORTEST, _LONGEST = 6, 24
"""Steps that an anomaly lasts, except a spike."""
_NEAREST, _SPREAD = 10, 6
"""Distance of anomalies, in units of the noise."""
_MEAN_LENGTH = (1 + (len(KINDS) - 1) * (_SHORTEST + _LONGEST) / 2) / len(KINDS)
MAX_ANOMALY_RATE = 0.15
"""Share of readings in anomalies; little more fits into the slots."""

_BLOCK = 1 << 15
_PROFILES, _NOISE, _ANOMALIES = range(3)


@dataclass(frozen=True, slots=True)
class Fleet:
    """Which readings to generate; `anomaly_rate` is the average share of them in anomalies."""

    devices: int
    sensors: int
    readings: int
    interval_ms: int
    start_ms: int
    seed: int
    anomaly_rate: float

    @property
    def series(self) -> int:
        """How many sensors there are, over all devices."""
        return self.devices * self.sensors

    @property
    def rows(self) -> int:
        """How many readings there would be without dropouts."""
        return self.series * self.readings

    @property
    def first_step(self) -> int:
        """The step of the first readings."""
        return self.start_ms // self.interval_ms


@dataclass(frozen=True, slots=True)
class Chunk:
    """Rows in the order of time, device and sensor, and labels of the anomalous ones among them.

    Rows that dropped out count in `rows` and are in `labels`, but not in `readings`.
    """

    rows: int
    readings: pa.RecordBatch
    labels: pa.RecordBatch


@dataclass(frozen=True, slots=True)
class _Span:
    """Steps `first` to `last` of sensors `begin` to `end`, ends excluded; of all sensors if several steps."""

    first: int
    last: int
    begin: int
    end: int

    @property
    def width(self) -> int:
        return self.end - self.begin


@dataclass(frozen=True, slots=True)
class _Profiles:
    """The parameters of each sensor; float64, shape (sensors,)."""

    level: np.ndarray
    noise: np.ndarray
    swing: np.ndarray
    phase: np.ndarray


@dataclass(frozen=True, slots=True)
class _Anomalies:
    """Anomalous rows, one element each: where in the chunk (`row`), of which kind, how far into it."""

    row: np.ndarray
    series: np.ndarray
    kind: np.ndarray
    began: np.ndarray
    progress: np.ndarray
    size: np.ndarray

    def select(self, kind: int) -> "_Anomalies":
        chosen = self.kind == kind
        return _Anomalies(*(getattr(self, name)[chosen] for name in self.__slots__))


def simulate(fleet: Fleet, chunk_rows: int = CHUNK_ROWS) -> Iterator[Chunk]:
    """All rows of the fleet, in chunks of about `chunk_rows`, which affect the memory only."""
    levels, noises, swings, phases = np.ascontiguousarray(
        _draw(fleet.seed, _PROFILES, 0, fleet.series * 4, np.random.Generator.random).reshape(-1, 4).T
    )
    noise = 0.5 + 1.5 * noises
    profiles = _Profiles(10 + 100 * levels, noise, noise * (0.5 + swings), 2 * np.pi * phases)
    names = tuple(pa.array([str(i + 1) for i in range(n)]) for n in (fleet.devices, fleet.sensors))
    for span in _spans(fleet, chunk_rows):
        yield _chunk(fleet, profiles, names, span)


def _spans(fleet: Fleet, chunk_rows: int) -> Iterator[_Span]:
    steps = max(1, chunk_rows // fleet.series)
    width = min(chunk_rows, fleet.series)
    end_step = fleet.first_step + fleet.readings
    for first in range(fleet.first_step, end_step, steps):
        for begin in range(0, fleet.series, width):
            yield _Span(first, min(first + steps, end_step), begin, min(begin + width, fleet.series))


def _chunk(fleet: Fleet, profiles: _Profiles, names: tuple[pa.Array, pa.Array], span: _Span) -> Chunk:
    steps = np.arange(span.first, span.last)
    series = np.arange(span.begin, span.end)
    noise = _draw(
        fleet.seed,
        _NOISE,
        span.first * fleet.series + span.begin,
        (span.last - 1) * fleet.series + span.end,
        np.random.Generator.standard_normal,
    ).reshape(len(steps), span.width)
    grid = _expected(fleet, profiles, steps[:, None], series) + profiles.noise[series] * noise
    values = grid.reshape(-1)
    anomalies = _anomalies(fleet, span)
    _disturb(values, fleet, profiles, anomalies)
    values = np.round(values, 2)

    kept = np.ones(len(values), bool)
    kept[anomalies.select(DROPOUT).row] = False
    columns = _row_columns(fleet, names, steps, series)
    order = np.argsort(anomalies.row, kind="stable")
    labelled = pa.array(anomalies.row[order])
    kinds = pa.DictionaryArray.from_arrays(anomalies.kind[order].astype(np.int8), pa.array(KINDS))
    readings = [*columns, pa.array(values)]
    if not kept.all():
        readings = [column.filter(pa.array(kept)) for column in readings]
    return Chunk(
        len(values),
        pa.RecordBatch.from_arrays(readings, schema=READINGS_SCHEMA),
        pa.RecordBatch.from_arrays(
            [*(column.take(labelled) for column in columns), kinds], schema=LABELS_SCHEMA
        ),
    )


def _row_columns(
    fleet: Fleet, names: tuple[pa.Array, pa.Array], steps: np.ndarray, series: np.ndarray
) -> list[pa.Array]:
    """TS, Device and Sensor of every row."""
    ts = steps * fleet.interval_ms + fleet.start_ms % fleet.interval_ms
    devices, sensors = np.divmod(series.astype(np.int32), np.int32(fleet.sensors))
    return [
        pa.array(np.repeat(ts, len(series)).view("datetime64[ms]")),
        pa.DictionaryArray.from_arrays(np.tile(devices, len(steps)), names[0]),
        pa.DictionaryArray.from_arrays(np.tile(sensors, len(steps)), names[1]),
    ]


def _expected(fleet: Fleet, profiles: _Profiles, steps: np.ndarray, series: np.ndarray) -> np.ndarray:
    """The readings without noise: a daily wave around each sensor's level."""
    hour = (steps * fleet.interval_ms % DAY_MS) * (2 * np.pi / DAY_MS)
    swing, phase = profiles.swing[series], profiles.phase[series]
    # sin(hour + phase), by the sum of angles: two products per row instead of a sine.
    wave = np.sin(hour) * (swing * np.cos(phase)) + np.cos(hour) * (swing * np.sin(phase))
    expected: np.ndarray = profiles.level[series] + wave
    return expected


def _anomalies(fleet: Fleet, span: _Span) -> _Anomalies:
    first_slot, last_slot = span.first // _SLOT, (span.last - 1) // _SLOT
    begin = first_slot * fleet.series + span.begin
    end = last_slot * fleet.series + span.end
    draws = _draw(fleet.seed, _ANOMALIES, begin * 5, end * 5, np.random.Generator.random).reshape(-1, 5)
    chance = fleet.anomaly_rate * _SLOT / _MEAN_LENGTH
    found = np.flatnonzero(draws[:, 0] < chance)
    _, kinds, lengths, places, sizes = draws[found].T
    slot, series = np.divmod(begin + found, fleet.series)

    kinds, signs = np.divmod(kinds * len(KINDS) * 2, 2)
    long = _SHORTEST + (lengths * (_LONGEST - _SHORTEST + 1)).astype(np.int64)
    length = np.where(kinds == SPIKE, 1, long)
    began = slot * _SLOT + (places * (_SLOT - length + 1)).astype(np.int64)

    event = np.repeat(np.arange(len(found)), length)
    passed = np.arange(len(event)) - np.repeat(np.cumsum(length) - length, length)
    step = began[event] + passed
    inside = (span.first <= step) & (step < span.last)
    event, passed, step = event[inside], passed[inside], step[inside]
    return _Anomalies(
        row=(step - span.first) * span.width + series[event] - span.begin,
        series=series[event],
        kind=kinds[event].astype(np.int64),
        began=began[event],
        progress=(passed + 1) / length[event],
        size=np.where(signs < 1, -1, 1)[event] * (_NEAREST + _SPREAD * sizes[event]),
    )


def _disturb(values: np.ndarray, fleet: Fleet, profiles: _Profiles, anomalies: _Anomalies) -> None:
    for kind in (SPIKE, LEVEL_SHIFT, DRIFT):
        rows = anomalies.select(kind)
        growth = rows.progress if kind == DRIFT else 1
        values[rows.row] += rows.size * growth * profiles.noise[rows.series]
    stuck = anomalies.select(STUCK)
    # An ordinary value at its start: within one noise of what is expected then.
    offset = np.sign(stuck.size) * (np.abs(stuck.size) - _NEAREST) / _SPREAD * profiles.noise[stuck.series]
    values[stuck.row] = _expected(fleet, profiles, stuck.began, stuck.series) + offset


def _draw(
    seed: int,
    stream: int,
    start: int,
    stop: int,
    draw: Callable[[np.random.Generator, int], np.ndarray],
) -> np.ndarray:
    """Numbers `start` to `stop` of an endless random sequence, drawn in blocks with a generator each."""
    first, last = start // _BLOCK, -(-stop // _BLOCK)
    blocks = [
        draw(np.random.Generator(np.random.PCG64(np.random.SeedSequence((seed, stream, block)))), _BLOCK)
        for block in range(first, last)
    ]
    return np.concatenate(blocks)[start - first * _BLOCK : stop - first * _BLOCK]
