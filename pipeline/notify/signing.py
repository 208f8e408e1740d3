"""Signatures after the Standard Webhooks specification: HMAC-SHA256 over id, time and body."""

import base64
import binascii
import hashlib
import hmac
from datetime import datetime

from pipeline.errors import NotifyError

PREFIX = "whsec_"
_LEAST_BYTES, _MOST_BYTES = 24, 64


def read_key(text: str, setting: str) -> bytes:
    """The key in the setting of that name.

    Raises:
        NotifyError: it is not a key; the message does not repeat it.
    """
    try:
        key = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        key = b""
    if not text.startswith(PREFIX) or not _LEAST_BYTES <= len(key) <= _MOST_BYTES:
        raise NotifyError(
            f"{setting}: expected {PREFIX} and base64 of {_LEAST_BYTES} to {_MOST_BYTES} bytes, "
            "found something else (not shown here, it can be a key)"
        )
    return key


def signed_headers(key: bytes | None, message_id: str, body: bytes, now: datetime) -> dict[str, str]:
    """The headers of a message; without a key it has an id and no signature."""
    timestamp = str(int(now.timestamp()))
    headers = {"webhook-id": message_id, "webhook-timestamp": timestamp}
    if key is not None:
        content = f"{message_id}.{timestamp}.".encode() + body
        digest = hmac.new(key, content, hashlib.sha256).digest()
        headers["webhook-signature"] = f"v1,{base64.b64encode(digest).decode()}"
    return headers
