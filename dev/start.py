"""Keeps the function app running on this machine: `make start`.

Starts Azurite unless it is running, creates local.settings.json and the containers if they are missing, and
then starts the app: with `func start` if Azure Functions Core Tools are installed, otherwise with `dev.host`.
Ctrl-C stops everything; data stays in .azurite.
"""

import argparse
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from dev.azurite import STANDARD_PORTS, Azurite, AzuriteError
from dev.host.errors import HostError
from pipeline.commands.local_settings import load_local_settings
from pipeline.errors import PipelineError

REPO = Path(__file__).resolve().parents[1]
LOCAL_SETTINGS = REPO / "local.settings.json"


def main(argv: list[str]) -> int:
    """Start the app and wait for Ctrl-C; returns the exit code of the app."""
    parser = argparse.ArgumentParser(prog="python -m dev.start", description=main.__doc__)
    parser.add_argument("--settings", type=Path, default=LOCAL_SETTINGS, help="default: local.settings.json")
    file = parser.parse_args(argv).settings.absolute()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with contextlib.ExitStack() as stack:
            if not file.exists():
                shutil.copyfile(REPO / "local.settings.example.json", file)
                print(f"Created {file.name} from local.settings.example.json.", flush=True)
            settings = load_local_settings(file) | dict(os.environ)
            if "UseDevelopmentStorage=true" in (
                settings.get("AzureWebJobsStorage"),
                settings.get("ScoringStorage"),
            ):
                _ensure_azurite(stack)
            _ensure_containers(settings)
            return _run_app(file)
    except (AzuriteError, HostError, PipelineError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0


def _ensure_azurite(stack: contextlib.ExitStack) -> None:
    """Start Azurite on its standard ports, unless the blob port is in use."""
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", STANDARD_PORTS[0])) == 0:
            print(f"Using the server on port {STANDARD_PORTS[0]} as Azurite.", flush=True)
            return
    stack.enter_context(Azurite(REPO / ".azurite", STANDARD_PORTS))
    print(f"Azurite listens on ports {STANDARD_PORTS}, data in .azurite.", flush=True)


def _ensure_containers(settings: Mapping[str, str]) -> None:
    from pipeline.settings import Settings
    from pipeline.storage.account import Store

    store = Store.connect(Settings.from_environment(settings))
    try:
        for container in (store.data, store.models, store.preds, store.runs):
            if container.ensure():
                print(f"Created container '{container.name}'.", flush=True)
    finally:
        store.close()


def _run_app(settings: Path) -> int:
    func = shutil.which("func") if settings == LOCAL_SETTINGS else None  # func reads no other file
    command = [func, "start"] if func else [sys.executable, "-m", "dev.host", "--settings", str(settings)]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    # In the current process group: Ctrl-C reaches the app, which then exits by itself.
    with subprocess.Popen(command, cwd=REPO, env={**os.environ, "PATH": path}) as app:
        signal.signal(signal.SIGTERM, lambda *_: app.terminate())
        while True:
            try:
                return app.wait()
            except KeyboardInterrupt:
                continue


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
