"""Listings: the same as those of the SDK, in fewer requests and without its objects."""

import base64
import gc
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from xml.sax.saxutils import escape

import pytest
from hypothesis import HealthCheck, given, settings, strategies

from dev.azurite import connection_string
from pipeline.errors import StorageError
from pipeline.settings import Settings
from pipeline.storage.account import Store
from pipeline.storage.etag import plain_etag
from pipeline.storage.listing import BlobInfo
from tests.pipeline.counting import CountingTransport

# What storage and Azurite accept: no control characters, no segment that ends with a dot, no backslash.
SEGMENTS = strategies.text(
    strategies.characters(codec="utf-8", exclude_categories=("C", "Z"), exclude_characters="/\\.")
    | strategies.just(" "),
    min_size=1,
    max_size=12,
).map(lambda text: f"{text}x")
NAMES = strategies.lists(SEGMENTS, min_size=1, max_size=3).map("/".join)
KEYS = strategies.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True)
VALUES = strategies.from_regex(r"[!-~]([ -~]{0,20}[!-~])?", fullmatch=True)
BLOBS = strategies.dictionaries(
    NAMES,
    strategies.tuples(strategies.binary(max_size=8), strategies.dictionaries(KEYS, VALUES, max_size=3)),
    max_size=6,
)


def by_the_sdk(store: Store, prefix: str, metadata: bool) -> list[BlobInfo]:
    client = store._client.get_container_client(store.data.name)
    return [
        BlobInfo(
            name=blob.name,
            etag=plain_etag(blob.etag),
            size=blob.size,
            md5=base64.b64encode(blob.content_settings.content_md5).decode()
            if blob.content_settings.content_md5
            else None,
            last_modified=blob.last_modified,
            metadata=blob.metadata or {},
            leased=blob.lease.state == "leased",
        )
        for blob in client.list_blobs(name_starts_with=prefix, include=["metadata"] if metadata else None)
    ]


@given(blobs=BLOBS, page=strategies.integers(1, 7))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_listing_is_that_of_the_sdk(store, blobs, page):
    prefix = f"{uuid.uuid4().hex} &<é>/"
    for name, (content, metadata) in blobs.items():
        store.data.put(prefix + name, content, metadata=metadata)
    leases = [store.data.lease(prefix + name, 60) for name in list(blobs)[:1]]
    for metadata in (False, True):
        listed = list(store.data.list(prefix, metadata=metadata, page=page))
        assert listed == by_the_sdk(store, prefix, metadata)
        assert {blob.name for blob in listed} == {prefix + name for name in blobs}
        assert sum(blob.leased for blob in listed) == len(leases)
    assert len({blob.last_modified.tzinfo for blob in listed}) <= 1


def test_a_page_is_requested_when_its_first_blob_is_needed(settings, store):
    for number in range(5):
        store.data.put(f"{number}", b"")
    counting = CountingTransport()
    behind = Store.connect(settings, transport=counting)
    listing = behind.data.list(page=2)
    assert counting.requests == []
    assert [next(listing).name, next(listing).name] == ["0", "1"]
    assert len(counting.requests) == 1
    assert [blob.name for blob in listing] == ["2", "3", "4"]
    assert len(counting.requests) == 3
    behind.close()


@contextmanager
def answering(*answers: bytes, content_type: str = "application/xml") -> Iterator[tuple[Store, list[str]]]:
    """A store whose server gives these answers, one after the other, and the targets of the requests."""
    targets: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = answers[len(targets)]
            targets.append(self.path)
            self.send_response(200)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever).start()
        address = connection_string(server.server_port)
        store = Store.connect(Settings.from_environment({"ScoringStorage": address}))
        try:
            yield store, targets
        finally:
            store.close()
            server.shutdown()


def page_of(*names: str, marker: str = "") -> bytes:
    """A page as Azure writes it: with a byte order mark, and the properties in another order than Azurite."""
    blobs = "".join(
        f"<Blob>{name}<Properties><Last-Modified>Fri, 09 Jan 2026 05:00:01 GMT</Last-Modified>"
        "<Etag>0x8DE4F0000000000</Etag><ResourceType>file</ResourceType><Content-Length>7</Content-Length>"
        "<Content-MD5 /><LeaseState>available</LeaseState></Properties><Metadata /><OrMetadata /></Blob>"
        for name in names
    )
    text = (
        '<?xml version="1.0" encoding="utf-8"?><EnumerationResults ContainerName="data">'
        f"<MaxResults>5000</MaxResults><Blobs>{blobs}</Blobs>"
        f"<NextMarker>{escape(marker)}</NextMarker></EnumerationResults>"
    )
    return b"\xef\xbb\xbf" + text.encode()


@pytest.mark.parametrize("folder", [False, True])
def test_a_listing_leaves_no_page_to_the_garbage_collector(store, folder):
    for number in range(60):
        store.data.put(f"x/{number}", b"1")
    gc.collect()
    gc.disable()
    try:
        assert len(list(store.data.list_folder("x/") if folder else store.data.list("x/"))) == 60
        assert gc.collect() < 60  # some objects of the client, and not one for each blob
    finally:
        gc.enable()


def test_encoded_names_empty_properties_and_the_next_page_are_read():
    first = page_of(
        '<Name Encoded="true">a%EF%BF%BE%20b%2Fc.csv</Name>', "<Name>a%20b</Name>", marker="2!92!MDA&x="
    )
    with answering(first, page_of("<Name> grün</Name>")) as (store, targets):
        listed = list(store.data.list())
    assert [blob.name for blob in listed] == ["a\ufffe b/c.csv", "a%20b", " grün"]
    assert {(blob.size, blob.md5, blob.leased) for blob in listed} == {(7, None, False)}
    assert listed[0].last_modified.isoformat() == "2026-01-09T05:00:01+00:00"
    assert "maxresults=5000" in targets[0]
    assert "marker=2%2192%21MDA%26x%3D" in targets[1]


@pytest.mark.parametrize(
    ("answer", "content_type"),
    [
        (b"<html>Welcome</html>", "text/html"),
        (b"<html>Welcome</html>", "application/xml"),
        (
            b"<EnumerationResults><Blobs><Blob><Name>a</Name></Blob></Blobs></EnumerationResults>",
            "application/xml",
        ),
        (page_of("<Name>a</Name>")[:-9], "application/xml"),
        (b'{"Blobs": []}', "application/json"),
        (b"", "application/xml"),
    ],
)
def test_what_is_not_a_listing_is_an_error_that_names_the_server(answer, content_type):
    message = r"listing data/: http://127.0.0.1:.* (is not a listing of blobs|XML is invalid)"
    with (
        answering(answer, content_type=content_type) as (store, _),
        pytest.raises(StorageError, match=message),
    ):
        list(store.data.list())
