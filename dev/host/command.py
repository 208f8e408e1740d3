"""The command line of the host."""

import argparse
import asyncio
import os
import signal
import sys
from pathlib import Path

from dev.host.app import Host
from dev.host.errors import HostError
from dev.host.logs import set_up_logging
from pipeline.commands.local_settings import LOCAL_SETTINGS, load_local_settings, merged
from pipeline.errors import SettingsError
from scoring.interrupts import exit_on_interrupt

_BANNER = (
    "Development host for Python functions with timer and blob triggers, on this machine only. "
    "The real one is 'func start' (Azure Functions Core Tools)."
)


def main(argv: list[str]) -> int:
    """Run the host until SIGINT or SIGTERM; returns the exit code."""
    args = _parser().parse_args(argv)
    print(_BANNER, flush=True)
    app = args.app.resolve()
    try:
        load_settings(args.settings, app)
        set_up_logging()
        host = Host(app, dict(os.environ), args.poll, args.hidden, args.lease, args.port)
        asyncio.run(_run(host, end_with_input=args.end_with_input))
    except (HostError, SettingsError) as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        return 1
    return 0


def load_settings(given: Path | None, app: Path) -> None:
    """Put local settings into the environment, where the app reads them."""
    if given and not given.is_file():
        raise HostError(f"no file {given}: copy local.settings.example.json to it")
    found = load_local_settings(given or app / LOCAL_SETTINGS)
    for name in sorted(found.keys() & os.environ.keys()):
        print(f"Skipping '{name}' of local settings: it is set in the environment.", flush=True)
    os.environ.update(merged(found, os.environ))


async def _run(host: Host, *, end_with_input: bool) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()

    def parent_ended() -> None:
        if not os.read(sys.stdin.fileno(), 1024):
            loop.remove_reader(sys.stdin.fileno())
            stopping.set()

    def stop() -> None:
        stopping.set()
        # A later Ctrl-C does not wait; a signal sent twice at once, to a whole group, counts once.
        loop.call_later(1.0, _back_to_default, loop)

    for each in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(each, stop)
    if end_with_input:
        loop.add_reader(sys.stdin.fileno(), parent_ended)
    await host.run(stopping)


def _back_to_default(loop: asyncio.AbstractEventLoop) -> None:
    for each in (signal.SIGINT, signal.SIGTERM):
        loop.remove_signal_handler(each)
    exit_on_interrupt()  # the worker exits when its host is gone


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m dev.host",
        description=_BANNER,
        epilog="Example: python -m dev.host --app . --poll 0.5",
    )
    parser.add_argument(
        "--app", type=Path, default=Path(), metavar="DIR", help="folder of the app (default: here)"
    )
    parser.add_argument(
        "--settings",
        type=Path,
        metavar="FILE",
        help="local settings (default: local.settings.json of the app)",
    )
    parser.add_argument(
        "--poll", type=float, default=1.0, metavar="SECONDS", help="time between scans (default: 1)"
    )
    parser.add_argument(
        "--hidden",
        type=int,
        default=600,
        metavar="SECONDS",
        help="time until the call for a blob is repeated after it was killed (default: 600, as on Azure)",
    )
    parser.add_argument(
        "--lease",
        type=int,
        choices=range(15, 61),
        default=60,
        metavar="SECONDS",
        help="time without ticks and scans after a host was killed: 15 to 60 (default: 60, as on Azure)",
    )
    parser.add_argument(
        "--port",
        type=int,
        choices=range(65_536),
        metavar="PORT",
        default=7071,
        help="port of the admin address; any free one if it is in use (7071)",
    )
    parser.add_argument(
        "--end-with-input",
        action="store_true",
        help="stop when standard input closes: for programs that start it",
    )
    return parser
