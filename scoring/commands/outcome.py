"""The rules of a run as options, and its outcome as the last lines and the exit code of a command."""

import argparse
import json
import sys
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from scoring.commands.arguments import at_least, number
from scoring.commands.failures import print_errors, print_skipped
from scoring.errors import EXIT_DONE, EXIT_FAILED
from scoring.formats import EXPECTED_TXT, LEAST_EPISODE, MAX_REJECTED, LandingStatus, RunOutcome, SensorStatus
from scoring.printable import counted, printable

if TYPE_CHECKING:
    from scoring.collect.summary import Rules, Summary
    from scoring.readings.manifest import RunManifest


def add_rules(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "--max-rejected",
        type=number("from 0 to 1, such as 0.01", lambda share: 0 <= share <= 1),
        default=MAX_REJECTED,
        metavar="SHARE",
        help="a run is `partly` where more of a landing's rows are rejected (default: %(default)s)",
    )
    parser.add_argument(
        "--expected",
        type=Path,
        metavar="FILE",
        help="list of sensors that should have sent readings, one `1_3` or `device,sensor` a line (default: "
        f"{EXPECTED_TXT} in the folder of models, if there is one)",
    )
    parser.add_argument(
        "--episode-least",
        type=at_least(1),
        default=LEAST_EPISODE,
        metavar="N",
        help="the summary counts episodes of at least this number of anomalies (default: %(default)s)",
    )


def rules_of(args: argparse.Namespace, manifest: "RunManifest | None") -> "Rules":
    """The rules given on the command line, beside the models and by the manifest.

    Raises:
        UsageError: the list of expected sensors cannot be read.
    """
    from scoring.collect.expected import owners_list
    from scoring.collect.summary import Rules

    brought = manifest.brought if manifest else frozenset()
    return Rules(args.max_rejected, owners_list(args.expected, args.models), brought, args.episode_least)


def report_outcome(
    summary: "Summary", out: Path | None, *, as_json: bool = False, reported: Collection[str] = ()
) -> int:
    """Print the totals with the first reason, and each reason as an error; returns the exit code.

    If all unreadable landings were `reported` before, they are not reported again. `out` is where the results
    are, if anywhere.
    """
    state, reasons = summary.outcome
    unreadable = {found.name for found in summary.landings if found.status is LandingStatus.UNREADABLE}
    if as_json:
        print(json.dumps({"state": state, "reasons": reasons, **summary.totals}))
    else:
        print(_line(summary, out))
    print_errors(reasons[1:] if unreadable and unreadable.issubset(reported) else reasons)
    print_skipped(summary.landings)
    if silent := [row for row in summary.sensors if row["status"] == SensorStatus.SILENT]:
        first = f"{silent[0]['device']}/{silent[0]['sensor']}"
        which = f"sensor {first}" if len(silent) == 1 else f"{len(silent):,} sensors, the first is {first}"
        print(f"warning: expected readings of {printable(which)}: nothing was sent", file=sys.stderr)
    return EXIT_DONE if state is RunOutcome.SUCCEEDED else EXIT_FAILED


def _line(summary: "Summary", out: Path | None) -> str:
    totals = summary.totals
    line = (
        f"scored {totals['scored']:,} of {counted(totals['readings'], 'reading')} "
        f"of {counted(totals['sensors'], 'sensor')}: {_found(totals['anomalies'], totals['rejected'])}"
    )
    if silent := totals["sensors_without_rows"]:
        line += f", {counted(silent, 'sensor')} sent nothing"
    if summary.outcome.reasons:
        reason = " ".join(summary.outcome.reasons[0].split())
        line = f"{summary.outcome.state}: {reason}; {line}"
    return printable(f"{line} -> {out}" if out else line)


def _found(anomalies: int, rejected: int) -> str:
    found = "1 anomaly" if anomalies == 1 else f"{anomalies:,} anomalies"
    return f"{found}, {counted(rejected, 'row')} rejected"
