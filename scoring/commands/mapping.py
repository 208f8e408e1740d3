"""The mapping of files of readings, as an option of a command line."""

import argparse
from pathlib import Path
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
        UsageError: they are invalid, or their file cannot be read.
    """
    from scoring.errors import UsageError
    from scoring.mapping import Mappings
    from scoring.mapping_text import parse

    text: str = args.mapping
    if not text:
        return Mappings()
    if text.endswith(".json") and "=" not in text:
        try:
            text = Path(text).read_text("utf-8-sig")
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or "it is not text in UTF-8"
            raise UsageError(f"--mapping {args.mapping}: {why}") from error
    return parse(text)
