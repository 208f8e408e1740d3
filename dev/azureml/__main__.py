"""Run the emulator in the foreground: `python -m dev.azureml`, with Azurite running."""

import argparse
import os
import shlex
import socket
import sys
import threading
from urllib.parse import urlsplit

from dev.azureml import SUMMARY
from dev.azureml.server import Emulator
from dev.azurite import STANDARD_PORTS, Account, connection_string
from dev.start.command import DATA
from scoring.command_line import keep_exit_code

CONNECTION = "ScoringStorage"


def main() -> int:
    """Start it, print the environment variables to set, and wait for Ctrl+C."""
    parser = argparse.ArgumentParser(prog="python -m dev.azureml", description=SUMMARY)
    parser.add_argument("--port", type=int, default=0, help="port to listen on (default: a free one)")
    parser.add_argument("--processes", type=int, default=2, help="steps that run at once (%(default)s)")
    args = parser.parse_args()
    storage = os.environ.get(CONNECTION) or connection_string(*STANDARD_PORTS, account=Account.of(DATA))
    if not _answers(storage):
        print(
            f"error: no Azurite answers at {CONNECTION}: start python -m dev.azurite first", file=sys.stderr
        )
        return 1
    try:
        with Emulator(storage, port=args.port, processes=args.processes) as emulator:
            print(f"# {SUMMARY}")
            for name, text in emulator.environment.items():
                print(f"export {name}={shlex.quote(text)}")
            print(f"# listens on {emulator.url}; Ctrl+C stops it", flush=True)
            threading.Event().wait()
    except KeyboardInterrupt:  # anywhere above: it can come as soon as the last line is printed
        keep_exit_code()
        return 0
    return 0


def _answers(connection: str) -> bool:
    """Whether anything listens where the connection string points."""
    from azure.storage.blob import BlobServiceClient

    with BlobServiceClient.from_connection_string(connection) as client:
        address = urlsplit(client.primary_endpoint)
    try:
        socket.create_connection((str(address.hostname), address.port or 443), timeout=5).close()
    except OSError:
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
