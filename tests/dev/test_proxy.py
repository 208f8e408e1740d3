"""The proxy injects exactly the faults that it is asked for, and otherwise changes nothing."""

import http.client
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest

from dev.proxy import Fault, FaultProxy, Request, at_random


@pytest.fixture
def server():
    """A server that echoes and records requests."""

    class Echo(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        bodies: ClassVar[list[bytes]] = []

        def do_PUT(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.bodies.append(body)
            self.send_response(201)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_HEAD(self):
            self.send_response(200)
            self.send_header("Content-Length", "12345")
            self.end_headers()

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def scripted(server):
    """A proxy that injects the next fault of its script into each request; and the script."""
    script: list[Fault] = []
    with FaultProxy(server.server_port, lambda _: script.pop(0) if script else None) as proxy:
        yield proxy, script


@pytest.fixture
def proxy(scripted):
    return scripted[0]


@pytest.fixture
def script(scripted):
    return scripted[1]


def put(proxy, body=b"hello"):
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=5)
    try:
        connection.request("PUT", "/container/blob?comp=x", body)
        answer = connection.getresponse()
        return answer.status, answer.read(), answer.headers
    finally:
        connection.close()


def received(server):
    return server.RequestHandlerClass.bodies


def test_without_a_fault_it_forwards_everything(proxy, server):
    body = bytes(range(256)) * 1000
    assert put(proxy, body)[:2] == (201, body)
    assert received(server) == [body]
    assert (proxy.requests, sum(proxy.faults.values())) == (1, 0)


def test_a_connection_serves_many_requests_and_head_responses_have_no_body(proxy):
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=5)
    for _ in range(3):
        connection.request("HEAD", "/")
        answer = connection.getresponse()
        assert (answer.status, answer.headers["Content-Length"], answer.read()) == (200, "12345", b"")
    connection.close()


@pytest.mark.parametrize("fault", [Fault.INTERNAL, Fault.BUSY, Fault.THROTTLE])
def test_a_rejected_request_does_not_reach_the_server(proxy, script, server, fault):
    script.append(fault)
    status, body, headers = put(proxy)
    assert str(status) == fault.value
    assert b"<Code>" in body
    assert ("Retry-After" in headers) == (fault is Fault.THROTTLE)
    assert received(server) == []
    assert proxy.faults == {fault: 1}


def test_a_reset_request_does_not_reach_the_server(proxy, script, server):
    script.append(Fault.RESET)
    with pytest.raises(ConnectionError):
        put(proxy)
    assert received(server) == []


def test_a_request_whose_response_is_lost_reaches_the_server(proxy, script, server):
    script.append(Fault.LOST)
    with pytest.raises(ConnectionError):
        put(proxy)
    assert received(server) == [b"hello"]


def test_a_truncated_response_ends_early(proxy, script, server):
    script.append(Fault.CUT)
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        put(proxy, b"x" * 100_000)
    assert len(received(server)) == 1


def test_a_late_response_is_complete(proxy, script):
    script.append(Fault.DELAY)
    assert put(proxy)[:2] == (201, b"hello")
    assert proxy.faults == {Fault.DELAY: 1}


def test_the_same_seed_gives_the_same_faults():
    def faults(seed):
        choose = at_random(seed, 0.1)
        return [choose(Request(number, "GET", "/")) for number in range(1000)]

    assert faults(1) == faults(1) != faults(2)
    assert 60 < sum(fault is not None for fault in faults(1)) < 140
