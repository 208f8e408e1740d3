"""`python -m scoring report`."""

import argparse
from pathlib import Path

from scoring.commands.arguments import existing_file
from scoring.errors import EXIT_DONE

_EXAMPLE = """\
Reads the folder of a run and writes report.html into it: one page that needs no server and no network.
With --models, boundaries are computed from the models; without, they are read from boundaries.json in the
folder, or estimated from the scores.

FACTS is a JSON file: {"version": 1, "run": …, "cause": "2018/08/28/site-a.csv arrived", "state": "succeeded",
"asked": "2026-11-23T05:00:00Z", "started": …, "ended": …, "seconds": 41.5, "published": "v5eb4…", "tries": 1,
"error": null, "steps": "16 of 16 steps succeeded", "troubles": [{"step": …, "state": "failed", "error": …}]};
all fields but the version are optional. With a state, a folder without a summary gets a page too.

Example:
  python -m scoring score --data readings.csv --models models --out out
  python -m scoring report --preds out

Exit codes: 0 done; 1 there is neither a summary nor a state, or they cannot be read; 2 usage error.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.epilog = _EXAMPLE
    parser.add_argument("--preds", type=Path, required=True, help="the folder of a run")
    parser.add_argument("--facts", type=existing_file, help="facts about the run, as JSON")
    parser.add_argument("--models", type=Path, help="the folder of models, for exact boundaries")


def run(args: argparse.Namespace) -> int:
    """Write the page, and print its path."""
    from scoring.models.store import ModelStore
    from scoring.report.detectors import detector_finder
    from scoring.report.facts import RunFacts
    from scoring.report.page import write_report
    from scoring.step.score import ModelCache

    facts = RunFacts.read(args.facts) if args.facts else None
    find = detector_finder(ModelCache(ModelStore(args.models))) if args.models else None
    print(write_report(args.preds, facts, find))
    return EXIT_DONE
