"""Command line: `python -m dev.demo`, which is `make run`."""

import argparse
import contextlib
import os
import secrets
import signal
import sys
import tempfile
from pathlib import Path

from dev.azurite import AzuriteError
from dev.demo.fleet import DemoError
from dev.demo.leftovers import MARK, end_marked
from dev.demo.play import play
from dev.host.process import HostEnded
from pipeline.errors import PipelineError

_INTERRUPTED = 130


def main(argv: list[str]) -> int:
    """Play it once; 0 where everything was scored, 1 with the reason where not."""
    args = _parser().parse_args(argv)
    if args.models and not args.data:
        print("error: MODELS without DATA: give readings to score with these models", file=sys.stderr)
        return 2
    there = next(part for part in (args.out, *args.out.parents) if part.exists())
    if not there.is_dir():
        print(f"error: {args.out} cannot be a folder for predictions: {there} is a file", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    mark = os.environ[MARK] = secrets.token_hex(8)
    try:
        with contextlib.ExitStack() as stack:
            folder = tempfile.TemporaryDirectory(prefix="fleet-demo-", ignore_cleanup_errors=True)
            place = Path(stack.enter_context(folder))
            stack.callback(end_marked, mark)  # before the folder goes: workers write to it
            return play(args, place, mark, stack)
    except (DemoError, AzuriteError, HostEnded, PipelineError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted: ending everything that was started", file=sys.stderr)
        return _INTERRUPTED
    finally:
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, signal.SIG_IGN)
        end_marked(mark)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m dev.demo",
        description="The main job on this machine: readings land, a run scores them, predictions come out.",
        epilog="Example: python -m dev.demo --data readings.csv --models models/",
    )
    parser.add_argument("--data", type=Path, help="readings, a file or a folder (default: a simulated fleet)")
    parser.add_argument(
        "--models",
        type=Path,
        help="folder of models, .skops or legacy pickles (default: trained on the readings)",
    )
    parser.add_argument("--out", type=Path, default=Path("out"), help="where predictions go (default: out)")
    parser.add_argument(
        "--engine",
        choices=("local", "azureml"),
        default="local",
        help="local, or azureml on an emulator of it (default: local)",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
