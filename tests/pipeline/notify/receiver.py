"""A receiver of webhooks that is really served, and behaves badly on request."""

import base64
import hashlib
import hmac
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()


@dataclass
class Received:
    """One request."""

    headers: dict[str, str]
    body: bytes
    path: str

    @property
    def document(self) -> Any:
        return json.loads(self.body)

    def is_signed(self, secret: str = SECRET) -> bool:
        """As a receiver checks it, by the Standard Webhooks specification."""
        key = base64.b64decode(secret.removeprefix("whsec_"))
        content = f"{self.headers['webhook-id']}.{self.headers['webhook-timestamp']}.".encode() + self.body
        signature = "v1," + base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
        return signature in self.headers["webhook-signature"].split()


@dataclass
class Receiver:
    """What was accepted, and how the next requests are answered."""

    answer: Callable[[int], tuple[int, dict[str, str]]] = lambda _: (204, {})
    """Status and headers, by the number of the request; status 0 closes the connection without an answer."""
    seconds: Callable[[int], float] = lambda _: 0.0
    """How long it thinks first."""
    accepted: list[Received] = field(default_factory=list)
    requests: int = 0
    url: str = ""

    def ids(self) -> list[str]:
        """Ids of accepted events, each once, in the order in which they came first."""
        return list(dict.fromkeys(one.headers["webhook-id"] for one in self.accepted))


@contextmanager
def served(receiver: Receiver, port: int = 0) -> Iterator[Receiver]:
    """Serve it until the block ends; then nothing listens there."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            number, receiver.requests = receiver.requests, receiver.requests + 1
            body = self.rfile.read(int(self.headers["Content-Length"]))
            time.sleep(receiver.seconds(number))
            status, headers = receiver.answer(number)
            if status == 0:
                self.close_connection = True
                return
            if 200 <= status < 300:
                names = {name.lower(): text for name, text in self.headers.items()}
                receiver.accepted.append(Received(names, body, self.path))
            self.send_response(status)
            for name, text in headers.items():
                self.send_header(name, text)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name of the base class
            """Nothing: tests read what was received."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    receiver.url = f"http://127.0.0.1:{server.server_port}/hooks/secret-path"
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def dripping() -> Iterator[str]:
    """The address of a receiver that sends its answer byte by byte, and never all of it."""
    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip(connection: socket.socket) -> None:
            with connection, suppress(OSError):
                connection.sendall(b"HTTP/1.1 204 No Content\r\nX: ")
                while not ended.wait(0.05):
                    connection.sendall(b"x")

        def accept() -> None:
            with suppress(OSError):
                while not ended.is_set():
                    threading.Thread(target=drip, args=(server.accept()[0],), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}"
        finally:
            ended.set()
