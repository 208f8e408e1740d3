"""A fault-injecting proxy for Azurite: it causes the failures that real storage has, as often as you like.

    with FaultProxy(azurite.ports["Blob"], at_random(seed=7, share=0.1)) as proxy:
        connection_string(proxy.port)

It runs in its own thread. Signatures cover the path of a request, not host and port, so they stay valid
behind the proxy.
"""

import asyncio
import random
import struct
import threading
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from enum import StrEnum
from socket import SO_LINGER, SOL_SOCKET
from types import TracebackType
from typing import Any, Self


class Fault(StrEnum):
    """A kind of failure."""

    INTERNAL = "500"  # the request is rejected
    BUSY = "503"
    THROTTLE = "429"  # with Retry-After
    RESET = "reset"  # the connection is reset before the request is forwarded
    LOST = "lost response"  # the request is forwarded, the connection reset before the response
    CUT = "truncated response"  # the connection is reset in the middle of the response
    DELAY = "delay"  # the response is late


@dataclass(frozen=True, slots=True)
class Request:
    """A request, as the function that chooses its fault sees it."""

    number: int
    """Counts all requests, from 1."""
    method: str
    target: str


Choose = Callable[[Request], Fault | None]

DELAY_SECONDS = 0.3
_REASONS = {
    Fault.INTERNAL: "Internal Server Error",
    Fault.BUSY: "Server Busy",
    Fault.THROTTLE: "Too Many Requests",
}


def at_random(seed: int, share: float, faults: Sequence[Fault] = tuple(Fault)) -> Choose:
    """Make `share` of all requests fail; the same seed and order of requests give the same faults."""
    chance = random.Random(seed)  # noqa: S311

    def choose(_request: Request) -> Fault | None:
        return chance.choice(faults) if chance.random() < share else None

    return choose


class FaultProxy:
    """The proxy; use it with `with`. `requests` and `faults` count what it has handled and injected."""

    def __init__(self, port: int, choose: Choose) -> None:
        """Forward to `port` of this machine, with the fault that `choose` returns for each request."""
        self.target_port = port
        self.choose = choose
        self.port = 0
        self.requests = 0
        self.faults: Counter[Fault] = Counter()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = self._run(asyncio.start_server(self._accept, "127.0.0.1", 0))
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._run(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run[T](self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(timeout=30)

    async def _stop(self) -> None:
        assert self._server is not None  # noqa: S101
        self._server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}  # also connections that are being accepted
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        self._server.abort_clients()
        await self._server.wait_closed()  # otherwise the loop can end before their sockets are closed

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = self._loop.create_task(self._serve(reader, writer))
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve the requests of one connection in order until a fault breaks the connection."""
        server = _Server(self.target_port)
        try:
            while (head := await _head(reader)) is not None:
                body = await _body(reader, head)
                method, target, _ = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
                self.requests += 1
                fault = self.choose(Request(self.requests, method, target))
                if fault is not None:
                    self.faults[fault] += 1
                if not await _respond(server, writer, method, head + body, fault):
                    break
        except (OSError, asyncio.IncompleteReadError):
            pass  # the client or Azurite closed the connection
        finally:
            server.close()
            writer.close()


class _Server:
    """The real server, over a connection that is reused while the server keeps it open."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._open: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def send(self, method: str, request: bytes) -> bytes:
        """Forward a request; returns the whole response."""
        if self._open is None or self._open[0].at_eof():
            self.close()
            self._open = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._open
        writer.write(request)
        await writer.drain()
        head = await _head(reader)
        while head is not None and head.startswith(b"HTTP/1.1 100"):
            head = await _head(reader)
        if head is None:
            raise asyncio.IncompleteReadError(b"", None)
        no_body = method == "HEAD" or head[9:12] in {b"204", b"304"}
        return head if no_body else head + await _body(reader, head)

    def close(self) -> None:
        if self._open is not None:
            self._open[1].close()
            self._open = None


async def _respond(
    server: _Server, writer: asyncio.StreamWriter, method: str, request: bytes, fault: Fault | None
) -> bool:
    """Respond to one request; returns False once the connection is broken."""
    if fault in _REASONS:
        writer.write(_error_response(fault))
        await writer.drain()
        return True
    if fault is Fault.RESET:
        return _reset(writer)
    if fault is Fault.DELAY:
        await asyncio.sleep(DELAY_SECONDS)
    response = await server.send(method, request)
    if fault is Fault.LOST:
        return _reset(writer)
    if fault is Fault.CUT:
        writer.write(response[: len(response) // 2])
        await writer.drain()
        return _reset(writer)
    writer.write(response)
    await writer.drain()
    return True


async def _head(reader: asyncio.StreamReader) -> bytes | None:
    """Start line and headers, including the empty line; None if the connection was closed before them."""
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise
        return None


async def _body(reader: asyncio.StreamReader, head: bytes) -> bytes:
    headers = {
        name.strip().lower(): value.strip().lower()
        for name, _, value in (line.partition(b":") for line in head.split(b"\r\n")[1:])
    }
    if headers.get(b"transfer-encoding") == b"chunked":
        parts = []
        while True:
            size = await reader.readuntil(b"\r\n")
            length = int(size.split(b";")[0], 16)
            parts += [size, await reader.readexactly(length + 2)]
            if length == 0:
                return b"".join(parts)
    return await reader.readexactly(int(headers.get(b"content-length", b"0")))


def _error_response(fault: Fault) -> bytes:
    code = _REASONS[fault].replace(" ", "")
    body = (
        f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>Injected fault</Message></Error>".encode()
    )
    retry_after = "Retry-After: 1\r\n" if fault is Fault.THROTTLE else ""
    head = (
        f"HTTP/1.1 {fault.value} {_REASONS[fault]}\r\nContent-Type: application/xml\r\n"
        f"{retry_after}Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _reset(writer: asyncio.StreamWriter) -> bool:
    """Break the connection so that the client sees a reset, not an orderly close."""
    writer.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
    return False
