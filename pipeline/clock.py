"""The clock of this machine, which other code takes as an argument, and times in UTC."""

from datetime import UTC, datetime


def utc_now() -> datetime:
    """The time now, in UTC."""
    return datetime.now(UTC)


def in_utc(time: datetime) -> datetime:
    """The same time, in UTC.

    Raises:
        ValueError: it has no time zone. OverflowError: it is out of range in UTC.
    """
    if time.tzinfo is None:
        raise ValueError(f"{time.isoformat()} has no time zone")
    return time.astimezone(UTC)


def as_utc(time: datetime) -> datetime:
    """The same time in UTC; a time without a zone counts as UTC."""
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def utc_text(time: datetime) -> str:
    """A time in UTC for people, to the second: `2026-11-23 05:00:00 UTC`."""
    return f"{time:%Y-%m-%d %H:%M:%S} UTC"
