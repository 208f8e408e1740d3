"""Runs that a person requests: for some blobs, or for a range of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from pipeline.clock import utc_text
from pipeline.errors import InvalidRequest
from pipeline.flow.context import Context
from pipeline.flow.submit import Submission, submit, to_landing
from pipeline.runs.landing import Landing, is_text, skipped_because
from pipeline.runs.names import given_run, manual_run
from pipeline.runs.record import Cause, CauseKind
from pipeline.storage.account import in_parallel
from pipeline.storage.listing import BlobInfo


@dataclass(frozen=True, slots=True)
class Request:
    """What to score: `blobs`, or if that is None every blob of a range; `str()` describes it."""

    blobs: Sequence[str] | None = None
    prefix: str = ""
    """How the names of the range begin."""
    since: datetime | None = None
    """When the blobs of the range were last modified: at this time or later."""
    until: datetime | None = None
    """Before this time."""

    def __str__(self) -> str:
        if self.blobs is not None:
            return self.blobs[0] if len(self.blobs) == 1 else f"{len(self.blobs):,} blobs"
        parts = [f"start with {self.prefix!r}"] if self.prefix else []
        parts += [f"were last modified at {utc_text(self.since)} or later"] if self.since else []
        parts += [f"were last modified before {utc_text(self.until)}"] if self.until else []
        return f"all blobs that {' and '.join(parts)}" if parts else "everything"

    def includes(self, blob: BlobInfo) -> bool:
        """Whether a blob was last modified in the range."""
        time = blob.last_modified
        return (self.since is None or time >= self.since) and (self.until is None or time < self.until)


def submit_manual(
    context: Context, request: Request, *, name: str | None = None, again: bool = False, random_hex: str
) -> Submission:
    """Score what is requested, as one run.

    `name` is the name of the run; without one, it is made from the time and `random_hex` (six hex digits). If
    a run of that name exists, nothing is submitted. `again` also scores landings of other runs.
    The limit of active runs does not apply: a person requested the run.

    Raises:
        InvalidRequest: a blob does not exist or cannot be a landing, or there is none in the range.
        InvalidRunName: `name` cannot name a run.
    """
    run = manual_run(context.clock(), random_hex) if name is None else given_run(name)
    landings = requested_landings(context, request)
    return submit(context, run, Cause(CauseKind.MANUAL, str(request)), landings, claims=not again)


def requested_landings(context: Context, request: Request) -> list[Landing]:
    """The landings of a request.

    Raises:
        InvalidRequest: a blob does not exist or cannot be a landing, or there is none in the range.
    """
    if request.blobs is not None:
        return _named(context, request.blobs)
    if not is_text(request.prefix):
        raise InvalidRequest(f"the name of a blob cannot start with {request.prefix!r}")
    landings = [
        to_landing(blob)
        for blob in context.store.data.list(request.prefix)
        if request.includes(blob) and not skipped_because(blob.name, blob.size)
    ]
    if not landings:
        raise InvalidRequest(f"container {context.store.data.name!r} has nothing to score: {request}")
    return landings


def _named(context: Context, blobs: Sequence[str]) -> list[Landing]:
    def find(name: str) -> Landing | str:
        if reason := skipped_because(name):
            return f"{name!r} cannot be scored: {reason}"
        blob = context.store.data.find(name)
        if blob is None:
            return f"{name!r} does not exist"
        reason = skipped_because(name, blob.size)
        return f"{name!r} cannot be scored: {reason}" if reason else to_landing(blob)

    if not blobs:
        raise InvalidRequest("give the name of at least one blob")
    found = in_parallel(find, dict.fromkeys(blobs))
    if problems := [answer for answer in found if isinstance(answer, str)]:
        raise InvalidRequest(f"in container {context.store.data.name!r}: {'; '.join(problems)}")
    return [landing for landing in found if isinstance(landing, Landing)]
