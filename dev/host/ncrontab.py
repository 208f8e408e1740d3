"""NCRONTAB expressions, read as the real host reads them.

croniter finds the times. What it is given was read here first, by NCRONTAB's own rules, and holds nothing
but numbers: the two disagree on names, on Sunday as 7, on `L`, `#`, `@daily` and on ranges that run
backwards, and croniter would take or refuse those in silence.
"""

from dataclasses import dataclass
from datetime import datetime

from dev.host.errors import HostError


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()


_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
_FIELDS = (
    _Field("second", 0, 59),
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day", 1, 31),
    _Field("month", 1, 12, _MONTHS),
    _Field("day-of-week", 0, 6, _DAYS),
)


class WrongSchedule(HostError):
    """The real host would not take this expression, or it never comes to pass."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a timer fires; make one with `Schedule.parse`."""

    expression: str
    numbers: str
    """The same, in numbers only: what croniter is given."""

    @classmethod
    def parse(cls, expression: str) -> "Schedule":
        """Read six fields, `{second} {minute} {hour} {day} {month} {day-of-week}`, or five without seconds.

        Raises:
            WrongSchedule: a field is wrong, or the schedule names no time at all, such as 30 February.
        """
        texts = expression.split()
        if len(texts) == len(_FIELDS) - 1:
            texts.insert(0, "0")
        if len(texts) != len(_FIELDS):
            raise WrongSchedule(
                f"schedule {expression!r} has {len(texts)} fields: write six, "
                "'{second} {minute} {hour} {day} {month} {day-of-week}', such as '0 0 * * * *' for each hour"
            )
        try:
            numbers = " ".join(_numbers(field, text) for field, text in zip(_FIELDS, texts, strict=True))
        except ValueError as error:
            raise WrongSchedule(f"schedule {expression!r}: {error}") from error
        schedule = cls(expression, numbers)
        schedule.next_after(datetime(2000, 1, 1))  # noqa: DTZ001 - any time will do: does it ever fire?
        return schedule

    def next_after(self, moment: datetime) -> datetime:
        """The first time after `moment` at which the timer fires.

        NCRONTAB wants day and day-of-week both to match; cron itself, and croniter's default, either.
        """
        from croniter import CroniterBadDateError, croniter

        times = croniter(self.numbers, moment, second_at_beginning=True, day_or=False)
        try:
            following: datetime = times.get_next(datetime)
        except CroniterBadDateError as error:
            raise WrongSchedule(f"schedule {self.expression!r} never comes: look at day and month") from error
        return following


def _numbers(field: _Field, text: str) -> str:
    values: set[int] = set()
    for part in text.split(","):
        values |= _part(field, part)
    if len(values) == field.high - field.low + 1:
        return "*"
    return ",".join(map(str, sorted(values)))


def _part(field: _Field, part: str) -> set[int]:
    """The values of one part: `*`, `n`, `n-m`, each with `/step` or without."""
    span, slash, every = part.partition("/")
    if slash and not every.isdecimal():
        raise ValueError(f"step {every!r} of {field.name} {part!r} is not a number")
    step = max(1, int(every)) if slash else 1
    first, dash, last = span.partition("-")
    if span == "*":
        start, end = field.low, field.high
    elif dash:
        start, end = sorted((_value(field, first), _value(field, last)))
    else:
        start = _value(field, span)
        end = field.high if slash else start
    return set(range(start, end + 1, step))


def _value(field: _Field, text: str) -> int:
    if text.isascii() and text.isdecimal():
        value = int(text)
        if not field.low <= value <= field.high:
            raise ValueError(f"{field.name} {value} is not between {field.low} and {field.high}")
        return value
    for index, name in enumerate(field.names):
        if text and name.lower().startswith(text.lower()):
            return index + field.low
    known = f", or a name such as {field.names[0]}" if field.names else ""
    raise ValueError(f"{field.name} {text!r} is not a number from {field.low} to {field.high}{known}")
