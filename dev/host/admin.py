"""The host's own address, on loopback only: the part of it that `func` users know.

    curl -d '{}' http://127.0.0.1:7071/admin/functions/score_on_timer

runs a timer's function out of turn; for a blob's, the body is {"input": "container/name"}. The answer is
202 and comes when the call has ended, so that scripts need not guess; whether it succeeded, the log says.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Self

LOOPBACK = "127.0.0.1"
_LARGEST_BODY = 64 * 1024

CallFunction = Callable[[str], Awaitable[object]]
"""Calls a function out of turn; is given what stands under "input"."""


class WrongInput(ValueError):
    """What a caller gave cannot be the input of this function."""


class AdminServer:
    """Answers until closed; use as a context manager inside the host's event loop."""

    def __init__(self, functions: dict[str, CallFunction], port: int) -> None:
        self._server = _bind(port)
        self._server.daemon_threads = True
        self._server.functions = functions
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
    functions: dict[str, CallFunction]
    loop: asyncio.AbstractEventLoop


def _bind(port: int) -> _Server:
    """Take `port`, or any that is free where another host has it."""
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
            self._answer(HTTPStatus.OK, {"state": "Running"})
        elif self.path == "/admin/functions":
            self._answer(HTTPStatus.OK, [{"name": name} for name in self.server.functions])
        else:
            self._answer(HTTPStatus.NOT_FOUND, None)

    def do_POST(self) -> None:
        if not self._from_here():
            return
        call = self.server.functions.get(self.path.removeprefix("/admin/functions/"))
        if call is None:
            self._answer(
                HTTPStatus.NOT_FOUND,
                {"error": f"no such function; there are: {', '.join(self.server.functions)}"},
            )
            return
        try:
            given = self._input()
            asyncio.run_coroutine_threadsafe(_as_coroutine(call, given), self.server.loop).result()
        except WrongInput as error:
            self._answer(HTTPStatus.BAD_REQUEST, {"error": str(error)})
            return
        self._answer(HTTPStatus.ACCEPTED, None)

    def _input(self) -> str:
        length = int(self.headers.get("Content-Length") or 0)
        if length > _LARGEST_BODY:
            raise WrongInput("the body is too long")
        try:
            body = json.loads(self.rfile.read(length) or b"{}")
        except ValueError as error:
            raise WrongInput("the body is not JSON") from error
        if not isinstance(body, dict):
            raise WrongInput('the body should be an object, such as {"input": ""}')
        return str(body.get("input") or "")

    def _from_here(self) -> bool:
        """Refuse what a web page in a browser on this machine could send."""
        host = (self.headers.get("Host") or "").rsplit(":", 1)[0]
        if host in {LOOPBACK, "localhost"} and "Origin" not in self.headers:
            return True
        self._answer(HTTPStatus.FORBIDDEN, {"error": "for command lines on this machine only"})
        return False

    def _answer(self, status: HTTPStatus, document: Any) -> None:
        body = b"" if document is None else json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Say nothing: the calls themselves are logged."""


async def _as_coroutine(call: CallFunction, given: str) -> None:
    await call(given)
