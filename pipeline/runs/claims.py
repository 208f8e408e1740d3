"""Claims: which run scores a landing. Each is a blob, created once; its text and metadata name the run.

    runs/landings/<32 hex>      created with If-None-Match: *; of two runs that want a landing, one gets it

A claim passes to a later try of its run, and to no other run. For many landings at once, one listing answers
most requests: a sweep that was interrupted while it claimed a large backlog continues where it stopped,
without a request for each landing.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice

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


def held(container: Container, keys: Sequence[str]) -> list[bool]:
    """Whether a run has claimed each of these landings; a claim made at this moment can be missed."""
    listed = _list(container, keys, metadata=False)

    def is_held(key: str) -> bool:
        return key in listed.claims if listed.covers(key) else container.exists(path(key))

    return in_parallel(is_held, keys)


def take(container: Container, keys: Sequence[str], run: str) -> list[bool]:
    """Claim each of these landings for `run`; returns which of them it has now.

    A claim that has the name of `run` counts; a claim of an earlier try of the same run passes to it.
    """
    listed = _list(container, keys, metadata=True)

    def taken(key: str) -> bool:
        claim = listed.claims.get(key)
        holder = claim.metadata.get("run") if claim else None
        if claim is None or holder is None:
            return _take(container, key, run)
        if holder == run:
            return True
        return _is_earlier_try(holder, run) and _take_over(container, key, run, claim.etag)

    return in_parallel(taken, keys)


@dataclass(frozen=True, slots=True)
class _Listed:
    """What a listing found: claims by key, up to the key `end`, or all of them."""

    claims: dict[str, BlobInfo]
    end: str | None = ""

    def covers(self, key: str) -> bool:
        """Whether the listing would contain a claim on this landing."""
        return self.end is None or key <= self.end


def _list(container: Container, keys: Sequence[str], *, metadata: bool) -> _Listed:
    if len(keys) < MANY:
        return _Listed({})
    wanted, claims, end, left = set(keys), {}, "", _LISTED_EACH * len(keys)
    for blob in islice(container.list(FOLDER, metadata=metadata), left):
        end, left = blob.name.removeprefix(FOLDER), left - 1
        if end in wanted:
            claims[end] = blob
    return _Listed(claims, None if left else end)


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
