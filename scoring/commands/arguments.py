"""Options of several commands, and types for the values of options; argparse names the one that is wrong."""

import argparse
import math
import re
from collections.abc import Callable
from pathlib import Path

_UNITS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_LONGEST_MS = 36_500 * _UNITS["d"]
_DURATION = re.compile(r"([0-9]{1,15})(ms|s|m|h|d)")


def add_data(parser: argparse.ArgumentParser) -> None:
    """Add the option that names the readings."""
    parser.add_argument(
        "--data", type=Path, required=True, help="CSV, CSV.gz or Parquet file, or a folder of them"
    )


def duration(text: str) -> int:
    """A duration such as 5s, in milliseconds."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a duration: give a whole number and a unit, such as 500ms, 5s, 1m, 1h or 1d"
        )
    milliseconds = int(match[1]) * _UNITS[match[2]]
    if not 1 <= milliseconds <= _LONGEST_MS:
        raise argparse.ArgumentTypeError(f"{text!r} is out of range: give 1ms to 36500d")
    return milliseconds


def existing_file(text: str) -> Path:
    """The path of a file that is there."""
    path = Path(text)
    if not path.is_file():
        raise argparse.ArgumentTypeError(f"{text}: there is no such file")
    return path


def plain_text(text: str) -> str:
    """Printable text: a command line can hold other bytes."""
    if not text.isprintable():
        raise argparse.ArgumentTypeError(f"{text[:80]!r} has unprintable characters: give plain text")
    return text


def at_least(lowest: int) -> Callable[[str], int]:
    """A whole number that is not below `lowest`."""

    def whole_number(text: str) -> int:
        if not (text.isascii() and text.isdecimal() and len(text) <= 15 and int(text) >= lowest):  # noqa: PLR2004
            raise argparse.ArgumentTypeError(f"{text!r}: give a whole number, {lowest:,} or more")
        return int(text)

    return whole_number


def number(expected: str, accept: Callable[[float], bool]) -> Callable[[str], float]:
    """A finite number that `accept` accepts; `expected` describes it."""

    def finite_number(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not (math.isfinite(value) and accept(value)):
            raise argparse.ArgumentTypeError(f"{text!r}: give a number {expected}")
        return value

    return finite_number
