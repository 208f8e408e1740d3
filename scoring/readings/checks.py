"""From rows of four texts to readings: each row is one, or a reject with a reason."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from scoring.arrow import from_numpy, strings, take, to_bytes, to_numpy
from scoring.formats import REJECT_COLUMNS
from scoring.keys import InvalidKey, SensorKey, invalid_part
from scoring.readings import numbers, timestamps

TEXT_LIMIT = 200
"""Characters of a rejected row that are kept."""

_TABLE_LIMIT = 1 << 20
"""More combinations of devices and sensors than this in one batch are sorted, not looked up in a table."""


class Rows(NamedTuple):
    """Rows of four texts, as they came in; they may say anything. None of the columns has nulls.

    `device` and `sensor` are dictionaries of int32 to string. `lines` are the rows' places, counted from
    the first line of their block; `text_of` gives the row of an index as it stands in the file.
    """

    ts: pa.StringArray
    device: pa.DictionaryArray
    sensor: pa.DictionaryArray
    value: pa.StringArray
    lines: np.ndarray
    text_of: Callable[[int], bytes]


class Reject(NamedTuple):
    """A row that is no reading; `line` counts as in `Rows`."""

    line: int
    reason: str
    text: str
    device: str = ""
    sensor: str = ""


class Batch(NamedTuple):
    """Readings in the order in which they came, and the rows that are none.

    Attributes:
        keys: the distinct sensors of this batch.
        codes: index into `keys` of each reading: uint16, or int32 where there are more than 65,535 keys.
        ts: the timestamps exactly as they came in.
        value_text: the values exactly as they came in.
        values: float64, finite.
        times: the timestamps as int64 nanoseconds since 1970 in UTC.
        rejects: columns file, line, reason, device, sensor, text.
    """

    keys: list[SensorKey]
    codes: np.ndarray
    ts: pa.StringArray
    value_text: pa.StringArray
    values: np.ndarray
    times: np.ndarray
    rejects: pa.Table


@dataclass(slots=True)
class Names:
    """Keys and key parts that were seen before, so that each is looked at once in a file."""

    keys: dict[tuple[str, str], SensorKey] = field(default_factory=dict)
    parts: dict[bytes, str] = field(default_factory=dict)


def to_batch(rows: Rows, rejects: list[Reject], names: Names, file: str) -> Batch:
    """Check rows and make them a batch, whose rejects are joined with `rejects` in order of lines."""
    times, valid = timestamps.parse(rows.ts)
    values, numeric = numbers.parse(rows.value)
    device, sensor = _Parts(rows.device, names), _Parts(rows.sensor, names)
    checks = _Checks(rows, valid, numeric, device, sensor)
    usable = checks.all_valid()
    keys, codes = _key_codes(device, sensor, usable, names, checks.refused)
    ts, value = rows.ts, rows.value
    if not usable.all():
        bad = np.flatnonzero(~usable).tolist()
        rejects = sorted([*rejects, *map(checks.reject, bad)], key=lambda reject: reject.line)
        ts, value, values, times = take(ts, usable), take(value, usable), values[usable], times[usable]
    return Batch(keys, codes, ts, value, values, times, _reject_table(rejects, file))


def only_rejects(rejects: Sequence[Reject], file: str) -> Batch:
    """A batch without readings."""
    nothing = strings([])
    none = np.zeros(0, np.int64)
    table = _reject_table(rejects, file)
    return Batch([], none.astype(np.uint16), nothing, nothing, none.astype(np.float64), none, table)


def _reject_table(rejects: Sequence[Reject], file: str) -> pa.Table:
    """Rejects as columns; their lines still count from the first line of their block."""
    if not rejects:
        return NO_REJECTS
    lines = np.array([reject.line for reject in rejects], np.int64)
    texts = ([getattr(reject, name) for reject in rejects] for name in REJECT_COLUMNS[2:])
    files = take(strings([file]), np.zeros(len(rejects), np.int64))
    columns = [files, from_numpy(lines), *map(strings, texts)]
    return pa.Table.from_arrays(columns, names=list(REJECT_COLUMNS))


def moved(batch: Batch, lines: int) -> Batch:
    """The same batch, with the lines of its rejects so much further down."""
    table = batch.rejects
    if table.num_rows == 0 or lines == 0:
        return batch
    columns = [column.chunk(0) for column in table.columns]
    columns[1] = from_numpy(to_numpy(columns[1]) + lines)
    return batch._replace(rejects=pa.Table.from_arrays(columns, names=table.column_names))


def is_reading(fields: Sequence[bytes]) -> bool:
    """Whether the four fields of one row make a reading."""
    try:
        ts, device, sensor, value = (field.decode() for field in fields)
        SensorKey(device, sensor)
    except (UnicodeDecodeError, InvalidKey):
        return False
    return bool(timestamps.parse(strings([ts]))[1][0] and numbers.parse(strings([value]))[1][0])


class _Parts:
    """The column Device or Sensor: its distinct values, and which of them can be part of a key."""

    def __init__(self, column: pa.DictionaryArray, names: Names) -> None:
        self.codes = to_numpy(column.indices)
        self.texts: list[str] = []
        self.reasons: dict[int, str] = {}
        for raw in to_bytes(column.dictionary):
            text = names.parts.get(raw)
            if text is None:
                text = self._look_at(raw)
                if len(self.texts) not in self.reasons:
                    names.parts[raw] = text
            self.texts.append(text)
        self.valid: np.ndarray | None = None
        if self.reasons:
            usable = np.ones(len(self.texts), bool)
            usable[list(self.reasons)] = False
            self.valid = usable[self.codes]

    def _look_at(self, raw: bytes) -> str:
        try:
            text = raw.decode()
            reason = invalid_part(text)
        except UnicodeDecodeError:
            text, reason = raw.decode(errors="replace"), "is not UTF-8"
        if reason:
            self.reasons[len(self.texts)] = reason
        return text


class _Checks:
    """What is known of each row, and from it why a row is no reading."""

    def __init__(
        self, rows: Rows, ts_valid: np.ndarray, numeric: np.ndarray, device: _Parts, sensor: _Parts
    ) -> None:
        self._rows = rows
        self._ts_valid, self._numeric = ts_valid, numeric
        self._device, self._sensor = device, sensor
        self.refused: dict[tuple[int, int], str] = {}

    def all_valid(self) -> np.ndarray:
        valid: np.ndarray = self._ts_valid & self._numeric
        for mask in (self._device.valid, self._sensor.valid):
            if mask is not None:
                valid &= mask
        return valid

    def reject(self, row: int) -> Reject:
        device, sensor = int(self._device.codes[row]), int(self._sensor.codes[row])
        return Reject(
            line=int(self._rows.lines[row]),
            reason=self._reason(row, device, sensor),
            text=shown(self._rows.text_of(row), TEXT_LIMIT),
            device=shown(self._device.texts[device], TEXT_LIMIT),
            sensor=shown(self._sensor.texts[sensor], TEXT_LIMIT),
        )

    def _reason(self, row: int, device: int, sensor: int) -> str:
        if not self._ts_valid[row]:
            return _unreadable("TS", to_bytes(self._rows.ts[row : row + 1])[0], _not_a_timestamp)
        if device in self._device.reasons:
            return f"Device {self._device.reasons[device]}"
        if sensor in self._sensor.reasons:
            return f"Sensor {self._sensor.reasons[sensor]}"
        if not self._numeric[row]:
            return _unreadable("Value", to_bytes(self._rows.value[row : row + 1])[0], _not_a_number)
        return self.refused[device, sensor]


def _key_codes(
    device: _Parts,
    sensor: _Parts,
    valid: np.ndarray,
    names: Names,
    refused: dict[tuple[int, int], str],
) -> tuple[list[SensorKey], np.ndarray]:
    """Keys and codes of the valid rows.

    Rows whose parts cannot be a key together become invalid; `refused` then says why for their pair.
    """
    width = max(len(sensor.texts), 1)
    limit = len(device.texts) * width
    pairs = device.codes * np.int64(width) + sensor.codes
    used, codes = _distinct(pairs if valid.all() else pairs[valid], limit)
    keys: list[SensorKey] = []
    misfits: list[int] = []
    for pair in used.tolist():
        texts = device.texts[pair // width], sensor.texts[pair % width]
        key = names.keys.get(texts)
        if key is None:
            try:
                key = names.keys[texts] = SensorKey(*texts)
            except InvalidKey as error:
                misfits.append(pair)
                refused[divmod(pair, width)] = str(error)
                continue
        keys.append(key)
    if misfits:
        valid &= ~np.isin(pairs, misfits)
        used, codes = _distinct(pairs[valid], limit)
    return keys, codes


def _distinct(pairs: np.ndarray, limit: int) -> tuple[np.ndarray, np.ndarray]:
    """The distinct numbers below `limit`, ascending, and for each of `pairs` which of them it is."""
    if limit > _TABLE_LIMIT:
        used, codes = np.unique(pairs, return_inverse=True)
        return used, codes.astype(_code_type(len(used)))
    seen = np.zeros(limit, bool)
    seen[pairs] = True
    used = np.flatnonzero(seen)
    numbering = np.zeros(limit, _code_type(len(used)))
    numbering[used] = np.arange(len(used))
    return used, numbering[pairs]


def _code_type(count: int) -> type[np.uint16 | np.int32]:
    return np.uint16 if count <= np.iinfo(np.uint16).max else np.int32


def _unreadable(what: str, raw: bytes, complaint: Callable[[str], str]) -> str:
    if not raw.strip():
        return f"{what} is missing"
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return f"{what} is not UTF-8"
    return f"{what} {shown(text, 40)!r} is {complaint(text)}"


def _not_a_timestamp(_: str) -> str:
    return "not a timestamp"


def _not_a_number(text: str) -> str:
    try:
        return "not a number" if math.isfinite(float(text)) else "not finite"
    except ValueError:
        return "not a number"


def shown(text: bytes | str, limit: int) -> str:
    """The first `limit` characters of a text, whatever its bytes are."""
    if isinstance(text, bytes):
        text = text[: 4 * limit].decode(errors="replace")
    return text[:limit]


NO_REJECTS = pa.Table.from_arrays(
    [from_numpy(np.zeros(0, np.int64)) if name == "line" else strings([]) for name in REJECT_COLUMNS],
    names=list(REJECT_COLUMNS),
)
