"""The command line of the demo."""

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
from dev.demo.marked_processes import MARK, kill_marked
from dev.demo.scenario import run_demo
from dev.host.process import HostEnded
from pipeline.errors import PipelineError
from scoring.command_line import keep_exit_code
from scoring.interrupts import EXIT_INTERRUPTED, raise_on_interrupt


def main(argv: list[str]) -> int:
    """Run the demo once; returns 0 if everything was scored, otherwise 1 with the reason."""
    args = _parser().parse_args(argv)
    if given := [name for name in ("MODELS", "MAPPING") if getattr(args, name.lower()) and not args.data]:
        print(f"error: {given[0]} without DATA: set DATA to the readings to score", file=sys.stderr)
        return 2
    existing = next(part for part in (args.out, *args.out.parents) if part.exists())
    if not existing.is_dir():
        print(f"error: {args.out} cannot be a folder for predictions: {existing} is a file", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    mark = os.environ[MARK] = secrets.token_hex(8)
    try:
        raise_on_interrupt()
        with contextlib.ExitStack() as stack:
            temporary = tempfile.TemporaryDirectory(prefix="fleet-demo-", ignore_cleanup_errors=True)
            folder = Path(stack.enter_context(temporary))
            stack.callback(kill_marked, mark)  # before the folder is removed: workers write to it
            return run_demo(args, folder, mark, stack)
    except (DemoError, AzuriteError, HostEnded, PipelineError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        keep_exit_code()
        print("interrupted: stopping everything that was started", file=sys.stderr)
        return EXIT_INTERRUPTED
    finally:
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, signal.SIG_IGN)
        kill_marked(mark)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m dev.demo",
        description="Run the main job on this machine: upload readings, score them, fetch the predictions.",
        epilog="Example: python -m dev.demo --data readings.csv --models models/",
    )
    parser.add_argument("--data", type=Path, help="file or folder of readings (default: a simulated fleet)")
    parser.add_argument(
        "--models",
        type=Path,
        help="folder of models, .skops or legacy pickles (default: models trained on the readings)",
    )
    parser.add_argument(
        "--mapping", default="", help="how the readings are read, such as 'ts=time wide': see docs/formats.md"
    )
    parser.add_argument("--out", type=Path, default=Path("out"), help="where predictions go (default: out)")
    parser.add_argument(
        "--engine",
        choices=("local", "azureml"),
        default="local",
        help="local, or azureml on an emulator (default: local)",
    )
    return parser
