"""Keeps the function app running on this machine: `make start`.

Starts Azurite unless it is running, creates local.settings.json and the containers if they are missing, and
then starts the app: with `func start` if Azure Functions Core Tools are installed, otherwise with `dev.host`.
Ctrl-C stops everything; data stays in .azurite. The account of this Azurite has a random key, which is in
local.settings.json: `UseDevelopmentStorage=true` there, which stands for a public key, is replaced.
"""

import argparse
import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Collection, Mapping
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from dev.azurite import (
    ACCOUNT_FILE,
    SERVICES,
    STANDARD_ACCOUNT,
    STANDARD_PORTS,
    Account,
    Azurite,
    AzuriteError,
    connection_string,
    write_private,
)
from dev.host.errors import HostError
from pipeline.commands.local_settings import load_local_settings, merged
from pipeline.errors import PipelineError
from scoring.command_line import keep_exit_code
from scoring.interrupts import raise_on_interrupt

REPO = Path(__file__).resolve().parents[2]
LOCAL_SETTINGS = REPO / "local.settings.json"
DATA = REPO / ".azurite"

_PUBLIC = "UseDevelopmentStorage=true"


def main(argv: list[str]) -> int:
    """Start the app and wait for Ctrl-C; returns the exit code of the app."""
    parser = argparse.ArgumentParser(prog="python -m dev.start", description=main.__doc__)
    parser.add_argument("--settings", type=Path, default=LOCAL_SETTINGS, help="default: local.settings.json")
    file = parser.parse_args(argv).settings.absolute()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        raise_on_interrupt()
        with contextlib.ExitStack() as stack:
            _lock(file.parent, stack)
            own = connect_to_own_azurite(file)
            stored = load_local_settings(file)
            settings = merged(stored, os.environ)
            if own in (settings.get("AzureWebJobsStorage"), settings.get("ScoringStorage")):
                _ensure_azurite(stack)
            _ensure_containers(settings)
            return _run_app(file, void=stored.keys() - settings.keys())
    except (AzuriteError, HostError, PipelineError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        keep_exit_code()
        return 0


def connect_to_own_azurite(file: Path, data: Path = DATA) -> str | None:
    """Put the connection string of the Azurite of this project into the settings that use an Azurite.

    Returns it; None if the settings have a connection of their own, and there is no such Azurite.
    """
    exists = file.exists()
    text = (file if exists else REPO / "local.settings.example.json").read_text("utf-8")
    if _PUBLIC not in text and not (data / ACCOUNT_FILE).exists():
        return None
    own = connection_string(*STANDARD_PORTS, account=Account.of(data))
    if _PUBLIC in text:
        write_private(file, text.replace(_PUBLIC, own))
        how = "now has the key of this Azurite" if exists else "was created from local.settings.example.json"
        print(f"{file.name} {how}.", flush=True)
    return own


def _lock(folder: Path, stack: contextlib.ExitStack) -> None:
    """Lock the folder of the settings for as long as this process lives.

    Raises:
        HostError: another one has it.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    stack.callback(os.close, descriptor)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise HostError(f"make start runs already for {folder}: end it with Ctrl-C first") from error


def _ensure_azurite(stack: contextlib.ExitStack) -> None:
    """Start Azurite on its standard ports, unless it listens there.

    Raises:
        AzuriteError: something else does.
    """
    found = {port: server_on(port) for port in STANDARD_PORTS}
    if not any(found.values()):
        stack.enter_context(Azurite(DATA, STANDARD_PORTS))
        print(f"Azurite listens on ports {STANDARD_PORTS}, data in .azurite.", flush=True)
        return
    for (port, server), service in zip(found.items(), SERVICES, strict=True):
        if service != "Table" and not str(server).startswith(f"Azurite-{service}/"):
            raise AzuriteError(
                f"expected Azurite's {service} service on port {port}, found {server or 'nothing'}: "
                "stop what listens there, or set AzureWebJobsStorage and ScoringStorage to other addresses"
            )
    print(f"Using the Azurite that listens on ports {STANDARD_PORTS}.", flush=True)


def server_on(port: int) -> str | None:
    """The name that a server on this port reports; None if nothing listens."""
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", f"/{STANDARD_ACCOUNT}?comp=list")
        return connection.getresponse().getheader("Server") or "a server without a name"
    except ConnectionRefusedError:
        return None
    except (OSError, HTTPException) as error:
        return f"not a web server ({type(error).__name__})"
    finally:
        connection.close()


def _ensure_containers(settings: Mapping[str, str]) -> None:
    """Create the containers that are missing.

    Raises:
        AzuriteError: what listens there is the Azurite of another folder, which does not know our account.
    """
    from pipeline.errors import NotFound
    from pipeline.settings import Settings
    from pipeline.storage.account import Store

    store = Store.connect(Settings.from_environment(settings))
    try:
        for container in (store.data, store.models, store.preds, store.runs):
            if container.ensure():
                print(f"Created container '{container.name}'.", flush=True)
    except NotFound as error:
        raise AzuriteError(
            f"there is no account {store.address}: the Azurite that listens there was started in another "
            "folder, or with another key. Stop it, and start again"
        ) from error
    finally:
        store.close()


def _run_app(settings: Path, *, void: Collection[str]) -> int:
    """Run the app. `func` takes settings of the file one by one: those that are void are set to nothing."""
    func = shutil.which("func") if settings == LOCAL_SETTINGS else None  # func reads no other file
    command = [func, "start"] if func else [sys.executable, "-m", "dev.host", "--settings", str(settings)]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    environment = {**os.environ, **dict.fromkeys(void, ""), "PATH": path}
    # In the current process group: Ctrl-C reaches the app, which then exits by itself.
    with subprocess.Popen(command, cwd=REPO, env=environment) as app:
        signal.signal(signal.SIGTERM, lambda *_: app.terminate())
        while True:
            try:
                return app.wait()
            except KeyboardInterrupt:
                continue
