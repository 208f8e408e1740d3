"""Holding on through an outage within one call.

The Functions host tries a blob five times within a second, and then moves its message to the poison queue.
So a call itself waits until storage and the engine respond again.
"""

import logging
import random
import time
from collections.abc import Callable
from datetime import timedelta
from itertools import count

from pipeline.errors import PipelineError

FIRST_WAIT = 1.0
"""Seconds before the second attempt; each further wait is twice as long, minus up to half at random."""
LONGEST_WAIT = 10.0
"""Seconds: about this long after an outage, all held calls have continued."""

logger = logging.getLogger(__name__)


def hold[Answer](
    ask: Callable[[], Answer],
    most: timedelta,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Answer:
    """The answer of `ask`, which is repeated after temporary errors, for `most` in total.

    It must be safe to repeat.
    """
    began = clock()
    for tried in count():
        since = clock()
        try:
            return ask()
        except PipelineError as error:
            now = clock()
            wait = min(FIRST_WAIT * 2 ** min(tried, 10), LONGEST_WAIT) * random.uniform(0.5, 1.0)  # noqa: S311
            # The next attempt can take as long: it must end in time, too, or the host kills the process.
            ends = now + wait + (now - since)
            if not error.temporary or ends - began > most.total_seconds():
                raise
            logger.warning("holding on for %.0f s now, trying again in %.1f s: %s", now - began, wait, error)
        sleep(wait)
    raise AssertionError("the last attempt returns or raises")
