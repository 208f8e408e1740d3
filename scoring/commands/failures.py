"""Errors of sensors and landings as lines of a terminal."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from scoring.errors import EXIT_DONE, EXIT_FAILED
from scoring.formats import GONE, NOT_READ
from scoring.printable import counted, printable

if TYPE_CHECKING:
    from scoring.step.outcome import LandingResult

MOST_LINES = 20
"""Up to this many lines of one kind are printed."""


def report_step(failed: Mapping[str, str | None], landings: Iterable["LandingResult"]) -> int:
    """Report each sensor that failed in a step, and each fault of a landing; returns the exit code.

    A landing that was replaced or deleted meanwhile is reported too, but is not a failure: a run of its own
    scores the new version. Rejected rows are not the step's failure: `collect` counts them for the run.
    """
    landings = list(landings)
    lines = [f"sensor {name}: {reason}" for name, reason in sorted(failed.items())]
    lines += landing_lines([found for found in landings if found.status in NOT_READ])
    print_errors(lines)
    print_skipped(landings)
    return EXIT_FAILED if lines else EXIT_DONE


def landing_lines(landings: Sequence["LandingResult"]) -> list[str]:
    """A line for each fault of landings; of those that share one, the first is named."""
    from scoring.step.outcome import landing_line

    alike: dict[str, list[str]] = {}
    for found in landings:
        alike.setdefault(landing_line(found).removeprefix(found.name), []).append(found.name)
    return [
        f"{first}{f' and {counted(len(more), "more file")} like it' if more else ''}{fault}"
        for fault, (first, *more) in alike.items()
    ]


def print_errors(lines: Sequence[str]) -> None:
    """Print the first of these errors, a line each, and how many more there are."""
    print_first("error: ", lines, "failure")


def print_first(prefix: str, lines: Sequence[str], noun: str) -> None:
    """Print the first of these lines to stderr, and how many more there are of that noun."""
    for line in lines[:MOST_LINES]:
        print(prefix + printable(" ".join(line.split())), file=sys.stderr)
    if (more := len(lines) - MOST_LINES) > 0:
        print(f"{prefix}{counted(more, f'more {noun}')}", file=sys.stderr)


def print_skipped(landings: Iterable["LandingResult"]) -> None:
    """Print which landings were replaced or deleted."""
    for found in landings:
        if found.status in GONE:
            print(f"skipped {printable(found.name)}: {found.status}", file=sys.stderr)
