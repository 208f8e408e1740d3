"""The mapping of files of readings, as an option of a command line."""

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scoring.mapping import Mappings


def add_mapping(parser: argparse.ArgumentParser) -> None:
    """Add the option."""
    parser.add_argument(
        "--mapping",
        default="",
        metavar="WORDS",
        help="how files that are not TS,Device,Sensor,Value are read, such as 'ts=time wide decimal=comma'; "
        "also JSON, or the name of a .json file. `inspect` suggests one; docs/formats.md has all words",
    )


def mappings_of(args: argparse.Namespace) -> "Mappings":
    """The mappings given on the command line.

    Raises:
        InvalidMapping: they are invalid, or their file cannot be read.
    """
    from scoring.mapping_text import read_mappings

    return read_mappings(args.mapping)
