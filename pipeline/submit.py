"""From a cause to a submitted run, in steps that can be taken again wherever they broke off.

    1  marker      open/<run>                   so that the sweep finds what follows
    2  record      <run>/record.json, pending   If-None-Match: *; one delivery of a cause gets it
    3  manifest    <run>/manifest.json          candidate landings
    4  claims      landings/<hash>              If-None-Match: *; what others hold leaves the manifest
    5  submission  to the engine, under the run's name, which it takes once
    6  record      submitted

A process that dies between 1 and 2 leaves a marker without a record: nothing is claimed, and the sweep
closes it. From 2 on the record is pending, and the sweep takes the run up again from step 3.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from pipeline.context import Context
from pipeline.landings import Landing
from pipeline.runs import Cause, RunRecord


class Outcome(StrEnum):
    """What became of a cause."""

    SUBMITTED = "submitted"
    ALREADY = "already"  # this very cause has its run
    EMPTY = "empty"  # other runs had claimed all of its landings
    DEFERRED = "deferred"  # too many active runs: left to the next sweep
    SKIPPED = "skipped"  # this blob is never a landing
    GONE = "gone"  # the blob is not there any more


@dataclass(frozen=True, slots=True)
class Submission:
    """The answer to a cause; `str()` is one line for logs and people."""

    outcome: Outcome
    run: str | None
    reason: str

    def __str__(self) -> str:
        return self.reason


def submit_landing(context: Context, name: str) -> Submission:
    """Score the blob `name` of the data container as it is now, unless it has its run already.

    Safe to call again, anywhere, any number of times. Raises what may pass (storage, engine, nothing
    published), so that the caller's host tries again; what can never succeed is an outcome.
    """
    raise NotImplementedError


def submit_manual(
    context: Context,
    *,
    blobs: Sequence[str] = (),
    prefix: str | None = None,
    name: str | None = None,
    again: bool = False,
    random_hex: str,
) -> Submission:
    """Score the blobs that a person names, or all that start with `prefix` ("" for everything), as one run.

    `name` is the run's name, made from the time and `random_hex` (six hex digits) where it is None; a run of
    that name that exists is the answer. `again` scores landings that other runs have claimed, too. There is
    no limit of active runs here: a person asked for it.

    Raises:
        UsageError: a named blob is not there or is never a landing, or nothing starts with `prefix`.
        InvalidRunName: `name` cannot name a run.
    """
    raise NotImplementedError


def submit(
    context: Context,
    run: str,
    cause: Cause,
    landings: Sequence[Landing],
    *,
    tries: int = 1,
    claims: bool = True,
) -> Submission:
    """Take all steps for a new run; ALREADY where there is one of its name."""
    raise NotImplementedError


def take_up(context: Context, record: RunRecord) -> Submission:
    """Take a pending run's steps again, from the manifest on, under its own name."""
    raise NotImplementedError
