"""Claims: which run scores a landing. Each is a blob, created once; its text and metadata name the run.

    runs/landings/<32 hex>      created with If-None-Match: *; of two runs that want a landing, one gets it

A claim passes to a later try of its run, and to no other run. For many landings at once, one listing answers
most requests: a sweep that was interrupted while it claimed a large backlog continues where it stopped,
without a request for each landing.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from itertools import compress, islice

from pipeline.errors import AlreadyExists, Changed, NotFound
from pipeline.runs.names import split_try
from pipeline.storage.account import in_parallel
from pipeline.storage.container import Container
from pipeline.storage.listing import BlobInfo

FOLDER = "landings/"

MANY = 100
"""From this many landings on, list: a page takes about as long as this many requests."""
_LISTED_EACH = 50
"""Most claims that are listed for each landing: beyond that, single requests are faster."""


def path(key: str) -> str:
    """Path of the claim on a landing."""
    return FOLDER + key


def holder(container: Container, key: str) -> str | None:
    """The run that has claimed a landing; None if no run has: one request."""
    claim = container.find(path(key))
    return None if claim is None else claim.metadata.get("run")


def unheld(container: Container, keys: Collection[str]) -> set[str]:
    """The keys of landings that no run has claimed; a claim made at this moment can be missed."""
    free, listing = set(keys), _Listing(container, len(keys), metadata=False)
    for key, _ in listing:
        free.discard(key)
    unlisted = [key for key in free if not listing.covers(key)]
    found = in_parallel(lambda key: container.exists(path(key)), unlisted)
    free.difference_update(compress(unlisted, found))
    return free


def take(container: Container, keys: Sequence[str], run: str) -> list[bool]:
    """Claim each of these landings for `run`; returns which of them it has now.

    A claim that has the name of `run` counts; a claim of an earlier try of the same run passes to it.
    """
    wanted = set(keys)
    listing = _Listing(container, len(keys), metadata=True)
    found = {key: (claim.metadata.get("run"), claim.etag) for key, claim in listing if key in wanted}

    def taken(key: str) -> bool:
        holder, etag = found.get(key, (None, ""))
        if holder is None:
            return _take(container, key, run)
        if holder == run:
            return True
        return _is_earlier_try(holder, run) and _take_over(container, key, run, etag)

    return in_parallel(taken, keys)


class _Listing:
    """The claims in order of their keys, with those keys: as many as pay for `count` landings."""

    def __init__(self, container: Container, count: int, *, metadata: bool) -> None:
        self._blobs = container.list(FOLDER, metadata=metadata)
        self._left = _LISTED_EACH * count if count >= MANY else 0
        self._end: str | None = ""
        """The last key that was listed; None after all of them."""

    def __iter__(self) -> Iterator[tuple[str, BlobInfo]]:
        for blob in islice(self._blobs, self._left):
            self._end, self._left = blob.name.removeprefix(FOLDER), self._left - 1
            yield self._end, blob
        if self._left:
            self._end = None

    def covers(self, key: str) -> bool:
        """Whether a claim on this landing was listed, if there is one."""
        return self._end is None or key <= self._end


def _take(container: Container, key: str, run: str) -> bool:
    """Create the claim, or take it over from an earlier try, even if it changes in the meantime."""
    while True:
        try:
            container.create(path(key), run.encode(), metadata={"run": run})
        except AlreadyExists as taken:
            if not _is_earlier_try(taken.found.decode(errors="replace"), run):
                return False
        else:
            return True
        with suppress(NotFound):
            claim = container.read(path(key))
            if _is_earlier_try(claim.data.decode(errors="replace"), run):
                return _take_over(container, key, run, claim.etag)


def _take_over(container: Container, key: str, run: str, etag: str) -> bool:
    try:
        container.replace(path(key), run.encode(), etag, metadata={"run": run})
    except (Changed, NotFound):  # another process changed it: check again
        return _take(container, key, run)
    return True


def _is_earlier_try(holder: str, run: str) -> bool:
    base, number = split_try(run)
    holders_base, holders_number = split_try(holder)
    return holders_base == base and holders_number < number
