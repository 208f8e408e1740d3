"""`python -m pipeline notify`."""

import argparse
from pathlib import Path

from pipeline.errors import EXIT_DONE, EXIT_FAILED, NotifyError
from scoring.printable import counted

_EXAMPLE = """\
Shows what is worth a message, what is muted, and where messages go. The settings are one document,
notify.json in the runs container; docs/notifications.md describes it.

Example:
  python -m pipeline notify --set notify.json
  python -m pipeline notify --test

Exit codes: 0 done; 1 a sink did not take the test; 2 usage or settings error.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.epilog = _EXAMPLE
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--set",
        type=Path,
        metavar="FILE",
        help="replace the settings by this file; without mutes in it, the stored ones are kept",
    )
    what.add_argument("--test", action="store_true", help="send a test message to each sink")


def run(args: argparse.Namespace) -> int:
    """Show, replace or try the settings."""
    from pipeline.commands.local_settings import open_context
    from pipeline.notify.settings import read_notify_settings, write_notify_settings

    context = open_context()
    if args.set is not None:
        settings, kept = write_notify_settings(context.store.runs, _content(args.set), str(args.set))
        if kept:
            print(f"{counted(kept, 'mute')} kept: python -m pipeline unmute PATTERN ends one")
        print(f"{counted(len(settings.sinks), 'sink')}: python -m pipeline notify --test tries each")
        return EXIT_DONE
    settings = read_notify_settings(context.store.runs)
    if not args.test:
        print(settings.to_bytes().decode(), end="")
        return EXIT_DONE
    from pipeline.notify.check import try_sinks
    from pipeline.notify.sinks import Fate

    if not settings.sinks:
        print("no sink is set: python -m pipeline notify --set FILE")
        return EXIT_FAILED
    answers = try_sinks(context.store, context.settings, settings, context.clock())
    for sink, answer in answers:
        print(f"{'ok ' if answer.fate is Fate.DELIVERED else 'BAD'}  {sink.name:18} {answer.reason}".rstrip())
    return EXIT_DONE if all(answer.fate is Fate.DELIVERED for _, answer in answers) else EXIT_FAILED


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise NotifyError(f"{file} cannot be read ({error.strerror}): name a file of settings") from error
