"""`python -m pipeline doctor`."""

import argparse

from pipeline.errors import EXIT_DONE, EXIT_FAILED
from scoring.printable import printable

_EXAMPLE = """\
Checks everything that a run needs, and changes nothing.

Example:
  python -m pipeline doctor

Exit codes: 0 all checks passed; 1 some failed, with what to do beside each; 2 usage or settings error.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.epilog = _EXAMPLE
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")


def run(args: argparse.Namespace) -> int:
    """Run all checks, and print a line for each."""
    from dataclasses import asdict

    from pipeline.commands.local_settings import open_context
    from pipeline.flow.doctor import examine
    from pipeline.terminal.tables import show_json

    findings = []
    for finding in examine(open_context()):
        findings.append(finding)
        if not args.json:
            print(
                f"{'ok ' if finding.good else 'BAD'}  {finding.what:18} {printable(finding.found)}",
                flush=True,
            )
    if args.json:
        show_json([asdict(finding) for finding in findings])
    return EXIT_DONE if all(finding.good for finding in findings) else EXIT_FAILED
