"""How much a file of readings may ask for, as options of a command line."""

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scoring.readings.files import Limits

MB = 1 << 20


def add_limits(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "--max-row-mb", type=int, default=4, metavar="N", help="a longer row of CSV is rejected (%(default)s)"
    )
    parser.add_argument(
        "--max-unpacked-mb",
        type=int,
        default=10_240,
        metavar="N",
        help="a compressed file that holds more cannot be read (%(default)s)",
    )


def limits_of(args: argparse.Namespace) -> "Limits":
    """The limits that were asked for.

    Raises:
        UsageError: one is not above 0.
    """
    from scoring.errors import UsageError
    from scoring.readings.files import Limits

    if min(args.max_row_mb, args.max_unpacked_mb) < 1:
        raise UsageError("--max-row-mb and --max-unpacked-mb are numbers of MB from 1")
    return Limits(args.max_row_mb * MB, args.max_unpacked_mb * MB)
