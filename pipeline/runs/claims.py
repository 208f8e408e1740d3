"""Claims: which run scores a landing. Each is a blob that is made once; its text and metadata name the run.

    runs/landings/<32 hex>      made with If-None-Match: *; of two runs that want a landing, one gets it

A claim passes to a later try of its run, and to no other. Where many are asked for, one listing tells of most
of them: a sweep that was ended before it had claimed all of a large backlog goes on where it was, and need
not ask for each again.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice

from pipeline.errors import AlreadyExists, Changed, NotFound
from pipeline.runs.names import split_try
from pipeline.storage.account import in_parallel
from pipeline.storage.container import BlobInfo, Container

FOLDER = "landings/"

MANY = 300
"""From so many on a listing is made: a page of it takes about as long as so many requests, some at a time."""
_LOOKED_AT = 16
"""Claims that are listed at the most for each that is asked for: then asking for the rest is faster."""


def path(key: str) -> str:
    """Where the claim on a landing lies."""
    return FOLDER + key


def held(container: Container, keys: Sequence[str]) -> list[bool]:
    """Whether some run has each of these landings; a claim made this moment may be missed."""
    listed = _list(container, keys)

    def is_held(key: str) -> bool:
        return key in listed.claims if listed.tells_of(key) else container.exists(path(key))

    return in_parallel(is_held, keys)


def take(container: Container, keys: Sequence[str], run: str) -> list[bool]:
    """Claim each of these landings for `run`; whether it is its own now.

    One that already holds this name counts; one of an earlier try of the same run is taken over.
    """
    listed = _list(container, keys)

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
    """What a listing told: claims by key, up to some key, or all that there are."""

    claims: dict[str, BlobInfo]
    end: str | None = ""

    def tells_of(self, key: str) -> bool:
        """Whether a claim on this landing would be among them."""
        return self.end is None or key <= self.end


def _list(container: Container, keys: Sequence[str]) -> _Listed:
    if len(keys) < MANY:
        return _Listed({})
    wanted, claims, end, left = set(keys), {}, "", _LOOKED_AT * len(keys)
    for blob in islice(container.list(FOLDER, metadata=True), left):
        end, left = blob.name.removeprefix(FOLDER), left - 1
        if end in wanted:
            claims[end] = blob
    return _Listed(claims, None if left else end)


def _take(container: Container, key: str, run: str) -> bool:
    """Make the claim, or take it over from an earlier try, whatever has become of it meanwhile."""
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
    except (Changed, NotFound):  # somebody else is at it too: look again
        return _take(container, key, run)
    return True


def _is_earlier_try(holder: str, run: str) -> bool:
    base, number = split_try(run)
    holders_base, holders_number = split_try(holder)
    return holders_base == base and holders_number < number
