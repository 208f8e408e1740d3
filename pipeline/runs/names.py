"""Names of runs and keys of landings: the same cause gives the same name, each time and on each machine.

    a landing        blob-<32 hex>             the landing's key
    a timer tick     timer-20261123-050000     the tick's scheduled time, UTC
    manually         manual-20261123-045912-3fa94c, or the given name
    a retry of it    <name>-2, <name>-3, ...

A run's name is also the name of its job on Azure Machine Learning and of its folder in storage.
"""

import hashlib
import re
from datetime import UTC, datetime

from pipeline.errors import InvalidRunName
from pipeline.storage.etag import plain_etag

RUN_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_-]{0,254}")
"""What Azure Machine Learning accepts as a job's name."""

MAX_GIVEN_NAME = 200
"""Longest name that a person can give: retries append to it, and logs and labels show it."""

RESERVED = frozenset({"ended", "landings", "open", "published"})
"""Folders in the runs container that are not runs."""

_DATE = re.compile(
    r"(?<!\d)(?:19|20)\d\d(?P<between>[-_./]?)\d\d"
    r"(?:(?P=between)\d\d(?:[-_ T]\d{6}|T\d\d(?:[-_.:]?\d\d){0,2})?Z?)?(?!\d)"
    r"|(?<!\d)\d{10,}(?!\d)"
)
"""A date with or without a time, or a time as one long number. Shorter numbers can be those of sites."""

_TRY = re.compile(r"(?P<base>.+)-(?P<number>[2-9]|[1-9][0-9]{1,2})")


def landing_key(account: str, container: str, name: str, etag: str) -> str:
    """32 hex digits that identify one blob at one ETag; no blob name or ETag contains a NUL."""
    text = "\0".join((account, container, name, plain_etag(etag)))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def blob_run(key: str) -> str:
    """Name of the run of one landing."""
    return f"blob-{key}"


def series(name: str) -> str:
    """16 hex digits that identify all landings whose names differ only by dates and times."""
    return hashlib.sha256(_DATE.sub("*", name).encode(errors="replace")).hexdigest()[:16]


def timer_run(tick: datetime) -> str:
    """Name of the run of one timer tick, by its scheduled time."""
    return f"timer-{_stamp(tick)}"


def manual_run(now: datetime, random_hex: str) -> str:
    """Name of a run that a person submits; `random_hex` is six hex digits."""
    return f"manual-{_stamp(now)}-{random_hex}"


def given_run(name: str) -> str:
    """`name`, if it is allowed as the name of a run.

    Raises:
        InvalidRunName: it has other characters, is reserved, or looks like a retry of another run.
    """
    if not RUN_NAME.fullmatch(name) or len(name) > MAX_GIVEN_NAME:
        raise InvalidRunName(
            f"{name[:80]!r} cannot name a run: use up to {MAX_GIVEN_NAME} letters, digits, '-' and '_', "
            "a letter or digit first"
        )
    if name in RESERVED:
        raise InvalidRunName(
            f"{name!r} cannot name a run: storage uses this name for other data; choose another name"
        )
    if _TRY.fullmatch(name):
        raise InvalidRunName(f"{name!r} cannot name a run: this suffix marks retries; choose another name")
    return name


def split_try(run: str) -> tuple[str, int]:
    """The name that all tries of a run share, and the number of this try, from 1."""
    found = _TRY.fullmatch(run)
    return (found["base"], int(found["number"])) if found else (run, 1)


def next_try(run: str) -> str:
    """Name of the retry of `run`."""
    base, number = split_try(run)
    return f"{base}-{number + 1}"


def earlier_try(run: str) -> str | None:
    """Name of the try before `run`; None if it is the first."""
    base, number = split_try(run)
    if number == 1:
        return None
    return base if number == 2 else f"{base}-{number - 1}"  # noqa: PLR2004


def _stamp(time: datetime) -> str:
    if time.tzinfo is None:
        raise ValueError("the name of a run needs a time with a time zone")
    return f"{time.astimezone(UTC):%Y%m%d-%H%M%S}"
