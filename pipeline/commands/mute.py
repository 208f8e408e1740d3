"""`python -m pipeline mute`."""

import argparse
from typing import TYPE_CHECKING

from pipeline.commands.time_argument import utc_time
from pipeline.errors import EXIT_DONE, FleetStateError, InvalidRequest

if TYPE_CHECKING:
    from pipeline.fleet.finished import Key
    from pipeline.storage.container import Container

_EXAMPLE = """\
Sends no messages about some sensors until a time. An episode that is still open then is announced by the
next run.

Example:
  python -m pipeline mute 2/3 --until 2026-12-01T06:00 --reason "its fan is being replaced"
  python -m pipeline mute 'site-b/*' --until 2026-12-01 --reason "the site is closed"

Exit codes: 0 done; 1 failed; 2 usage or settings error.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.epilog = _EXAMPLE
    parser.add_argument("pattern", help="DEVICE/SENSOR, with * and ?")
    parser.add_argument(
        "--until",
        type=utc_time,
        required=True,
        metavar="TIME",
        help="when it ends, in UTC unless it has an offset",
    )
    parser.add_argument("--reason", required=True, help="why, for those who read the settings")


def run(args: argparse.Namespace) -> int:
    """Mute sensors."""
    from pipeline.commands.local_settings import open_context
    from pipeline.notify.settings import Mute, add_mute

    context = open_context()
    now = context.clock()
    if args.until <= now:
        raise InvalidRequest(f"--until: {args.until:%Y-%m-%d %H:%M} UTC is in the past")
    mute = Mute(pattern=args.pattern, until=args.until, reason=args.reason)
    add_mute(context.store.runs, mute, now)
    print(f"no messages about {args.pattern} until {args.until:%Y-%m-%d %H:%M} UTC")
    sensors = _sensors(context.store.preds)
    if sensors and not any(map(mute.matches, sensors)):
        print(f"no sensor matches {args.pattern} now: patterns are DEVICE/SENSOR")
    return EXIT_DONE


def _sensors(preds: "Container") -> "list[Key]":
    """The sensors of the fleet state; none if there is none that can be read: `doctor` reports that."""
    from pipeline.fleet.store import read_state

    try:
        return [sensor.key for sensor in read_state(preds).sensors]
    except FleetStateError:
        return []
