"""NCRONTAB expressions, read as the Functions host reads them, and when they fire next.

Not cron: six fields begin with seconds, day and day-of-week must both match, Sunday is 0 only, the ends of a
reversed range are swapped, and names can be abbreviated. `tests/dev/test_ncrontab.py` compares with
recordings of the host.
"""

import calendar
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from pipeline.errors import PipelineError


class WrongSchedule(PipelineError):
    """The Functions host would refuse this expression, or it would never fire; the message says why."""


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()


_FIELDS = (
    _Field("second", 0, 59),
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day", 1, 31),
    _Field("month", 1, 12, tuple(calendar.month_name)[1:]),
    _Field("day-of-week", 0, 6, ("Sunday", *tuple(calendar.day_name)[:6])),
)
_LONGEST_MONTHS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_LARGEST_STEP = 2**31 - 1
_SHOWN = 30
"""Longest part of a wrong field that a message repeats."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a timer fires; make one with `Schedule.parse`."""

    expression: str
    values: tuple[tuple[int, ...], ...]
    """Of each of the six fields, in order."""

    @classmethod
    def parse(cls, expression: str) -> "Schedule":
        """Read six fields, `{second} {minute} {hour} {day} {month} {day-of-week}`, or five without seconds.

        Raises:
            WrongSchedule: a field is wrong, or the schedule names no day at all, such as 30 February.
        """
        texts = [text for text in expression.split(" ") if text]  # tabs and newlines do not separate
        if len(texts) == 1 and ":" in expression:
            raise WrongSchedule(
                "it is a time span, which counts from the start of the host: write an NCRONTAB expression, "
                "such as '0 0 * * * *' for each hour"
            )
        if len(texts) == len(_FIELDS) - 1:
            texts.insert(0, "0")
        if len(texts) != len(_FIELDS):
            raise WrongSchedule(
                f"it has {len(texts)} fields: write six with spaces between, '{{second}} {{minute}} {{hour}} "
                "{day} {month} {day-of-week}', such as '0 0 * * * *' for each hour"
            )
        try:
            values = tuple(_values(field, text) for field, text in zip(_FIELDS, texts, strict=True))
        except ValueError as error:
            raise WrongSchedule(str(error)) from error
        days, months = values[3:5]
        if days[0] > max(_LONGEST_MONTHS[month - 1] for month in months):
            raise WrongSchedule("its day never comes: check day and month")
        return cls(expression, values)

    @property
    def frequent(self) -> bool:
        """Whether it fires more than once in every minute; the host keeps no status for such a timer."""
        return len(self.values[0]) > 1 and all(
            len(found) == field.high - field.low + 1
            for field, found in zip(_FIELDS[1:], self.values[1:], strict=True)
        )

    def next_after(self, moment: datetime) -> datetime:
        """The first time after `moment` at which the timer fires."""
        earliest = moment.replace(microsecond=0) + timedelta(seconds=1)
        for day in self._days_from(earliest.date()):
            first = earliest.time() if day == earliest.date() else time()
            if (found := self._time_from(first)) is not None:
                return datetime.combine(day, found, moment.tzinfo)
        raise WrongSchedule("it does not come again before the year 10000")

    def _days_from(self, first: date) -> Iterator[date]:
        _, _, _, days, months, weekdays = self.values
        for year in range(first.year, 10_000):
            for month in months:
                last = calendar.monthrange(year, month)[1]
                for found in (date(year, month, day) for day in days if day <= last):
                    if found >= first and found.isoweekday() % 7 in weekdays:
                        yield found

    def _time_from(self, first: time) -> time | None:
        seconds, minutes, hours, *_ = self.values
        return next(
            (
                time(hour, minute, second)
                for hour in hours
                if hour >= first.hour
                for minute in minutes
                if (hour, minute) >= (first.hour, first.minute)
                for second in seconds
                if (hour, minute, second) >= (first.hour, first.minute, first.second)
            ),
            None,
        )


def _values(field: _Field, text: str) -> tuple[int, ...]:
    return tuple(sorted({value for part in text.split(",") for value in _part(field, part)}))


def _part(field: _Field, part: str) -> range:
    """The values of one part: `*`, `n`, `n-m`, each with `/step` or without."""
    span, slash, every = part.partition("/")
    step = 1
    if slash:
        if not re.fullmatch(r"[+-]?0*[0-9]{1,10}", every) or abs(int(every)) > _LARGEST_STEP:
            raise ValueError(f"step {every[:_SHOWN]!r} of {field.name} {part[:_SHOWN]!r} is not a number")
        step = max(1, int(every))  # the host reads steps of 0 and below as every value
    first, dash, last = span.partition("-")
    if span == "*":
        start, end = field.low, field.high
    elif dash:
        start, end = sorted((_value(field, first), _value(field, last)))
    else:
        start = _value(field, span)
        end = field.high if slash else start
    return range(start, end + 1, step)


def _value(field: _Field, text: str) -> int:
    if re.fullmatch(r"[0-9]+", text):
        digits = text.lstrip("0") or "0"
        if len(digits) > len(str(field.high)) or not field.low <= int(digits) <= field.high:
            raise ValueError(f"{field.name} {text[:_SHOWN]} is not between {field.low} and {field.high}")
        return int(digits)
    for index, name in enumerate(field.names):
        if text and name.lower().startswith(text.lower()):
            return index + field.low
    known = f", or a name such as {field.names[0]}" if field.names else ""
    raise ValueError(
        f"{field.name} {text[:_SHOWN]!r} is not a number from {field.low} to {field.high}{known}"
    )
