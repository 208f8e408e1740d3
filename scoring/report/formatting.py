"""Shares, numbers and times in the form that a person reads."""

from datetime import UTC, datetime


def format_share(share: float) -> str:
    """A share in percent; never "0 %" for a share above zero, never "100 %" for less than all."""
    if share in {0.0, 1.0}:
        return f"{share:.0%}".replace("%", " %")
    if share < 0.0001:  # noqa: PLR2004
        return "< 0.01 %"
    if share > 0.999:  # noqa: PLR2004
        return "> 99.9 %"
    digits = 2 if share < 0.001 else 1 if share < 0.1 else 0  # noqa: PLR2004
    return f"{min(share * 100, 99 if not digits else 100):.{digits}f} %"


def format_number(value: float) -> str:
    """A value with four significant digits, or as a whole number where it is large."""
    if 1e4 <= abs(value) < 1e15:  # noqa: PLR2004
        return f"{value:,.0f}"
    return f"{value:.4g}"


def format_duration(seconds: float) -> str:
    """A duration in its two largest units."""
    if seconds < 10:  # noqa: PLR2004
        return f"{seconds:.1f} s".replace(".0 ", " ")
    rest = round(seconds)
    parts: list[tuple[int, str]] = []
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        count, rest = divmod(rest, size)
        if count or parts:
            parts.append((count, unit))
    return " ".join(f"{count} {unit}" for count, unit in parts[:2] if count)


def format_time(iso: str | None) -> str:
    """An ISO 8601 text as date and time in UTC; any other text unchanged."""
    try:
        parsed = datetime.fromisoformat(iso or "")
    except ValueError:
        return iso or ""
    parsed = parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    return f"{parsed.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def format_period(first: int, last: int) -> str:
    """From one time to another, both in milliseconds since 1970."""
    begin, end = (datetime.fromtimestamp(each / 1000, UTC) for each in (first, last))
    ending = f"{end:%H:%M}" if begin.date() == end.date() else f"{end:%Y-%m-%d %H:%M}"
    return f"{begin:%Y-%m-%d %H:%M} to {ending} UTC"
