"""Which columns of a file name the devices and the sensors, as its first rows show."""

import re
from collections.abc import Collection, Sequence
from itertools import combinations

from scoring.readings.samples import Sample, are_times_of_day, decimal_of

_MOST_NAMES, _MOST_NAME = 5, 40
"""Columns that a note lists, and characters of each."""

_DEVICE = "device=NAME and not device-from=file"
_CODE = re.compile(r"-?\d{1,9}(\.0+)?")
_MOST_CODES = 100
"""Machines that a column of integers can distinguish; more are numbers that were measured."""

_MOST_PAIRED = 10
"""Columns of which two together can be device and sensor."""

_REPEATED = 0.1
"""Share of rows that can repeat the time of another: a logger can send a row twice."""


def find_device(sample: Sample, keys: Sequence[int], taken: Sequence[int]) -> tuple[int | None, list[str]]:
    """The column in which rows of one time differ, as devices do; if none does, what to check.

    `keys` are the columns of the time, and of the sensor in a long file; `taken` are others that are known.
    """
    names, codes, texts = _candidates(sample, {*keys, *taken})
    for place in (*names, *codes):
        if _separates(sample, keys, (place,), are_names=place in names):
            return place, []
    notes = []
    if texts:
        notes.append(f"not read: {_listed(sample, texts)}; if it names the device, {_DEVICE}")
    if unsure := [place for place in codes if not {"0"} <= {*sample.column(place)} <= {"0", "1"}]:
        notes.append(f"few whole numbers in {_listed(sample, unsure)}; if one names the device, {_DEVICE}")
    return None, notes


def find_sensor(sample: Sample, keys: Sequence[int]) -> int | None:
    """The column in which rows of one time and device differ, as sensors do; `keys` are those columns."""
    if not _is_repeated(sample, keys):
        return None
    names, codes, _ = _candidates(sample, {*keys})
    found = (one for one in (*names, *codes) if _separates(sample, keys, (one,), are_names=one in names))
    return next(found, None)


def find_both(sample: Sample, keys: Sequence[int]) -> tuple[int, int] | None:
    """The two columns in which rows of one time differ, as devices and their sensors do, from the left."""
    if not _is_repeated(sample, keys):
        return None
    names, codes, _ = _candidates(sample, {*keys})
    pairs = combinations(sorted((*names, *codes))[:_MOST_PAIRED], 2)
    found = (pair for pair in pairs if _separates(sample, keys, pair, are_names={*pair} <= {*names}))
    return next(found, None)


def _candidates(sample: Sample, taken: Collection[int]) -> tuple[list[int], list[int], list[int]]:
    """Columns of names, of few whole numbers, and all of texts."""
    places = [place for place, title in enumerate(sample.titles) if title and place not in taken]
    codes = [place for place in places if _are_codes(sample.column(place))]
    others = [place for place in places if place not in codes and sample.column(place)]
    texts = [place for place in others if decimal_of(sample.column(place)) is None]
    return [place for place in texts if not are_times_of_day(sample.column(place))], codes, texts


def repeated_note(sample: Sample, keys: Sequence[int], *, is_wide: bool) -> list[str]:
    """What to check where many rows have the same time, device and sensor: `keys` are their columns."""
    if not _is_repeated(sample, keys):
        return []
    rows = _cells(sample, keys)
    found = (
        f"{len(rows) - len({*rows}):,} of the first {len(rows):,} rows have the time and device of another"
    )
    sensors = "; if one names sensors, sensor=NAME value=NAME in place of wide=" if is_wide else ""
    return [f"{found}: if a column distinguishes machines, device=NAME{sensors}"]


def _is_repeated(sample: Sample, keys: Sequence[int]) -> bool:
    """Whether many rows are the same in these columns."""
    rows = _cells(sample, keys)
    return len(rows) - len({*rows}) > _REPEATED * len(rows)


def _separates(sample: Sample, keys: Sequence[int], places: Sequence[int], *, are_names: bool) -> bool:
    """Whether rows of one time differ in these columns, and their texts recur, as names of devices do.

    Numbers that were measured can differ by chance; those of machines are the same at nearly every time.
    """
    rows = _cells(sample, (*keys, *places))
    times, names = {row[: len(keys)] for row in rows}, {row[len(keys) :] for row in rows}
    differ = max(len(times), len(names)) < len(rows) == len({*rows})
    return differ and (are_names or len(times) * len(names) <= 2 * len(rows))


def _cells(sample: Sample, places: Sequence[int]) -> list[tuple[str, ...]]:
    return [tuple(row[place] for place in places) for row in sample.rows if len(row) > max(places)]


def _are_codes(texts: Sequence[str]) -> bool:
    """Whether these are few distinct integers, each of which recurs."""
    distinct = {*texts}
    return len(distinct) <= min(_MOST_CODES, len(texts) // 2) and all(map(_CODE.fullmatch, distinct))


def _listed(sample: Sample, places: Sequence[int]) -> str:
    names = ", ".join(repr(sample.titles[place][:_MOST_NAME]) for place in places[:_MOST_NAMES])
    return names + (", ..." if len(places) > _MOST_NAMES else "")
