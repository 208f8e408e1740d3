"""Blob storage: the one place that talks to it, and where the Azure SDK's exceptions become ours.

Conditional writes are safe to retry: where the answer to a first attempt was lost, the second one finds
its own content in place, and that counts as done.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from pipeline.settings import Containers, Settings


@dataclass(frozen=True, slots=True)
class BlobInfo:
    """What storage knows of a blob without reading it."""

    name: str
    etag: str
    """Without quotes."""
    size: int
    md5: str | None
    """Content-MD5, base64, where it was stored."""
    last_modified: datetime
    metadata: Mapping[str, str]
    """Empty in listings that did not ask for it."""
    leased: bool


@dataclass(frozen=True, slots=True)
class Content:
    """A small blob that was read whole."""

    data: bytes
    etag: str
    served: datetime
    """The server's clock when it answered."""


class Lease:
    """Our lease on a blob, until it is released or not renewed in time."""

    id: str

    def renew(self) -> None:
        """Hold it for its full time from now.

        Raises:
            LeaseHeld: it is lost.
        """
        raise NotImplementedError

    def release(self) -> None:
        """Let go; no error where it is lost or the blob is gone."""
        raise NotImplementedError


class Container:
    """One container; blob names are whole paths in it.

    Every method raises `StorageUnreachable`, `StorageDenied` or `ContainerMissing` where they apply.
    """

    name: str

    def read(self, name: str) -> Content:
        """A small blob, whole. Raises NotFound."""
        raise NotImplementedError

    def head(self, name: str) -> BlobInfo:
        """What storage knows of a blob. Raises NotFound."""
        raise NotImplementedError

    def exists(self, name: str) -> bool:
        """Whether there is such a blob."""
        raise NotImplementedError

    def put(self, name: str, data: bytes, *, metadata: Mapping[str, str] | None = None) -> str:
        """Write a small blob over whatever is there; returns its ETag."""
        raise NotImplementedError

    def create(self, name: str, data: bytes, *, metadata: Mapping[str, str] | None = None) -> str:
        """Write a small blob that must not be there yet; returns its ETag.

        Raises:
            AlreadyExists: it is there with other content. The same content counts as ours.
        """
        raise NotImplementedError

    def replace(self, name: str, data: bytes, etag: str) -> str:
        """Write a small blob over the version with `etag`; returns the new ETag.

        Raises:
            Changed: it is another version by now, or gone. The same content counts as ours.
        """
        raise NotImplementedError

    def delete(self, name: str, *, lease: Lease | None = None) -> None:
        """Delete a blob, if it is there. Raises LeaseHeld."""
        raise NotImplementedError

    def annotate(self, name: str, metadata: Mapping[str, str], *, lease: Lease | None = None) -> None:
        """Replace a blob's metadata. Raises NotFound, LeaseHeld."""
        raise NotImplementedError

    def list(self, prefix: str = "", *, metadata: bool = False) -> Iterator[BlobInfo]:
        """All blobs whose names start with `prefix`, by name, page after page."""
        raise NotImplementedError

    def folders(self) -> Iterator[str]:
        """First segments of the names of all blobs that lie in a folder, each once."""
        raise NotImplementedError

    def download(self, name: str, path: Path, *, etag: str | None = None) -> None:
        """Read a blob of any size into a file, which appears when it is whole.

        Raises:
            NotFound: there is no such blob.
            Changed: it is not the version with `etag` any more.
        """
        raise NotImplementedError

    def upload(self, name: str, path: Path) -> str:
        """Write a file of any size over whatever is there; returns the blob's ETag."""
        raise NotImplementedError

    def lease(self, name: str, seconds: int) -> Lease:
        """Lease a blob. Raises LeaseHeld, NotFound."""
        raise NotImplementedError

    def ensure(self) -> bool:
        """Create this container; False where it is there already."""
        raise NotImplementedError


class Store:
    """The four containers of one storage account."""

    account: str
    containers: Containers
    data: Container
    models: Container
    preds: Container
    runs: Container

    @classmethod
    def connect(cls, settings: Settings, *, transport: Any = None) -> Self:
        """Open a connection; nothing is sent yet.

        `transport` is an `azure.core` transport to use in place of the usual one.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Close its connections."""
        raise NotImplementedError
