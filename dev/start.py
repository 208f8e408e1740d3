"""Keep the function app running on this machine: `make start`.

Starts Azurite where none is running, makes local.settings.json and the containers where they are missing,
and then the app: with `func start` where Azure Functions Core Tools are installed, with `dev.host`
otherwise. Ctrl-C ends all of it; data stays in .azurite.
"""

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
from dev.host.settings import effective, load_local_settings

REPO = Path(__file__).resolve().parents[1]
LOCAL_SETTINGS = REPO / "local.settings.json"


def main() -> int:
    """Start, wait for Ctrl-C; returns the exit code of what ran."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if not LOCAL_SETTINGS.exists():
        shutil.copyfile(REPO / "local.settings.example.json", LOCAL_SETTINGS)
        print("Made local.settings.json from local.settings.example.json.", flush=True)
    settings = effective(load_local_settings(LOCAL_SETTINGS), os.environ)
    try:
        with contextlib.ExitStack() as stack:
            if "UseDevelopmentStorage=true" in (
                settings.get("AzureWebJobsStorage"),
                settings.get("ScoringStorage"),
            ):
                _have_azurite(stack)
            _have_containers(settings)
            return _run_app()
    except AzuriteError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0


def _have_azurite(stack: contextlib.ExitStack) -> None:
    """Start Azurite on its standard ports, unless something listens there."""
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", STANDARD_PORTS[0])) == 0:
            print(f"Using what listens on port {STANDARD_PORTS[0]} as Azurite.", flush=True)
            return
    stack.enter_context(Azurite(REPO / ".azurite", STANDARD_PORTS))
    print(f"Azurite listens on ports {STANDARD_PORTS}, data in .azurite.", flush=True)


def _have_containers(settings: Mapping[str, str]) -> None:
    from pipeline.settings import Settings
    from pipeline.store import Store

    store = Store.connect(Settings.from_environment(settings))
    try:
        for container in (store.data, store.models, store.preds, store.runs):
            if container.ensure():
                print(f"Made container '{container.name}'.", flush=True)
    finally:
        store.close()


def _run_app() -> int:
    func = shutil.which("func")
    command = [func, "start"] if func else [sys.executable, "-m", "dev.host"]
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    # In our own process group: Ctrl-C reaches it, and it ends by itself.
    with subprocess.Popen(command, cwd=REPO, env=environment) as app:
        while True:
            try:
                return app.wait()
            except KeyboardInterrupt:
                continue


if __name__ == "__main__":
    sys.exit(main())
