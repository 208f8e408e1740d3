"""`python -m scoring pack`."""

import argparse
import json
from pathlib import Path

from scoring.errors import EXIT_DONE

_EXAMPLE = """\
Writes models.parquet beside the single files, which stay what counts: a model that is replaced later is
noticed, and read from its own file until the models are packed again.

Example:
  python -m scoring pack --models models

Exit codes: 0 done, also where models are refused: they are counted; 1 the pack cannot be written; 2 wrong
use; 75 failed for a reason that may pass, such as a full disk.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.epilog = _EXAMPLE
    parser.add_argument("--models", type=Path, required=True, help="folder of model_{device}_{sensor}.skops")
    parser.add_argument("--json", action="store_true", help="print the counts as JSON")


def run(args: argparse.Namespace) -> int:
    """Pack, and say in one line what came out."""
    from scoring.models.store import write_pack

    report = write_pack(args.models)
    counts = {"svm": report.svm, "skops": report.skops, "refused": report.refused}
    line = f"packed {report.svm + report.skops:,} models -> {report.path}"
    if report.refused:
        line += f"; {report.refused:,} refused: to be told with their sensors"
    print(json.dumps(counts) if args.json else line)
    return EXIT_DONE
