"""One container of blobs: all requests to storage are sent here.

Conditional writes are safe to retry: if the response to the first attempt was lost, the second one finds its
own content, and that counts as success.
"""

import base64
import mimetypes
import os
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import (
    AlreadyExists,
    Changed,
    ContainerMissing,
    LeaseHeld,
    NotFound,
    StorageError,
)
from pipeline.storage.etag import plain_etag
from pipeline.storage.listing import PAGE, BlobInfo, list_blobs, pages_of
from pipeline.storage.sdk_errors import translated
from scoring.printable import printable

if TYPE_CHECKING:
    from azure.storage.blob import BlobLeaseClient, ContainerClient, ContentSettings


MOST_BYTES = 1 << 28
"""No document of this project is larger: one that is cut there is a damaged one to its reader."""


@dataclass(frozen=True, slots=True)
class Content:
    """The whole content of a small blob."""

    data: bytes
    etag: str
    served: datetime
    """The time of the response, by the clock of the server."""


class Lease:
    """A lease on a blob, held until it is released or renewed too late."""

    def __init__(self, client: "BlobLeaseClient", what: str, address: str) -> None:
        self._client = client
        self._what = what
        self._address = address

    @property
    def id(self) -> str:
        """Its id, for requests that change the leased blob."""
        return self._client.id

    def acquire(self, seconds: int) -> None:
        """Take it for this time. Raises LeaseHeld, NotFound."""
        with translated(f"leasing {self._what}", self._address):
            self._client.acquire(lease_duration=seconds)

    def renew(self) -> None:
        """Extend it to its full time from now.

        Raises:
            LeaseHeld: it is lost.
            NotFound: the blob was deleted.
        """
        with translated(f"renewing the lease on {self._what}", self._address):
            self._client.renew()

    def release(self) -> None:
        """Release it; no error if it is lost or the blob was deleted."""
        try:
            with translated(f"releasing the lease on {self._what}", self._address):
                self._client.release()
        except (LeaseHeld, NotFound, ContainerMissing):
            pass


class Container:
    """One container; names of blobs are whole paths in it.

    Every method raises `StorageUnreachable`, `StorageDenied` or `ContainerMissing` where they apply.
    """

    def __init__(self, client: "ContainerClient", address: str) -> None:
        self.name = client.container_name
        self._client = client
        self._address = address

    def read(self, name: str) -> Content:
        """The content of a small blob, and of one beyond `MOST_BYTES` its start. Raises NotFound."""
        served: list[datetime] = []
        with self._translated("reading", name):
            stream = self._client.download_blob(name, raw_response_hook=_note_time(served))
            data = stream.readall() if stream.size <= MOST_BYTES else stream.read(MOST_BYTES)
            return Content(data, plain_etag(stream.properties.etag), served[-1])

    def find(self, name: str) -> BlobInfo | None:
        """The properties of a blob; None if it does not exist."""
        try:
            with self._translated("looking for", name):
                return _info(self._client.get_blob_client(name).get_blob_properties())
        except NotFound:
            return None

    def exists(self, name: str) -> bool:
        """Whether the blob exists."""
        return self.find(name) is not None

    def put(self, name: str, data: bytes, *, metadata: Mapping[str, str] | None = None) -> str:
        """Write a small blob, overwriting any; returns its ETag."""
        with self._translated("writing", name):
            return self._upload(name, data, metadata, overwrite=True)

    def create(self, name: str, data: bytes, *, metadata: Mapping[str, str] | None = None) -> str:
        """Write a small blob that must not exist yet; returns its ETag.

        Raises:
            AlreadyExists: it exists with other content. The same content counts as ours.
        """
        from azure.core.exceptions import ResourceExistsError, ResourceModifiedError

        with self._translated("creating", name):
            try:
                return self._upload(name, data, metadata, overwrite=False)
            except (ResourceExistsError, ResourceModifiedError):
                pass
        found = self.read(name)
        if found.data == data:
            return found.etag
        raise AlreadyExists(f"{self.name}/{name} exists already", found.data)

    def touch(self, name: str, *, metadata: Mapping[str, str]) -> bool:
        """Create an empty blob; False if it exists already."""
        try:
            with self._translated("creating", name):
                self._upload(name, b"", metadata, overwrite=False)
        except (Changed, LeaseHeld):  # storage can refuse a leased one for its lease first
            return False
        return True

    def replace(self, name: str, data: bytes, etag: str, *, metadata: Mapping[str, str] | None = None) -> str:
        """Write a small blob over the version with `etag`; returns the new ETag.

        Raises:
            Changed: it has changed, or was deleted. The same content counts as ours.
        """
        try:
            with self._translated("replacing", name):
                return self._upload(name, data, metadata, overwrite=True, **_if_unchanged(etag))
        except Changed:
            try:
                found = self.read(name)
            except NotFound as error:
                raise Changed(f"{self.name}/{name} was deleted in the meantime") from error
            if found.data == data:
                return found.etag
            raise

    def delete(self, name: str, *, lease: Lease | None = None) -> None:
        """Delete a blob, if it exists. Raises LeaseHeld."""
        try:
            with self._translated("deleting", name):
                self._client.delete_blob(name, **_with_lease(lease))
        except NotFound:
            pass

    def annotate(self, name: str, metadata: Mapping[str, str], *, lease: Lease | None = None) -> None:
        """Replace a blob's metadata. Raises NotFound, LeaseHeld."""
        with self._translated("annotating", name):
            self._client.get_blob_client(name).set_blob_metadata(dict(metadata), **_with_lease(lease))

    def set_content_type(self, name: str) -> None:
        """Give a blob the content type that its name calls for, unless it has it. Raises NotFound."""
        client, wanted = self._client.get_blob_client(name), _content_settings(name)
        with self._translated("looking for", name):
            settings = client.get_blob_properties().content_settings
        if settings.content_type != wanted.content_type:
            settings.content_type = wanted.content_type  # all of them are set at once: the others stay
            with self._translated("setting the content type of", name):
                client.set_http_headers(settings)

    def list(
        self, prefix: str = "", *, start_from: str = "", metadata: bool = False, page: int = PAGE
    ) -> Iterator[BlobInfo]:
        """All blobs whose names start with `prefix`, by name, requested page by page.

        Those from `start_from` on, itself included; a server can ignore that.
        """
        with self._translated("listing", prefix):
            yield from list_blobs(self._client, prefix, start_from=start_from, metadata=metadata, page=page)

    def list_folder(self, prefix: str = "", *, page: int = PAGE) -> Iterator[BlobInfo | str]:
        """The blobs directly in a folder and the names of its folders, which end with '/'; in any order.

        Where `prefix` does not end with '/', those whose names start with it.
        """
        from azure.storage.blob import BlobPrefix

        with self._translated("listing", prefix):
            listing = self._client.walk_blobs(prefix or None, delimiter="/", results_per_page=page)
            for blobs in pages_of(listing):
                for found in blobs:
                    yield found.name if isinstance(found, BlobPrefix) else _info(found)

    def download(self, name: str, path: Path, *, etag: str | None = None) -> None:
        """Download a blob of any size into a file, which appears when it is complete.

        Raises:
            NotFound: there is no such blob.
            Changed: its ETag is no longer `etag`.
        """
        part = path.with_name(f"{path.name}.part")
        try:
            with self._translated("reading", name), part.open("wb") as file:
                self._client.download_blob(name, **_if_unchanged(etag)).readinto(file)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)

    def upload(self, name: str, path: Path) -> str:
        """Upload a file of any size, overwriting any blob; returns the ETag of the blob."""
        settings = _content_settings(path.name)
        with path.open("rb") as file, self._translated("writing", name):
            answer = self._client.get_blob_client(name).upload_blob(
                file, overwrite=True, length=os.fstat(file.fileno()).st_size, content_settings=settings
            )
            return plain_etag(answer["etag"])

    def upload_over(
        self, name: str, path: Path, etag: str | None, *, md5: str, advance: Callable[[int], None]
    ) -> str:
        """Upload a file over the version with `etag`, or as a new blob if that is None; returns the ETag.

        The blob keeps `md5`, the file's MD5 in base64; `advance` is called with the number of bytes of each
        part that was sent.

        Raises:
            Changed: it has changed, or exists already; perhaps by an earlier attempt of this request.
        """
        settings = _content_settings(path.name)
        settings.content_md5 = bytearray(base64.b64decode(md5))
        sent = 0

        def report(now: int, _: int | None) -> None:
            nonlocal sent
            advance(now - sent)
            sent = now

        with path.open("rb") as file, self._translated("uploading", name):
            answer = self._client.get_blob_client(name).upload_blob(
                file,
                overwrite=etag is not None,
                length=os.fstat(file.fileno()).st_size,
                content_settings=settings,
                progress_hook=report,
                **_if_unchanged(etag),
            )
            return plain_etag(answer["etag"])

    def lease(self, name: str, seconds: int, lease_id: str | None = None) -> Lease:
        """Lease a blob, with an id of its own or with this one. Raises LeaseHeld, NotFound."""
        # With our own id, a second attempt after a lost response finds that it holds the lease.
        lease = self.lease_of(name, lease_id or str(uuid.uuid4()))
        lease.acquire(seconds)
        return lease

    def lease_of(self, name: str, lease_id: str) -> Lease:
        """The lease with this id, of any process; sends nothing."""
        from azure.storage.blob import BlobLeaseClient

        client = BlobLeaseClient(self._client.get_blob_client(name), lease_id=lease_id)
        return Lease(client, f"{self.name}/{name}", self._address)

    def ensure(self) -> bool:
        """Create this container; False if it exists already."""
        from azure.core.exceptions import ResourceExistsError

        with self._translated("creating", ""):
            try:
                self._client.create_container()
            except ResourceExistsError:
                return False
        return True

    def _upload(
        self, name: str, data: bytes, metadata: Mapping[str, str] | None, *, overwrite: bool, **condition: Any
    ) -> str:
        answer = self._client.get_blob_client(name).upload_blob(
            data,
            overwrite=overwrite,
            metadata=dict(metadata) if metadata else None,
            content_settings=_content_settings(name),
            **condition,
        )
        return plain_etag(answer["etag"])

    def _translated(self, doing: str, name: str) -> Any:
        what = f"{doing} {self.name}/{printable(name)}"
        if not {".", ".."}.isdisjoint(name.split("/")):  # in an address these can lead to another container
            raise StorageError(f"{what} is refused: '.' and '..' cannot be parts of a name")
        return translated(what, self._address)


def _content_settings(name: str) -> "ContentSettings":
    """The content type that a browser needs to show a blob of that name."""
    from azure.storage.blob import ContentSettings

    content_type, _ = mimetypes.guess_type(name)
    return ContentSettings(content_type=content_type or "application/octet-stream")


def _info(found: Any) -> BlobInfo:
    md5 = found.content_settings.content_md5
    return BlobInfo(
        name=found.name,
        etag=plain_etag(found.etag),
        size=found.size,
        md5=base64.b64encode(md5).decode() if md5 else None,
        last_modified=found.last_modified,
        metadata=found.metadata or {},
        leased=found.lease.state == "leased",
    )


def _note_time(times: list[datetime]) -> Callable[[Any], None]:
    def note(response: Any) -> None:
        date = response.http_response.headers.get("Date")
        if date is not None:  # a proxy that refuses the request can omit it
            times.append(parsedate_to_datetime(date))

    return note


def _with_lease(lease: Lease | None) -> dict[str, Any]:
    return {} if lease is None else {"lease": lease.id}


def _if_unchanged(etag: str | None) -> dict[str, Any]:
    """The arguments of a request on the version with `etag`, or on any version if that is None."""
    from azure.core import MatchConditions

    return {} if etag is None else {"etag": f'"{etag}"', "match_condition": MatchConditions.IfNotModified}
