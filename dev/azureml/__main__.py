"""Run the emulator in the foreground: `python -m dev.azureml`, with Azurite running."""

import argparse
import os
import shlex
import sys
import threading

from dev.azureml import SUMMARY
from dev.azureml.server import Emulator
from dev.azurite import STANDARD_PORTS, connection_string

CONNECTION = "ScoringStorage"


def main() -> int:
    """Start it, say what to put into the environment, and wait for Ctrl+C."""
    parser = argparse.ArgumentParser(prog="python -m dev.azureml", description=SUMMARY)
    parser.add_argument("--port", type=int, default=0, help="to listen on (default: a free one)")
    parser.add_argument("--processes", type=int, default=2, help="steps that run at once (%(default)s)")
    args = parser.parse_args()
    storage = os.environ.get(CONNECTION, "UseDevelopmentStorage=true")
    if storage.lower() == "usedevelopmentstorage=true":  # the SDK for Python does not know this spelling
        storage = connection_string(*STANDARD_PORTS)
    with Emulator(storage, port=args.port, processes=args.processes) as emulator:
        print(f"# {SUMMARY}")
        for name, text in emulator.environment.items():
            print(f"export {name}={shlex.quote(text)}")
        print(f"# listens on {emulator.url}; Ctrl+C ends it", flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
