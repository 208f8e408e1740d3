"""The limits on files of readings, as options of a command line."""

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scoring.readings.files import FileLimits

MB = 1 << 20


def add_limits(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "--max-row-mb",
        type=int,
        default=4,
        metavar="N",
        help="a longer row of CSV is rejected (default: %(default)s)",
    )
    parser.add_argument(
        "--max-unpacked-mb",
        type=int,
        default=10_240,
        metavar="N",
        help="a compressed file that unpacks to more is not read (default: %(default)s)",
    )


def limits_of(args: argparse.Namespace) -> "FileLimits":
    """The limits given on the command line.

    Raises:
        UsageError: a limit is below 1.
    """
    from scoring.errors import UsageError
    from scoring.readings.files import FileLimits

    if min(args.max_row_mb, args.max_unpacked_mb) < 1:
        raise UsageError("--max-row-mb and --max-unpacked-mb are whole numbers of MB, 1 or more")
    return FileLimits(args.max_row_mb * MB, args.max_unpacked_mb * MB)
