"""A page in the preds container that several processes write: only over the version that they have read.

A process that lost the race makes the page again, from what is stored then.
"""

import logging
from collections.abc import Callable, Mapping

from pipeline.errors import AlreadyExists, Changed
from pipeline.storage.container import Container
from pipeline.storage.listing import BlobInfo

TRIES = 10
"""After this number of tries the next run that finishes updates the page."""

logger = logging.getLogger(__name__)


def keep_updated(preds: Container, name: str, update: Callable[[], bool]) -> None:
    """Call `update` until it returns True, at most `TRIES` times. An error is logged and harms no run."""
    page = f"{preds.name}/{name}"
    try:
        if not any(update() for _ in range(TRIES)):
            logger.info("%s is not updated: other processes keep writing it, and the next run does too", page)
    except Exception as error:  # noqa: BLE001 - no error of the page may fail a run
        logger.warning("%s is not updated: %s", page, error)


def write_over(
    preds: Container, name: str, before: BlobInfo | None, data: bytes, metadata: Mapping[str, str]
) -> bool:
    """Write the page over the version `before`, or anew; False if another process was faster."""
    try:
        if before:
            preds.replace(name, data, before.etag, metadata=metadata)
        else:
            preds.create(name, data, metadata=metadata)
    except (AlreadyExists, Changed):
        return False
    return True
