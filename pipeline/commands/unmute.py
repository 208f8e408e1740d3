"""`python -m pipeline unmute`."""

import argparse

from pipeline.errors import EXIT_DONE, EXIT_FAILED

_EXAMPLE = """\
Ends a mute before its time.

Example:
  python -m pipeline unmute 2/3

Exit codes: 0 done; 1 nothing with this pattern is muted; 2 usage or settings error.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.epilog = _EXAMPLE
    parser.add_argument("pattern", help="the pattern that was muted")


def run(args: argparse.Namespace) -> int:
    """End a mute."""
    from pipeline.commands.local_settings import open_context
    from pipeline.notify.settings import remove_mute

    context = open_context()
    if not remove_mute(context.store.runs, args.pattern):
        print(f"{args.pattern} is not muted: python -m pipeline notify lists mutes")
        return EXIT_FAILED
    print(f"messages about {args.pattern} are sent again")
    return EXIT_DONE
