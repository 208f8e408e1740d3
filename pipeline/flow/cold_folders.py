"""Folders of the data container that nothing arrives in any more, such as the days of last month.

Where names grow with time (`site-a/2026/11/28/05.csv`), a listing of the whole container is mostly history. A
sweep lists it once a day, notes which folders are cold, and lists the others until the next day. A blob that
arrives in a cold folder without an event waits for the next whole listing.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import ceil

from pipeline.storage.container import Container
from pipeline.storage.listing import PAGE, BlobInfo

COLD_AFTER = timedelta(days=2)
"""A folder is cold if its newest blob arrived longer ago."""
WHOLE_EVERY = timedelta(days=1)
"""Longest time between two listings of the whole container."""
MOST = 5_000
"""Cold folders to note, which each sweep reads; with more, the folder above them is listed as a whole."""


def list_outside(container: Container, cold: Sequence[str]) -> Iterator[BlobInfo]:
    """All blobs that are not in one of the cold folders, which are sorted and end with '/'."""
    folders = [""]
    while folders:
        folder = folders.pop()
        place = bisect_left(cold, folder)
        if place == len(cold) or not cold[place].startswith(folder):
            yield from container.list(folder)  # nothing in it is cold
        elif cold[place] != folder:
            for found in container.list_folder(folder):
                if isinstance(found, str):
                    folders.append(found)
                else:
                    yield found


_LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(slots=True)
class _Folder:
    """What was listed of a folder so far."""

    name: str
    latest: datetime = _LONG_AGO
    blobs: int = 0
    """With those of its folders."""
    entries: int = 0
    """Blobs and folders directly in it."""
    cold: list[str] = field(default_factory=list)
    requests: int = 0
    """To list the folders in it that are not cold."""


class ColdFolders:
    """Finds cold folders while a whole container is listed, in the order of names."""

    def __init__(self, now: datetime) -> None:
        self._limit = now - COLD_AFTER
        self._open = [_Folder("")]

    def record(self, blobs: Iterator[BlobInfo]) -> Iterator[BlobInfo]:
        """The same blobs; records the folders that they are in."""
        for blob in blobs:
            self._enter(blob.name)
            folder = self._open[-1]
            folder.blobs += 1
            folder.entries += 1
            folder.latest = max(folder.latest, blob.last_modified)
            yield blob

    def names(self) -> list[str]:
        """Names of the cold folders, sorted, each without those in it; empty where they save no request."""
        while len(self._open) > 1:
            self._close()
        self._forget_what_saves_nothing(self._open[0])
        return sorted(self._open[0].cold)

    def _enter(self, name: str) -> None:
        while not name.startswith(self._open[-1].name):
            self._close()
        path = self._open[-1].name
        for part in name[len(path) :].split("/")[:-1]:
            path += f"{part}/"
            self._open.append(_Folder(path))

    def _close(self) -> None:
        """Add the last open folder to the one that it is in."""
        folder = self._open.pop()
        above = self._open[-1]
        above.blobs += folder.blobs
        above.entries += 1
        above.latest = max(above.latest, folder.latest)
        if folder.latest < self._limit:
            above.cold.append(folder.name)
            return
        above.requests += self._forget_what_saves_nothing(folder)
        above.cold += folder.cold

    def _forget_what_saves_nothing(self, folder: _Folder) -> int:
        """How many requests list the folder; without its cold folders if that is no more."""
        whole = _pages(folder.blobs)
        parts = _pages(folder.entries) + folder.requests
        if not folder.cold or parts >= whole or len(folder.cold) > MOST:
            folder.cold.clear()
            return whole
        return parts


def _pages(entries: int) -> int:
    return max(1, ceil(entries / PAGE))
