"""Shares, numbers and times as a person reads them."""

from datetime import UTC, datetime


def percent(share: float) -> str:
    """A share as a person writes it; never "0 %" for something, never "100 %" for less than all."""
    if share in {0.0, 1.0}:
        return f"{share:.0%}".replace("%", " %")
    if share < 0.0001:  # noqa: PLR2004
        return "< 0.01 %"
    if share > 0.999:  # noqa: PLR2004
        return "> 99.9 %"
    digits = 2 if share < 0.001 else 1 if share < 0.1 else 0  # noqa: PLR2004
    return f"{min(share * 100, 99 if not digits else 100):.{digits}f} %"


def number(value: float) -> str:
    """A value with as many digits as tell it apart."""
    if 1e4 <= abs(value) < 1e15:  # noqa: PLR2004
        return f"{value:,.0f}"
    return f"{value:.4g}"


def duration(seconds: float) -> str:
    """A length of time in the two largest units that matter."""
    if seconds < 10:  # noqa: PLR2004
        return f"{seconds:.1f} s".replace(".0 ", " ")
    rest = round(seconds)
    parts: list[tuple[int, str]] = []
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        count, rest = divmod(rest, size)
        if count or parts:
            parts.append((count, unit))
    return " ".join(f"{count} {unit}" for count, unit in parts[:2] if count)


def moment(iso: str | None) -> str:
    """An ISO 8601 text as a person reads it; as it is, where it is something else."""
    try:
        parsed = datetime.fromisoformat(iso or "")
    except ValueError:
        return iso or ""
    parsed = parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    return f"{parsed.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def period(first: int, last: int) -> str:
    """From one moment to another, both milliseconds since 1970."""
    begin, end = (datetime.fromtimestamp(each / 1000, UTC) for each in (first, last))
    ending = f"{end:%H:%M}" if begin.date() == end.date() else f"{end:%Y-%m-%d %H:%M}"
    return f"{begin:%Y-%m-%d %H:%M} to {ending} UTC"
