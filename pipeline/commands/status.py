"""`python -m pipeline status`."""

import argparse

from pipeline.commands.run_argument import add_run, named_run
from pipeline.errors import EXIT_DONE

_EXAMPLE = """\
Example:
  python -m pipeline status timer-20261123-050000
  python -m pipeline status latest

Exit codes: 0 shown, in any state; 1 failed, or there is no such run; 2 usage or settings error.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.epilog = _EXAMPLE
    add_run(parser)
    parser.add_argument("--json", action="store_true", help="print run and steps as JSON")


def run(args: argparse.Namespace) -> int:
    """Show a run, the sensors that need attention, and its steps: failed ones first, then the slowest."""
    from pipeline.commands.local_settings import open_context
    from pipeline.flow.status import follow_up, view_run
    from pipeline.runs.summary import find_summary
    from pipeline.terminal.tables import show_json
    from pipeline.terminal.watch import show

    context = open_context()
    run = named_run(context, args)
    view = view_run(context, run)
    if args.json:
        show_json(view.to_json())
        return EXIT_DONE
    summary = find_summary(context.store.preds, run) if view.state.final else None
    next_try = follow_up(context, view.record)
    show(view, context.clock(), summary=summary, next_try=next_try)
    return EXIT_DONE
