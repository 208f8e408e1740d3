"""HTTP over TLS on loopback: requests become calls, answers become responses.

Python's own server, because a library for asynchronous HTTP would slow down everything else that runs here:
azure.storage.blob imports aiohttp where it is installed, for a quarter of a second, and the deployed app has
none.
"""

import contextlib
import json
import socket
import ssl
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from dev.azureml.answers import Answer, Call, Refusal

LOOPBACK = "127.0.0.1"
MAX_BODY = 64 * 1024 * 1024

type Serve = Callable[[Call], Answer | None]


class Listener:
    """Hands each request to `serve`, in a thread per connection, until closed."""

    def __init__(self, serve: Serve, port: int, certificate: Path, key: Path) -> None:
        """Where `serve` returns None, the connection breaks without a response. Port 0 picks a free one."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self._server = _Server(serve, port, context)
        self.port: int = self._server.server_port
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name="azureml-emulator", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop, and drop every connection: clients keep theirs open."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(30)
        self._server.drop()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, serve: Serve, port: int, context: ssl.SSLContext) -> None:
        super().__init__((LOOPBACK, port), _Handler)
        self.serve = serve
        self._context = context
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()

    def get_request(self) -> tuple[socket.socket, Any]:
        plain, address = super().get_request()
        # The connection's own thread does the handshake: a silent client blocks no other.
        connection = self._context.wrap_socket(plain, server_side=True, do_handshake_on_connect=False)
        with self._lock:
            self._open.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Show faults of the emulator; a client that disconnects is not one."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)

    def drop(self) -> None:
        with self._lock:
            for connection in self._open:
                break_off(connection)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # a response is one write

    def _serve(self) -> None:
        where = urlsplit(self.path)
        headers = {name.lower(): text for name, text in self.headers.items()}
        length = int(headers.get("content-length", 0))
        if length > MAX_BODY:
            self.close_connection = True
            self._answer(Refusal(413, "RequestEntityTooLarge", "The request content is too large.").answer())
            return
        try:
            body = json.loads(self.rfile.read(length) or b"{}")
        except ValueError:
            refusal = Refusal(400, "InvalidRequestContent", "The request content is not JSON.")
            self._answer(refusal.answer())
            return
        query = dict(parse_qsl(where.query, keep_blank_values=True))
        answer = self.server.serve(Call(self.command, unquote(where.path), query, headers, body))
        if answer is None:
            self.close_connection = True
            break_off(self.connection)
        else:
            self._answer(answer)

    do_GET = do_PUT = do_POST = do_DELETE = _serve  # noqa: N815 - the base class's names

    def _answer(self, answer: Answer) -> None:
        if isinstance(answer.body, str):
            kind, text = "text/plain; charset=utf-8", answer.body
        else:
            kind, text = "application/json", "" if answer.body is None else json.dumps(answer.body)
        content = text.encode()
        self.send_response(answer.status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Log nothing: the emulator records its calls."""


def break_off(connection: socket.socket) -> None:
    """Break a connection without even a TLS close, although another thread might be reading from it."""
    with contextlib.suppress(OSError):
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
