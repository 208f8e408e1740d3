"""Listings: what a container says of its blobs, page by page.

The SDK builds about ten objects for each blob, which takes longer than the request. It does not where only
names are listed: so this module lists names, and reads the properties that it needs from the response.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from pipeline.storage.etag import plain_etag

if TYPE_CHECKING:
    import xml.etree.ElementTree as ET

    from azure.core.paging import ItemPaged
    from azure.storage.blob import ContainerClient

PAGE = 5000
"""Blobs per request: the most that storage returns."""

_HEAD = 200
"""The root element begins within this many bytes."""
_NONE: Mapping[str, str] = MappingProxyType({})
_OTHER = "this response is not a listing of blobs"


@dataclass(frozen=True, slots=True)
class BlobInfo:
    """Properties of a blob, without its content."""

    name: str
    etag: str
    """Without quotes."""
    size: int
    md5: str | None
    """Content-MD5 in base64, if one is stored."""
    last_modified: datetime
    metadata: Mapping[str, str]
    """Empty in listings that did not request it."""
    leased: bool

    @property
    def is_folder(self) -> bool:
        """Whether it stands for a folder; a listing knows that only with metadata.

        Azure ML's mounts leave such an empty blob for each folder, and accounts with a hierarchical namespace
        list folders so.
        """
        return self.metadata.get("hdi_isfolder") == "true"


def list_blobs(
    client: "ContainerClient", prefix: str, *, start_from: str, metadata: bool, page: int
) -> Iterator[BlobInfo]:
    """All blobs whose names start with `prefix`, by name; requests a page when its first blob is needed."""
    from azure.core.exceptions import DecodeError
    from azure.core.pipeline.policies import ContentDecodePolicy

    responses: list[Any] = []

    def keep(response: Any) -> None:
        if response.http_response.status_code == 200:  # noqa: PLR2004 - for any other, the SDK raises an error
            _check(response.http_response)
            responses.append(response)

    listing = client.list_blob_names(
        name_starts_with=prefix or None,
        start_from=start_from or None,
        include=["metadata"] if metadata else None,
        results_per_page=page,
        raw_response_hook=keep,
    )
    for _ in pages_of(listing):
        root: ET.Element = responses.pop().context[ContentDecodePolicy.CONTEXT_NAME]
        try:
            blobs = [_info(blob) for blob in root.iterfind("Blobs/Blob")]
        except (KeyError, ValueError) as error:
            raise DecodeError(f"{_OTHER}: a blob without a valid {error}") from error
        root.clear()  # it is ten times as large as `blobs`, and the SDK keeps it until it has the next page
        yield from blobs


def pages_of(listing: "ItemPaged[Any]") -> Iterator[Iterator[Any]]:
    """The pages of a listing of the SDK; frees the last one at the end.

    The SDK's iterator refers to itself and to its page, tens of megabytes of small objects: without this,
    pages pile up until Python's next full collection.
    """
    pages = listing.by_page()
    try:
        yield from pages
    finally:
        vars(pages).clear()


def _check(response: Any) -> None:
    """Raise the SDK's error for a response that is not a listing: its own code assumes one."""
    from azure.core.exceptions import DecodeError

    is_xml = "xml" in response.headers.get("Content-Type", "")
    if not is_xml or b"<EnumerationResults" not in response.body()[:_HEAD]:
        raise DecodeError(_OTHER)


def _info(blob: "ET.Element") -> BlobInfo:
    name = ""
    found: dict[str, str] = {}
    metadata = _NONE
    for part in blob:
        if part.tag == "Name":
            name = part.text or ""
            if part.get("Encoded") == "true":  # it has characters that XML cannot hold
                name = unquote(name)
        elif part.tag == "Properties":
            found = {one.tag: one.text or "" for one in part}
        elif part.tag == "Metadata":
            metadata = {one.tag: one.text or "" for one in part}
    return BlobInfo(
        name=name,
        etag=plain_etag(found["Etag"]),
        size=int(found["Content-Length"]),
        md5=found.get("Content-MD5") or None,
        last_modified=_time(found["Last-Modified"]),
        metadata=metadata,
        leased=found.get("LeaseState") == "leased",
    )


@lru_cache(maxsize=1024)
def _time(text: str) -> datetime:
    return parsedate_to_datetime(text)
