"""Blob storage in memory, as far as the pipeline uses it: for benchmarks with more blobs than Azurite holds.

    with MemoryStorage({"data": {"2026/01/01.csv": Blob(b"TS")}}) as storage:
        storage.connection_string

It serves from a process of its own, so that the processor time of a benchmark is that of the client. It
checks conditions, but neither signatures nor leases.
"""

import hashlib
import multiprocessing
from base64 import b64encode
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from threading import Lock
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

from dev.azurite import connection_string

_MOST = 5000
"""Blobs in a page of a listing."""


@dataclass(frozen=True, slots=True)
class Blob:
    """One version of a blob."""

    data: bytes = b""
    metadata: Mapping[str, str] = field(default_factory=dict)
    etag: str = "0x8DE000000000001"
    modified: datetime = datetime(2026, 1, 1, tzinfo=UTC)


class MemoryStorage:
    """A storage server with these containers and blobs."""

    def __init__(self, containers: Mapping[str, Mapping[str, Blob]]) -> None:
        handler = type("Handler", (_Handler,), {"state": _State(containers)})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._process = multiprocessing.get_context("fork").Process(
            target=self._server.serve_forever, daemon=True
        )
        self.connection_string = connection_string(self._server.server_port)

    def __enter__(self) -> Self:
        self._process.start()
        self._server.socket.close()  # the other process serves
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.join()


class _State:
    """Blobs by container and name, and the sorted names of each container."""

    def __init__(self, containers: Mapping[str, Mapping[str, Blob]]) -> None:
        self.blobs = {name: dict(blobs) for name, blobs in containers.items()}
        self.names = {name: sorted(blobs, key=_order) for name, blobs in containers.items()}
        self.etags = count(2)
        self.lock = Lock()

    def put(self, container: str, name: str, blob: Blob) -> None:
        blobs, names = self.blobs[container], self.names[container]
        if name not in blobs:
            names.insert(_place(names, name), name)
        blobs[name] = blob

    def delete(self, container: str, name: str) -> None:
        del self.blobs[container][name]
        del self.names[container][_place(self.names[container], name)]


def _order(name: str) -> bytes:
    """What Azurite sorts names by, and Azure without a hierarchical namespace."""
    return name.encode("utf-16-be")


def _place(names: Sequence[str], name: str) -> int:
    return bisect_left(names, _order(name), key=_order)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    state: _State

    def do_GET(self) -> None:
        container, name, query = self._target()
        if query.get("comp") == "list":
            self._answer(200, _page(self.state, container, query), {"Content-Type": "application/xml"})
        else:
            self._read(container, name, with_data=True)

    def do_HEAD(self) -> None:
        container, name, _ = self._target()
        self._read(container, name, with_data=False)

    def do_PUT(self) -> None:
        container, name, query = self._target()
        data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        prefix = "x-ms-meta-"
        metadata = {
            key.lower().removeprefix(prefix): text
            for key, text in self.headers.items()
            if key.lower().startswith(prefix)
        }
        with self.state.lock:
            found = self.state.blobs[container].get(name)
            if self._refused(found):
                return
            if query.get("comp") == "metadata" and found is not None:
                data = found.data
            blob = Blob(data, metadata, f"0x8DF{next(self.state.etags):012X}", datetime.now(UTC))
            self.state.put(container, name, blob)
        self._answer(200 if query.get("comp") == "metadata" else 201, b"", _headers(blob))

    def do_DELETE(self) -> None:
        container, name, _ = self._target()
        with self.state.lock:
            found = name in self.state.blobs[container]
            if found:
                self.state.delete(container, name)
        if found:
            self._answer(202)
        else:
            self._fail(404, "BlobNotFound")

    def log_message(self, *_: object) -> None:
        """Log nothing."""

    def _target(self) -> tuple[str, str, dict[str, str]]:
        url = urlsplit(self.path)
        _, _account, container, *rest = url.path.split("/", 3)
        query = {key: texts[0] for key, texts in parse_qs(url.query).items()}
        return container, unquote("".join(rest)), query

    def _read(self, container: str, name: str, *, with_data: bool) -> None:
        blob = self.state.blobs[container].get(name)
        if blob is None:
            self._fail(404, "BlobNotFound")
            return
        ranged = {"Content-Range": f"bytes 0-{len(blob.data) - 1}/{len(blob.data)}"} if blob.data else {}
        if with_data and self.headers.get("x-ms-range") and not blob.data:
            self._fail(416, "InvalidRange")
        elif with_data:
            self._answer(206 if ranged else 200, blob.data, _headers(blob) | ranged)
        else:
            self._answer(200, b"", _headers(blob) | {"Content-Length": str(len(blob.data))})

    def _refused(self, found: Blob | None) -> bool:
        if self.headers.get("If-None-Match") == "*" and found is not None:
            self._fail(409, "BlobAlreadyExists")
            return True
        wanted = self.headers.get("If-Match")
        if wanted not in {None, "*"} and (found is None or wanted.strip('"') != found.etag):
            self._fail(412, "ConditionNotMet")
            return True
        return False

    def _fail(self, status: int, code: str) -> None:
        body = (
            b""
            if self.command == "HEAD"
            else f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode()
        )
        self._answer(status, body, {"x-ms-error-code": code, "Content-Type": "application/xml"})

    def _answer(self, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for key, text in ({"Content-Length": str(len(body))} | dict(headers or {})).items():
            self.send_header(key, text)
        self.end_headers()
        self.wfile.write(body)


def _headers(blob: Blob) -> dict[str, str]:
    return {
        "ETag": f'"{blob.etag}"',
        "Last-Modified": format_datetime(blob.modified, usegmt=True),
        "x-ms-blob-type": "BlockBlob",
    } | {f"x-ms-meta-{key}": text for key, text in blob.metadata.items()}


def _page(state: _State, container: str, query: Mapping[str, str]) -> bytes:
    blobs, names = state.blobs[container], state.names[container]
    prefix, most = query.get("prefix", ""), int(query.get("maxresults", _MOST))
    listed: list[str] = []
    last, marker = "", ""
    first = max(prefix, query.get("marker", ""), query.get("startFrom", ""), key=_order)
    for name in names[_place(names, first) :]:
        if not name.startswith(prefix):
            break
        folder = prefix + name.removeprefix(prefix).partition("/")[0] + "/"
        is_folder = "delimiter" in query and name.startswith(folder)
        if is_folder and folder == last:
            continue
        if len(listed) == most:
            marker = name
            break
        last = folder if is_folder else ""
        listed.append(
            f"<BlobPrefix><Name>{escape(folder)}</Name></BlobPrefix>"
            if is_folder
            else _entry(name, blobs[name], with_metadata="metadata" in query.get("include", ""))
        )
    text = (
        f'<?xml version="1.0" encoding="UTF-8"?><EnumerationResults ContainerName="{container}">'
        f"<Prefix>{escape(prefix)}</Prefix><MaxResults>{most}</MaxResults><Blobs>{''.join(listed)}</Blobs>"
        f"<NextMarker>{escape(marker)}</NextMarker></EnumerationResults>"
    )
    return text.encode()


def _entry(name: str, blob: Blob, *, with_metadata: bool) -> str:
    time = format_datetime(blob.modified, usegmt=True)
    md5 = b64encode(hashlib.md5(blob.data).digest()).decode()  # noqa: S324 - what storage names it by
    texts = "".join(f"<{key}>{escape(text)}</{key}>" for key, text in blob.metadata.items())
    return (
        f"<Blob><Name>{escape(name)}</Name><Properties><Creation-Time>{time}</Creation-Time>"
        f"<Last-Modified>{time}</Last-Modified><Etag>{blob.etag}</Etag>"
        f"<Content-Length>{len(blob.data)}</Content-Length><Content-Type>text/csv</Content-Type>"
        f"<Content-MD5>{md5}</Content-MD5><BlobType>BlockBlob</BlobType><LeaseStatus>unlocked</LeaseStatus>"
        "<LeaseState>available</LeaseState><ServerEncrypted>true</ServerEncrypted><AccessTier>Hot</AccessTier>"
        f"<AccessTierInferred>true</AccessTierInferred></Properties>"
        f"{f'<Metadata>{texts}</Metadata>' if with_metadata else ''}</Blob>"
    )
