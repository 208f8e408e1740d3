"""The load: a steady stream and bursts of uploads, replacements and removals, and their unreliable events."""

import heapq
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dev.soak.readings import VERSIONS, Kind, blob_name, content

if TYPE_CHECKING:
    from azure.storage.blob import ContainerClient

_BAD, _REPLACED, _REMOVED, _SKIPPED = 0.05, 0.08, 0.03, 0.01
"""Shares of all uploaded blobs."""
_LOST, _DUPLICATE, _LATE = 0.03, 0.05, 0.05
"""Shares of events that are lost, delivered twice, and joined by an event about an old blob."""
_CHANGE_DELAY = 8.0
"""Mean seconds until a blob is replaced or removed: before, while or after it is scored."""
_UPLOADS = _EVENTS = 8
_PAUSE = 0.02


@dataclass(frozen=True, slots=True)
class Plan:
    """How much to upload."""

    seconds: float
    rate: float
    """Landings per second."""
    bursts: int
    """Number of bursts, spread evenly over the time."""
    burst: int
    """Landings per burst."""


class Load:
    """Uploads blobs according to a plan and sends events about them; `counts` has the figures."""

    def __init__(self, data: "ContainerClient", notify: Callable[[str], bool], seed: int) -> None:
        """`notify` sends the app an event about a blob; returns False if the event could not be delivered."""
        self.counts: Counter[str] = Counter()
        self._data, self._notify = data, notify
        self._chance = random.Random(seed)  # noqa: S311
        self._counting = threading.Lock()
        self._uploaded: list[str] = []
        self._later: list[tuple[float, str, Kind, int, int]] = []
        self._events: ThreadPoolExecutor

    def run(self, plan: Plan) -> None:
        """Upload everything in the plan on time; a slow machine uploads its backlog at once."""
        began, steady = time.monotonic(), 0
        due = [plan.seconds * (2 * number + 1) / (2 * plan.bursts) for number in range(plan.bursts)]
        with ThreadPoolExecutor(_UPLOADS) as uploads, ThreadPoolExecutor(_EVENTS) as self._events:
            while (now := time.monotonic() - began) < plan.seconds:
                count = int(now * plan.rate) - steady
                steady += count
                if due and now >= due[0]:
                    del due[0]
                    count += plan.burst
                    self.counts["bursts"] += 1
                list(uploads.map(self._put, [self._next(now) for _ in range(count)]))
                self._change(now)
                time.sleep(_PAUSE)
            self._change(float("inf"))

    def _next(self, now: float) -> tuple[str, bytes]:
        """The next blob to upload; may schedule its replacement or removal."""
        number, chance = len(self._uploaded), self._chance
        if chance.random() < _SKIPPED:
            self.counts["skipped blobs"] += 1
            self._uploaded.append(chance.choice(["_notes", "empty"]) + f"/{number}.csv")
            return self._uploaded[-1], b"" if self._uploaded[-1].startswith("empty") else b"none"
        bad = [kind for kind in Kind if kind is not Kind.GOOD]
        kind = chance.choice(bad) if chance.random() < _BAD else Kind.GOOD
        name, when = blob_name(kind, number), now + chance.expovariate(1 / _CHANGE_DELAY)
        fate = chance.random()
        if fate < _REPLACED:
            heapq.heappush(self._later, (when, name, kind, number, 1))
        elif fate < _REPLACED + _REMOVED:
            heapq.heappush(self._later, (when, name, kind, number, 0))
        self._uploaded.append(name)
        self.counts["landings"] += 1
        self.counts[f"{kind} landings"] += 1
        return name, content(kind, number, 0, chance)

    def _change(self, now: float) -> None:
        """Replace and remove the blobs that are due; a few are replaced repeatedly."""
        while self._later and self._later[0][0] <= now:
            when, name, kind, number, version = heapq.heappop(self._later)
            if version == 0:
                self._data.delete_blob(name)
                self.counts["removed"] += 1
                continue
            self._put((name, content(kind, number, version, self._chance)))
            self.counts["landings"] += 1
            self.counts["replacements"] += 1
            if version + 1 < VERSIONS and self._chance.random() < 0.5:  # noqa: PLR2004
                again = when + self._chance.expovariate(1 / _CHANGE_DELAY)
                heapq.heappush(self._later, (again, name, kind, number, version + 1))

    def _put(self, blob: tuple[str, bytes]) -> None:
        self._data.upload_blob(*blob, overwrite=True)
        names, chance = [blob[0]], self._chance.random()
        if chance < _LOST:
            names = []
        elif chance < _LOST + _DUPLICATE:
            names *= 2
        elif chance < _LOST + _DUPLICATE + _LATE:
            names.append(self._chance.choice(self._uploaded))
        for name in names:
            self._events.submit(self._send, name)

    def _send(self, name: str) -> None:
        outcome = "events delivered" if self._notify(name) else "events undelivered"
        with self._counting:
            self.counts[outcome] += 1
