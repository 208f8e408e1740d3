"""Retries of storage requests; each is logged.

The policy of the storage SDK logs nothing, waits for minutes, and does not retry after 429. Imported only
when `pipeline.storage.account` connects.
"""

import logging
import random
import time
from typing import Any

from azure.core.exceptions import HttpResponseError, ServiceRequestError, ServiceResponseError
from azure.core.pipeline import PipelineRequest, PipelineResponse
from azure.storage.blob import ExponentialRetry

from pipeline.storage.sdk_errors import is_no_answer, root_cause

TRIES = 5
FIRST_WAIT = 0.25
"""Seconds before the second try; each further wait is twice as long, minus a random part of up to half."""
LONGEST_WAIT = 30.0
"""Longest Retry-After, in seconds, that is respected."""
PATIENCE = 30.0
"""No further try after this many seconds."""

_PASSING = frozenset({408, 429, 500, 502, 503, 504})

logger = logging.getLogger("pipeline.storage")


class Retries(ExponentialRetry):
    """Retries a request after a transient failure: no response, 408, 429, 500, 502 to 504."""

    def send(self, request: PipelineRequest[Any]) -> PipelineResponse[Any, Any]:
        """Send the request, with retries."""
        options = self.configure_retries(request)  # consumes the options of the SDK's own policy
        # The SDK drops the hook if the first try gets no response.
        hook = request.context.options.pop("raw_response_hook", None)
        body, start = request.http_request.body, options["body_position"]
        began = time.monotonic()
        for tried in range(1, TRIES + 1):
            last = tried == TRIES
            try:
                response = self.next.send(request)
            except (ServiceRequestError, ServiceResponseError, HttpResponseError) as error:
                wait = _wait(tried)
                if not is_no_answer(error) or last or time.monotonic() - began + wait > PATIENCE:
                    raise
                why = f"did not respond ({root_cause(error)})"
            else:
                status = response.http_response.status_code
                wait = _wait(tried, response.http_response.headers.get("Retry-After"))
                if status not in _PASSING or last or time.monotonic() - began + wait > PATIENCE:
                    response.http_response.location_mode = options["mode"]  # the SDK reads it again
                    if hook is not None:
                        hook(response)
                    return response
                why = f"returned {status}"
            url = request.http_request.url.partition("?")[0]  # the query can hold a signature
            logger.warning(
                "storage %s to %s %s: trying again in %.1f s (%d of %d)",
                *(request.http_request.method, url, why, wait, tried + 1, TRIES),
                extra={"alike": (why, tried)},
            )
            if start is not None:
                body.seek(start)
            time.sleep(wait)
        raise AssertionError("the last try returns or raises")


def _wait(tried: int, retry_after: str | None = None) -> float:
    if retry_after is not None and retry_after.isascii() and retry_after.isdecimal():
        return min(float(retry_after), LONGEST_WAIT)
    longest: float = FIRST_WAIT * 2 ** (tried - 1)
    return longest * random.uniform(0.5, 1.0)  # noqa: S311 - spreads the load, protects no secret
