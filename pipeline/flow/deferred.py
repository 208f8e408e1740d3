"""The landings that this process has deferred, because too many runs were active.

The next run that it submits takes them along: so they wait until a run ends, and not for the next sweep. They
are in memory only: what a process forgets, the sweep finds. Other processes can have claimed them since.
"""

import threading
from collections.abc import Iterable
from itertools import islice

from pipeline.runs.landing import Landing

MOST = 10_000
"""Landings to remember, some megabytes: those beyond wait for the sweep."""
AT_ONCE = 1_000
"""Most landings that one run takes along: they are claimed within the call for an event."""


class Deferred:
    """Landings in the order in which they were deferred; threads share it.

    Of each blob the version that was seen last: a run accepts one, and earlier ones exist no more.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._landings: dict[str, Landing] = {}

    def __len__(self) -> int:
        return len(self._landings)

    def add(self, landing: Landing) -> None:
        """Remember this one."""
        with self._lock:
            if landing.name in self._landings or len(self._landings) < MOST:
                self._landings[landing.name] = landing

    def take(self) -> list[Landing]:
        """Take the first ones out, as many as one run takes along."""
        with self._lock:
            return [self._landings.pop(name) for name in list(islice(self._landings, AT_ONCE))]

    def put_back(self, landings: Iterable[Landing]) -> None:
        """Remember these again, as the first ones."""
        with self._lock:
            self._landings = {landing.name: landing for landing in landings} | self._landings

    def forget(self, landings: Iterable[Landing]) -> None:
        """These have a run."""
        with self._lock:
            for landing in landings:
                if self._landings.get(landing.name) == landing:
                    del self._landings[landing.name]
