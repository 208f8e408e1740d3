"""In-memory blob storage with the interface and the conditional writes of `pipeline.storage`.

Every request goes through its process, which can fail before or after it takes effect, or let others
go first. `test_memory.py` holds this storage against the real one.
"""

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from pipeline.errors import AlreadyExists, Changed, LeaseHeld, NotFound
from pipeline.settings import Containers
from pipeline.storage.container import Content
from pipeline.storage.listing import PAGE, BlobInfo


def utf_16(name: str) -> bytes:
    """What Azurite sorts names by, and Azure without a hierarchical namespace."""
    return name.encode("utf-16-be")


@dataclass
class Server:
    """What all processes share: blobs by container and name, and the server's clock."""

    now: datetime = datetime(2026, 11, 23, 5, 0, tzinfo=UTC)
    blobs: dict[str, dict[str, "Blob"]] = field(default_factory=dict)
    etags: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    order: Callable[[str], Any] = utf_16
    """What listings are sorted by."""
    ignores_start_from: bool = False


@dataclass(frozen=True)
class Blob:
    """One version of a blob."""

    data: bytes
    etag: str
    modified: datetime
    metadata: Mapping[str, str] = field(default_factory=dict)


class Process:
    """A process that sends requests; the simulation overrides it to inject faults."""

    def request(self, effect: Callable[[], Any], *, writes: bool) -> Any:  # noqa: ARG002
        """Let a request take effect."""
        return effect()

    def late(self) -> timedelta:
        """How far a listing can be behind the clock of the server."""
        return timedelta(0)


class MemoryContainer:
    """One container, as one process sees it."""

    def __init__(self, server: Server, name: str, process: Process) -> None:
        self.name = name
        self._server = server
        self._process = process
        self._blobs = server.blobs.setdefault(name, {})

    def read(self, name: str) -> Content:
        def effect() -> Content:
            blob = self._found(name)
            return Content(blob.data, blob.etag, self._server.now)

        content: Content = self._ask(effect)
        return content

    def find(self, name: str) -> BlobInfo | None:
        blob = self._ask(lambda: self._blobs.get(name))
        return None if blob is None else _info(name, blob)

    def exists(self, name: str) -> bool:
        return bool(self._ask(lambda: name in self._blobs))

    def put(self, name: str, data: bytes, *, metadata: Mapping[str, str] | None = None) -> str:
        return str(self._change(lambda: self._write(name, data, metadata)))

    def create(self, name: str, data: bytes, *, metadata: Mapping[str, str] | None = None) -> str:
        def effect() -> str | None:
            return None if name in self._blobs else self._write(name, data, metadata)

        if etag := self._change(effect):
            return str(etag)
        found = self.read(name)
        if found.data == data:
            return found.etag
        raise AlreadyExists(f"{self.name}/{name} exists already", found.data)

    def touch(self, name: str, *, metadata: Mapping[str, str]) -> bool:
        def effect() -> bool:
            return name not in self._blobs and bool(self._write(name, b"", metadata))

        return bool(self._change(effect))

    def replace(self, name: str, data: bytes, etag: str, *, metadata: Mapping[str, str] | None = None) -> str:
        def effect() -> str | None:
            blob = self._blobs.get(name)
            return self._write(name, data, metadata) if blob and blob.etag == etag else None

        if new := self._change(effect):
            return str(new)
        try:
            found = self.read(name)
        except NotFound as error:
            raise Changed(f"{self.name}/{name} was deleted in the meantime") from error
        if found.data == data:
            return found.etag
        raise Changed(f"{self.name}/{name} is another version")

    def delete(self, name: str, *, lease: Any = None) -> None:  # noqa: ARG002 - there are no leases here
        self._change(lambda: self._blobs.pop(name, None))

    def annotate(self, name: str, metadata: Mapping[str, str], *, lease: Any = None) -> None:  # noqa: ARG002 - there are no leases here
        def effect() -> None:
            blob = replace(self._found(name), metadata=dict(metadata), modified=self._server.now)
            self._blobs[name] = replace(blob, etag=f"0x{next(self._server.etags):X}")

        self._change(effect)

    def set_content_type(self, name: str) -> None:
        """Raises NotFound; nothing reads the type here."""
        self._change(lambda: self._found(name))

    def list(
        self,
        prefix: str = "",
        *,
        start_from: str = "",
        metadata: bool = False,
        page: int = PAGE,  # noqa: ARG002 - one request takes all of them
    ) -> Iterator[BlobInfo]:
        """All blobs, or those only that are older than the process is late."""
        limit = self._server.now - self._process.late()
        order = self._server.order
        first = order("" if self._server.ignores_start_from else start_from)

        def effect() -> list[BlobInfo]:
            return [
                _info(name, blob if metadata else replace(blob, metadata={}))
                for name, blob in sorted(self._blobs.items(), key=lambda named: order(named[0]))
                if name.startswith(prefix) and order(name) >= first and blob.modified <= limit
            ]

        yield from self._ask(effect)

    def list_folder(self, folder: str = "") -> Iterator[BlobInfo | str]:
        blobs = list(self.list(folder))
        inside = [blob.name.removeprefix(folder).partition("/") for blob in blobs]
        yield from sorted({f"{folder}{name}/" for name, slash, _ in inside if slash})
        yield from (blob for blob, (_, slash, _) in zip(blobs, inside, strict=True) if not slash)

    def lease(self, name: str, seconds: int) -> Any:
        raise LeaseHeld(f"{self.name}/{name}: no worker can lease it for {seconds} s")

    def _ask(self, effect: Callable[[], Any]) -> Any:
        return self._process.request(effect, writes=False)

    def _change(self, effect: Callable[[], Any]) -> Any:
        return self._process.request(effect, writes=True)

    def _found(self, name: str) -> Blob:
        if name not in self._blobs:
            raise NotFound(f"{self.name}/{name} is not there")
        return self._blobs[name]

    def _write(self, name: str, data: bytes, metadata: Mapping[str, str] | None) -> str:
        etag = f"0x{next(self._server.etags):X}"
        self._blobs[name] = Blob(data, etag, self._server.now, dict(metadata or {}))
        return etag


class MemoryStore:
    """The four containers, as one process sees them."""

    def __init__(self, server: Server, process: Process) -> None:
        self.account, self.address = "memory", "memory:"
        self.containers = Containers()
        self.data, self.models, self.preds, self.runs = (
            MemoryContainer(server, name, process) for name in ("data", "models", "preds", "runs")
        )

    def close(self) -> None:
        """Nothing is open."""


def _info(name: str, blob: Blob) -> BlobInfo:
    return BlobInfo(name, blob.etag, len(blob.data), None, blob.modified, blob.metadata, leased=False)
