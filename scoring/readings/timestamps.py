"""The TS of a reading: ISO 8601, in UTC where no offset is given."""

from datetime import date

import numpy as np
import pyarrow as pa

from scoring.arrow import cast, from_numpy, matches, replace, strings, take, to_numpy, trim

_ZONED = pa.timestamp("ns", "UTC")
_NAIVE = pa.timestamp("ns")

DAY_NS = 86_400_000_000_000
_EPOCH = date(1970, 1, 1).toordinal()
FIRST_SECOND, END_SECOND = (
    int(np.datetime64(f"{year}-01-01", "s").astype(np.int64)) for year in (1678, 2262)
)
"""Seconds since 1970 of the years that fit into 64 bits of nanoseconds, 1678 to 2261; the end is excluded."""
_FIRST_SURE = np.datetime64("1678-01-01", "ns").astype(np.int64) + 2 * DAY_NS
_LAST_SURE = np.datetime64("2262-01-01", "ns").astype(np.int64) - 2 * DAY_NS
"""Between these, any offset leaves the year of the text within what the pattern below accepts."""

# The pattern covers the whole calendar, leap years too, because arrow's cast is all or nothing: it converts
# every text that matches. The years are those that fit into 64 bits of nanoseconds.
_YEAR = r"(?:167[89]|16[89]\d|1[7-9]\d\d|2[01]\d\d|22[0-5]\d|226[01])"
_LEAP_YEAR = (
    r"(?:16(?:8[048]|9[26])|(?:1[7-9]|2[01])(?:0[48]|[2468][048]|[13579][26])|2000"
    r"|22(?:0[48]|[24][048]|[135][26]|60))"
)
_DATE = (
    rf"(?:{_YEAR}-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)"
    rf"|(?:0[13578]|1[02])-31)|{_LEAP_YEAR}-02-29)"
)
_TIME = r"(?:[01]\d|2[0-3])(?::[0-5]\d(?::[0-5]\d(?:\.\d{1,9})?)?)?"
_ZONE = r"(?:Z| UTC| ?[+-](?:[01]\d|2[0-3])(?::?[0-5]\d)?)"
_PATTERN = rf"\A{_DATE}(?:[ T]{_TIME}{_ZONE}?)?\z"
_ZONED_PATTERN = rf":.*(?:Z| UTC|[+-][\d:]+)\z|[ T]\d\d{_ZONE}\z"
_SPACED_ZONE = r" (UTC|[+-][\d:]+)\z"

UNITS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
"""Arrow's units of time, and how many of them make a second."""


def parse(column: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Times from their texts, or from timestamps of arrow (an array without nulls).

    Texts are `YYYY-MM-DD`, then ` ` or `T` and `HH`, `HH:MM`, `HH:MM:SS` or `HH:MM:SS.f` (up to nine digits),
    then `Z`, `±HH`, `±HHMM`, `±HH:MM`, a space and one of these offsets or `UTC`, or nothing; spaces and tabs
    around them are ignored. Years 1678 to 2261.

    Returns:
        int64 nanoseconds since 1970 in UTC, and whether each is valid (bool); both of shape (n,).
    """
    if len(column) == 0:
        return np.empty(0, np.int64), np.empty(0, bool)
    if pa.types.is_timestamp(column.type):
        return _from_ticks(to_numpy(column.view(pa.int64())), UNITS[column.type.unit])
    if (times := _parse_all(column)) is not None:
        return times, np.ones(len(column), bool)
    times, valid, _ = parse_each(column)
    return times, valid


def iso_texts(times: np.ndarray) -> list[str]:
    """Times, int64 nanoseconds since 1970, as `2026-01-01T00:00:05Z`; a fraction has 3, 6 or 9 digits."""
    return [f"{text.replace(' ', 'T')}Z" for text in to_texts(times, UNITS["ns"]).to_pylist()]


def date_of(time: int) -> str:
    """The UTC day of a time in nanoseconds since 1970, such as "2026-01-01"."""
    return date.fromordinal(_EPOCH + time // DAY_NS).isoformat()


def _from_ticks(ticks: np.ndarray, per_second: int) -> tuple[np.ndarray, np.ndarray]:
    valid = (ticks >= FIRST_SECOND * per_second) & (ticks < END_SECOND * per_second)
    return np.where(valid, ticks, 0) * (UNITS["ns"] // per_second), valid


def _parse_all(texts: pa.StringArray) -> np.ndarray | None:
    """All at once, or None where one of them is not in the most common form."""
    for kind in (_NAIVE, _ZONED):
        try:
            times = _nanoseconds(texts, kind)
        except pa.ArrowInvalid:
            continue
        if times.min() >= _FIRST_SURE and times.max() <= _LAST_SURE:
            return times
        return None
    return None


def parse_each(texts: pa.StringArray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Times and whether each is valid, as `parse`, and whether its text has an offset or a zone."""
    trimmed = trim(texts)
    valid = matches(trimmed, _PATTERN)
    zoned = valid & matches(trimmed, _ZONED_PATTERN)
    spaced = zoned & matches(trimmed, _SPACED_ZONE)
    times = np.zeros(len(texts), np.int64)
    for kind, which in ((_NAIVE, valid & ~zoned), (_ZONED, zoned & ~spaced)):
        times[which] = _nanoseconds(take(trimmed, which), kind)
    if spaced.any():  # as databases export them
        tight = replace(replace(take(trimmed, spaced), r" UTC\z", "Z"), _SPACED_ZONE, r"\1")
        times[spaced] = _nanoseconds(tight, _ZONED)
    return times, valid, zoned


def to_texts(ticks: np.ndarray, per_second: int) -> pa.StringArray:
    """Times as `YYYY-MM-DD HH:MM:SS`, with as many digits after the second as each needs: 0, 3, 6 or 9.

    `ticks` are int64 since 1970, of which `per_second` make a second.
    """
    texts, places = [strings([])], [np.zeros(0, np.int64)]
    todo = np.ones(len(ticks), bool)
    for unit, units in UNITS.items():
        if units > per_second:
            break
        step = per_second // units
        now = todo & (ticks % step == 0)
        texts.append(cast(from_numpy(ticks[now] // step).view(pa.timestamp(unit)), pa.string()))
        if now.all():
            return texts[-1]
        places.append(np.flatnonzero(now))
        todo &= ~now
    order = np.empty(len(ticks), np.int64)
    order[np.concatenate(places)] = np.arange(len(ticks))
    return take(pa.concat_arrays(texts), order)


def _nanoseconds(texts: pa.StringArray, kind: pa.DataType) -> np.ndarray:
    return to_numpy(cast(texts, kind).view(pa.int64()))
