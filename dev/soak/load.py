"""Readings that land: a steady stream and bursts of it, replaced and removed now and then, told of twice."""

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

_BAD, _REPLACED, _REMOVED, _NO_LANDING = 0.05, 0.08, 0.03, 0.01
"""Shares of all blobs that land."""
_NOT_TOLD, _TOLD_TWICE, _TOLD_LATE = 0.03, 0.05, 0.05
"""Shares of events that never come, come twice, and are about some blob that came long ago."""
_AFTERWARDS = 8.0
"""Seconds until a blob is replaced or removed, on average: before it is scored, meanwhile, or after."""
_UPLOADS = _EVENTS = 8
_PAUSE = 0.02


@dataclass(frozen=True, slots=True)
class Plan:
    """How much lands."""

    seconds: float
    rate: float
    """Landings a second."""
    bursts: int
    """How often many land at once, spread over the time."""
    burst: int
    """How many that are."""


class Load:
    """Lets blobs land according to a plan, and tells of them as events do; `done` counts what it did."""

    def __init__(self, data: "ContainerClient", tell: Callable[[str], bool], seed: int) -> None:
        """`tell` calls the app for a blob's name; an event that it could not deliver is lost."""
        self.done: Counter[str] = Counter()
        self._data, self._tell = data, tell
        self._chance = random.Random(seed)  # noqa: S311
        self._counting = threading.Lock()
        self._landed: list[str] = []
        self._later: list[tuple[float, str, Kind, int, int]] = []
        self._events: ThreadPoolExecutor

    def run(self, plan: Plan) -> None:
        """Everything in the plan, in its time; what a slow machine is behind with lands at once."""
        began, steady = time.monotonic(), 0
        due = [plan.seconds * (2 * number + 1) / (2 * plan.bursts) for number in range(plan.bursts)]
        with ThreadPoolExecutor(_UPLOADS) as uploads, ThreadPoolExecutor(_EVENTS) as self._events:
            while (now := time.monotonic() - began) < plan.seconds:
                wanted = int(now * plan.rate) - steady
                steady += wanted
                if due and now >= due[0]:
                    del due[0]
                    wanted += plan.burst
                    self.done["bursts"] += 1
                list(uploads.map(self._put, [self._next(now) for _ in range(wanted)]))
                self._change(now)
                time.sleep(_PAUSE)
            self._change(float("inf"))

    def _next(self, now: float) -> tuple[str, bytes]:
        """The next blob to land, and what becomes of it later."""
        number, chance = len(self._landed), self._chance
        if chance.random() < _NO_LANDING:
            self.done["no landings"] += 1
            self._landed.append(chance.choice(["_notes", "empty"]) + f"/{number}.csv")
            return self._landed[-1], b"" if self._landed[-1].startswith("empty") else b"none"
        bad = [kind for kind in Kind if kind is not Kind.GOOD]
        kind = chance.choice(bad) if chance.random() < _BAD else Kind.GOOD
        name, when = blob_name(kind, number), now + chance.expovariate(1 / _AFTERWARDS)
        fate = chance.random()
        if fate < _REPLACED:
            heapq.heappush(self._later, (when, name, kind, number, 1))
        elif fate < _REPLACED + _REMOVED:
            heapq.heappush(self._later, (when, name, kind, number, 0))
        self._landed.append(name)
        self.done["landings"] += 1
        self.done[f"of them {kind}"] += 1
        return name, content(kind, number, 0, chance)

    def _change(self, now: float) -> None:
        """Replace and remove what is due; a few are replaced again and again."""
        while self._later and self._later[0][0] <= now:
            when, name, kind, number, version = heapq.heappop(self._later)
            if version == 0:
                self._data.delete_blob(name)
                self.done["removed"] += 1
                continue
            self._put((name, content(kind, number, version, self._chance)))
            self.done["landings"] += 1
            self.done["of them replacements"] += 1
            if version + 1 < VERSIONS and self._chance.random() < 0.5:  # noqa: PLR2004
                again = when + self._chance.expovariate(1 / _AFTERWARDS)
                heapq.heappush(self._later, (again, name, kind, number, version + 1))

    def _put(self, blob: tuple[str, bytes]) -> None:
        self._data.upload_blob(*blob, overwrite=True)
        names, chance = [blob[0]], self._chance.random()
        if chance < _NOT_TOLD:
            names = []
        elif chance < _NOT_TOLD + _TOLD_TWICE:
            names *= 2
        elif chance < _NOT_TOLD + _TOLD_TWICE + _TOLD_LATE:
            names.append(self._chance.choice(self._landed))
        for name in names:
            self._events.submit(self._event, name)

    def _event(self, name: str) -> None:
        what = "events" if self._tell(name) else "events lost"
        with self._counting:
            self.done[what] += 1
