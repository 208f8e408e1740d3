"""The demo's receiver of messages: a webhook on this machine that prints what operators would read."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from dev.demo.fleet import Log
from pipeline.flow.context import Context
from pipeline.notify.settings import Format, NotifySettings, Sink, SinkKind, write_notify_settings

_MOST_LINES = 4
_PATIENCE = 20.0
"""Seconds: a worker sends its messages right after its run has finished."""


@contextmanager
def printed_messages(context: Context, log: Log) -> Iterator[None]:
    """Let messages of this fleet arrive here, and print them, until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            first, *others = [block["text"]["text"] for block in body["blocks"]]
            log(f"Message for the operators: {first}")
            details = others[:-1]  # the last one names the run
            for line in details[:_MOST_LINES]:
                log(f"  {line}")
            if left := details[_MOST_LINES:]:
                log(f"  and {len(left):,} more lines")
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name of the base class
            """Nothing: the message itself is printed."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True).start()
    try:
        url = f"http://127.0.0.1:{server.server_port}/"
        sink = Sink(name="operators", kind=SinkKind.WEBHOOK, format=Format.SLACK, url=url)
        write_notify_settings(context.store.runs, NotifySettings(sinks=(sink,)).to_bytes(), "the demo")
        yield
    finally:
        server.shutdown()
        server.server_close()


def wait_for_messages(context: Context, runs: list[str]) -> None:
    """Wait until these finished runs are in the fleet state, and what they had to announce is delivered."""
    from pipeline.fleet.store import read_state

    ends = time.monotonic() + _PATIENCE
    while time.monotonic() < ends:
        records, state = [context.runs.load(run) for run in runs], read_state(context.store.preds)
        added = all(record.run in state.runs or not record.counts for record in records)
        if added and not state.outbox:
            return
        time.sleep(0.2)
