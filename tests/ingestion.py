"""A server that takes telemetry as Application Insights does."""

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "00000000-0000-0000-0000-000000000001"


class _Handler(BaseHTTPRequestHandler):
    taken: list[dict[str, Any]]

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        items = json.loads(body)
        self.taken += items
        count = len(items)
        answer = json.dumps({"itemsReceived": count, "itemsAccepted": count, "errors": []}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


@contextmanager
def ingestion() -> Iterator[tuple[dict[str, str], list[dict[str, Any]]]]:
    """Settings that lead an app's telemetry to a server of ours, and what it has taken."""
    taken: list[dict[str, Any]] = []
    handler = type("Handler", (_Handler,), {"taken": taken})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        address = f"http://127.0.0.1:{server.server_port}/"
        connection = f"InstrumentationKey={KEY};IngestionEndpoint={address}"
        yield (
            {
                "PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY": "true",
                "APPLICATIONINSIGHTS_CONNECTION_STRING": connection,
                "APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL": "true",
            },
            taken,
        )
        server.shutdown()
        thread.join()


def messages(taken: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the app logged: each has a `message` and `properties`."""
    return [item["data"]["baseData"] for item in list(taken) if item["data"]["baseType"] == "MessageData"]
