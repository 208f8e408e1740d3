"""Reports the sensors and landings that failed, and returns the exit code."""

import sys
from collections.abc import Iterable, Mapping
from typing import Protocol

from scoring.errors import EXIT_DONE, EXIT_FAILED
from scoring.formats import GONE, NOT_READ

MOST_LINES = 20
"""Up to this many failures are reported, a line each; all are in the summary."""


class LandingResult(Protocol):
    """How a landing was found."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def status(self) -> str: ...  # noqa: D102
    @property
    def reason(self) -> str | None: ...  # noqa: D102


def report_failures(failed: Mapping[str, str | None], landings: Iterable[LandingResult]) -> int:
    """Report each sensor and landing that failed, a line each; returns the exit code.

    A landing that was replaced or deleted meanwhile is reported too, but is not a failure: a run of its own
    scores the new version.
    """
    lines = [f"sensor {name}: {reason}" for name, reason in sorted(failed.items())]
    landings = list(landings)
    lines += [_line(found) for found in landings if found.status in NOT_READ]
    for line in lines[:MOST_LINES]:
        print("error: " + " ".join(line.split()), file=sys.stderr)
    if len(lines) > MOST_LINES:
        print(f"error: {len(lines) - MOST_LINES} more failures; all are in the summary", file=sys.stderr)
    for found in landings:
        if found.status in GONE:
            print(f"skipped {found.name}: {found.status}", file=sys.stderr)
    return EXIT_FAILED if lines else EXIT_DONE


def _line(found: LandingResult) -> str:
    reason = found.reason or found.status
    return reason if reason.startswith(found.name) else f"{found.name}: {reason}"
