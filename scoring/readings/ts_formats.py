"""Timestamps in the format and the time zone that a mapping names, as times in UTC."""

import re
from datetime import datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from scoring.arrow import strings, to_numpy, trim
from scoring.mapping import OFFSET, Mapping
from scoring.readings import timestamps

_SECOND, _MINUTE = 10**9, 60 * 10**9

_SCALES = {"unix-s": 0, "unix-ms": 3, "unix-us": 6, "unix-ns": 9}
"""Decimal places of a unit below the second."""

_UNIX = r"\A(?P<sign>[+-]?)0*(?P<whole>\d{1,19})(?:[.,](?P<part>\d*))?\z"
_OFFSET = r"(?P<z>Z|UTC|GMT|[+-]\d\d:?\d\d|[+-]\d\d)"
_TIME = (
    r"(?:(?:[ T]|, ?) *(?P<H>\d{1,2}):(?P<M>\d\d)(?::(?P<S>\d\d)(?:[.,](?P<f>\d{1,9}))?)?"
    rf"(?: ?(?P<p>[AP])\.?M\.?)?(?: ?{_OFFSET})?)?"
)
_DAY, _MONTH, _SHORT_YEAR = r"(?P<d>\d{1,2})", r"(?P<m>\d{1,2})", r"(?:(?P<Y>\d{4})|(?P<y>\d\d))"
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH_NAMES = (
    "(?P<b>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sep(?:t|tember)?"
    "|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)"
)
_DATES = {
    "day-first": rf"{_DAY}(?:[./-]{_MONTH}[./-]|\.?[/ -]?{_MONTH_NAMES}\.?,?[/ -]){_SHORT_YEAR}",
    "month-first": rf"(?:{_MONTH}[./-]|{_MONTH_NAMES}\.?[/ -]){_DAY}(?:[./-]|,? ){_SHORT_YEAR}",
    "year-first": rf"(?P<Y>\d{{4}})[./-]{_MONTH}[./-]{_DAY}",
}
_DIRECTIVES = {
    "Y": r"(?P<Y>\d{4})",
    "y": r"(?P<y>\d\d)",
    "m": _MONTH,
    "d": _DAY,
    "j": r"(?P<j>\d{1,3})",
    "b": _MONTH_NAMES,
    "B": _MONTH_NAMES,
    "H": r"(?P<H>\d{1,2})",
    "I": r"(?P<H>\d{1,2})",
    "M": r"(?P<M>\d{1,2})",
    "S": r"(?P<S>\d{1,2})",
    "f": r"(?P<f>\d{1,9})",
    "p": r"(?P<p>[AP])\.?M\.?",
    "z": _OFFSET,
    "Z": _OFFSET,
    "%": "%",
}


def parse(texts: pa.StringArray, mapping: Mapping) -> tuple[np.ndarray, np.ndarray]:
    """Times and whether each is valid, as `timestamps.parse` returns them.

    A local time that its zone does not have, or has twice, is not valid.
    """
    times, valid, zoned = _as_written(texts, mapping.ts_format)
    if mapping.ts_zone and (local := valid & ~zoned).any():
        times[local], valid[local] = _to_utc(times[local], mapping.ts_zone)
        times[~valid] = 0
    return times, valid


def are_local(texts: pa.StringArray, mapping: Mapping) -> np.ndarray:
    """Which texts are times without an offset or a zone, whether the zone of the mapping has them or not."""
    _, valid, zoned = _as_written(texts, mapping.ts_format)
    local: np.ndarray = valid & ~zoned
    return local


def _as_written(texts: pa.StringArray, form: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Times, whether each is valid, and whether its text has an offset or a zone."""
    if form in {"", "iso"}:
        return timestamps.parse_each(texts)
    if form in _SCALES:
        return _unix(texts, _SCALES[form])
    return _by_pattern(texts, _pattern(form))


def _unix(texts: pa.StringArray, places: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Seconds, or parts of them, since 1970 in UTC; computed with whole numbers, so that no digit is lost."""
    found, valid = _groups(texts, _UNIX)
    unit = 10**places
    whole, negative = _numbers(found["whole"]), to_numpy(pc.equal(found["sign"], "-"))
    part = _fraction(found["part"], 9 - places)
    valid &= (whole >= 0) & (whole // unit < timestamps.END_SECOND)  # a number beyond int64 is -1
    ticks = np.where(valid, whole, 0) * (10 ** (9 - places)) + part
    times = np.where(negative, -ticks, ticks)
    valid &= times >= timestamps.FIRST_SECOND * _SECOND
    return np.where(valid, times, 0), valid, valid


@cache
def _pattern(form: str) -> str:
    if form in _DATES:
        return rf"(?i)\A{_DATES[form]}{_TIME}\z"
    parts = []
    for literal, space, directive in re.findall(r"([^%\s]+)|(\s+)|%(.)", form):
        parts.append(r"\s+" if space else re.escape(literal) if literal else _DIRECTIVES[directive])
    return rf"(?i)\A{''.join(parts)}\z"


def _by_pattern(texts: pa.StringArray, pattern: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    found, valid = _groups(texts, pattern)

    def number(name: str, default: int = 0) -> np.ndarray:
        return _numbers(found[name], default) if name in found else np.full(len(texts), default)

    year = number("Y", -1)
    short = number("y", -1)
    year = np.where(year < 0, np.where(short < 69, 2000, 1900) + short, year)  # noqa: PLR2004 - as POSIX
    month, day = number("m", 1), number("d", 1)
    if "b" in found:
        names = pc.utf8_slice_codeunits(pc.utf8_lower(found["b"]), 0, 3)
        named = pc.fill_null(pc.add(pc.index_in(names, strings(_MONTHS)), 1), 0)
        month = np.where(to_numpy(named) > 0, to_numpy(named), month)
    hour, minute, second = number("H"), number("M"), number("S")
    if "p" in found:
        letter = pc.utf8_upper(found["p"])
        clock = to_numpy(pc.not_equal(letter, ""))
        valid &= ~clock | ((hour >= 1) & (hour <= 12))  # noqa: PLR2004 - hours of a clock
        hour = np.where(clock, hour % 12 + 12 * to_numpy(pc.equal(letter, "P")), hour)
    valid &= (month >= 1) & (month <= 12) & (hour < 24) & (minute < 60) & (second < 60)  # noqa: PLR2004
    valid &= (year >= 1678) & (year <= 2261)  # noqa: PLR2004
    months = np.where(valid, (year - 1970) * 12 + month - 1, 0)
    first = _days(months)
    if "j" in found:
        day = number("j")
        last = _days(months + 12) - first
    else:
        last = _days(months + 1) - first
    valid &= (day >= 1) & (day <= last)
    offset, zoned = _offsets(found["z"]) if "z" in found else (0, np.zeros(len(texts), bool))
    seconds = (first + day - 1) * 86_400 + hour * 3_600 + minute * 60 + second - offset
    valid &= (seconds >= timestamps.FIRST_SECOND) & (seconds < timestamps.END_SECOND)
    part = _fraction(found["f"], 9) if "f" in found else 0
    return np.where(valid, np.where(valid, seconds, 0) * _SECOND + part, 0), valid, zoned


def _days(months: np.ndarray) -> np.ndarray:
    """Days since 1970 of the first days of months, counted from 1970."""
    days: np.ndarray = months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    return days


def _groups(texts: pa.StringArray, pattern: str) -> tuple[dict[str, pa.StringArray], np.ndarray]:
    """The groups of a pattern as texts without nulls, and which texts match it."""
    found = pc.extract_regex(_utf8(trim(texts)), pattern)
    groups = {field.name: pc.fill_null(pc.struct_field(found, field.name), "") for field in found.type}
    return groups, to_numpy(found.is_valid())


def _utf8(texts: pa.StringArray) -> pa.StringArray:
    """Texts for functions that need UTF-8; one that is not UTF-8 is null."""
    try:
        texts.validate(full=True)
    except pa.ArrowInvalid:
        return pa.array([_decoded(text) for text in texts.view(pa.binary()).to_pylist()], pa.string())
    return texts


def _decoded(text: bytes) -> str | None:
    try:
        return text.decode()
    except UnicodeDecodeError:
        return None


def _numbers(texts: pa.StringArray, default: int = 0) -> np.ndarray:
    """Digits as int64; `default` for an empty text, -1 for a number beyond int64."""
    filled = pc.if_else(pc.equal(texts, ""), str(default), texts)
    short = pc.or_(pc.less(pc.binary_length(filled), 19), pc.less_equal(filled, "9223372036854775807"))
    return to_numpy(pc.cast(pc.if_else(short, filled, "-1"), pa.int64()))


def _fraction(texts: pa.StringArray, digits: int) -> np.ndarray:
    """Digits after a point as a whole number of `digits` digits; more are cut."""
    return (
        _numbers(pc.utf8_slice_codeunits(pc.utf8_rpad(texts, digits, "0"), 0, digits))
        if digits
        else np.array(0)
    )


def _offsets(texts: pa.StringArray) -> tuple[np.ndarray, np.ndarray]:
    """Seconds east of UTC, and whether there is an offset or a zone."""
    given = to_numpy(pc.not_equal(texts, ""))
    signed = to_numpy(pc.match_substring_regex(texts, r"\A[+-]"))
    digits = pc.replace_substring_regex(texts, r"\D", "")
    digits = pc.if_else(pa.array(signed), pc.utf8_rpad(digits, 4, "0"), "0000")
    hours = _numbers(pc.utf8_slice_codeunits(digits, 0, 2))
    minutes = _numbers(pc.utf8_slice_codeunits(digits, 2, 4))
    sign = np.where(to_numpy(pc.equal(pc.utf8_slice_codeunits(texts, 0, 1), "-")), -1, 1)
    return sign * (hours * 3_600 + minutes * 60), given


def _to_utc(times: np.ndarray, zone: str) -> tuple[np.ndarray, np.ndarray]:
    """Local times as times in UTC, and which of them the zone has exactly once."""
    if fixed := OFFSET.fullmatch(zone):
        east = (int(fixed[2]) * 60 + int(fixed[3])) * _MINUTE
        return times + (east if fixed[1] == "-" else -east), np.ones(len(times), bool)
    minutes, places = np.unique(times // _MINUTE, return_inverse=True)
    found = [_offset(ZoneInfo(zone), minute) for minute in minutes.tolist()]
    offsets = np.array([offset or 0 for offset in found], np.int64)
    known = np.array([offset is not None for offset in found], bool)
    return times - offsets[places], known[places]


def _offset(zone: ZoneInfo, minute: int) -> int | None:
    """Nanoseconds east of UTC at a local time; None where clocks are changed, so that it is not certain."""
    local = datetime(1970, 1, 1, tzinfo=zone) + timedelta(minutes=minute)
    first, second = local.utcoffset(), local.replace(fold=1).utcoffset()
    if first != second or first is None:
        return None
    return first // timedelta(microseconds=1) * 1_000
