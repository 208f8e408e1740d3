"""Checks rows: each becomes a reading, or a reject with its reason."""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from scoring.arrow import strings, take, to_bytes, to_numpy
from scoring.formats import RejectKind
from scoring.keys import InvalidKey, SensorKey, invalid_part
from scoring.mapping import Mapping
from scoring.readings import hints, numbers, timestamps
from scoring.readings.rows import (
    Batch,
    Reject,
    Rows,
    as_texts,
    code_type,
    count_dates,
    excerpt,
    reject_table,
)

_TABLE_LIMIT = 1 << 20
"""A batch with more combinations of devices and sensors sorts them; others look them up in a table."""


_WHOLE = re.compile(r"(0|-?[1-9][0-9]*)\.0+")
_MOST_KNOWN = 200_000
"""More than the sensors of a large fleet: they would take a few hundred MB."""

_NOT_UTF8 = "is not UTF-8"


@dataclass(slots=True)
class KnownKeys:
    """Keys and their parts that were checked before, so that each is checked once per file."""

    keys: dict[tuple[str, str], SensorKey] = field(default_factory=dict)
    parts: dict[bytes, str] = field(default_factory=dict)

    def trim(self) -> None:
        """Forget them where they are too many: a file can name another sensor in every row."""
        for known in (self.keys, self.parts):
            if len(known) > _MOST_KNOWN:
                known.clear()


def check_rows(rows: Rows, rejects: list[Reject], known: KnownKeys, file: str) -> Batch:
    """Check rows and make them a batch, whose rejects include `rejects`, in order of lines."""
    known.trim()
    times, valid = rows.times or timestamps.parse(rows.ts)
    values, numeric = rows.values or numbers.parse(rows.value)
    device, sensor = _KeyParts(rows.device, known), _KeyParts(rows.sensor, known)
    checks = _Checks(rows, device, sensor, times=times, ts_valid=valid, numeric=numeric)
    usable = checks.all_valid()
    keys, codes = _key_codes(device, sensor, usable, known, checks.refused)
    ts, value = rows.ts, rows.value
    if not usable.all():
        bad = np.flatnonzero(~usable).tolist()
        rejects = sorted([*rejects, *map(checks.reject, bad)], key=lambda reject: reject.line)
        ts, value, values, times = take(ts, usable), take(value, usable), values[usable], times[usable]
    table = reject_table(rejects, file)
    return Batch(keys, codes, ts, value, values, times, table, count_dates(rejects))


def is_reading(fields: Sequence[bytes]) -> bool:
    """Whether the four fields of one row make a reading."""
    try:
        ts, device, sensor, value = (field.decode() for field in fields)
        SensorKey(_key_text(device), _key_text(sensor))
    except (UnicodeDecodeError, InvalidKey):
        return False
    return bool(timestamps.parse(strings([ts]))[1][0] and numbers.parse(strings([value]))[1][0])


class _KeyParts:
    """The column Device or Sensor: its distinct texts, and which of them can be part of a key."""

    def __init__(self, column: pa.DictionaryArray, known: KnownKeys) -> None:
        self.codes = to_numpy(column.indices)
        self.texts: list[str] = []
        self.reasons: dict[int, str] = {}
        for raw in to_bytes(column.dictionary):
            text = known.parts.get(raw)
            if text is None:
                text = self._check(raw)
                if len(self.texts) not in self.reasons:
                    known.parts[raw] = text
            self.texts.append(text)
        if len({*self.texts}) < len(self.texts):
            self._unite()
        self.valid: np.ndarray | None = None
        if self.reasons:
            usable = np.ones(len(self.texts), bool)
            usable[list(self.reasons)] = False
            self.valid = usable[self.codes]

    def _unite(self) -> None:
        """Give texts that were written in different ways, such as `1` and `1.0`, one code."""
        first = {text: code for code, text in reversed([*enumerate(self.texts)]) if code not in self.reasons}
        codes = [code if code in self.reasons else first[text] for code, text in enumerate(self.texts)]
        self.codes = np.array(codes, self.codes.dtype)[self.codes]

    def _check(self, raw: bytes) -> str:
        try:
            text = _key_text(raw.decode())
            reason = invalid_part(text)
        except UnicodeDecodeError:
            text, reason = raw.decode(errors="replace"), _NOT_UTF8
        if reason:
            self.reasons[len(self.texts)] = reason
        return text


def _key_text(text: str) -> str:
    """Device or Sensor without spaces around it; a whole number as in Parquet: `1` for `1.0`."""
    text = text.strip(" \t")
    return text.partition(".")[0] if text.endswith("0") and _WHOLE.fullmatch(text) else text


class _Checks:
    """Which rows are valid, and why each other row is rejected."""

    def __init__(
        self,
        rows: Rows,
        device: _KeyParts,
        sensor: _KeyParts,
        *,
        times: np.ndarray,
        ts_valid: np.ndarray,
        numeric: np.ndarray,
    ) -> None:
        self._rows, self._times = rows, times
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
        fault = self._fault(row, device, sensor)
        return Reject(
            line=int(self._rows.lines[row]),
            kind=fault.kind,
            reason=fault.reason,
            text=excerpt(self._rows.text_of(row)),
            device=excerpt(self._device.texts[device]),
            sensor=excerpt(self._sensor.texts[sensor]),
            hint=fault.hint,
            date=timestamps.date_of(int(self._times[row])) if self._ts_valid[row] else "",
        )

    @cached_property
    def _has_no_offset(self) -> np.ndarray:
        """Rows whose TS is invalid although it is a time without an offset: its zone rejects it."""
        found = np.zeros(len(self._ts_valid), bool)
        if self._rows.mapping.converts_ts:
            from scoring.readings import ts_formats

            invalid = ~self._ts_valid
            found[invalid] = ts_formats.are_local(take(self._rows.ts, invalid), self._rows.mapping)
        return found

    def _fault(self, row: int, device: int, sensor: int) -> "_Fault":
        if not self._ts_valid[row]:
            fault_of = _a_change_of_clocks if self._has_no_offset[row] else _not_a_timestamp
            return _unreadable("TS", self._rows.ts[row : row + 1], self._rows.mapping, fault_of)
        for name, kind, part, code in (
            ("Device", RejectKind.DEVICE, self._device, device),
            ("Sensor", RejectKind.SENSOR, self._sensor, sensor),
        ):
            if reason := part.reasons.get(code):
                return _Fault(RejectKind.ENCODING if reason == _NOT_UTF8 else kind, f"{name} {reason}")
        if not self._numeric[row]:
            return _unreadable("Value", self._rows.value[row : row + 1], self._rows.mapping, _not_a_number)
        return _Fault(RejectKind.DEVICE, self.refused[device, sensor])


class _Fault(NamedTuple):
    """What is wrong with a row."""

    kind: RejectKind
    reason: str
    hint: str = ""


def _key_codes(
    device: _KeyParts,
    sensor: _KeyParts,
    valid: np.ndarray,
    known: KnownKeys,
    refused: dict[tuple[int, int], str],
) -> tuple[list[SensorKey], np.ndarray]:
    """Keys and codes of the valid rows.

    Rows whose parts cannot be a key together become invalid; `refused` gets the reason for their pair.
    """
    width = max(len(sensor.texts), 1)
    limit = len(device.texts) * width
    pairs = device.codes * np.int64(width) + sensor.codes
    used, codes = _distinct(pairs if valid.all() else pairs[valid], limit)
    keys: list[SensorKey] = []
    invalid: list[int] = []
    for pair in used.tolist():
        texts = device.texts[pair // width], sensor.texts[pair % width]
        key = known.keys.get(texts)
        if key is None:
            try:
                key = known.keys[texts] = SensorKey(*texts)
            except InvalidKey as error:
                invalid.append(pair)
                refused[divmod(pair, width)] = str(error)
                continue
        keys.append(key)
    if invalid:
        valid &= ~np.isin(pairs, invalid)
        used, codes = _distinct(pairs[valid], limit)
    return keys, codes


def _distinct(pairs: np.ndarray, limit: int) -> tuple[np.ndarray, np.ndarray]:
    """The distinct numbers below `limit`, ascending, and the index into them of each of `pairs`."""
    if limit > _TABLE_LIMIT:
        used, codes = np.unique(pairs, return_inverse=True)
        return used, codes.astype(code_type(len(used)))
    seen = np.zeros(limit, bool)
    seen[pairs] = True
    used = np.flatnonzero(seen)
    numbering = np.zeros(limit, code_type(len(used)))
    numbering[used] = np.arange(len(used))
    return used, numbering[pairs]


def _unreadable(
    what: str, cell: pa.Array, mapping: Mapping, fault_of: Callable[[str, Mapping], _Fault]
) -> _Fault:
    raw = to_bytes(as_texts(cell))[0]
    if not raw.strip():
        return _Fault(RejectKind.MISSING, f"{what} is missing")
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return _Fault(RejectKind.ENCODING, f"{what} {_NOT_UTF8}")
    fault = fault_of(text, mapping)
    return fault._replace(reason=f"{what} {excerpt(text, 40)!r} is {fault.reason}")


def _not_a_timestamp(text: str, mapping: Mapping) -> _Fault:
    if not mapping.converts_ts:
        return _Fault(RejectKind.TIMESTAMP, "not a timestamp", hints.of_timestamp(text))
    words = {"ts-format": mapping.ts_format, "ts-zone": mapping.ts_zone}
    given = " ".join(f"{word}={value}" for word, value in words.items() if value)
    return _Fault(RejectKind.TIMESTAMP, f"not a timestamp by {given}")


def _a_change_of_clocks(_: str, mapping: Mapping) -> _Fault:
    twice = f"a local time that {mapping.ts_zone} has twice or not at all, because clocks change"
    return _Fault(RejectKind.TIMESTAMP, twice)


def _not_a_number(text: str, mapping: Mapping) -> _Fault:
    try:
        finite = math.isfinite(float(text))
    except ValueError:
        finite = True
    if not finite:
        return _Fault(RejectKind.NOT_FINITE, "not finite", hints.of_value(text))
    if mapping.decimal:
        return _Fault(RejectKind.VALUE, f"not a number with a decimal {mapping.decimal}")
    return _Fault(RejectKind.VALUE, "not a number", hints.of_value(text))
