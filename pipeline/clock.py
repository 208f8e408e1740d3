"""The clock of this machine, which everything else takes as an argument, and times in UTC."""

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
