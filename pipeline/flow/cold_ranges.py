"""Ranges of names in the data container in which nothing arrives any more, such as those of last month.

Where names grow with time, a listing of the whole container is mostly history. A sweep lists it once a day
and notes which ranges are cold; until the next day, the others list only what is outside of them. A blob that
arrives in a cold range without an event waits for the next whole listing.

A new folder or sensor should not wait. One in use has newer names behind its cold ones, so a name that sorts
beside it is in no range. Beside a top-level folder that is not in use any more, it is in none if that folder
has many names: there a range is cut. Cuts at smaller or deeper folders would take a request each, for little.

A range is what storage lists between two names. Its order is documented as alphabetical, no more: so names
are compared only as far as all orders that it is known to use agree, and names are left out only if the
listing begins at the name from which it was requested.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from heapq import nlargest

from pipeline.errors import StorageError
from pipeline.storage.container import Container
from pipeline.storage.listing import PAGE, BlobInfo

COLD_AFTER = timedelta(days=2)
"""A range is cold if its newest blob arrived longer ago."""
WHOLE_EVERY = timedelta(days=1)
"""Longest time between two listings of the whole container."""
LEAST = PAGE
"""Names in a range: one that is shorter saves no request."""
CUT = 10 * PAGE
"""Names after which a range ends with its top-level folder: cuts take at most a tenth of what ranges save."""
MOST = 1_000
"""Ranges to note, which each sweep reads; with more, the shortest are listed."""
_SPARE = 200
"""Names to request beyond those that are expected."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ColdRange:
    """The names from `first` to `last`, in the order of a listing."""

    first: str
    last: str
    before: int
    """Number of names between the previous range and this one."""


def list_outside(container: Container, cold: Sequence[ColdRange]) -> Iterator[BlobInfo]:
    """All blobs that are not in one of the ranges.

    All blobs of the container follow, some a second time, if a listing does not begin with the last name of a
    range: the blob was deleted, or the server refuses `startFrom`, or ignores it as Azurite does before 3.37.
    """
    start = ""
    for part in (*cold, None):
        blobs = container.list(start_from=start, page=_page(part))
        if start and not _begins(blobs, start):
            yield from container.list()
            return
        for blob in blobs:
            if part and (blob.name == part.first or _surely_before(part.first, blob.name)):
                start = part.last
                break
            yield blob
        else:
            return


def _begins(blobs: Iterator[BlobInfo], name: str) -> bool:
    """Whether the first blob, which is taken, has this name; if storage fails, so does the whole listing."""
    try:
        first = next(blobs, None)
    except StorageError as error:
        logger.info("a listing from a name has failed: %s", error)
        return False
    return first is not None and first.name == name


def _page(part: ColdRange | None) -> int:
    """Names to request at once before a range: blobs arrive there, but few of the range should be listed."""
    return min(PAGE, 2 * part.before + _SPARE) if part else PAGE


@dataclass(slots=True)
class _Run:
    """Cold names that follow each other."""

    first: str
    last: str
    begins: int
    """Place of the first name in the listing."""
    ends: int
    """Place behind the last name."""

    @property
    def names(self) -> int:
        return self.ends - self.begins


class ColdRanges:
    """Finds cold ranges while a whole container is listed."""

    def __init__(self, now: datetime) -> None:
        self._limit = now - COLD_AFTER
        self._runs: list[_Run] = []
        self._ordered = True

    def record(self, blobs: Iterator[BlobInfo]) -> Iterator[BlobInfo]:
        """The same blobs; records which names are cold."""
        previous = ""
        for place, blob in enumerate(blobs):
            if blob.name < previous and _surely_before(blob.name, previous):
                self._ordered = False
            previous = blob.name
            if blob.last_modified < self._limit:
                self._add(blob.name, place)
            yield blob

    def found(self) -> tuple[ColdRange, ...]:
        """The ranges in the order of the listing; none if that is in no known order."""
        runs = [run for run in self._runs if run.names >= LEAST and self._ordered]
        runs = sorted(nlargest(MOST, runs, key=lambda run: run.names), key=lambda run: run.begins)
        ends = (0, *(run.ends for run in runs))
        return tuple(
            ColdRange(run.first, run.last, run.begins - end) for end, run in zip(ends, runs, strict=False)
        )

    def _add(self, name: str, place: int) -> None:
        run = self._runs[-1] if self._runs else None
        if run and run.ends == place and (run.names < CUT or _top(run.last) == _top(name)):
            run.last, run.ends = name, place + 1
            return
        if run and run.names < LEAST:
            self._runs.pop()
        self._runs.append(_Run(name, name, place, place + 1))


def _top(name: str) -> str:
    """The top-level folder; '' if there is none."""
    return name[: name.find("/") + 1]


def _surely_before(one: str, other: str) -> bool:
    """Whether storage lists `one` before `other`, in each order that it is known to use."""
    return all(first < second for first, second in zip(_keys(one), _keys(other), strict=True))


def _keys(name: str) -> Iterator[bytes]:
    """What storage can sort a name by.

    UTF-16 in Azure and Azurite; with a hierarchical namespace, folder by folder, so '/' is before all others.
    """
    for text in (name, name.replace("/", "\0")):
        yield text.encode()
        yield text.encode("utf-16-be")
