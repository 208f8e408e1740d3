"""The type of options that are times."""

import argparse
from datetime import datetime


def utc_time(text: str) -> datetime:
    """A time in ISO 8601, in UTC unless it has an offset; argparse names the option whose value is wrong."""
    from pipeline.clock import as_utc

    try:
        return as_utc(datetime.fromisoformat(text))
    except (ValueError, OverflowError) as error:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a time such as 2026-11-01 or 2026-11-01T06:00"
        ) from error
