"""The host's HTTP endpoints, on loopback only: those that `func` users and Event Grid use.

    curl -H 'Content-Type: application/json' -d '{}' http://127.0.0.1:7071/admin/functions/score_on_timer

runs a timer's function out of turn; for a blob's, the body is {"input": "container/name"}. The response is
202 at once; the log reports the outcome under the id in the header `Invocation-Id`, our addition.
"""

import asyncio
import json
import logging
import re
import uuid
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from dev.host import event_grid
from dev.host.blob_messages import BlobMessage

_log = logging.getLogger("Host")

LOOPBACK = "127.0.0.1"
_LARGEST_BODY = 2 * 2**20
"""Event Grid sends 1 MB at most."""

Call = Callable[[str, str], Coroutine[Any, Any, object]]
"""Calls a function out of turn; takes the value of "input", and an id. Raises WrongInput at once."""


class WrongInput(ValueError):
    """The caller's value is not a valid input of this function."""


class Endpoints:
    """Answers until closed; use as a context manager inside the host's event loop.

    Args:
        port: where to listen; any free port if it is in use.
        calls: functions by name.
        queue: takes the messages of events.
        errors: those that the status reports.
    """

    def __init__(
        self, port: int, calls: dict[str, Call], queue: Callable[[BlobMessage], None], errors: list[str]
    ) -> None:
        self._server = _bind(port)
        self._server.daemon_threads = True
        self._server.calls, self._server.queue, self._server.errors = calls, queue, errors
        self._server.loop = asyncio.get_running_loop()
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    @property
    def address(self) -> str:
        """Where it answers."""
        return f"http://{LOOPBACK}:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    calls: dict[str, Call]
    queue: Callable[[BlobMessage], None]
    errors: list[str]
    loop: asyncio.AbstractEventLoop


def _bind(port: int) -> _Server:
    try:
        return _Server((LOOPBACK, port), _Handler)
    except OSError:
        return _Server((LOOPBACK, 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        if not self._from_here():
            return
        if self.path == "/admin/host/status":
            state = {"state": "Running"} | ({"errors": self.server.errors} if self.server.errors else {})
            self._answer(HTTPStatus.OK, state)
        elif self.path == "/admin/functions":
            self._answer(HTTPStatus.OK, [{"name": name} for name in self.server.calls])
        elif urlsplit(self.path).path == event_grid.PATH:
            self._answer(HTTPStatus.BAD_REQUEST)
        else:
            self._answer(HTTPStatus.NOT_FOUND)

    def do_OPTIONS(self) -> None:
        """The handshake of CloudEvents."""
        if self._from_here():
            self._answer(HTTPStatus.OK)

    def do_POST(self) -> None:
        if not self._from_here():
            return
        body = self._body()
        if body is None:
            self.close_connection = True  # what follows is the rest of this request
            self._answer(HTTPStatus.CONTENT_TOO_LARGE)
        elif urlsplit(self.path).path == event_grid.PATH:
            self._take_events(body)
        else:
            self._call(body)

    def _call(self, body: bytes) -> None:
        call = self.server.calls.get(self.path.removeprefix("/admin/functions/"))
        if call is None:
            names = ", ".join(self.server.calls)
            self._answer(HTTPStatus.NOT_FOUND, {"error": f"no such function; there are: {names}"})
            return
        if self.headers.get_content_type() != "application/json" or "Content-Type" not in self.headers:
            wanted = "expected the header 'Content-Type: application/json'"
            self._answer(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, {"error": wanted})
            return
        invocation = str(uuid.uuid4())
        try:
            coroutine = call(_input(body), invocation)
        except WrongInput as error:
            self._answer(HTTPStatus.BAD_REQUEST, {"error": str(error)})
            return
        running = asyncio.run_coroutine_threadsafe(coroutine, self.server.loop)
        running.add_done_callback(_report)
        self._answer(HTTPStatus.ACCEPTED, headers={"Invocation-Id": invocation})

    def _take_events(self, body: bytes) -> None:
        """Respond as the blob extension's webhook does: 202 once all events are queued."""
        from azure.core.exceptions import AzureError

        query = {name.lower(): values for name, values in parse_qs(urlsplit(self.path).query).items()}
        function = query.get("functionname", [""])[0]
        kind = (self.headers.get(event_grid.KIND) or "").lower()
        try:
            if kind == "subscriptionvalidation":
                self._answer(HTTPStatus.OK, event_grid.validation_answer(body))
            elif kind == "unsubscribe":
                self._answer(HTTPStatus.ACCEPTED)
            elif kind != "notification":
                wanted = f"expected the header '{event_grid.KIND}: Notification'"
                self._answer(HTTPStatus.BAD_REQUEST, {"error": wanted})
            elif not function:
                wanted = f"expected {event_grid.PATH}?functionName=Host.Functions.NAME"
                self._answer(HTTPStatus.BAD_REQUEST, {"error": wanted})
            else:
                for message in event_grid.messages(body, function):
                    self.server.queue(message)
                self._answer(HTTPStatus.ACCEPTED)
        except (ValueError, AzureError) as error:
            _log.error("cannot queue the events posted to %s: %s", event_grid.PATH, error)
            self._answer(HTTPStatus.INTERNAL_SERVER_ERROR, {"error": str(error)})

    def _body(self) -> bytes | None:
        """The body; None where its length is too large, or no length."""
        text = self.headers.get("Content-Length") or "0"
        length = int(text) if re.fullmatch("[0-9]{1,9}", text, re.ASCII) else _LARGEST_BODY + 1
        return self.rfile.read(length) if length <= _LARGEST_BODY else None

    def _from_here(self) -> bool:
        """Reject what a web page in a browser on this machine could send."""
        host = (self.headers.get("Host") or "").rsplit(":", 1)[0]
        if host in {LOOPBACK, "localhost"} and "Origin" not in self.headers:
            return True
        self._answer(HTTPStatus.FORBIDDEN, {"error": "for command lines on this machine only"})
        return False

    def _answer(
        self, status: HTTPStatus, document: Any = None, headers: dict[str, str] | None = None
    ) -> None:
        body = b"" if document is None else json.dumps(document).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Log nothing: the calls themselves are logged."""


def _input(body: bytes) -> str:
    try:
        document = json.loads(body or b"{}")
    except ValueError as error:
        raise WrongInput("the body is not JSON") from error
    if not isinstance(document, dict):
        raise WrongInput('the body should be an object, such as {"input": ""}')
    return str(document.get("input") or "")


def _report(call: Future[object]) -> None:
    if not call.cancelled() and (error := call.exception()):
        _log.error("a call out of turn failed", exc_info=error)
