"""Logs reach Application Insights if its connection string is set; here, a local server stands in for it."""

import gzip
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from dev.host.process import HostProcess


class Ingestion(BaseHTTPRequestHandler):
    """Receives telemetry as Application Insights does."""

    received: list[dict[str, Any]]

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        items = json.loads(body)
        self.received += items
        count = len(items)
        response = json.dumps({"itemsReceived": count, "itemsAccepted": count, "errors": []}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(response)))
        self.end_headers()
        self.wfile.write(response)

    def log_message(self, *_):
        pass


@pytest.fixture
def insights():
    """The address of a server and the items that it has received."""
    received: list[dict[str, Any]] = []
    handler = type("Handler", (Ingestion,), {"received": received})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/", received
        server.shutdown()
        thread.join()


def test_each_log_message_of_a_function_arrives_once(azurite, apps, insights):
    address, received = insights
    key = "00000000-0000-0000-0000-000000000001"
    settings = {
        "AzureFunctionsWebHost__hostid": "telemetry",
        "AzureWebJobsStorage": azurite.connection_string,
        "SampleStorage": azurite.connection_string,
        "SAMPLE_CONTAINER": "none",
        "SAMPLE_SCHEDULE": "0 0 * * * *",
        "PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY": "true",
        "APPLICATIONINSIGHTS_CONNECTION_STRING": f"InstrumentationKey={key};IngestionEndpoint={address}",
        "APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL": "true",
    }
    with HostProcess(apps / "both", settings) as host:
        host.wait_until_started()
        assert host.call("tick") == 202
    messages = [item["data"]["baseData"] for item in received if item["data"]["baseType"] == "MessageData"]
    (logged,) = (message for message in messages if message["message"].startswith("tick {"))
    assert logged["properties"]["logger_name"] == "sample"
