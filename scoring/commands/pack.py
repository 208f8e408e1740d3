"""`python -m scoring pack`."""

import argparse
import json
import sys
from pathlib import Path

from scoring.errors import EXIT_DONE
from scoring.formats import PACK_NAME
from scoring.printable import printable

_EXAMPLE = """\
Writes models.parquet beside the single files, which stay what counts: a model that is replaced later is
noticed, and read from its own file until the models are packed again.

Example:
  python -m scoring pack --models models

Exit codes: 0 done, also where models are refused: they are named; 1 the pack cannot be written; 2 usage
error; 75 failed for a temporary reason, such as a full disk.
"""

_MOST_NAMED = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.epilog = _EXAMPLE
    parser.add_argument("--models", type=Path, required=True, help="folder of model_{device}_{sensor}.skops")
    parser.add_argument(
        "--list",
        action="store_true",
        help="write nothing: print the files whose models the pack holds, with their MD5, as JSON",
    )
    parser.add_argument("--json", action="store_true", help="print the counts as JSON")


def run(args: argparse.Namespace) -> int:
    """Pack, name what is refused, and say in one line what came out; or list what a pack holds."""
    from scoring.models.pack import Pack
    from scoring.models.pack_writer import write_pack
    from scoring.models.store import ModelStore

    if args.list:
        print(json.dumps(Pack(args.models / PACK_NAME).held()))
        return EXIT_DONE

    ModelStore(args.models, use_pack=False).require_models()
    report = write_pack(args.models)
    for name, reason in list(report.refused.items())[:_MOST_NAMED]:
        print(printable(f"refused {name}: {reason}"), file=sys.stderr)
    if len(report.refused) > _MOST_NAMED:
        print(f"refused {len(report.refused) - _MOST_NAMED:,} more models", file=sys.stderr)
    counts = {"packed": report.packed, "refused": len(report.refused)}
    print(json.dumps(counts) if args.json else f"packed {report.packed:,} models -> {report.path}")
    return EXIT_DONE
