"""A receiver of events for the soak: it fails in every way, and keeps what it accepts.

The checker compares it with the fleet state and the predictions, by the documentation of notifications.
"""

import json
import random
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from dev.soak.contents import Run

_SAYS = {"fleetscoring.episode.opened": "open", "fleetscoring.episode.closed": "closed"}
_FAULTS = ("500", "429", "close", "slow")


@dataclass(slots=True)
class EventReceiver:
    """What was accepted, in order, and how the next requests fail."""

    seed: int
    accepted: list[dict[str, Any]] = field(default_factory=list)
    stopped: bool = False
    """No more failures."""
    faults: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_FAULTS, 0))
    url: str = ""

    def violations(self, runs: Iterable[Run], state: Mapping[str, Any]) -> Iterator[str]:
        """What was lost, came out of order, or says what no prediction says; a line for each."""
        first: dict[str, dict[str, Any]] = {}
        for event in self.accepted:
            first.setdefault(event["id"], event)
        seen: dict[str, list[str]] = {}
        for event in first.values():
            if event["type"] in _SAYS:
                seen.setdefault(event["data"]["episode"], []).append(_SAYS[event["type"]])
        for episode, events in seen.items():
            if events not in (["open"], ["open", "closed"]):
                yield f"the events of episode {episode} are {', '.join(events)}"
        for sensor in state["sensors"]:
            for episode in sensor["episodes"]:
                if episode["announced"] and episode["announced"] not in seen.get(episode["id"], ()):
                    yield f"no event says that episode {episode['id']} is {episode['announced']}"
        yield from _untrue(first.values(), runs)


def _untrue(events: Iterable[Mapping[str, Any]], runs: Iterable[Run]) -> Iterator[str]:
    """Events whose peak no run has predicted as an anomaly."""
    anomalies = {
        (row.device, row.sensor, _time(row.ts), float(row.value))
        for run in runs
        for row, label, _ in run.predictions
        if label
    }
    for event in events:
        if event["type"] in _SAYS:
            data, peak = event["data"], event["data"]["peak"]
            if (data["device"], data["sensor"], _time(peak["time"]), peak["value"]) not in anomalies:
                yield f"event {event['id']} names a peak that is not an anomaly"


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=None)


@contextmanager
def event_receiver(seed: int) -> Iterator[EventReceiver]:
    """Serve a receiver until the block ends."""
    receiver = EventReceiver(seed)
    chance = random.Random(seed)  # noqa: S311 - chance that can be repeated

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            fault = None if receiver.stopped or chance.random() > 0.3 else chance.choice(_FAULTS)  # noqa: PLR2004
            if fault:
                receiver.faults[fault] += 1
            if fault == "close":
                self.close_connection = True
                return
            if fault == "slow":
                time.sleep(chance.uniform(0.1, 3.0))
            status = int(fault) if fault in {"500", "429"} else 204
            if status == 204:  # noqa: PLR2004
                receiver.accepted.append(json.loads(body))
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name of the base class
            """Nothing: the checker reads what was accepted."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True).start()
    receiver.url = f"http://127.0.0.1:{server.server_port}/events"
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
